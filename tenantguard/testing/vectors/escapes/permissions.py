"""Permissions: rows that a member of the company, or somebody acting for one, may not read or write.

Each vector has a tenancy of its own, in which one owned table takes permissions. What leaks is a row of the attacker's
own company.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, MetaData, Table, exists, literal, select, text, update

from tenantguard.context import bind
from tenantguard.principal import Actor, Principal
from tenantguard.sql.install import guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors.judge import Leak
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack

READ, WRITE = "rows:read", "rows:write"


def _permitted(lab: Lab, permissions: Any, **options: Any) -> tuple[Any, Table]:
    """Return an engine on which an owned table takes permissions, and that table."""
    o, metadata = lab.owned, MetaData()
    if len(o.a) < 2:
        raise NotApplicable(f"{o.table.name} has one row only")
    table = Table(
        o.table.name,
        metadata,
        *[
            Column(c.name, c.type, primary_key=c.primary_key, nullable=False)
            for c in dict.fromkeys([*o.key, o.tenant, o.text])
        ],
        schema=o.table.schema,
    )
    engine = lab.kits_engine()
    if lab.guarded:
        placed = {table.fullname: o.tenant.name}
        tenancy = Tenancy(metadata, columns=placed, permissions={table.fullname: permissions})
        engine = guard(engine, tenancy, **options)
    return engine, table


def _as(lab: Lab, subject: str, *permissions: str, actor: Actor | None = None) -> bind:
    return bind(Principal(subject, lab.a, frozenset(permissions), actor=actor))


def _first(lab: Lab) -> Any:
    return lab.owned.a[0][lab.owned.text.key]


def _rule(lab: Lab) -> Callable[[Principal, Any], Any]:
    """Return a rule that shows the chief every row, and others the one whose text is their name."""
    name = lab.owned.text.name

    def own(principal: Principal, table: Any) -> Any:
        return table.c[name] == (principal.subject if READ not in principal.permissions else table.c[name])

    return own


def _leak(found: Any, what: str) -> Leak | None:
    return Leak(f"without the permission: {what}") if found else None


@attack("reads")
def permission_missing_in_a_subquery(lab: Lab) -> Any:
    """Learn by EXISTS what a table holds that takes a permission."""
    engine, table = _permitted(lab, {"read": READ})
    asked = select(literal(1)).where(exists().where(table.c[lab.owned.pk.name].is_not(None)))
    with _as(lab, "agent", WRITE):
        return _leak(lab.connect(engine).execute(asked).all(), "learned that there are rows")


@attack("writes")
def permission_missing_for_a_write(lab: Lab) -> Any:
    """Change rows that may be read alone."""
    engine, table = _permitted(lab, {"read": READ, "write": WRITE})
    change = update(table).values({lab.owned.text.name: _first(lab)})
    with _as(lab, "agent", READ):
        return _leak(lab.connect(engine).execute(change).rowcount, "changed rows")


@attack("writes")
def permission_missing_for_whoever_acts(lab: Lab) -> Any:
    """Change rows while acting for somebody who may, where reading alone was allowed."""
    engine, table = _permitted(lab, {"write": WRITE, "read": READ})
    change = update(table).values({lab.owned.text.name: _first(lab)})
    with _as(lab, "agent", READ, WRITE, actor=Actor("support", reason="attack kit", until=2e10)):
        return _leak(lab.connect(engine).execute(change).rowcount, "changed rows")


@attack("reads")
def granted_rows_by_an_overwritten_parameter(lab: Lab) -> Any:
    """Give a parameter that has the name of a permission rule's own value."""
    engine, table = _permitted(lab, _rule(lab))
    name = lab.owned.text.name
    given = {f"{name}_{n}": _first(lab) for n in range(3)}
    with _as(lab, "nobody"):
        return _leak(lab.connect(engine).execute(select(table), given).all(), "read somebody else's row")


@attack("reads")
def granted_rows_by_sql_text(lab: Lab) -> Any:
    """Read with SQL text, under another name, what a permission rule hides."""
    engine, table = _permitted(lab, _rule(lab), raw_sql="rewrite")
    preparer = engine.dialect.identifier_preparer
    name, column = preparer.format_table(table), preparer.quote(lab.owned.text.name)
    with _as(lab, "nobody"):
        asked = text(f"SELECT mine.{column} FROM {name} AS mine")  # noqa: S608 - names of the application's own
        return _leak(lab.connect(engine).execute(asked).all(), "read somebody else's row")


@attack("writes")
def granted_rows_given_away(lab: Lab) -> Any:
    """Make one of the attacker's rows somebody else's, whose rows a permission rule hides."""
    engine, table = _permitted(lab, _rule(lab))
    text_column = table.c[lab.owned.text.name]
    change = update(table).where(text_column == _first(lab)).values({text_column.name: "somebody else"})
    with _as(lab, _first(lab)):
        return _leak(lab.connect(engine).execute(change).rowcount, "gave it away")


@attack("cache")
def granted_rows_of_an_earlier_person(lab: Lab) -> Any:
    """Send the statement that a person has sent before who may see every row, on the same connection."""
    engine, table = _permitted(lab, _rule(lab))
    connection = lab.connect(engine)
    with _as(lab, "chief", READ):
        connection.execute(select(table)).all()
    with _as(lab, "nobody"):
        return _leak(connection.execute(select(table)).all(), "read somebody else's row")


@attack("reads")
def granted_rows_of_a_result_handed_on(lab: Lab) -> Any:
    """Read on the result of a person who may see every row."""
    engine, table = _permitted(lab, _rule(lab))
    with _as(lab, "chief", READ):
        result = lab.connect(engine).execute(select(table))
    with _as(lab, "nobody"):
        return _leak(result.fetchall(), "read somebody else's row")


@attack("reads")
def permission_missing_for_a_result_handed_on(lab: Lab) -> Any:
    """Read on the result of a person who may read, without that permission."""
    engine, table = _permitted(lab, {"read": READ})
    with _as(lab, "chief", READ):
        result = lab.connect(engine).execute(select(table))
    with _as(lab, "agent", WRITE):
        return _leak(result.scalars().first(), "read a row")
