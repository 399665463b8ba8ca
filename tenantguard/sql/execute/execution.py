"""The execution: what a compiled statement was made for is checked where it runs, against the binding in force."""

from __future__ import annotations

from typing import Any

from sqlalchemy import schema
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import mapperlib
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.selectable import SelectBase

from tenantguard.audit import refuse
from tenantguard.context import Binding, peek
from tenantguard.errors import CrossTenantError, RawSQLError, Violation
from tenantguard.sql.execute.connections import GuardedConnection
from tenantguard.sql.execute.defaults import composes_default, default_query, last_key
from tenantguard.sql.execute.doors import ask_server, takes_trust
from tenantguard.sql.execute.ending import end_alone
from tenantguard.sql.execute.holding import release
from tenantguard.sql.execute.orphans import watch_text
from tenantguard.sql.execute.results import DEFAULT_FETCH, GUARDED_FETCH, watch_rewound, watch_stream
from tenantguard.sql.execute.sending import keep_parameters
from tenantguard.sql.execute.sent import Sent, keep
from tenantguard.sql.execute.stored import StoredCursor
from tenantguard.sql.execute.verify import stamp_defaults, unmatched, verify, verify_given
from tenantguard.sql.predicates import set_tenants
from tenantguard.sql.refusals import refuse_again, refuse_by_hand, refuse_compiled
from tenantguard.sql.servers.catalogue import undeclared_call, users_call, verify_asked
from tenantguard.sql.servers.natives import foreign_call
from tenantguard.sql.text import is_begin, local_setting
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
        """An execution context.

        Attributes:
            tg_binding: the binding that the statement is executed under.
            tg_kept: its parameters as they were before listeners saw them, where any listens.
            tg_composes: the next text beside the statement, for a default or a sequence, is composed by the dialect.
            tg_beside: that text and its parameters, or a batch of rows.
            tg_given: what must be verified of the parameters, once they are as the driver takes them.
            tg_alone: the statement is in a transaction of its own, which we began and end.
            tg_stored: the cursor that verifies a write by what it stores.
        """

        tg_binding: Binding | None = None
        tg_alone = False
        tg_given: Any = None
        tg_kept: list[Any] | None = None
        tg_composes = False
        tg_beside: tuple[Any, Any] | None = None
        tg_stored: StoredCursor | None = None
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

        def fire_sequence(self, seq: Any, type_: Any) -> Any:
            self.tg_composes = True
            return super().fire_sequence(seq, type_)

        def get_insert_default(self, column: Any) -> Any:
            self.tg_composes = composes_default(self, column)
            return super().get_insert_default(column)

        def _exec_default_clause_element(self, column: Any, default: Any, type_: Any) -> Any:
            query = default_query(self, default, type_)
            if query is None:
                return super()._exec_default_clause_element(column, default, type_)
            self.tg_composes = True
            return self._execute_scalar(query.text, type_, parameters=query.parameters)

        def get_lastrowid(self) -> Any:
            return last_key(self, super().get_lastrowid)

        def _process_execute_defaults(self) -> None:
            super()._process_execute_defaults()
            if self.compiled.tg.writes and self.dialect.tg_guard.enforces:
                stamp_defaults(self.compiled.tg.writes, self)

        def pre_exec(self) -> None:
            """Verify what is about to be sent, now that every parameter is as the driver takes it."""
            keep_parameters(self)
            if self.tg_given is not None:
                verify_given(self)
            if special_before:
                pre_exec(self)

        def post_exec(self) -> None:
            """End the transaction that the look-up and the write shared, where it was ours to begin."""
            if special_after:
                post_exec(self)
            if self.tg_stored is not None:
                self.tg_stored.finish()
            if self.tg_alone:
                end_alone(self)

        def handle_dbapi_exception(self, error: Any) -> None:
            if self.tg_alone:
                release(self, commit=False)
            super().handle_dbapi_exception(error)
            if self.dialect.name == "postgresql":
                refuse_undeclared(self, error)

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
            return watch_rewound(set_up_rows(self))

    class StreamingContext(GuardedContext):
        """The context of a statement whose rows are streamed."""

        def _setup_result_proxy(self) -> Any:
            if self.dialect.tg_guard.raw_sql == "database" and isinstance(
                self.root_connection, GuardedConnection
            ):
                self.root_connection.tg_stream(self)
            return watch_stream(set_up(self))

    GuardedContext.__name__ = StreamingContext.__name__ = f"Guarded{base.__name__}"
    return GuardedContext


