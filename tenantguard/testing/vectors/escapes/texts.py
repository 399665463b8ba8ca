"""Whole statements as SQL text."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import (
    bindparam,
    column,
    select,
    text,
)
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from tenantguard.testing.vectors.escapes.helpers import (
    all_of,
    column_of,
    name_of,
    text_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Row, Shape
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("raw SQL")
def text_select(lab: Lab) -> Any:
    """Execute SQL text on a connection."""
    return lab.rows(text(all_of(lab, lab.owned)))


@attack("raw SQL")
def text_select_in_session(lab: Lab) -> Any:
    """Execute SQL text in a session."""
    return lab.session().execute(text(all_of(lab, lab.owned))).all()


@attack("raw SQL")
def text_select_of_through(lab: Lab) -> Any:
    """Read a table without a tenant column with SQL text."""
    return lab.rows(text(all_of(lab, lab.part.child)))


@attack("raw SQL")
def text_select_aliased(lab: Lab) -> Any:
    """Read a table with SQL text that gives it another name."""
    return lab.rows(text(f"SELECT x.* FROM {name_of(lab, lab.owned)} AS x"))


@attack("raw SQL")
def text_select_in_subquery(lab: Lab) -> Any:
    """Read a table in a subquery of SQL text."""
    return lab.rows(text(f"SELECT {text_of(lab, lab.owned)}"))


@attack("raw SQL")
def text_select_in_expression(lab: Lab) -> Any:
    """Read a table in a common table expression of SQL text that shadows its name."""
    name = name_of(lab, lab.owned)
    lab.only("postgresql", "mysql", "mariadb")
    return lab.rows(text(f"WITH {name} AS (SELECT * FROM {name}) SELECT * FROM {name}"))


@attack("raw SQL")
def text_select_in_union(lab: Lab) -> Any:
    """Read a table in the second half of a union."""
    o, s = lab.owned, lab.shared
    return lab.rows(
        text(
            f"SELECT {column_of(lab, s.text)} FROM {name_of(lab, s)}"
            f" UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
        )
    )


@attack("raw SQL")
def text_select_commented(lab: Lab) -> Any:
    """Read a table with SQL text full of comments."""
    return lab.rows(text(f"/* nothing */ SELECT * -- nothing\nFROM {name_of(lab, lab.owned)} /* more */"))


@attack("raw SQL")
def text_select_full_join(lab: Lab) -> Any:
    """Read a table on the outer side of a join in SQL text."""
    o, s = lab.owned, lab.shared
    return lab.rows(text(f"SELECT o.* FROM {name_of(lab, s)} s LEFT JOIN {name_of(lab, o)} o ON 1=1"))


@attack("raw SQL")
def text_select_or_true(lab: Lab) -> Any:
    """Widen the condition of SQL text with OR."""
    o = lab.owned
    column_ = column_of(lab, o.tenant)
    statement = text(f"SELECT * FROM {name_of(lab, o)} WHERE {column_} = :t OR 1=1")
    return lab.rows(statement.bindparams(bindparam("t", lab.a, o.tenant.type)))


@attack("raw SQL")
def text_update(lab: Lab) -> Any:
    """Update with SQL text."""
    lab.write(text(f"UPDATE {name_of(lab, lab.owned)} SET {column_of(lab, lab.owned.text)} = 'taken'"))


@attack("raw SQL")
def text_delete(lab: Lab) -> Any:
    """Delete with SQL text."""
    lab.write(text(f"DELETE FROM {name_of(lab, lab.leaf)}"))


def text_insert_of(lab: Lab, shape: Shape, row: Row) -> Any:
    """Return an INSERT as text with a parameter of the column's type for each value."""
    names = ", ".join(column_of(lab, shape.c[key]) for key in row)
    values = ", ".join(f":v{n}" for n in range(len(row)))
    typed = [bindparam(f"v{n}", value, type_=shape.c[key].type) for n, (key, value) in enumerate(row.items())]
    return text(f"INSERT INTO {name_of(lab, shape)} ({names}) VALUES ({values})").bindparams(*typed)


@attack("raw SQL")
def text_insert(lab: Lab) -> Any:
    """Insert a row of the victim's with SQL text."""
    lab.write(text_insert_of(lab, lab.leaf, lab.leaf.complete("b")))


@attack("raw SQL")
def text_insert_foreign_key(lab: Lab) -> Any:
    """Insert, with SQL text, a row of the attacker's that refers to the victim's parent."""
    p = lab.pair
    lab.write(text_insert_of(lab, p.child, p.child.complete("a", **p.to(p.parent.b[0]))))


@attack("raw SQL")
def text_update_tenant(lab: Lab) -> Any:
    """Give the attacker's row to the victim with SQL text."""
    o = lab.leaf
    name = column_of(lab, o.tenant)
    statement = text(f"UPDATE {name_of(lab, o)} SET {name} = :b WHERE {name} = :a")
    typed = (bindparam("a", lab.a, o.tenant.type), bindparam("b", lab.b, o.tenant.type))
    lab.write(statement.bindparams(*typed))


