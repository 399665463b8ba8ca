"""SQL text straight to the driver: rewritten once, with the tenant added to its parameters each time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tenantguard.binding import is_bypass
from tenantguard.context import Binding
from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.execute.authorization import refuse_permission, refuse_read_only
from tenantguard.sql.execute.bypass_writes import BYPASSED
from tenantguard.sql.execute.doors import ask_again, ask_in_time
from tenantguard.sql.execute.leftovers import note_text
from tenantguard.sql.execute.orphans import watch_text
from tenantguard.sql.refusals import refuse_again
from tenantguard.sql.servers.catalogue import calls_something, users_call
from tenantguard.sql.servers.natives import foreign_call
from tenantguard.sql.text import Check, Rewritten, driver_style, is_begin, local_setting
from tenantguard.tenancy import Key

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard


def admit_text(context: Any, guard: Any, binding: Binding | None) -> None:
    """Admit SQL text to the driver according to the engine's ``raw_sql``, or refuse it."""
    statement = getattr(context, "statement", None)
    if is_bypass(binding):
        context.root_connection.tg_forget()
        ask_again(context)
        if statement is not None:
            context.tg_given = BYPASSED
            note_text(context)
        return
    if statement is None:
        return  # without a statement: a Sequence or a default of its own, which reads no table
    how = guard.raw_sql if binding is not None and binding.mode != "closed" else "refuse"
    if how in ("rewrite", "database"):  # to the second the tenant was told, so that one is bound
        _rewrite(context, guard, binding, statement)
    elif is_begin(statement, context.dialect.name):
        return
    elif (setting := local_setting(statement, context.dialect.name)) is not None:
        context.statement = context.unicode_statement = setting
    elif not _is_left(context, guard, statement):
        refuse_again(
            RawSQLError(
                f'SQL text sent straight to the driver was refused (raw_sql="{how}"). Write it with SQLAlchemy\'s '
                'constructs, install the guard with raw_sql="rewrite", or run it inside `with bypass(reason="..."):`'
            ),
            str(statement),
        )


def _is_left(context: Any, guard: Any, statement: str) -> bool:
    """Send a readable text that names only tables that are not enforced; return whether it was sent."""
    if guard.enforced is None:
        return False
    dialect = context.dialect.tg_variants["tenant"]
    try:
        sent = guard.sent.get(statement, statement, lambda: Sent(guard, dialect, statement, 0))
    except Violation:
        return False
    if not guard.leaves(sent.tables):
        return False
    _verify_calls(context, guard, sent)
    context.statement = context.unicode_statement = sent.text
    return True


def _rewrite(context: Any, guard: Any, binding: Any, statement: str) -> None:
    """Compose SQL for the driver anew, and add the tenant to its parameters."""
    mode = binding.mode
    several = 0 if mode == "tenant" else len(binding.tenants)
    dialect = context.dialect.tg_variants[mode]
    try:
        key = (statement, several) if several else statement
        sent = guard.sent.get(key, statement, lambda: Sent(guard, dialect, statement, several))
        rows = sent.put(binding, context.parameters)
    except Violation as violation:
        refuse_again(violation, statement)
    if sent.permissions:
        sent.permit(binding)
        context.tg_asked = sent.permissions
    _verify_calls(context, guard, sent)
    if sent.writes:
        refuse_read_only(context, binding)
        watch_text(context)
    if sent.checks:
        context.tg_given = sent, context.parameters
    context.statement = context.unicode_statement = sent.text
    context.parameters = rows


def _verify_calls(context: Any, guard: Any, sent: Sent) -> None:
    """Refuse SQL text that calls user-defined functions, operators or casts."""
    ask_in_time(context.root_connection, guard, calls=sent.calls)
    if not sent.asked or sent.catalogue is not guard.catalogue:
        fault = foreign_call(sent.text, context.dialect, guard)
        if fault is None and guard.catalogue is not None:
            fault = users_call(sent.text, guard)
        if fault is not None:
            refuse_again(fault, sent.text)
        sent.asked, sent.catalogue = True, guard.catalogue
        sent.settle()


def _calls(guard: Guard, text: str, tables: Iterable[Key], ctes: Collection[str] = ()) -> bool:
    return calls_something(text, {key[1]: guard.ties.column_names(key) for key in tables}, ctes)


