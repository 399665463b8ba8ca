"""The execution: what a compiled statement was made for is checked where it runs, against the binding in force."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.selectable import SelectBase

from tenantguard.audit import refuse
from tenantguard.context import Binding, peek
from tenantguard.errors import CrossTenantError, RawSQLError, Violation
from tenantguard.sql.execute.connections import GuardedConnection, refuse_by_hand, refuse_compiled
from tenantguard.sql.execute.results import DEFAULT_FETCH, GUARDED_FETCH, watch_stream
from tenantguard.sql.execute.sent import LONGEST_KEPT
from tenantguard.sql.execute.verify import unmatched, verify, verify_defaults, verify_text
from tenantguard.sql.mixing import mixed
from tenantguard.sql.predicates import filled, tenant_value
from tenantguard.sql.servers.row_security import text_fault, writes
from tenantguard.sql.sessions.events import watch
from tenantguard.sql.text import is_begin

if TYPE_CHECKING:
    pass


class GuardedExecution:
    """Mix into a dialect's execution context.

    Attributes:
        tg_binding: the binding that the statement is executed under.
    """

    tg_binding: Binding | None = None

    if TYPE_CHECKING:
        root_connection: Any
        compiled: Any
        statement: Any
        execution_options: Any
        isddl: bool
        isupdate: bool
        isdelete: bool
        isinsert: bool
        cursor: Any
        dialect: Any
        compiled_parameters: list[Any]
        parameters: list[Any]
        unicode_statement: str

    def _tg_set_tenant(self, compiled: Any, binding: Binding | None) -> None:
        """Write the tenant over whatever a caller gave under the name of the guard's parameter."""
        for kind in compiled.tg_kinds:
            value = tenant_value(binding, compiled.tg_mode, kind)
        for row in self.compiled_parameters:
            for name in compiled.tg_parameters:
                row[name] = value
            for name, place in compiled.tg_places:
                row[name] = filled(value, place)

    def _tg_admit(self, connection: Any, compiled: Any, binding: Binding | None) -> None:
        guard = self.dialect.tg_guard
        if getattr(connection, "tg_trusted", False) or not guard.enforces:
            return
        if not isinstance(connection, GuardedConnection):
            refuse_by_hand()
        connection.tg_serve(binding)
        if guard.raw_sql == "database":
            connection.tg_tell()
        if compiled is None:
            connection.tg_names = None
            self._tg_driver_sql(guard, binding)
        elif self.isddl:
            self._tg_ddl(compiled)
        else:
            self._tg_compiled(connection, compiled, binding)

    def _tg_compiled(self, connection: Any, compiled: Any, binding: Binding | None) -> None:
        mode = "tenant" if binding is None or binding.mode == "closed" else binding.mode
        if getattr(compiled, "tg_mode", None) != mode or compiled.tg_guard is not self.dialect.tg_guard:
            refuse_compiled(compiled)
        for session in connection.tg_sessions:
            watch(
                session(),
                binding,
                connection,
                loads=getattr(compiled.compile_state, "_has_mapper_entities", False),
            )
        if mode == "bypass":
            if not isinstance(compiled.statement, SelectBase) or compiled.ctes:
                connection.tg_forget()
            return
        if compiled.tg_kinds:
            self._tg_set_tenant(compiled, binding)
        if compiled.tg_fault is not None:
            _refuse(compiled.tg_fault, compiled.string)
        if compiled.schema_translate_map:
            self.dialect.tg_guard.verify_translation(compiled, self.execution_options)
            connection.tg_translate(self.execution_options)
        if compiled.tg_checks:
            verify_text(compiled.tg_checks, compiled, self.compiled_parameters, self)
        if compiled.tg_writes:
            verify(compiled.tg_writes, self)

    def _tg_repeats(self, binding: Binding | None) -> bool:
        """Send a text again that needs nothing but its tenant; where more has to be looked at, return ``False``.

        It does in one frame what the way through ``_tg_admit`` does in five, which would be most of the guard's cost.
        """
        connection, guard = self.root_connection, self.dialect.tg_guard
        if (
            binding is None
            or binding.mode != "tenant"
            or not isinstance(connection, GuardedConnection)
            or connection.tg_trusted
            or (connection._tg_learnt is not None and connection._tg_learnt[0] != binding.tenants)
        ):
            return False
        try:
            sent = guard.repeats[self.statement]
            (row,), tenant = self.parameters, binding._tenant
        except (AttributeError, KeyError, ValueError):  # no text, as for a sequence, a new one, or many rows
            return False
        if type(tenant) is not sent.expected or type(row) is not tuple or len(row) != sent.given:
            return False
        self.statement = self.unicode_statement = sent.text
        place = sent.place
        self.parameters = [(*row, tenant) if place == sent.given else (*row[:place], tenant, *row[place:])]
        return True

    def _tg_driver_sql(self, guard: Any, binding: Binding | None) -> None:
        statement = getattr(self, "statement", None)
        if binding is not None and binding.mode == "bypass":
            self.root_connection.tg_forget()
            return
        if statement is None:
            return  # without a statement: a Sequence or a default of its own, which reads no table
        how = guard.raw_sql if binding is not None and binding.mode != "closed" else "refuse"
        if how == "rewrite":
            self._tg_rewrite(guard, binding, statement)
        elif is_begin(statement, self.dialect.name):
            return
        elif how == "database":  # which was told the tenant, so that one is bound
            fault = text_fault(statement, self.dialect.paramstyle)
            if fault is not None:
                _refuse(RawSQLError(f"SQL text was refused: {fault}"), statement)
            if writes(statement, self.dialect.paramstyle):
                self._tg_rewrite(guard, binding, statement)
        else:
            _refuse(
                RawSQLError(
                    "SQL text was sent straight to the driver, where the guard cannot read it. Write it with "
                    'SQLAlchemy\'s constructs, or run it inside `with bypass(reason="..."):`'
                ),
                str(statement),
            )

    def _tg_rewrite(self, guard: Any, binding: Any, statement: str) -> None:
        """Put the predicates into SQL that goes straight to the driver, and the tenant among its parameters."""
        mode = binding.mode
        several = 0 if mode == "tenant" else len(binding.tenants)
        find = guard.sent if len(statement) <= LONGEST_KEPT else guard.sent.__wrapped__
        try:
            sent = find(self.dialect.tg_variants[mode], statement, several)
            rows = sent.put(binding, self.parameters)
        except Violation as violation:
            _refuse(violation, statement)
        if sent.checks:
            verify_text(sent.checks, self.dialect.statement_compiler, self.parameters, self)
        self.statement = self.unicode_statement = sent.text
        self.parameters = rows
        if mode == "tenant" and sent.place is not None:
            guard.keep(statement, sent)

    def _tg_ddl(self, compiled: DDLCompiler) -> None:
        """Let the schema's own DDL through where no tenant is bound, as when an application starts."""
        binding = peek()
        if binding is not None and binding.mode == "bypass":
            return
        element = compiled.statement
        if binding is None and self.dialect.tg_guard.is_schema_ddl(element):
            return
        assert isinstance(element, ExecutableDDLElement)
        name = type(element).__name__
        _refuse(
            RawSQLError(
                f"{name} was tried {'with no tenant bound' if binding is None else 'under a tenant'}; schema changes "
                'go inside `with bypass(reason="..."):`',
                kind="ddl",
            ),
            str(compiled),
        )

    def _process_execute_defaults(self) -> None:
        super()._process_execute_defaults()  # type: ignore[misc]  # of the dialect's context
        plans = getattr(self.compiled, "tg_writes", ())
        if plans and self.dialect.tg_guard.enforces:
            verify_defaults(plans, self)

    def _tg_inserted(self, plans: Any) -> None:
        """Tell an upsert that the key it named belongs to another tenant's row, which stays as it is."""
        if len(self.compiled_parameters) == 1 and self.cursor.rowcount == 0:
            name = plans[-1].placement.name
            _refuse(
                CrossTenantError(
                    f"an upsert into {name} met a key that another tenant's row holds; it stays as it is. Let the "
                    "key include the tenant",
                    kind="foreign_row",
                    table=name,
                ),
                self.compiled.string,
            )

    def _tg_matched(self, plans: Any) -> None:
        """Tell a unit of work that its row is another tenant's, before it is told that the row is gone."""
        expected = len(self.compiled_parameters)
        sane = expected == 1 or self.dialect.supports_sane_multi_rowcount
        if not sane or self.cursor.rowcount != expected:
            unmatched(plans, self)


