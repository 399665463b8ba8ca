"""The execution: what a compiled statement was made for is checked where it runs, against the binding in force."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import schema
from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.selectable import SelectBase

from tenantguard.audit import refuse
from tenantguard.context import Binding, peek
from tenantguard.errors import CrossTenantError, RawSQLError, Violation
from tenantguard.sql.execute.connections import GuardedConnection
from tenantguard.sql.execute.ending import end_alone
from tenantguard.sql.execute.holding import release
from tenantguard.sql.execute.results import DEFAULT_FETCH, GUARDED_FETCH, watch_stream
from tenantguard.sql.execute.sent import LONGEST_KEPT, keep
from tenantguard.sql.execute.verify import stamp_defaults, unmatched, verify, verify_given
from tenantguard.sql.predicates import filled, tenant_value
from tenantguard.sql.refusals import refuse_again, refuse_by_hand, refuse_compiled
from tenantguard.sql.servers.row_security import text_fault, writes
from tenantguard.sql.sessions.events import watch
from tenantguard.sql.text import is_begin
from tenantguard.tenancy import Placement, full_name


def guarded_context(base: Any) -> Any:
    """Return a subclass of a dialect's execution context that admits each statement, or refuses it.

    The methods that every statement passes call the dialect's own directly, since a ``super()`` would be a good
    part of what the guard costs.
    """
    create, set_up, set_up_rows = base.create_cursor, base._setup_result_proxy, base._setup_dml_or_text_result
    pre_exec, post_exec = base.pre_exec, base.post_exec
    special_before = pre_exec is not DefaultExecutionContext.pre_exec
    special_after = post_exec is not DefaultExecutionContext.post_exec
    usual = (
        create is DefaultExecutionContext.create_cursor
        and base.create_default_cursor is DefaultExecutionContext.create_default_cursor
    )

    class GuardedContext(base):  # type: ignore[misc]  # of whatever dialect
        """An execution context; ``tg_binding`` is the binding that the statement is executed under."""

        tg_binding: Binding | None = None
        tg_alone = False  # the statement is in a transaction of its own, which we began and end
        tg_given: Any = (
            None  # what must be verified of the parameters, once they are as the driver takes them
        )
        cursor_fetch_strategy = GUARDED_FETCH

        def create_cursor(self) -> Any:
            """Let the statement through to a cursor, or refuse it, after its parameters were read."""
            self.tg_binding = binding = peek()
            compiled = self.compiled
            # a plain statement on a connection that was made ready for the binding needs no second look
            try:
                statement = compiled.tg
                ready = (
                    statement.quick
                    and self.root_connection.tg_ready is binding
                    and binding.mode == "tenant"
                    and (statement.expected is None or type(binding._tenant) is statement.expected)
                )
            except (
                AttributeError
            ):  # no statement of the guarded compiler, or a connection that was made by hand
                ready = False
            if ready:
                for row in self.compiled_parameters:
                    for name in statement.parameters:
                        row[name] = binding._tenant  # type: ignore[union-attr]  # what is ready is never None
                if statement.verified:
                    verify(statement.writes, self)
                    self.tg_given = statement
            elif compiled is not None or not repeats(self, binding):
                admit(self, self.root_connection, compiled, binding)
            streams = "stream_results" in self.execution_options
            if usual and not streams and not self.dialect.server_side_cursors:
                self._is_server_side = False  # the default methods, written out
                return self._dbapi_connection.cursor()
            cursor = create(self)
            if streams or self._is_server_side:
                self.cursor_fetch_strategy = (
                    DEFAULT_FETCH  # which SQLAlchemy exchanges for the one that buffers
                )
                self.__class__ = StreamingContext
            return cursor

        def _process_execute_defaults(self) -> None:
            super()._process_execute_defaults()
            if self.compiled.tg.writes and self.dialect.tg_guard.enforces:
                stamp_defaults(self.compiled.tg.writes, self)

        def pre_exec(self) -> None:
            """Verify what is about to be sent, now that every parameter is as the driver takes it."""
            if self.tg_given is not None:
                verify_given(self)
            if special_before:
                pre_exec(self)

        def post_exec(self) -> None:
            """End the transaction that the look-up and the write shared, where it was ours to begin."""
            if special_after:
                post_exec(self)
            if self.tg_alone:
                end_alone(self)

        def handle_dbapi_exception(self, error: Any) -> None:
            if self.tg_alone:
                release(self, commit=False)
            super().handle_dbapi_exception(error)

        def _setup_dml_or_text_result(self) -> Any:
            """Look at how many rows a write met; text was made to meet the tenant's rows only."""
            compiled = self.compiled
            plans = () if compiled is None else compiled.tg.writes
            if plans and self.dialect.tg_guard.enforces:
                if self.isinsert:
                    if plans[-1].upserts:
                        verify_inserted(self, plans)
                elif "compiled_cache" in self.execution_options:
                    verify_matched(self, plans)
            return set_up_rows(self)

    class StreamingContext(GuardedContext):
        """The context of a statement whose rows are streamed."""

        def _setup_result_proxy(self) -> Any:
            return watch_stream(set_up(self))

    GuardedContext.__name__ = StreamingContext.__name__ = f"Guarded{base.__name__}"
    return GuardedContext


