"""Shortcuts: code that is duplicated only for speed.

``install`` leaves this module out if its ``SHORTCUTS`` is false; only the speed changes.
``tests/sql/test_shortcuts.py`` runs the same statements both ways, and compares rows, SQL and events.
"""

from __future__ import annotations

import functools
from time import monotonic
from typing import Any

from tenantguard.context import peek
from tenantguard.sql.compile.statement import Statement
from tenantguard.sql.execute.authorization import permit
from tenantguard.sql.execute.known_keys import known_keys, learnt_in
from tenantguard.sql.execute.leftovers import find_left
from tenantguard.sql.execute.lookups import mark
from tenantguard.sql.execute.told_tenant import tell
from tenantguard.sql.execute.verification import verify
from tenantguard.sql.text import PARAMETER

_MOST = 1000  # rows of one statement whose keys are known together
_NOTHING: Any = [()]  # the one set of parameters, where none is given


@functools.cache
def short_context(base: Any) -> Any:
    """Return a subclass of a guarded context that admits a plain statement without further checks.

    The statement has its predicates, and the connection was prepared for this binding. It saves 15,200
    instructions an execution: 2.4 % of an ORM select by key, 3.6 % of a Core select (callgrind, 30 executions).
    """

    plain_cursor = base.__base__.create_cursor  # the dialect's own

    class ShortContext(base):  # type: ignore[misc]  # of whatever dialect
        """A guarded execution context that takes the shortcut if possible."""

        def create_cursor(self) -> Any:
            binding: Any = peek()  # or nothing, of which the exception below tells
            try:
                statement, tenant = self.compiled.tg, binding._tenant
                guard = statement.guard
                ready = (
                    self.root_connection.tg_ready is binding
                    and type(tenant) in statement.serves
                    and statement.era.alive
                    and binding.mode == "tenant"
                    and monotonic() < guard.ask_at
                )
            except AttributeError:  # nothing is bound, or the connection was made by hand
                ready = False
            if not ready:
                return super().create_cursor()
            self.tg_binding, self.tg_admitted = binding, True
            # what is read of every context is its own: CPython 3.11 is slow with what only its class has
            self.tg_given = self.tg_stored = None
            self.tg_alone = False
            if statement.asks is not None:
                permit(self, statement, binding)
            if guard.tells:
                tell(self.root_connection)
            for name in statement.parameters:
                for row in self.compiled_parameters:
                    row[name] = tenant
            if statement.verified:
                verify(statement.writes, self)
                self.tg_given = statement
            cursor = plain_cursor(self)
            if self._is_server_side or "stream_results" in self.execution_options:
                self.tg_stream()
            return cursor

        def tg_verify(self) -> None:
            if not is_known(self):
                super().tg_verify()

    ShortContext.__name__ = base.__name__
    ShortContext._init_statement = classmethod(_sending_again(ShortContext))
    return ShortContext


def _sending_again(short: Any) -> Any:
    """Return the function that creates the context of text straight to the driver, with a shortcut for known text.

    A known text was read, asked for, and only reads: the tenant is all that differs, and nothing is looked at when it
    is over. It saves 24,100 of the 147,000 instructions of a text sent by key: 16 %
    (``python -m benchmarks.micro.driver_text``).
    """
    base: Any = short.__base__
    plain = base.__base__  # the dialect's own

    class RepeatedContext(base):  # type: ignore[misc]  # of whatever dialect
        """The execution context of a known text."""

        create_cursor, pre_exec, post_exec = plain.create_cursor, plain.pre_exec, plain.post_exec
        _setup_dml_or_text_result = plain._setup_dml_or_text_result

    RepeatedContext.__name__ = base.__name__
    make, repeat = plain._init_statement.__func__, RepeatedContext._init_statement

    def _init_statement(
        cls: Any, dialect: Any, connection: Any, driver: Any, options: Any, text: str, rows: Any
    ) -> Any:
        guard = dialect.tg_guard
        sent = guard.sent.answers.get(text)
        binding: Any = peek()  # or nothing, of which the exception below tells
        if sent is not None and sent.takes is not None and guard.raw_sql == "rewrite" and cls is short:
            try:
                (row,), tenant = rows or _NOTHING, binding._tenant
                fits = (
                    (len(row) == sent.takes if type(row) is tuple else _is_named(row, sent, connection))
                    and type(tenant) is sent.expected
                    and binding.mode == "tenant"
                    and (binding.principal is None or binding.principal.actor is None)
                    and sent.catalogue is guard.catalogue
                    and monotonic() < guard.ask_at
                    and not guard.tells
                    and not connection.tg_orphans
                    and not (guard.left and find_left(connection) is not None)
                )
            # nothing is bound, the connection was made by hand, or there are several rows
            except (AttributeError, ValueError):
                fits = False
            if fits:
                if sent.merge is not None:
                    row = sent.merge((*row, tenant))
                elif type(row) is tuple:
                    row = row + (tenant,)  # noqa: RUF005 - half the instructions
                else:
                    row = {**row, PARAMETER: tenant}
                context = repeat(dialect, connection, driver, options, sent.text, [row])
                context.tg_binding, context.tg_kept = binding, (sent.text, row)
                if context._is_server_side:
                    context.tg_stream()
                return context
        return make(base if cls is short else cls, dialect, connection, driver, options, text, rows)

    return _init_statement


