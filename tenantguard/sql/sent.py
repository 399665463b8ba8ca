"""SQL text that is sent straight to the driver: rewritten once, and the tenant put among its parameters each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tenantguard.context import Binding
from tenantguard.sql.text import Check, is_begin

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard

LONGEST_KEPT = 20_000  # longer texts are read each time, so that the cache stays small


class Sent:
    """Hold what became of one text.

    Args:
        guard: the guard that reads it.
        dialect: the dialect whose compiler serves the binding's mode.
        statement: the text.
        several: how many tenants are bound, where they are a set.
    """

    __slots__ = ("_appended", "_expected", "_process", "_read", "_rewritten", "_several", "checks", "text")

    def __init__(self, guard: Guard, dialect: Any, statement: str, several: int) -> None:
        self.text, self._several, self._appended = statement, several, -1
        self.checks: tuple[Check, ...] = ()
        self._read: Callable[[], Any] | None = None
        self._process: Callable[[Any], Any] | None = None
        self._expected: type | None = None
        if is_begin(statement, dialect.name):
            return
        self._rewritten = rewritten = guard.rewrite(statement, dialect, dialect.paramstyle, several)
        self.text, self.checks = rewritten.text, rewritten.checks
        if rewritten.tenanted:
            placement = guard.any_owned(rewritten.tables)
            parameter: Any = dialect.statement_compiler.tg_predicates.parameter(placement)
            self._read, self._expected = parameter.tg_read, placement.python_type
            self._process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            if not several and rewritten.recipe == (*range(rewritten.given), None):
                self._appended = rewritten.given

    def put(self, binding: Binding, rows: list[Any]) -> list[Any]:
        """Return the sets of parameters with the tenant in each.

        Raises:
            RawSQLError: their number or kind does not fit the text.
            NoTenantError: the tenant is of another type than its column.
        """
        tenant: Any = binding._tenant
        if self._read is None:
            return rows
        if self._several or type(tenant) is not self._expected:
            tenant = self._read()  # which refuses another type
        if self._process is not None:
            tenant = [self._process(one) for one in tenant] if self._several else self._process(tenant)
        if len(rows) == 1 and type(rows[0]) is tuple and len(rows[0]) == self._appended:
            return [(*rows[0], tenant)]
        return [self._rewritten.bind(row, tenant) for row in rows]
