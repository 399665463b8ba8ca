"""The tenant for row security, sent by a connection once per transaction, savepoint and binding."""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy.engine import Connection

from tenantguard.binding import is_bypass
from tenantguard.context import Binding, peek
from tenantguard.sql.execute.doors import trusted_once
from tenantguard.sql.refusals import refuse_told
from tenantguard.sql.servers.database_mode import settings

MAINTENANCE = "tenantguard_maintenance"  # in the info of the pool's connections that bypasses are given
_NOT_OF_THE_TYPE = "22P02"  # of PostgreSQL's errors
_EXECUTE = Connection._execute_clauseelement


def tell(connection: Any) -> None:
    """Send the tenant to row security, once per transaction, savepoint and binding."""
    binding = peek()
    if connection._transaction is None:
        connection._autobegin()  # SQLAlchemy begins later, when what was told would be of no transaction
    # what was told inside a savepoint is taken back with it
    if binding is not None and connection.tg_told == (*_within(connection), binding):
        return
    for known in connection.tg_streams:
        context: Any = known()
        if _streams(context) and context.tg_binding is not binding:
            # a server-side cursor asks the policies for each row, and they ask for the setting
            refuse_told(
                "a stream of another binding is open on the connection; read it to the end, or close it"
            )
    _verify_role(connection, binding)
    if binding is not None and binding.mode == "tenants":
        refuse_told("row security takes one tenant, and several are bound; bind one")
    driver: Any = getattr(connection._dbapi_connection, "driver_connection", None)
    # SQLAlchemy knows of the isolation level alone, and not of what connect_args or a listener told psycopg
    if connection._is_autocommit_isolation() or getattr(driver, "autocommit", False):
        if is_bypass(binding):
            return
        refuse_told(
            "under AUTOCOMMIT a transaction ends with its statement, so row security cannot be given the tenant"
        )
    _send(connection, driver, binding)
    within = _within(connection)
    connection.tg_told = None if within[0] is None else (*within, binding)  # in a listener to "begin"


def note_stream(connection: Any, context: Any) -> None:
    """Record a statement whose rows are fetched with a server-side cursor."""
    alive = [known for known in connection.tg_streams if _streams(known())]
    connection.tg_streams = (*alive, weakref.ref(context))


def refuse_held(context: Any, error: Any) -> None:
    """Turn the database's error into a refusal if policies apply to a bypass whose empty tenant has the wrong type."""
    guard = context.dialect.tg_guard
    held = guard.tells and guard.maintenance is None and is_bypass(context.tg_binding)
    if held and getattr(error, "sqlstate", None) == _NOT_OF_THE_TYPE and '""' in str(error):
        context.root_connection._safe_close_cursor(context.cursor)
        refuse_told(
            "policies apply to this bypass and hide every row; use RowSecurity(maintenance=...), an engine of "
            "the maintenance role"
        )


def _within(connection: Any) -> tuple[Any, Any]:
    return connection.get_transaction(), connection.get_nested_transaction()


def _verify_role(connection: Any, binding: Binding | None) -> None:
    """Allow connections of the maintenance role, if there is one, only to a bypass, and the others only outside it."""
    driver = connection._dbapi_connection
    if connection.engine.dialect.tg_guard.maintenance is None or driver is None:
        return
    if MAINTENANCE in driver.info:
        if not is_bypass(binding):
            refuse_told(
                "the connection was opened inside a bypass, as a role that no policy restricts; open another outside"
            )
    elif is_bypass(binding):
        refuse_told(
            "a bypass uses another database role, and the connection was opened as the application's; open a "
            "connection or session inside the bypass"
        )


def _send(connection: Any, driver: Any, binding: Binding | None) -> None:
    """Send the settings together with the next statement, or separately if that is impossible."""
    guard = connection.engine.dialect.tg_guard
    values = guard.row_security.values(binding, getattr(driver, "tg_process", 0), guard.permissions)
    if hasattr(driver, "tg_tell") and driver.tg_tell(values, guard):
        return
    statement = settings(values)
    with trusted_once(connection, statement):
        _EXECUTE(connection, statement, [], {})


def _streams(context: Any) -> bool:
    """Return whether a statement's cursor is still open; asyncpg's shows it by its remaining rows."""
    cursor = getattr(context, "cursor", None)
    closed = getattr(cursor, "closed", None)
    return cursor is not None and (
        not closed if closed is not None else getattr(cursor, "_cursor", cursor) is not None
    )