class Sent:
    """The result of reading one text.

    Args:
        guard: the guard that reads it.
        dialect: the dialect whose compiler serves the binding's mode.
        statement: the text.
        several: how many tenants are bound, where they are a set.

    Attributes:
        text: what is executed.
        checks: what must be verified of the parameters each time.
        expected: the type of the tenant.
        takes: how many parameters it is given, or their names, where it needs no other look than for the tenant that
            is put among them; ``None`` where it does, and as long as the server was not asked.
        merge: puts the tenant, which follows the others, in its place; ``None`` where that is the last, or a name.
        tables: the tables that it names.
        writes: the text writes.
        permissions: what whoever acts has to be permitted, by table and act.
        asked: what the server has answered was held against the text.
        calls: it has a call, an operator, a field or a cast that only the users of a PostgreSQL server could have made.
        catalogue: what a PostgreSQL server answered.
    """

    __slots__ = (
        "_process",
        "_read",
        "_rewritten",
        "_several",
        "asked",
        "calls",
        "catalogue",
        "checks",
        "expected",
        "merge",
        "permissions",
        "tables",
        "takes",
        "text",
        "writes",
    )

    def __init__(self, guard: Guard, dialect: Any, statement: str, several: int) -> None:
        self.text, self._several = statement, several
        self.asked = self.writes = self.calls = False
        self.permissions: Any = {}
        self.tables: frozenset[Key] = frozenset()
        self.catalogue: Any = None
        guard.era.used = True
        self.checks: tuple[Check, ...] = ()
        self._read: Callable[[], Any] | None = None
        self._rewritten: Rewritten | None = None
        self._process: Callable[[Any], Any] | None = None
        self.expected: type | None = None
        self.takes: int | frozenset[str] | None = None
        self.merge: Callable[[Any], Any] | None = None
        if is_begin(statement, dialect.name):
            return
        setting = local_setting(statement, dialect.name)
        if setting is not None:
            self.text = setting
            return
        if guard.raw_sql == "database" and self._is_underneath(guard, dialect.paramstyle):
            self.calls = _calls(guard, self.text, [placement.key for placement in guard.placed])
            return
        self._rewritten = found = guard.rewrite(statement, dialect, driver_style(dialect), several)
        self.text, self.checks, self.permissions = found.text, found.checks, found.asked
        self.tables = found.tables
        self.calls = dialect.name == "postgresql" and _calls(guard, self.text, found.tables, found.ctes)
        self.writes = found.verbs != ("select",)
        if found.tenanted:
            placement = guard.ties.any_owned(found.tables)
            parameter: Any = dialect.statement_compiler.tg_predicates.parameter(placement)
            self._read, self.expected = parameter.tg_read, placement.python_type
            self._process = parameter.type.dialect_impl(dialect).bind_processor(dialect)

    def _is_underneath(self, guard: Guard, style: str) -> bool:
        """Accept a text without predicates if row security protects what it reads; return whether it does."""
        found = guard.texts.underneath(self.text, style)
        if found.fault is not None:
            raise RawSQLError(f"SQL text was refused: {found.fault}")
        if guard.tenancy.permissions or guard.texts.writes(self.text, "postgresql", style):
            return False
        self.text = found.text
        return True

    def settle(self) -> None:
        """Determine whether only the tenant differs when the text is sent again."""
        found = self._rewritten
        if found is None or self._read is None or self._process is not None or self._several:
            return
        if self.writes or self.checks or self.permissions or self.calls:
            return
        if found.recipe not in (None, (*range(found.given), None)):
            self.merge = itemgetter(*[found.given if place is None else place for place in found.recipe])
        self.takes = found.names if found.recipe is None else found.given

    def permit(self, binding: Binding) -> None:
        """Admit the text for the principal, or refuse it.

        Raises:
            PermissionDeniedError: a permission is missing, or there is no principal.
        """
        had = None if binding.principal is None else binding.principal.permissions
        if had is None or not all(needed <= had for needed in self.permissions.values()):
            refuse_permission(binding, self.permissions, self.text)

    def put(self, binding: Binding, rows: list[Any]) -> list[Any]:
        """Return the sets of parameters with the tenant added to each.

        Raises:
            RawSQLError: their number or kind does not fit the text.
            NoTenantError: the tenant is of another type than its column.
        """
        tenant: Any = binding._tenant
        if self._read is None:
            return rows if self._rewritten is None else [self._rewritten.bind(row, tenant) for row in rows]
        if self._several or type(tenant) is not self.expected:
            tenant = self._read()  # which refuses another type
        if self._process is not None:
            tenant = [self._process(one) for one in tenant] if self._several else self._process(tenant)
        found: Any = self._rewritten
        return [found.bind(row, tenant) for row in rows]
