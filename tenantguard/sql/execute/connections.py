"""Connections: choose the compiler that fits the binding, and verify the end of each transaction."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NoReturn

import sqlalchemy
from sqlalchemy.engine import Connection, base

from tenantguard.binding import is_bypass
from tenantguard.context import Binding, peek
from tenantguard.sql.execute.authorization import acts
from tenantguard.sql.execute.commits import leave, verify_ending
from tenantguard.sql.execute.cursors import admit_beside
from tenantguard.sql.execute.known_keys import Learnt, Noted
from tenantguard.sql.execute.leftovers import find_left, note_driver, verify_left
from tenantguard.sql.execute.locks import begin_around, commits_savepoints, let_go, take_back
from tenantguard.sql.execute.moves import Moved
from tenantguard.sql.execute.orphans import Counted, forget_enforcement, verify_orphans
from tenantguard.sql.refusals import only_sqlalchemy, refuse_compiled
from tenantguard.tenancy import Key

_EXECUTE = Connection._execute_clauseelement
_BASE = vars(base)  # the globals of SQLAlchemy's own engines and connections


@contextmanager
def _leaving(context: Any) -> Iterator[None]:
    try:
        yield
    except Exception:
        leave(context)
        raise


class GuardedConnection(Connection):
    """A connection that chooses the compiler for the binding, and gives the raw connection only to SQLAlchemy.

    Attributes:
        tg_ready: the binding that the connection was made ready for; while it lasts, a plain statement needs no
            second look.
        tg_asked: the transaction in which a PostgreSQL server was last asked what its users have made.
        tg_own: the statement of SQLAlchemy's own, or of ours, that is on its way and is trusted.
        tg_noted: the keys whose parents are verified before the transaction ends.
        tg_moved: the rows that a bypass may have given to another tenant.
        tg_orphans: how many rows were without a parent before this transaction, by table (SQLite).
        tg_isolated: a transaction, and whether it reads from one snapshot (PostgreSQL).
        tg_told: the transaction, the savepoint and the binding in which row security was last told the tenant.
        tg_streams: the statements whose rows are fetched by server-side cursors.
        tg_names: the ``schema_translate_map`` of the statement on its way, where it has one of its own.
        tg_left: the state that the connection had before a bypass that may have left another.
    """

    tg_ready: Any = False  # never what peek() returns
    tg_own: Any = None
    tg_asked: Any = None
    tg_names: Any = None
    tg_left: tuple[Any, ...] | None = None
    tg_told: tuple[Any, Any, Any] | None = None
    tg_noted: tuple[Noted, ...] = ()
    tg_moved: tuple[Moved, ...] = ()
    tg_isolated: tuple[Any, bool] | None = None
    tg_streams: tuple[weakref.ref[Any], ...] = ()
    tg_orphans: Mapping[Key, Counted] = MappingProxyType({})
    _tg_learnt: Learnt | None = None

    def _execute_clauseelement(self, elem: Any, distilled_parameters: Any, execution_options: Any) -> Any:
        binding = peek()
        if binding is not self.tg_ready:
            self.tg_make_ready(binding)
        return _EXECUTE(self, elem, distilled_parameters, execution_options)

    def tg_make_ready(self, binding: Binding | None) -> None:
        """Choose the compiler for the binding."""
        self.tg_ready, self.tg_names = False, None
        if self._tg_learnt is not None or self.tg_orphans:
            self.tg_serve(binding)
        mode = None if binding is None else binding.mode
        held: Any = self.engine.dialect
        guard = held.tg_guard
        if guard.left:
            self.tg_left = find_left(self)
        self.dialect = held.tg_variants[mode]
        if guard.restricts and binding is not None and binding.tenants:
            self.dialect = guard.variant(binding, self.dialect)
        if mode == "tenant" and guard.enforces and not acts(binding) and self.tg_left is None:
            self.tg_ready = binding

    def _execute_compiled(self, compiled: Any, *args: Any, **kw: Any) -> Any:
        binding = peek()
        self.tg_ready, self.tg_names = False, None
        self.dialect = self._tg_variant(None if binding is None else binding.mode)
        guarded: Any = self.dialect
        if compiled.dialect is not guarded and guarded.tg_guard.enforces:
            refuse_compiled(compiled)
        return super()._execute_compiled(compiled, *args, **kw)  # type: ignore[misc]  # private

    def _execute_default(self, *args: Any, **kw: Any) -> Any:
        binding = peek()
        self.tg_ready, self.tg_names = False, None
        self.dialect = self._tg_variant(None if binding is None else binding.mode)
        return super()._execute_default(*args, **kw)

    def _cursor_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        if context is not None and context.tg_composes:
            context.tg_composes = False
            admit_beside(context, statement, parameters)
        return super()._cursor_execute(cursor, statement, parameters, context)

    def _handle_dbapi_exception(
        self,
        e: BaseException,
        statement: Any,
        parameters: Any,
        cursor: Any,
        context: Any,
        *more: Any,
        **kw: Any,
    ) -> NoReturn:
        """Leave nothing of the guard's open, whether a driver or a listener raised the error."""
        try:
            if not isinstance(e, Exception):
                let_go(self, cursor)
            elif context is not None:
                leave(context)
        finally:
            super()._handle_dbapi_exception(e, statement, parameters, cursor, context, *more, **kw)

    if sqlalchemy.__version__.startswith("2.0."):  # which asks listeners before it handles what is raised

        def _exec_single_context(self, dialect: Any, context: Any, *args: Any) -> Any:
            with _leaving(context):
                return super()._exec_single_context(dialect, context, *args)

        def _exec_insertmany_context(self, dialect: Any, context: Any) -> Any:
            with _leaving(context):
                return super()._exec_insertmany_context(dialect, context)

    def _tg_variant(self, mode: Any) -> Any:
        """Return the dialect whose compiler serves the mode: one tenant, several, or a bypass."""
        return self.engine.dialect.tg_variants[mode]  # type: ignore[attr-defined]  # ours

    def _execute_ddl(self, *args: Any, **kw: Any) -> Any:
        binding = peek()
        self.tg_ready = False
        # DDL names no row; compiled by the plain compiler, it is refused where it executes
        self.dialect = self._tg_variant("bypass" if binding is None else binding.mode)
        return super()._execute_ddl(*args, **kw)

    @property
    def connection(self) -> Any:
        """Return the pool's connection, only to SQLAlchemy or in a bypass."""
        found = self._dbapi_connection
        try:
            if found is not None and sys._getframe(1).f_globals is _BASE:
                return found
        except ValueError:  # no frame below: a greenlet that was handed the method itself
            pass
        only_sqlalchemy("Connection.connection", self.engine.dialect)
        if is_bypass(peek()):
            note_driver(self)
        return super().connection

    def tg_probe(self, statement: Any, parameters: dict[str, Any]) -> list[Any]:
        """Run one of the guard's look-ups, with the compiler for the binding and a separate compiled cache."""
        options = {"compiled_cache": self.engine.dialect.tg_guard.probe_cache}  # type: ignore[attr-defined]  # ours
        dialect, names = self.dialect, self.tg_names
        if names is not None:
            options["schema_translate_map"] = names
        self.tg_ready = False
        try:
            return list(self.execute(statement, parameters, execution_options=options).all())
        finally:
            self.tg_ready, self.tg_names, self.dialect = False, names, dialect

    def tg_translate(self, options: Any) -> None:
        """Make the look-ups for a statement read the schemas that it writes to."""
        names = options.get("schema_translate_map")
        if names is not self._execution_options.get("schema_translate_map"):
            self.tg_ready, self.tg_names = False, names

    def tg_serve(self, binding: Binding | None) -> None:
        """Forget the keys that were verified for a different tenant than the next one."""
        if self.tg_left is not None:
            verify_left(self)
        learnt = self._tg_learnt
        if binding is not None and binding.tenants and (learnt is None or learnt[0] != binding.tenants):
            self._tg_learnt = None
            orphans = self.tg_orphans
            if orphans and any(counted.tenants != binding.tenants for counted in orphans.values()):
                verify_orphans(self)

    def tg_forget(self) -> None:
        """Forget all verified keys, because a bypass may have moved their rows to another tenant."""
        self._tg_learnt = None
        forget_enforcement(self)

    def _commit_impl(self) -> None:
        if self.tg_noted or self.tg_orphans or self.tg_moved:
            try:
                verify_ending(self)
            except BaseException:
                # SQLAlchemy takes a commit that fails for the end, and gives back the connection as it is
                self._rollback_impl()
                raise
        try:
            super()._commit_impl()
        except Exception:
            driver: Any = self._dbapi_connection
            if self.engine.dialect.name == "sqlite" and self._still_open_and_dbapi_connection_is_valid:
                self.engine.dialect.do_rollback(driver)  # whose transaction goes on then
            raise

    def _savepoint_impl(self, name: str | None = None) -> str:
        begin_around(self)
        return super()._savepoint_impl(name)

    def _release_savepoint_impl(self, name: str) -> None:
        nested: Any = self._nested_transaction
        if (nested is None or nested._previous_nested is None) and commits_savepoints(self):
            try:
                verify_ending(self)
            except BaseException:
                take_back(self)
                raise
        super()._release_savepoint_impl(name)

    def _prepare_twophase_impl(self, xid: Any) -> None:
        verify_ending(self)
        super()._prepare_twophase_impl(xid)

    def _rollback_impl(self) -> None:
        self.tg_noted, self.tg_orphans, self.tg_moved = (), {}, ()
        super()._rollback_impl()


GuardedConnection.__module__ = base.__name__  # polars and others tell by it what they were given
