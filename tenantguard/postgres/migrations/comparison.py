"""The comparison of a database's row security with the tenancy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.drift import check
from tenantguard.postgres.findings import Finding
from tenantguard.postgres.installation import ready
from tenantguard.postgres.migrations.operations import DisableTenancyOp, EnableTenancyOp
from tenantguard.postgres.migrations.snapshot import captured
from tenantguard.postgres.roles import Roles, roles_of
from tenantguard.postgres.statements import ground, table_statements
from tenantguard.postgres.tables import Secured, secured
from tenantguard.sql.servers.rule_policies import OWN
from tenantguard.tenancy import Tenancy

_GROUND = frozenset({"role-missing", "create-extra", "seal-changed", "keys-missing", "keys-open"})


def compare(context: Any, operations: Any) -> None:
    """Append an operation for each table whose row security differs from the tenancy.

    Args:
        context: Alembic's context, with the options from ``env.py``.
        operations: the operations of the upgrade; they are reversed for the downgrade.
    """
    tenancy = context.opts.get("tenancy")
    if tenancy is None:
        return
    if not isinstance(tenancy, Tenancy):
        raise ConfigurationError(
            f"context.configure(tenancy=...) takes a Tenancy, not {type(tenancy).__name__}"
        )
    roles, sealed = roles_of(context.opts.get("tenancy_roles")), bool(context.opts.get("tenancy_sealed"))
    connection: Connection = context.connection
    schema = ready(connection, writes=False)
    findings = check(connection, tenancy, roles, sealed=sealed)
    tables = secured(tenancy, schema, sealed=sealed)
    unprepared = any(one.name in _GROUND for one in findings) or not _has_schema(connection)
    if unprepared:
        statements = [*roles.statements(), *ground(tables, roles, schema, sealed=sealed)]
        operations.ops.append(EnableTenancyOp(OWN, statements, [], "3s"))
    roles_missing = any(one.name == "role-missing" for one in findings)
    for table in tables:
        if roles_missing or _is_due(table, findings):
            operations.ops.append(_operation(connection, table, roles))


def _has_schema(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": OWN}).scalar())


def _is_due(table: Secured, findings: Iterable[Finding]) -> bool:
    return any(one.place == table.name for one in findings)


def _operation(connection: Connection, table: Secured, roles: Roles) -> EnableTenancyOp | DisableTenancyOp:
    kind = EnableTenancyOp if table.policies or table.is_view else DisableTenancyOp
    return kind(table.name, list(table_statements(table, roles)), captured(connection, table), "3s")
