"""``raw_sql="database"``: SQL text is let through to a PostgreSQL whose row security provably stands underneath."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection, Engine

from tenantguard.errors import ConfigurationError
from tenantguard.sql.text import function_fault
from tenantguard.sql.text.lexer import Unreadable, lexemes
from tenantguard.tenancy import Placement, Tenancy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

SETTING = "tenantguard.tenant"  # what a policy compares the tenant column with
_LONGEST, _DEEPEST = 100_000, 200
_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "MERGE"})
_ROLE = text("SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user")
_TABLE = text(
    """
    SELECT c.relrowsecurity,
           c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER'),
           (SELECT array_agg(coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'true'))
              FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)
      FROM pg_catalog.pg_class c WHERE c.oid = to_regclass(:name)
    """
)


def verify_row_security(engine: Engine | AsyncEngine, tenancy: Tenancy) -> None:
    """Raise unless every table of a tenant has policies and the connected role is subject to them.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or one or more of that does not hold; all are listed.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            'raw_sql="database" relies on row security, which PostgreSQL has; use "rewrite"'
        )
    found = _faults_sync(engine, tenancy) if isinstance(engine, Engine) else _faults_async(engine, tenancy)
    if found:
        listed = "\n".join(f"  - {fault}" for fault in found)
        raise ConfigurationError(f'raw_sql="database" cannot be relied on, {len(found)} fault(s):\n{listed}')


def _faults_sync(engine: Engine, tenancy: Tenancy) -> list[str]:
    with engine.connect() as connection:
        return _faults(connection, tenancy)


def _faults_async(engine: AsyncEngine, tenancy: Tenancy) -> list[str]:
    """Ask on a loop of its own, because guard() may be called where one is running or none is."""

    async def ask() -> list[str]:
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_faults, tenancy)
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def _faults(connection: Connection, tenancy: Tenancy) -> list[str]:
    name, superuser, bypasses = connection.execute(_ROLE).one()
    found = []
    if superuser or bypasses:
        found.append(f"the role {name} is a superuser or has BYPASSRLS, so no policy applies to it")
    for placement in tenancy:
        if placement.kind != "shared":
            found += _table_faults(connection, placement)
    return found


def _table_faults(connection: Connection, placement: Placement) -> list[str]:
    row = connection.execute(_TABLE, {"name": placement.name}).one_or_none()
    if row is None:
        return [f"table {placement.name} is not in the database"]
    enabled, subject, policies = row
    if not enabled:
        return [f"row security is not enabled on {placement.name}: ALTER TABLE ... ENABLE ROW LEVEL SECURITY"]
    if not subject:
        return [f"the role owns {placement.name} and is exempt: ALTER TABLE ... FORCE ROW LEVEL SECURITY"]
    if not policies or any(policy.strip("() ") == "true" for policy in policies):
        return [f"{placement.name} has no policy that restricts rows"]
    if placement.kind == "owned" and not all(SETTING in policy for policy in policies):
        return [f"a policy of {placement.name} does not read current_setting('{SETTING}', true)"]
    return []


def set_tenant(tenant: Any) -> Any:
    """Return the statement that tells PostgreSQL the tenant for the rest of the transaction."""
    return select(func.set_config(SETTING, str(tenant), True))


def text_fault(statement: str) -> str | None:
    """Tell why a text must not reach even a database with row security, or return ``None``.

    Row security trusts the setting, and the setting can be changed by SQL.
    """
    try:
        tokens = lexemes(statement, "postgresql", longest=_LONGEST, deepest=_DEEPEST)
    except Unreadable as unreadable:
        return f"it cannot be read ({unreadable})"
    if not tokens or tokens[0].upper.lstrip("(") not in _VERBS | {""}:
        return "it is not a SELECT, INSERT, UPDATE, DELETE or MERGE"
    if any(token.text == ";" for token in tokens[:-1]):
        return "it holds several statements"
    for token, after in itertools.pairwise(tokens):
        fault = function_fault(token.name, "postgresql") if token.name and after.text == "(" else None
        if fault is not None:
            return fault
    return None
