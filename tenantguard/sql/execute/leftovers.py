"""Leftovers: a connection's state that a bypass changed does not affect the next tenant.

SQL text can set a role, a search path or a parser mode, create a temporary table that hides another, or take a lock,
and none of that ends with the transaction. A connection in such a state is not reused: its pool opens a new one. If a
tenant is served before the connection is returned, the database is asked whether names and roles are unchanged. An
in-memory SQLite database would be lost with its connection, so there the database is only asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.pool import SingletonThreadPool, StaticPool

from tenantguard.audit import refuse
from tenantguard.binding import is_bypass
from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.execute.locks import send
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.text import driver_style
from tenantguard.sql.text.side_effects import calls_leave, leaves

_LEFT = "tenantguard_left"  # in the info of the pool's connections
_STATE = {
    "postgresql": """
        SELECT session_user, current_user, pg_catalog.current_setting('search_path'),
        pg_catalog.current_setting('row_security'), pg_catalog.current_setting('session_replication_role'),
        pg_catalog.current_setting('standard_conforming_strings'),
        (
            SELECT pg_catalog.string_agg(hiding.relname, ', ') FROM pg_catalog.pg_class hiding
            WHERE hiding.relnamespace = pg_catalog.pg_my_temp_schema() AND EXISTS (
                SELECT 1 FROM pg_catalog.pg_class hidden
                JOIN pg_catalog.pg_namespace place ON place.oid = hidden.relnamespace
                WHERE hidden.relname = hiding.relname AND place.nspname = ANY (pg_catalog.current_schemas(false))
            )
        )
    """,
    "mysql": """
        SELECT database(), current_user(), current_role(), @@sql_mode, @@character_set_client, @@collation_connection
    """,
    "sqlite": """
        SELECT group_concat(t.tbl_name) FROM sqlite_temp_master t WHERE t.type IN ('table', 'view', 'trigger')
        AND EXISTS (SELECT 1 FROM main.sqlite_master m WHERE lower(m.name) = lower(t.tbl_name))
    """,
}
_STATE["mariadb"] = _STATE["mysql"]


def note_text(context: Any) -> None:
    """Record that SQL text or DDL in a bypass may have changed the state of its connection."""
    sql, dialect = sent(context) or "", context.dialect
    style, texts = driver_style(dialect), dialect.tg_guard.texts

    def read() -> bool:
        known = texts.written(sql, dialect=dialect.name, style=style) is not None
        return leaves(sql, dialect.name, style, read=known)

    if texts.kept.get(("left", sql, dialect.name, style), sql, read):
        _note(context.root_connection)


def note_calls(context: Any, compiled: Any) -> None:
    """Record that functions called in a bypass may have changed the state of its connection."""
    left = compiled.__dict__.get("tg_left")
    if left is None:
        left = compiled.tg_left = calls_leave(compiled.string, context.dialect.name)
    if left:
        _note(context.root_connection)


def _note(connection: Any) -> None:
    if connection.tg_left is None:
        connection.tg_left = _state(connection)
    note_raw(connection._dbapi_connection, connection.engine)


def note_driver(connection: Any) -> None:
    """Record that a bypass received the driver's connection, which allows anything."""
    # PostgreSQL is not asked for its state: that would begin a transaction, and drivers refuse settings inside of one
    if connection.tg_left is None and connection.engine.dialect.name != "postgresql":
        connection.tg_left = _state(connection)
    note_raw(connection._dbapi_connection, connection.engine)


def note_raw(pooled: Any, engine: Any) -> None:
    """Make the pool replace a connection whose state a bypass may have changed."""
    dialect = engine.dialect
    if not dialect.tg_guard.enforces:
        return
    dialect.tg_guard.left = True
    if dialect.name != "sqlite" or _is_on_disk(pooled, engine.pool):
        pooled.invalidate(soft=True)
    else:
        pooled.info[_LEFT] = True


def find_left(connection: Any) -> tuple[Any, ...] | None:
    """Return the state that a connection should have if a bypass may have changed it, or ``None``."""
    pooled = connection._dbapi_connection
    is_kept = connection.tg_left is None and pooled is not None and _LEFT in pooled.info
    state: tuple[Any, ...] | None = (None,) if is_kept else connection.tg_left
    return state


def verify_left(connection: Any) -> None:
    """Refuse to serve a tenant on a connection whose names or roles have changed.

    Raises:
        RawSQLError: a bypass changed a setting, or created a temporary table that hides another.
    """
    binding = peek()
    if is_bypass(binding):
        return
    if _state(connection) == connection.tg_left:
        connection.tg_left = None
        connection._dbapi_connection.info.pop(_LEFT, None)
        return
    refuse(
        RawSQLError(
            "a bypass has changed the role, the schema or a mode of the connection, or made a temporary table that "
            "hides another one; use a separate connection for that",
            kind="leftover",
            tenant=told(binding),
        )
    )


def _state(connection: Any) -> tuple[Any, ...]:
    dialect = connection.engine.dialect
    found = tuple(send(connection, _STATE[dialect.name], fetch=True))
    return (*found, *_temporary(connection)) if dialect.name in ("mysql", "mariadb") else found


def _temporary(connection: Any) -> Iterator[str]:
    """Yield the tables hidden by temporary tables on MariaDB, which does not list them."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    for key in [placement.key for placement in connection.engine.dialect.tg_guard.tenancy]:
        name = ".".join(quote(part) for part in key if part)
        cursor = connection._dbapi_connection.cursor()
        try:
            cursor.execute(f"SHOW CREATE TABLE {name}")
            if str(cursor.fetchone()[1]).startswith("CREATE TEMPORARY"):
                yield name
        except connection.dialect.loaded_dbapi.Error:  # it is not there, or may not be seen
            continue
        finally:
            cursor.close()


def _is_on_disk(pooled: Any, pool: Any) -> bool:
    """Return whether a SQLite database outlives its connection."""
    if isinstance(pool, StaticPool | SingletonThreadPool):
        return False
    cursor = pooled.cursor()
    try:
        cursor.execute("PRAGMA database_list")
        return bool(cursor.fetchone()[2])
    finally:
        cursor.close()