def set_tenants(context: Any, compiled: Any, binding: Binding | None) -> None:
    """Write the tenant over whatever a caller gave under the name of the guard's parameter."""
    for kind in compiled.tg.kinds:
        value = tenant_value(binding, compiled.tg_mode, kind)
    for row in context.compiled_parameters:
        for name in compiled.tg.parameters:
            row[name] = value
        for name, place in compiled.tg.places:
            row[name] = filled(value, place)


def admit(context: Any, connection: Any, compiled: Any, binding: Binding | None) -> None:
    guard = context.dialect.tg_guard
    if getattr(connection, "tg_trusted", False) or not guard.enforces:
        return
    if not isinstance(connection, GuardedConnection):
        refuse_by_hand()
    connection.tg_serve(binding)
    if guard.raw_sql == "database":
        connection.tg_tell()
    if compiled is None:
        connection.tg_names = None
        _admit_text(context, guard, binding)
    elif context.isddl:
        _admit_ddl(context, compiled)
    else:
        _admit_compiled(context, connection, compiled, binding)


def _admit_compiled(context: Any, connection: Any, compiled: Any, binding: Binding | None) -> None:
    mode = "tenant" if binding is None or binding.mode == "closed" else binding.mode
    if getattr(compiled, "tg_mode", None) != mode or compiled.tg_guard is not context.dialect.tg_guard:
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
    if compiled.tg.kinds:
        set_tenants(context, compiled, binding)
    if compiled.tg.fault is not None:
        refuse_again(compiled.tg.fault, compiled.string)
    if compiled.schema_translate_map:
        _verify_translation(compiled, context.execution_options)
        connection.tg_translate(context.execution_options)
    if compiled.tg.writes:
        verify(compiled.tg.writes, context)
    if compiled.tg.checks or compiled.tg.verified:
        context.tg_given = compiled.tg


def repeats(context: Any, binding: Binding | None) -> bool:
    """Send a text again that needs nothing but its tenant; where more has to be looked at, return ``False``.

    It does in one frame what the way through ``_tg_admit`` does in five, which would be most of the guard's cost.
    """
    connection, guard = context.root_connection, context.dialect.tg_guard
    if (
        binding is None
        or binding.mode != "tenant"
        or not isinstance(connection, GuardedConnection)
        or connection.tg_trusted
        or (connection._tg_learnt is not None and connection._tg_learnt[0] != binding.tenants)
    ):
        return False
    try:
        sent = guard.repeats[context.statement]
        (row,), tenant = context.parameters, binding._tenant
    except (AttributeError, KeyError, ValueError):  # no text, as for a sequence, a new one, or many rows
        return False
    if type(tenant) is not sent.expected or type(row) is not tuple or len(row) != sent.given:
        return False
    context.statement = context.unicode_statement = sent.text
    place = sent.place
    context.parameters = [(*row, tenant) if place == sent.given else (*row[:place], tenant, *row[place:])]
    return True