@attack("raw SQL")
def text_update_tenant_beside(lab: Lab) -> Any:
    """Give the attacker's row to the victim with SQL text that gives another row to the attacker."""
    lab.only("mysql", "mariadb")
    o = lab.leaf
    if o.tenant.primary_key or len(o.a) < 2:
        raise NotApplicable("MariaDB does not set a key of a table that is joined to itself")
    name, tenant, key = name_of(lab, o), column_of(lab, o.tenant), column_of(lab, o.pk)
    tables, rows = f"{name} AS x JOIN {name} AS y", f"x.{key} = :one AND y.{key} = :two"
    statement = text(f"UPDATE {tables} SET x.{tenant} = :b, y.{tenant} = :a WHERE {rows}")
    typed = [bindparam(which, value, o.tenant.type) for which, value in (("a", lab.a), ("b", lab.b))]
    keys = [bindparam(which, o.a[at][o.pk.key], o.pk.type) for at, which in enumerate(("one", "two"))]
    lab.write(statement.bindparams(*typed, *keys))


@attack("raw SQL")
def from_statement_text(lab: Lab) -> Any:
    """Load objects from SQL text."""
    o = lab.owned
    return lab.session().scalars(select(o.cls).from_statement(text(all_of(lab, o)))).all()


@attack("raw SQL")
def legacy_from_statement(lab: Lab) -> Any:
    """Load objects from SQL text with the legacy query."""
    o = lab.owned
    return lab.session().query(o.cls).from_statement(text(all_of(lab, o))).all()


@attack("raw SQL")
def textual_select(lab: Lab) -> Any:
    """Give SQL text its columns and select it."""
    o = lab.owned
    return lab.rows(text(all_of(lab, o)).columns(o.pk))


@attack("raw SQL")
def textual_select_as_subquery(lab: Lab) -> Any:
    """Use SQL text with columns as a subquery."""
    o = lab.owned
    inner = (
        text(f"SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}")
        .columns(column(o.text.name))
        .subquery()
    )
    return lab.rows(select(inner))


@attack("raw SQL")
def textual_select_as_cte(lab: Lab) -> Any:
    """Use SQL text with columns as a common table expression."""
    o = lab.owned
    inner = (
        text(f"SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}")
        .columns(column(o.text.name))
        .cte("inner_text")
    )
    return lab.rows(select(inner))


@attack("raw SQL")
def textual_select_aliased_class(lab: Lab) -> Any:
    """Map a class to SQL text used as a subquery."""
    o = lab.owned
    names = ", ".join(column_of(lab, c) for c in o.columns)
    inner = text(f"SELECT {names} FROM {name_of(lab, o)}").columns(*o.table.columns).subquery("inner_text")
    return lab.session().scalars(select(aliased(o.cls, inner))).all()


@attack("raw SQL")
def schema_reflection_query(lab: Lab) -> Any:
    """Read a scalar through the session with SQL text."""
    return lab.session().scalar(text(f"SELECT {text_of(lab, lab.owned)}"))


@attack("raw SQL")
def explain_text(lab: Lab) -> Any:
    """Run a statement behind EXPLAIN ANALYZE."""
    lab.only("postgresql")
    o = lab.owned
    lab.write(text(f"EXPLAIN ANALYZE UPDATE {name_of(lab, o)} SET {column_of(lab, o.text)} = 'taken'"))


@attack("raw SQL")
def several_statements(lab: Lab) -> Any:
    """Send two statements as one text."""
    lab.only("postgresql")
    o, s = lab.owned, lab.shared
    connection = lab.connect()
    both = f"SELECT 1 FROM {name_of(lab, s)}; UPDATE {name_of(lab, o)} SET {column_of(lab, o.text)} = 'taken'"
    with suppress(ResourceClosedError):
        connection.execute(text(both))
    connection.commit()


@attack("raw SQL")
def do_block(lab: Lab) -> Any:
    """Run a statement inside a DO block."""
    lab.only("postgresql")
    o = lab.owned
    lab.write(text(f"DO $$ BEGIN UPDATE {name_of(lab, o)} SET {column_of(lab, o.text)} = 'taken'; END $$"))


@attack("raw SQL")
def text_with_percent_comment(lab: Lab) -> Any:
    """Hide a table in a MariaDB comment that the server executes."""
    lab.only("mysql", "mariadb")
    return lab.rows(text(f"SELECT 1 /*! UNION ALL SELECT {text_of(lab, lab.owned)} */"))


@attack("raw SQL")
def text_quoted_in_other_ways(lab: Lab) -> Any:
    """Quote the table's name in a way that another database would read as text."""
    lab.only("sqlite", "mysql", "mariadb")
    return lab.rows(text(f"SELECT * FROM `{lab.owned.table.name}`"))


@attack("raw SQL")
async def async_text(lab: Lab) -> Any:
    """Execute SQL text in an asynchronous session."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine) as session:
            return (await session.execute(text(all_of(lab, lab.owned)))).all()
    finally:
        await engine.dispose()


@attack("raw SQL")
def text_sequence_of_a_key(lab: Lab) -> Any:
    """Read by a text how many rows all tenants have stored, from the sequence of a table's key."""
    lab.only("postgresql")
    o = lab.owned
    sequence = lab.peek(f"SELECT pg_get_serial_sequence('{name_of(lab, o)}', '{o.pk.name}')")[0][0]
    if sequence is None:
        raise NotApplicable("the table's keys are not generated")
    return lab.told(lab.rows(text(f"SELECT last_value FROM {sequence}"))[0][0], None)
