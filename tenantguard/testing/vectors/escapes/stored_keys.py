"""Keys that are stored differently from how they are given, or confirmed by objects that were never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Integer, bindparam, insert, literal, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeDecorator

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack

_SERVERS = ("postgresql", "mysql", "mariadb")


class _Next(TypeDecorator[int]):
    """A type that stores one more than it is given."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value + 1


def _numbers(lab: Lab, spell: Callable[[int], Any]) -> dict[str, Any]:
    """Return the victim's key, each number of it in another spelling."""
    keys = lab.pair.to(lab.pair.parent.b[0])
    if not any(type(value) is int for value in keys.values()):
        raise NotApplicable("no foreign key is a number")
    return {name: spell(value) if type(value) is int else value for name, value in keys.items()}


def _insert(lab: Lab, keys: dict[str, Any]) -> None:
    child = lab.pair.child
    lab.write(insert(child.table).values({**child.new("a"), **keys}))


@attack("writes")
def fk_rounded(lab: Lab) -> Any:
    """Name the victim's parent with a number that the database rounds to its key."""
    lab.only(*_SERVERS)
    _insert(lab, _numbers(lab, lambda number: number - 0.4))


@attack("writes")
def fk_as_text(lab: Lab) -> Any:
    """Name the victim's parent with the digits of its key."""
    lab.only("sqlite", "mysql", "mariadb")
    _insert(lab, _numbers(lab, str))


@attack("writes")
def fk_of_a_type_of_its_own(lab: Lab) -> Any:
    """Name the victim's parent with a value whose custom type stores another one."""
    _insert(lab, _numbers(lab, lambda number: literal(number - 1, _Next())))


@attack("writes")
def fk_that_changes(lab: Lab) -> Any:
    """Name the victim's parent with a parameter whose value changes when it is read again."""
    own = iter(lab.pair.to(lab.pair.parent.a[0]).values())

    def changing(number: int) -> Any:
        values = iter([number, *[next(own)] * 5])
        return bindparam(None, callable_=lambda: next(values), type_=Integer)

    _insert(lab, _numbers(lab, changing))


@attack("writes")
def fk_under_autocommit(lab: Lab) -> Any:
    """Name the victim's parent after the attacker's own, where each statement is a transaction."""
    p = lab.pair
    connection = lab.connect().execution_options(isolation_level="AUTOCOMMIT")
    changed = update(p.child.table).where(p.child.match(p.child.a[0]))
    connection.execute(changed.values(p.to(p.parent.a[0])))
    connection.execute(changed.values(p.to(p.parent.b[0])))


@attack("writes")
def fk_vouched_for_by_a_computed_key(lab: Lab) -> Any:
    """Name the victim's parent while a session holds an object whose key was computed, and is the victim's."""
    p = lab.pair
    parent = p.parent
    keys = {column.key: literal(parent.b[0][column.key], column.type) for column in parent.table.primary_key}
    rows = select(*[keys.get(column.key, column).label(column.name) for column in parent.columns])
    computed = aliased(parent.cls, rows.where(parent.match(parent.a[0])).subquery(), adapt_on_names=True)
    session = lab.session()
    held = session.scalars(select(computed)).all()
    session.add(p.child.object(p.child.new("a", **p.to(parent.b[0]))))
    session.commit()
    return len(held)