def admit(context: Any, connection: Any, compiled: Any, binding: Binding | None) -> None:
    """Admit a statement after the second look that not every one needs, or refuse it."""
    guard = context.dialect.tg_guard
    if not guard.enforces or takes_trust(context, connection):
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
    if mode == "bypass":
        if not isinstance(compiled.statement, SelectBase) or compiled.ctes:
            connection.tg_forget()
        if context.isinsert or context.isupdate:
            context.tg_given = compiled.tg
        return
    if compiled.tg.kinds:
        _refuse_many_texts(context, compiled)
    if compiled.tg.kinds or compiled.tg.rules:
        set_tenants(context.compiled_parameters, compiled, binding)
    if compiled.tg.unasked:
        ask_server(connection, compiled.tg_guard)
        verify_asked(compiled)
    if compiled.tg.fault is not None:
        refuse_again(compiled.tg.fault, compiled.string)
    if compiled.schema_translate_map:
        _verify_translation(compiled, context.execution_options)
        connection.tg_translate(context.execution_options)
    if compiled.tg.writes:
        verify(compiled.tg.writes, context)
    if compiled.isplaintext:
        watch_text(context, compiled.string)
    if compiled.tg.checks or compiled.tg.verified:
        context.tg_given = compiled.tg


def _refuse_many_texts(context: Any, compiled: Any) -> None:
    """Refuse SQL text with many sets of parameters under several tenants, whose list is written out each time."""
    if context.executemany and compiled.tg_mode == "tenants" and compiled.tg.parameters:
        refuse_again(
            RawSQLError(
                "SQL text with many sets of parameters serves one tenant, and several are bound; execute it once for "
                "each set, or bind one"
            ),
            compiled.string,
        )


def repeats(context: Any, binding: Binding | None) -> bool:
    """Send a text again that needs nothing but its tenant; where more has to be looked at, return ``False``.

    It does in one frame what the way through ``admit`` does in five, which would be most of the guard's cost.
    """
    connection, guard = context.root_connection, context.dialect.tg_guard
    if (
        binding is None
        or binding.mode != "tenant"
        or not isinstance(connection, GuardedConnection)
        or connection.tg_own is not None
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
    elif (setting := local_setting(statement, context.dialect.name)) is not None:
        context.statement = context.unicode_statement = setting
    elif how == "database":  # which was told the tenant, so that one is bound
        fault = guard.texts.fault_underneath(statement, context.dialect.paramstyle)
        if fault is not None:
            refuse_again(RawSQLError(f"SQL text was refused: {fault}"), statement)
        if guard.texts.writes(statement, context.dialect.name, context.dialect.paramstyle):
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
    dialect = context.dialect.tg_variants[mode]
    try:
        sent = guard.sent.get(
            (dialect, statement, several), statement, lambda: Sent(guard, dialect, statement, several)
        )
        rows = sent.put(binding, context.parameters)
    except Violation as violation:
        refuse_again(violation, statement)
    _verify_calls(context, guard, sent.text)
    frees = watch_text(context, statement)
    if sent.checks:
        context.tg_given = sent, context.parameters
    context.statement = context.unicode_statement = sent.text
    context.parameters = rows
    if mode == "tenant" and sent.place is not None and not frees:
        keep(guard, statement, sent)


def refuse_undeclared(context: Any, error: Any) -> None:
    """Refuse what the database answers with an error only because the call was kept to its own functions."""
    refusal = undeclared_call(error, context.dialect.tg_guard)
    if refusal is not None:
        context.root_connection._safe_close_cursor(context.cursor)
        refuse_again(refusal, context.statement)


def _verify_calls(context: Any, guard: Any, statement: str) -> None:
    """Refuse SQL text that calls what the users of the server have made."""
    fault = foreign_call(statement, context.dialect, guard)
    if fault is None and context.dialect.name == "postgresql":
        ask_server(context.root_connection, guard)
        fault = users_call(statement, guard)
    if fault is not None:
        refuse_again(fault, statement)


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
    if (not sane or context.cursor.rowcount != expected) and _is_flushed(context):
        unmatched(plans, context)


def _is_flushed(context: Any) -> bool:
    """Tell whether a unit of work sends the statement: it alone uses the cache that a mapped class has."""
    cache = context.execution_options["compiled_cache"]
    mappers = (mapper for registry in mapperlib._all_registries() for mapper in registry.mappers)
    return any(mapper.__dict__.get("_compiled_cache") is cache for mapper in mappers)


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
