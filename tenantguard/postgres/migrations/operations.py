"""Operations for row security in migrations; the file contains the statements, so a migration never changes later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text

from tenantguard.errors import ConfigurationError

_TIMEOUTS = ("SET LOCAL lock_timeout = '{}'", "SET LOCAL statement_timeout = '60s'")
_AGAIN = ("SET LOCAL statement_timeout TO DEFAULT", "SET LOCAL lock_timeout TO DEFAULT")


class _TenancyOp(MigrateOperation):
    """Statements that change the row security of one table, and those that undo the change."""

    def __init__(self, name: str, statements: Sequence[str], undo: Sequence[str], lock_timeout: str) -> None:
        self.name, self.statements, self.undo = name, list(statements), list(undo)
        self.lock_timeout = lock_timeout

    @classmethod
    def change(
        cls,
        operations: Operations,
        name: str,
        statements: Sequence[str],
        *,
        undo: Sequence[str] = (),
        lock_timeout: str = "3s",
    ) -> Any:
        """Change the row security of a table with statements from ``tenantguard.postgres.policies``.

        Args:
            operations: Alembic's operations.
            name: the table, for readers of the migration.
            statements: the statements, in order.
            undo: the statements of the downgrade.
            lock_timeout: the maximum wait for a lock.
        """
        if isinstance(statements, str) or isinstance(undo, str):
            raise ConfigurationError(f"the statements for {name} are a list of strings, not one string")
        return operations.invoke(cls(name, statements, undo, lock_timeout))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the tuple that ``alembic check`` shows."""
        return (_name(self), self.name)


@Operations.register_operation("enable_tenancy", "change")
class EnableTenancyOp(_TenancyOp):
    """The operation that enables row security on a table."""

    def reverse(self) -> DisableTenancyOp:
        """Return the operation that restores the previous state."""
        return DisableTenancyOp(self.name, self.undo, self.statements, self.lock_timeout)


@Operations.register_operation("disable_tenancy", "change")
class DisableTenancyOp(_TenancyOp):
    """The operation that disables row security on a table, or restores its previous state."""

    def reverse(self) -> EnableTenancyOp:
        """Return the operation that enables it again."""
        return EnableTenancyOp(self.name, self.undo, self.statements, self.lock_timeout)


@Operations.register_operation("distribute_tenancy")
class DistributeTenancyOp(MigrateOperation):
    """The statements that place tables on the nodes of a Citus."""

    def __init__(self, statements: Sequence[str]) -> None:
        self.statements = list(statements)

    @classmethod
    def distribute_tenancy(cls, operations: Operations, statements: Sequence[str]) -> Any:
        """Place the tables of a tenancy on the nodes of a Citus, in the migration's transaction.

        Args:
            operations: Alembic's.
            statements: what ``tenantguard.postgres.citus.distribution`` returns.
        """
        return operations.invoke(cls(statements))


@Operations.implementation_for(DistributeTenancyOp)
def _distribute(operations: Any, operation: DistributeTenancyOp) -> None:
    emit(operations, operation.statements)


def emit(operations: Any, statements: Iterable[str]) -> None:
    """Execute statements without parameters, or write them into the script of an offline migration."""
    dialect = operations.get_context().dialect.name
    if dialect != "postgresql":
        raise ConfigurationError(f"row security needs PostgreSQL, and this migration runs on {dialect}")
    for statement in statements:
        if (
            operations.get_context().as_sql
        ):  # Alembic would double percent signs, for a driver that is not there
            operations.impl.static_output(f"{statement};\n")
        else:
            operations.execute(text(statement.replace(":", "\\:")))


def _name(operation: _TenancyOp) -> str:
    return "enable_tenancy" if isinstance(operation, EnableTenancyOp) else "disable_tenancy"


@Operations.implementation_for(EnableTenancyOp)
@Operations.implementation_for(DisableTenancyOp)
def _execute(operations: Any, operation: _TenancyOp) -> None:
    if operation.statements:
        limits = [limit.format(operation.lock_timeout) for limit in _TIMEOUTS]
        emit(operations, [*limits, *operation.statements, *_AGAIN])


@renderers.dispatch_for(EnableTenancyOp)
@renderers.dispatch_for(DisableTenancyOp)
def _render(context: Any, operation: _TenancyOp) -> str:
    context.imports.add("import tenantguard.postgres.migrations  # noqa: F401 - registers the operations")
    prefix = context.opts.get("alembic_module_prefix") or ""
    lines = "".join(f"    {statement!r},\n" for statement in operation.statements)
    return f"{prefix}{_name(operation)}({operation.name!r}, [\n{lines}])"