def guarded_context(cls: Any) -> Any:
    """Return a dialect's execution context with the guard mixed in.

    The methods that every statement passes call the dialect's own directly, since a ``super()`` would be a good
    part of what the guard costs.
    """
    create, set_up = cls.create_cursor, cls._setup_result_proxy
    usual = (
        create is DefaultExecutionContext.create_cursor
        and cls.create_default_cursor is DefaultExecutionContext.create_default_cursor
    )
    set_up_rows = cls._setup_dml_or_text_result

    def create_cursor(self: Any) -> Any:
        """Let the statement through to a cursor, or refuse it, after its parameters were read."""
        self.tg_binding = binding = peek()
        compiled = self.compiled
        # a plain statement on a connection that was made ready for the binding needs no second look
        try:
            ready = compiled is not None and (
                compiled.tg_quick
                and self.root_connection.tg_ready is binding
                and binding.mode == "tenant"
                and (compiled.tg_expected is None or type(binding._tenant) is compiled.tg_expected)
            )
        except AttributeError:  # no statement of the guarded compiler, or a connection that was made by hand
            ready = False
        if ready:
            for row in self.compiled_parameters:
                for name in compiled.tg_parameters:
                    row[name] = binding._tenant  # type: ignore[union-attr]  # what is ready is never None
            if compiled.tg_verified:
                verify(compiled.tg_writes, self)
        elif compiled is not None or not self._tg_repeats(binding):
            self._tg_admit(self.root_connection, compiled, binding)
        streams = "stream_results" in self.execution_options
        if usual and not streams and not self.dialect.server_side_cursors:
            self._is_server_side = False  # the default methods, written out
            return self._dbapi_connection.cursor()
        cursor = create(self)
        if streams or self._is_server_side:
            self.cursor_fetch_strategy = DEFAULT_FETCH  # which SQLAlchemy exchanges for the one that buffers
            self.__class__ = streaming
        return cursor

    def _setup_dml_or_text_result(self: Any) -> Any:
        """Look at how many rows a write met; text was made to meet the tenant's rows only."""
        compiled = self.compiled
        plans = () if compiled is None else getattr(compiled, "tg_writes", ())
        if plans and self.dialect.tg_guard.enforces:
            if self.isinsert:
                if plans[-1].upserts:
                    self._tg_inserted(plans)
            elif "compiled_cache" in self.execution_options:
                self._tg_matched(plans)
        return set_up_rows(self)

    def _setup_result_proxy(self: Any) -> Any:
        return watch_stream(set_up(self))

    members = {
        "create_cursor": create_cursor,
        "_setup_dml_or_text_result": _setup_dml_or_text_result,
        "cursor_fetch_strategy": GUARDED_FETCH,
    }
    guarded = mixed(f"Guarded{cls.__name__}", cls, GuardedExecution, members)
    streaming = type(guarded.__name__, (guarded,), {"_setup_result_proxy": _setup_result_proxy})
    return guarded


