"""The execution: each statement is admitted before it gets a cursor, and its matched rows are checked afterwards."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy.engine.default import DefaultExecutionContext

from tenantguard.context import Binding, peek
from tenantguard.sql.execute.admission import admit
from tenantguard.sql.execute.commits import end_alone
from tenantguard.sql.execute.connections import GuardedConnection
from tenantguard.sql.execute.cursors import copied_parameters
from tenantguard.sql.execute.defaults import composes_default, default_query, is_its_own
from tenantguard.sql.execute.results import (
    DEFAULT_FETCH,
    GUARDED_FETCH,
    REWOUND_FETCH,
    watch_rewound,
    watch_stream,
)
from tenantguard.sql.execute.row_counts import verify_inserted, verify_matched
from tenantguard.sql.execute.stored_values import StoredCursor
from tenantguard.sql.execute.told_tenant import note_stream, refuse_held
from tenantguard.sql.execute.verification import stamp_defaults, verify_given
from tenantguard.sql.refusals import refuse_again
from tenantguard.sql.servers.catalogue import undeclared_call


@functools.cache
def guarded_context(base: Any) -> Any:
    """Return a subclass of a dialect's execution context that admits each statement, or refuses it.

    There is one for all engines and modes: CPython specialises SQLAlchemy's code for the class that it works on, and
    works slowly where two take turns. The methods on the hot path call the dialect's methods by name: before Python
    3.12, a ``super()`` costs more than the method it calls.
    """

    before, after = _own(base, "pre_exec"), _own(base, "post_exec")

    class GuardedContext(base):  # type: ignore[misc]  # of whatever dialect
        """A guarded execution context.

        Attributes:
            tg_binding: the binding that the statement is executed under.
            tg_admitted: the guard gave it its cursor, and not a subclass.
            tg_refused: a reader of its rows was refused since they were last asked for.
            tg_asked: what whoever acts had to be permitted for SQL text, by table and act.
            tg_kept: the statement and its parameters as they were before listeners saw them, where any may listen;
                without it, the statement was not admitted.
            tg_composes: the next text beside the statement, for a default or a sequence, is composed by the dialect.
            tg_beside: that text and its parameters, or a batch of rows.
            tg_given: what must be verified of the parameters, once they are as the driver takes them.
            tg_alone: the statement is in a transaction of its own, which we began and end.
            tg_stored: the cursor that verifies a write by what it stores.
        """

        tg_binding: Binding | None = None
        tg_admitted = False
        tg_alone = False
        tg_refused = False
        tg_given: Any = None
        tg_asked: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType({})
        tg_kept: tuple[str, Any] | None
        tg_composes = False
        tg_beside: tuple[Any, Any] | None = None
        tg_stored: StoredCursor | None = None
        cursor_fetch_strategy = GUARDED_FETCH

        def create_cursor(self) -> Any:
            """Admit the statement to a cursor, or refuse it, after its parameters were processed."""
            self.tg_binding = binding = peek()
            admit(self, self.root_connection, self.compiled, binding)
            self.tg_admitted = True
            cursor = base.create_cursor(self)
            if self._is_server_side or "stream_results" in self.execution_options:
                self.tg_stream()
            return cursor

        def tg_stream(self) -> None:
            """Fetch the rows like SQLAlchemy's streamed rows, but watched."""
            self.cursor_fetch_strategy = DEFAULT_FETCH  # which SQLAlchemy exchanges for the one that buffers
            self.__class__ = StreamingContext

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
            return base.get_lastrowid(self) if is_its_own(self) else None

        def _process_execute_defaults(self) -> None:
            super()._process_execute_defaults()
            if self.compiled.tg.writes and self.dialect.tg_guard.enforces:
                stamp_defaults(self.compiled.tg.writes, self)

        def pre_exec(self) -> None:
            """Verify the statement, now that every parameter is in the driver's form."""
            connection, rows = self.root_connection, None
            if connection._has_events or connection.engine._has_events or self.dialect._has_events:
                rows = copied_parameters(self)
            if self.tg_given is not None:
                self.tg_verify()
            if before is not None:
                before(self)
            if self.tg_admitted:
                # with rows, somebody listens, and could change what is sent
                self.tg_kept = None if rows is None else (self.statement, rows)

        def tg_verify(self) -> None:
            """Verify the values in the statement."""
            verify_given(self)

        def post_exec(self) -> None:
            """End the transaction of the look-up and the write, if the guard began it."""
            if after is not None:
                after(self)
            if self.tg_stored is not None:
                self.tg_stored.finish()
            if self.tg_alone:
                end_alone(self)

        def handle_dbapi_exception(self, error: Any) -> None:
            super().handle_dbapi_exception(error)
            if self.dialect.name == "postgresql":
                _refuse_undeclared(self, error)
                refuse_held(self, error)

        def _setup_dml_or_text_result(self) -> Any:
            """Check how many rows a write matched; text only matches the tenant's rows."""
            plans = () if self.compiled is None else self.compiled.tg.writes
            if plans and self.dialect.tg_guard.enforces:
                if self.isinsert:
                    if plans[-1].upserts:
                        verify_inserted(self, plans)
                elif "compiled_cache" in self.execution_options:
                    verify_matched(self, plans)
            result = base._setup_dml_or_text_result(self)
            return watch_rewound(result) if type(result.cursor_strategy) is REWOUND_FETCH else result

    class StreamingContext(GuardedContext):
        """The context of a statement whose rows are streamed."""

        def _setup_result_proxy(self) -> Any:
            if self.dialect.tg_guard.tells and isinstance(self.root_connection, GuardedConnection):
                note_stream(self.root_connection, self)
            return watch_stream(super()._setup_result_proxy())

    GuardedContext.__name__ = StreamingContext.__name__ = f"Guarded{base.__name__}"
    return GuardedContext


def _own(base: Any, name: str) -> Any:
    """Return a dialect's hook, or ``None`` for SQLAlchemy's default, which does nothing."""
    hook = getattr(base, name)
    return None if hook is getattr(DefaultExecutionContext, name) else hook


def _refuse_undeclared(context: Any, error: Any) -> None:
    """Turn a database error into a refusal if it occurred only because a call was limited to built-in functions."""
    refusal = undeclared_call(error, context.dialect.tg_guard)
    if refusal is not None:
        context.root_connection._safe_close_cursor(context.cursor)
        refuse_again(refusal, context.statement)