def _is_named(row: Any, sent: Any, connection: Any) -> bool:
    """Return whether named parameters match the text, and no listener could change them."""
    heard = connection._has_events or connection.engine._has_events or connection.dialect._has_events
    return type(row) is dict and row.keys() == sent.takes and not heard


def is_known(context: Any) -> bool:
    """Admit a row with the bound tenant and keys that this transaction knows.

    Everything else is verified the regular way. It saves 28,300 of the 1,023,100 instructions of a flush
    that inserts one object: 2.8 % (callgrind, 10 executions).
    """
    given, rows = context.tg_given, context.parameters
    if type(given) is not Statement or len(rows) != 1:
        return False
    if given.row is None:
        given.row = _row(given, context.compiled)
    binding, (row,), (expected, tenants, keys) = peek(), rows, given.row
    if binding is None or binding is not context.tg_binding or type(binding._tenant) is not expected:
        return False
    tenant = binding._tenant
    for place in tenants:
        if row[place] is not tenant:
            return False
    if keys and not _are_known(context, given, row, keys):
        return False
    context.tg_given = None
    return True


def _are_known(context: Any, statement: Statement, row: Any, keys: Any) -> bool:
    """Return whether all keys of a row are known; a row with the same keys is then known as a whole."""
    learnt = learnt_in(context)
    if learnt is None:
        return False
    values = [row[place] for _, places in keys for place in places]
    together = *values, *map(type, values)  # 1, 1.0 and True are equal in Python
    try:
        if together in learnt.rows.get(statement, ()):
            return True
    except TypeError:  # a value that cannot be told apart by its hash
        return False
    for link, places in keys:
        if mark(tuple([row[place] for place in places])) not in known_keys(context, link):
            return False
    rows = learnt.rows.setdefault(statement, set())
    if len(rows) < _MOST:
        rows.add(together)
    return True


def _row(statement: Statement, compiled: Any) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Return the type of the tenant, and where a row of parameters holds the tenant and each foreign key.

    The type is ``None``, which no tenant has, where the long way has to be gone.
    """
    if (
        len(statement.writes) != 1
        or statement.checks
        or statement.stored is not None
        or compiled.post_compile_params
        or compiled.literal_execute_params
        or compiled.schema_translate_map
        or any(len(link.rows) != 1 for link in statement.writes[0].links)
    ):
        return None, (), ()
    (plan,) = statement.writes
    names: Any = {name: place for place, name in enumerate(compiled.positiontup or ())}
    if not compiled.positional:
        names = {name: (compiled.escaped_bind_names or {}).get(name, name) for name in compiled.binds}
    try:
        tenants = tuple([names[name] for name in plan.tenant])
        keys = tuple([(link, tuple([names[name] for name in link.rows[0]])) for link in plan.links])
    except KeyError:  # it was written into the text
        return None, (), ()
    return plan.placement.python_type, tenants, keys