def verify_unchanged(statement: Any, parameters: Any, context: Any) -> None:
    """Refuse what an event listener made of a statement or of its parameters after the guard had compiled it.

    A listener may add a comment. ``insertmanyvalues`` sends statements of its own making.
    """
    if context.execute_style is ExecuteStyle.INSERTMANYVALUES or getattr(
        context.root_connection, "tg_trusted", False
    ):
        return
    binding = peek()
    if binding is None or binding.mode == "bypass" or not context.dialect.tg_guard.enforces:
        return
    if _without_comments(statement) != _without_comments(context.statement):
        _refuse(
            RawSQLError("an event listener rewrote a statement after the guard", kind="rewritten"), statement
        )
    sent = context.parameters if context.executemany else context.parameters[0]
    if parameters is not sent and parameters != sent:
        _refuse(
            RawSQLError("an event listener rewrote parameters after the guard", kind="rewritten"), statement
        )


_COMMENT = re.compile(r"/\*(?![!+]).*?\*/|--[^\n]*(?:\n|$)", re.DOTALL)


def _without_comments(statement: str) -> str:
    return _COMMENT.sub("", statement).strip().rstrip(";").strip()


def guarded_do(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the dialect's own way of sending a statement, which first looks at what listeners made of it."""

    @functools.wraps(method)
    def send(self: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        if context is not None and _was_heard(statement, context):
            verify_unchanged(statement, parameters, context)
        return method(self, cursor, statement, parameters, context)

    @functools.wraps(method)
    def execute(self: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        """Do what the default method does: another frame would be a good part of what the guard costs."""
        if context is not None:
            connection = context.root_connection
            try:
                heard = statement is not context.statement or connection._has_events
            except AttributeError:  # a default or a sequence of the statement's, run before it has its text
                heard = False
            if heard or connection.engine._has_events:
                verify_unchanged(statement, parameters, context)
        cursor.execute(statement, parameters)

    return execute if method is DefaultDialect.do_execute else send


def _was_heard(statement: Any, context: Any) -> bool:
    """Tell whether a listener may have changed what is sent."""
    connection = context.root_connection
    return (
        statement is not getattr(context, "statement", statement)
        or connection._has_events
        or connection.engine._has_events
    )


def _refuse(violation: Violation, statement: str) -> None:
    """Record and raise a fresh copy: a compiled statement keeps its fault and is executed many times."""
    binding = peek()
    told = ", ".join(map(str, binding.tenants)) if binding is not None else None
    refuse(
        type(violation)(
            str(violation),
            kind=violation.kind,
            tenant=told,
            attempted=violation.attempted,
            table=violation.table,
            statement=violation.statement or statement,
        )
    )
