"""SQL text that is sent straight to the driver: rewritten once, and the tenant put among its parameters each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tenantguard.context import Binding
from tenantguard.sql.text import Check, is_begin, local_setting
from tenantguard.sql.text.parameters import Recipe

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard

LONGEST_KEPT = 4_000  # longer texts get a second look each time, so that the memory stays bounded
KEPT = 1024  # texts


def keep(guard: Guard, statement: str, sent: Sent) -> None:
    """Let a text be repeated without a second look, unless each execution has to be given one."""
    if guard.is_prompt and len(statement) <= LONGEST_KEPT:
        if len(guard.repeats) >= KEPT:
            guard.repeats.clear()  # each comes back with its next execution
        guard.repeats[statement] = sent


class Sent:
    """Hold what became of one text.

    Args:
        guard: the guard that reads it.
        dialect: the dialect whose compiler serves the binding's mode.
        statement: the text.
        several: how many tenants are bound, where they are a set.

    Attributes:
        text: what is executed.
        checks: what must be verified of the parameters each time.
        place: where one tenant as it is bound goes among parameters by place, if nothing else is to be done.
        given: how many parameters the text was given.
        expected: the type of the tenant.
    """

    __slots__ = (
        "_process",
        "_read",
        "_rewritten",
        "_several",
        "checks",
        "expected",
        "given",
        "place",
        "text",
    )

    def __init__(self, guard: Guard, dialect: Any, statement: str, several: int) -> None:
        self.text, self._several, self.given = statement, several, 0
        self.place: int | None = None
        self.checks: tuple[Check, ...] = ()
        self._read: Callable[[], Any] | None = None
        self._process: Callable[[Any], Any] | None = None
        self.expected: type | None = None
        if is_begin(statement, dialect.name):
            return
        setting = local_setting(statement, dialect.name)
        if setting is not None:
            self.text = setting
            return
        style = "driver_named" if dialect.paramstyle == "named" else dialect.paramstyle
        self._rewritten = found = guard.rewrite(statement, dialect, style, several)
        self.text, self.checks = found.text, found.checks
        if found.tenanted:
            placement = guard.ties.any_owned(found.tables)
            parameter: Any = dialect.statement_compiler.tg_predicates.parameter(placement)
            self._read, self.expected = parameter.tg_read, placement.python_type
            self._process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            self.given = found.given
            if not several and not self.checks and self._process is None and self.expected is not None:
                self.place = _place(found.recipe, found.given)

    def put(self, binding: Binding, rows: list[Any]) -> list[Any]:
        """Return the sets of parameters with the tenant in each.

        Raises:
            RawSQLError: their number or kind does not fit the text.
            NoTenantError: the tenant is of another type than its column.
        """
        tenant: Any = binding._tenant
        if self._read is None:
            return rows
        if self._several or type(tenant) is not self.expected:
            tenant = self._read()  # which refuses another type
        if self._process is not None:
            tenant = [self._process(one) for one in tenant] if self._several else self._process(tenant)
        return [self._rewritten.bind(row, tenant) for row in rows]


def _place(recipe: Recipe | None, given: int) -> int | None:
    """Return where the tenant goes, if it goes to one place and the given parameters stay in order."""
    if recipe is None or None not in recipe:
        return None
    place = recipe.index(None)
    return place if recipe == (*range(place), None, *range(place, given)) else None
