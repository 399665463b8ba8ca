"""Rows moved to the victim's parent."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, literal, update

from tenantguard.testing.vectors.escapes.helpers import (
    key_expressions,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("writes")
def fk_flush_update(lab: Lab) -> Any:
    """Move a loaded object to the victim's parent."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    for key, value in p.to(p.parent.b[0]).items():
        setattr(child, key, value)
    session.commit()


@attack("writes")
def fk_flush_by_sql(lab: Lab) -> Any:
    """Move a loaded object to the victim's parent with an SQL expression."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    for key, value in p.to(p.parent.b[0]).items():
        setattr(child, key, literal(value, p.child.c[key].type))
    session.commit()


@attack("writes")
def fk_update_value(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent with a statement."""
    p = lab.pair
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))


@attack("writes")
def fk_update_parameters(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent with a parameter of many updates."""
    p = lab.pair
    (key, value), *_ = p.to(p.parent.b[0]).items()
    statement = update(p.child.table).where(p.child.pk == bindparam("k")).values({key: bindparam("v")})
    lab.write(statement, [{"k": p.child.a[0][p.child.pk.key], "v": value}])


@attack("writes")
def fk_update_expression(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent with an expression."""
    p = lab.pair
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(key_expressions(p)))


@attack("writes")
def fk_update_arithmetic(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent by adding to the key."""
    p = lab.pair
    (key, value), *_ = p.to(p.parent.b[0]).items()
    row = next((row for row in p.child.a if isinstance(row[key], int)), None)
    if row is None or not isinstance(value, int):
        raise NotApplicable("the foreign key is no integer")
    shift = value - row[key]
    lab.write(update(p.child.table).where(p.child.match(row)).values({key: p.child.c[key] + shift}))


@attack("writes")
def fk_update_orm(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent with a statement in a session."""
    p = lab.pair
    lab.orm_write(update(p.child.cls).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))


@attack("writes")
def fk_update_by_key(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent in a bulk update by primary key."""
    p = lab.pair
    session = lab.session()
    session.execute(update(p.child.cls), [{**p.child.keys_of(p.child.a[0]), **p.to(p.parent.b[0])}])
    session.commit()


@attack("writes")
def fk_bulk_update_mappings(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent in the legacy bulk update."""
    p = lab.pair
    session = lab.session()
    session.bulk_update_mappings(p.child.cls, [{**p.child.keys_of(p.child.a[0]), **p.to(p.parent.b[0])}])
    session.commit()


@attack("writes")
def fk_merge(lab: Lab) -> Any:
    """Merge one of the attacker's objects that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.merge(p.child.object({**p.child.a[0], **p.to(p.parent.b[0])}))
    session.commit()


@attack("writes")
def fk_update_from_second_table(lab: Lab) -> Any:
    """Take the key of the victim's parent from the second table of UPDATE ... FROM."""
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    lab.write(statement.values(dict(p.link)))


@attack("writes")
def fk_tree_update(lab: Lab) -> Any:
    """Move the attacker's row below the victim's row of the same table."""
    t = lab.tree
    lab.write(update(t.child.table).where(t.child.match(t.child.a[-1])).values(t.to(t.parent.b[0])))