def _admit_text(context: Any, guard: Any, binding: Binding | None) -> None:
    statement = getattr(context, "statement", None)
    if binding is not None and binding.mode == "bypass":
        context.root_connection.tg_forget()
        return
    if statement is None:
        return  # without a statement: a Sequence or a default of its own, which reads no table
    how = guard.raw_sql if binding is not None and binding.mode != "closed" else "refuse"
    if how == "rewrite":
        _rewrite(context, guard, binding, statement)
    elif is_begin(statement, context.dialect.name):
        return
    elif how == "database":  # which was told the tenant, so that one is bound
        fault = text_fault(statement, context.dialect.paramstyle)
        if fault is not None:
            refuse_again(RawSQLError(f"SQL text was refused: {fault}"), statement)
        if writes(statement, context.dialect.paramstyle):
            _rewrite(context, guard, binding, statement)
    else:
        refuse_again(
            RawSQLError(
                "SQL text was sent straight to the driver, where the guard cannot read it. Write it with "
                'SQLAlchemy\'s constructs, or run it inside `with bypass(reason="..."):`'
            ),
            str(statement),
        )


def _rewrite(context: Any, guard: Any, binding: Any, statement: str) -> None:
    """Put the predicates into SQL that goes straight to the driver, and the tenant among its parameters."""
    mode = binding.mode
    several = 0 if mode == "tenant" else len(binding.tenants)
    find = guard.sent if len(statement) <= LONGEST_KEPT else guard.sent.__wrapped__
    try:
        sent = find(context.dialect.tg_variants[mode], statement, several)
        rows = sent.put(binding, context.parameters)
    except Violation as violation:
        refuse_again(violation, statement)
    if sent.checks:
        context.tg_given = sent, context.parameters
    context.statement = context.unicode_statement = sent.text
    context.parameters = rows
    if mode == "tenant" and sent.place is not None:
        keep(guard, statement, sent)


def _admit_ddl(context: Any, compiled: DDLCompiler) -> None:
    """Let the schema's own DDL through where no tenant is bound, as when an application starts."""
    binding = peek()
    if binding is not None and binding.mode == "bypass":
        return
    element = compiled.statement
    if binding is None and _is_schema_ddl(element):
        return
    assert isinstance(element, ExecutableDDLElement)
    name = type(element).__name__
    refuse_again(
        RawSQLError(
            f"{name} was tried {'with no tenant bound' if binding is None else 'under a tenant'}; schema changes "
            'go inside `with bypass(reason="..."):`',
            kind="ddl",
        ),
        str(compiled),
    )


def verify_inserted(context: Any, plans: Any) -> None:
    """Tell an upsert that the key it named belongs to another tenant's row, which stays as it is."""
    if len(context.compiled_parameters) == 1 and context.cursor.rowcount == 0:
        name = plans[-1].placement.name
        refuse_again(
            CrossTenantError(
                f"an upsert into {name} met a key that another tenant's row holds; it stays as it is. Let the "
                "key include the tenant",
                kind="foreign_row",
                table=name,
            ),
            context.compiled.string,
        )


def verify_matched(context: Any, plans: Any) -> None:
    """Tell a unit of work that its row is another tenant's, before it is told that the row is gone."""
    expected = len(context.compiled_parameters)
    sane = expected == 1 or context.dialect.supports_sane_multi_rowcount
    if not sane or context.cursor.rowcount != expected:
        unmatched(plans, context)


def _is_schema_ddl(element: Any) -> bool:
    """Tell whether a DDL element is one of a schema's own, which an application may run before it serves."""
    if isinstance(element, schema.DDL) or hasattr(element, "selectable"):
        return False
    return type(element).__module__.startswith("sqlalchemy.")


def _verify_translation(compiled: Any, options: Any) -> None:
    """Refuse a schema translation that turns a table into one which belongs in another way."""
    names = options.get("schema_translate_map") or {}
    for key, placement in compiled.tg.tables.items():
        translated = (names.get(key[0], key[0]), key[1])
        other = compiled.tg_guard.tenancy.find_key(translated)
        if other is not None and _way(other) != _way(placement):
            refuse(
                CrossTenantError(
                    f"schema_translate_map turns {placement.name} into {full_name(translated)}, which belongs "
                    "in another way",
                    kind="schema_translate",
                    table=full_name(translated),
                )
            )


def _way(placement: Placement) -> tuple[Any, ...]:
    """Return what the predicate of a table was made from."""
    return placement.kind, placement.column, placement.visible


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
        refuse_again(
            RawSQLError("an event listener rewrote a statement after the guard", kind="rewritten"), statement
        )
    sent = context.parameters if context.executemany else context.parameters[0]
    if parameters is not sent and parameters != sent:
        refuse_again(
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
