"""Trusted statements: those of a dialect's own methods (reflection, savepoints, two-phase), one at a time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from sqlalchemy.engine import Connection

from tenantguard.sql.servers.catalogue import ask_catalogue
from tenantguard.sql.servers.collations import verify_columns

_EXECUTE = Connection._execute_clauseelement
_COMPOSING = (
    "initialize", "has_table", "has_multi_table", "has_index", "has_schema", "has_sequence", "has_type",
    "get_columns", "get_multi_columns", "get_pk_constraint", "get_multi_pk_constraint", "get_foreign_keys",
    "get_multi_foreign_keys", "get_table_names", "get_temp_table_names", "get_view_names",
    "get_materialized_view_names", "get_temp_view_names", "get_view_definition", "get_indexes", "get_multi_indexes",
    "get_unique_constraints", "get_multi_unique_constraints", "get_check_constraints",
    "get_multi_check_constraints", "get_table_comment", "get_multi_table_comment", "get_table_options",
    "get_multi_table_options", "get_sequence_names", "get_schema_names", "_get_foreign_table_names",
    "get_table_oid", "get_domains", "get_enums", "_load_domains", "_load_enums", "do_begin_twophase",
    "do_prepare_twophase", "do_rollback_twophase", "do_commit_twophase", "do_recover_twophase",
    "do_savepoint", "do_rollback_to_savepoint", "do_release_savepoint",
)  # fmt: skip


def composing_methods(cls: Any) -> dict[str, Any]:
    """Return a dialect's methods that execute SQLAlchemy's own SQL, with each of their statements trusted."""
    return {name: _composing(method) for name in _COMPOSING if callable(method := getattr(cls, name, None))}


class OwnConnection(Connection):
    """The connection that a dialect's own methods receive; statements through it are SQLAlchemy's own.

    It shares the state of the real connection, which event listeners receive: their statements are not trusted.
    """

    __slots__ = ("tg_real",)
    tg_real: Connection

    def _execute_clauseelement(self, elem: Any, *args: Any) -> Any:
        with trusted_once(self.tg_real, elem):
            return _EXECUTE(self.tg_real, elem, *args)

    def exec_driver_sql(self, statement: str, *args: Any, **kw: Any) -> Any:
        """Execute SQL text."""
        with trusted_once(self.tg_real, statement):
            return Connection.exec_driver_sql(self.tg_real, statement, *args, **kw)


def own(connection: Any) -> OwnConnection:
    """Return the connection for SQLAlchemy's own statements and the guard's."""
    if isinstance(connection, OwnConnection):
        return connection
    made = object.__new__(OwnConnection)
    made.__dict__ = connection.__dict__
    made.tg_real = connection
    return made


@contextmanager
def trusted_once(connection: Any, statement: Any) -> Iterator[None]:
    """Admit exactly this statement, once, compiled by the plain compiler, so that it can name system tables."""
    outer, dialect = connection.__dict__.get("tg_own"), connection.dialect
    connection.tg_own, connection.tg_ready = statement, False
    connection.dialect = connection.engine.dialect.tg_variants["bypass"]
    try:
        yield
    finally:
        connection.tg_own, connection.tg_ready, connection.dialect = outer, False, dialect


def takes_trust(context: Any, connection: Any) -> bool:
    """Return whether the statement about to get a cursor is the trusted one, and end its trust."""
    trusted = connection.__dict__.get("tg_own")
    if trusted is None:
        return False
    is_text = context.compiled is None
    statement = (
        getattr(context, "statement", None) if is_text else getattr(context, "invoked_statement", None)
    )
    if statement is not trusted:
        return False
    connection.tg_own = None
    return True


def ask_server(connection: Any, guard: Any) -> bool:
    """Ask SQLite once for its columns, PostgreSQL for its catalogue; return whether that has changed."""
    if guard.dialect == "sqlite":
        verify_columns(connection._dbapi_connection, guard.tenancy, "sqlite")
        guard.ask_at = math.inf
        return False
    return bool(guard.learn(ask_catalogue(own(connection), guard.tenancy)))


def ask_in_time(connection: Any, guard: Any, *, calls: bool) -> bool:
    """Ask a server again if it may be outdated; return whether it has changed.

    Args:
        connection: the connection.
        guard: the guard, which keeps the catalogue.
        calls: whether the next statement calls something user-defined, so that each transaction reads it again.
    """
    if monotonic() < guard.ask_at and not (calls and _is_new(connection)):
        return False
    changed = ask_server(connection, guard)
    connection.tg_asked = connection._transaction
    return changed


def _is_new(connection: Any) -> bool:
    """Return whether this transaction has not read it yet; under AUTOCOMMIT each statement is a transaction."""
    known = connection.tg_asked
    return known is None or known is not connection._transaction or connection._is_autocommit_isolation()


def ask_again(context: Any) -> None:
    """Read the catalogue again before the next tenant is served, because a bypass may create functions."""
    if context.dialect.name == "postgresql":
        context.dialect.tg_guard.ask_at = 0.0


def asking(initialize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a dialect's ``initialize``, which runs on the first connection, extended to read the catalogue."""

    @functools.wraps(initialize)
    def call(self: Any, connection: Any) -> Any:
        found = initialize(self, connection)
        if self.tg_guard.enforces:
            ask_server(connection, self.tg_guard)
        return found

    return call


@functools.lru_cache(
    maxsize=512
)  # an engine has three dialects of some forty methods each, and most have the same
def _composing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, connection: Any, *args: Any, **kw: Any) -> Any:
        return method(self, own(connection), *args, **kw)

    return call
