"""Values that are not what they look like: the stored value differs from the one that a look-up would see."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import TypeDecorator, bindparam, case, insert, literal, select, text, update

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


def _changing(column: Any, first: Any, then: Any) -> Any:
    """Return an expression whose parameter has one value where it is asked first, and another one after that."""
    values = itertools.chain([first], itertools.repeat(then))
    asked = bindparam("asked", callable_=lambda: next(values), type_=column.type)
    return case((literal(1) == 1, asked))


def _written(value: Any) -> Any:
    """Return a value as SQL text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise NotApplicable("the value is neither a number nor text")
    return text(str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'")


@attack("writes")
def fk_update_alias(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent through an alias, in an UPDATE of several tables."""
    p = lab.pair
    target: Any = p.child.table.alias("moved")
    values = {target.c[key]: value for key, value in p.to(p.parent.b[0]).items()}
    own = p.child.match(p.child.a[0], target)
    lab.write(update(target).where(own, p.parent.match(p.parent.a[0])).values(values))


@attack("writes")
def tenant_update_alias(lab: Lab) -> Any:
    """Give the attacker's row away through an alias, in an UPDATE of several tables."""
    o, s = lab.leaf, lab.shared
    target: Any = o.table.alias("moved")
    statement = update(target).where(o.match(o.a[0], target), s.text == s.text)
    lab.write(statement.values({target.c[o.tenant.key]: lab.b}))


@attack("writes")
def fk_insert_changing(lab: Lab) -> Any:
    """Name the victim's parent with a parameter that becomes the attacker's own when it is read again."""
    p = lab.pair
    own = p.child.new("a")
    chosen = {key: _changing(p.child.c[key], value, own[key]) for key, value in p.to(p.parent.b[0]).items()}
    if len(chosen) != 1:
        raise NotApplicable("the foreign key has several columns")
    lab.write(insert(p.child.table).values({**own, **chosen}))


@attack("writes")
def fk_update_changing(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent with such a parameter."""
    p = lab.pair
    own = p.child.a[0]
    chosen = {key: _changing(p.child.c[key], value, own[key]) for key, value in p.to(p.parent.b[0]).items()}
    if len(chosen) != 1:
        raise NotApplicable("the foreign key has several columns")
    lab.write(update(p.child.table).where(p.child.match(own)).values(chosen))


@attack("writes")
def fk_insert_select_text(lab: Lab) -> Any:
    """Insert from a select that names the victim's parent as text, which is matched to its column by position."""
    p = lab.pair
    keys = p.to(p.parent.b[0])
    row = p.child.new("a")
    chosen = [
        _written(keys[key]) if key in keys else literal(value, p.child.c[key].type)
        for key, value in row.items()
    ]
    lab.write(insert(p.child.table).from_select(list(row), select(*chosen)))


@attack("writes")
def tenant_insert_select_text(lab: Lab) -> Any:
    """Insert from a select that names the victim as such text."""
    o = lab.leaf
    row = o.new("a")
    chosen = [
        _written(lab.b) if key == o.tenant.key else literal(value, o.c[key].type)
        for key, value in row.items()
    ]
    lab.write(insert(o.table).from_select(list(row), select(*chosen)))


@attack("writes")
def tenant_of_own_type(lab: Lab) -> Any:
    """Name the attacker with a value whose custom type stores the victim."""
    o = lab.leaf

    class Renamed(TypeDecorator[Any]):
        impl = type(o.tenant.type)
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: Any) -> Any:
            return lab.b if value == lab.a else value

    lab.write(insert(o.table).values({**o.new("a"), o.tenant.key: literal(lab.a, Renamed())}))
