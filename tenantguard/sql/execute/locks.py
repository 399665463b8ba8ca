"""Locks: the result of a look-up stays valid until the write, in the same transaction and under the database's lock.

PostgreSQL and MariaDB lock the rows that are found. SQLite has one lock for all writers, and the transaction takes it
before the look-up instead of with the write. So nobody writes in between, in WAL mode or with a rollback journal, and a
transaction that has already read sees what its write will meet, or SQLite refuses the write. Under AUTOCOMMIT, the
look-up and the write run in their own transaction.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tenantguard.tenancy import table_key


def hold(context: Any) -> None:
    """Begin a transaction for the look-up and the write, unless one has begun."""
    connection = context.root_connection
    alone = connection._is_autocommit_isolation()
    if context.dialect.name == "sqlite":
        driver = connection._dbapi_connection.driver_connection
        if not driver.in_transaction:
            send(connection, "BEGIN IMMEDIATE")
            context.tg_alone = alone or _commits_itself(driver)
    elif alone and not context.tg_alone:
        send(connection, "BEGIN")
        context.tg_alone = True


def begin_around(connection: Any) -> None:
    """Begin a transaction around a SQLite savepoint, whose release would otherwise commit.

    The driver would begin it at the first write, which comes after the savepoint. Source: SQLAlchemy, SQLite,
    "Enabling Non-Legacy SQLite Transactional Modes".
    """
    dialect = connection.engine.dialect
    if dialect.name != "sqlite" or not dialect.tg_guard.enforces or commits_savepoints(connection):
        return
    if not connection._dbapi_connection.driver_connection.in_transaction:
        send(connection, "BEGIN")


def commits_savepoints(connection: Any) -> bool:
    """Return whether releasing an outermost savepoint commits, because no transaction surrounds it."""
    if connection.engine.dialect.name != "sqlite":
        return False
    return connection._is_autocommit_isolation() or _is_autocommit(
        connection._dbapi_connection.driver_connection
    )


def take_back(connection: Any) -> None:
    """Roll back on SQLite, even if the driver's own ``rollback()`` does nothing."""
    if connection._dbapi_connection.driver_connection.in_transaction:
        send(connection, "ROLLBACK")


def let_go(connection: Any, cursor: Any) -> None:
    """Close a cursor and roll back on SQLite before a cancellation closes the connection.

    Where a cursor still has rows, a closed connection keeps its locks until the cursor is collected.
    """
    if connection.engine.dialect.name == "sqlite" and connection._still_open_and_dbapi_connection_is_valid:
        if cursor is not None:
            connection._safe_close_cursor(cursor)
        with suppress(Exception):
            connection._dbapi_connection.rollback()


def release(context: Any, *, commit: bool) -> None:
    """End the transaction that ``hold`` began under AUTOCOMMIT."""
    if context.tg_alone:
        context.tg_alone = False
        send(context.root_connection, "COMMIT" if commit else "ROLLBACK")


def may_lock(context: Any, parent: Any) -> bool:
    """Return whether PostgreSQL allows the role to lock rows of a table, which requires the right to change them.

    Policies for UPDATE would hide rows from a locking read, so a table with row security is not locked either.
    """
    connection = context.root_connection
    guard = context.dialect.tg_guard
    names = connection.tg_names or connection._execution_options.get("schema_translate_map") or {}
    schema, name = table_key(parent)
    schema = names.get(schema, schema)
    found = guard.locking.get((schema, name))
    if found is None:
        quote = context.dialect.identifier_preparer.quote_identifier
        whole = ".".join(quote(part) for part in (schema, name) if part).replace("'", "''")
        row = send(connection, _RIGHTS.format(f"to_regclass('{whole}')"), fetch=True)
        found = guard.locking[schema, name] = bool(row[0])
    return bool(found)


def is_isolated(context: Any) -> bool | None:
    """Return whether a PostgreSQL transaction reads from one snapshot, or ``None`` if that is not known yet.

    ``FOR KEY SHARE`` locks a row of the snapshot even if its tenant has changed since; ``FOR SHARE`` raises an error.
    """
    if context.dialect.name != "postgresql":
        return False
    known, transaction = context.root_connection.tg_isolated, context.root_connection._transaction
    return known[1] if known is not None and known[0] is transaction else None


def learn_isolation(context: Any, level: str) -> bool:
    """Record the isolation level of a transaction, which does not change after the first read."""
    connection = context.root_connection
    isolated = level != "read committed"
    connection.tg_isolated = (connection._transaction, isolated)
    return isolated


_RIGHTS = "SELECT coalesce(has_any_column_privilege({0}, 'UPDATE') AND NOT row_security_active({0}), true)"


def _commits_itself(driver: Any) -> bool:
    """Return whether a SQLite driver's connection commits each statement, whatever SQLAlchemy's settings are."""
    inner = getattr(driver, "_conn", driver)  # of aiosqlite
    begins_none = (
        getattr(inner, "isolation_level", "") is None and getattr(inner, "autocommit", None) is not False
    )
    return begins_none or _is_autocommit(driver)


def _is_autocommit(driver: Any) -> bool:
    """Return whether sqlite3's ``autocommit`` is ``True`` (Python 3.12 and later), where ``commit()`` does nothing."""
    return getattr(getattr(driver, "_conn", driver), "autocommit", None) is True


def send(connection: Any, statement: str, *, fetch: bool = False) -> Any:
    """Send one of the guard's statements, without parameters, through a driver's cursor."""
    cursor = connection._dbapi_connection.cursor()
    try:
        cursor.execute(statement)
        found = cursor.fetchone() if fetch else None
        cursor.close()
    except BaseException as error:  # a cancellation closes the connection, and nothing of it is closed again
        connection._handle_dbapi_exception(error, statement, None, cursor, None)
    return found
