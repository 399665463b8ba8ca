"""The driver beneath: raw connections, cursors, pools."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    select,
)

from tenantguard.testing.vectors.escapes.helpers import (
    all_of,
    column_of,
    name_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("raw SQL")
def exec_driver_sql(lab: Lab) -> Any:
    """Hand SQL to the driver."""
    return lab.connect().exec_driver_sql(all_of(lab, lab.owned)).all()


@attack("raw SQL")
def exec_driver_sql_many(lab: Lab) -> Any:
    """Hand an update with many parameters to the driver."""
    o = lab.owned
    mark = "?" if lab.dialect == "sqlite" else "%s"
    sql = f"UPDATE {name_of(lab, o)} SET {column_of(lab, o.text)} = 'taken' WHERE {column_of(lab, o.pk)} = {mark}"
    connection = lab.connect()
    connection.exec_driver_sql(sql, [(lab.as_sent(o.pk, row[o.pk.key]),) for row in o.b])
    connection.commit()


@attack("raw SQL")
def session_connection_driver_sql(lab: Lab) -> Any:
    """Hand SQL to the driver through a session's connection."""
    return lab.session().connection().exec_driver_sql(all_of(lab, lab.owned)).all()


@attack("raw SQL")
def raw_connection(lab: Lab) -> Any:
    """Take a raw connection from the engine."""
    connection = lab.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(all_of(lab, lab.owned))
        return list(cursor.fetchall())
    finally:
        connection.close()


@attack("raw SQL")
def cursor_of_connection(lab: Lab) -> Any:
    """Take a cursor from a connection's own connection."""
    cursor = lab.connect().connection.cursor()
    cursor.execute(all_of(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def driver_connection(lab: Lab) -> Any:
    """Take the driver's connection from beneath a connection."""
    inner: Any = lab.connect().connection.driver_connection
    cursor = inner.cursor()
    cursor.execute(all_of(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def dbapi_connection(lab: Lab) -> Any:
    """Take the database interface's connection from beneath a connection."""
    inner: Any = lab.connect().connection.dbapi_connection
    cursor = inner.cursor()
    cursor.execute(all_of(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def pool_connection(lab: Lab) -> Any:
    """Take a connection from the engine's pool."""
    connection = lab.engine.pool.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(all_of(lab, lab.owned))
        return list(cursor.fetchall())
    finally:
        connection.close()


@attack("raw SQL", limit="the cursor of a result is the driver's own")
def cursor_of_result(lab: Lab) -> Any:
    """Execute on the cursor of a result."""
    result: Any = lab.connect().execute(select(lab.shared.table))
    cursor = result.cursor
    cursor.execute(all_of(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def cursor_of_context(lab: Lab) -> Any:
    """Reach the driver's connection through the context of a result."""
    result: Any = lab.connect().execute(select(lab.shared.table))
    cursor = result.context.root_connection.connection.cursor()
    cursor.execute(all_of(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def dialect_do_execute(lab: Lab) -> Any:
    """Have the dialect execute on a cursor of the connection."""
    connection = lab.connect()
    cursor = connection.connection.cursor()
    connection.dialect.do_execute(cursor, all_of(lab, lab.owned), ())
    return list(cursor.fetchall())


@attack("raw SQL")
def copy_out(lab: Lab) -> Any:
    """Copy the table out with the driver's COPY."""
    lab.only("postgresql")
    inner: Any = lab.connect().connection.driver_connection
    with inner.cursor() as cursor, cursor.copy(f"COPY {name_of(lab, lab.owned)} TO STDOUT") as copied:
        return b"".join(bytes(block) for block in copied)


@attack("raw SQL")
async def async_raw_connection(lab: Lab) -> Any:
    """Take the driver's connection from an asynchronous engine."""
    engine = lab.new_async_engine()
    try:
        async with engine.connect() as connection:
            raw: Any = await connection.get_raw_connection()
            inner = raw.driver_connection
            sql = all_of(lab, lab.owned)
            if hasattr(inner, "fetch"):
                return [tuple(row) for row in await inner.fetch(sql)]
            cursor = await inner.cursor()
            await cursor.execute(sql)
            return list(await cursor.fetchall())
    finally:
        await engine.dispose()
