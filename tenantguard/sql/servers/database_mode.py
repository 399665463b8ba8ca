"""``raw_sql="database"``: SQL text is sent to a PostgreSQL whose row security has been verified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tenantguard.errors import ConfigurationError
from tenantguard.sql.servers.policies import restricts
from tenantguard.sql.servers.rule_policies import CONTENT, follows
from tenantguard.sql.text.resolution.catalog import SETTING
from tenantguard.tenancy import Placement, Tenancy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_OF_TOOLS = frozenset({"alembic_version"})  # tables without rows of anybody
_ROLES = text(
    "SELECT rolname, rolsuper OR rolbypassrls FROM pg_catalog.pg_roles "
    "WHERE rolname IN (current_user, session_user)"
)
# every relation that the role can reach, with its policies: kind, command, USING and WITH CHECK, whether for all roles
_RELATIONS = text(
    f"""
    SELECT n.nspname, c.relname, c.relkind::text, n.nspname = :default, c.relrowsecurity,
           c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER'),
           coalesce((SELECT bool_or(o ~* '^security_invoker=(true|on|1|yes)$') FROM unnest(c.reloptions) o), false),
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(p.polpermissive, p.polcmd,
                     pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
                     0::oid = ANY (p.polroles), pg_catalog.obj_description(p.oid, 'pg_policy'),
                     {CONTENT}))::text
              FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND n.nspname NOT LIKE 'pg\\_toast%' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND (pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')
            OR pg_catalog.has_table_privilege(c.oid, 'DELETE, TRUNCATE'))
     ORDER BY 1, 2
    """  # noqa: S608 - a constant
)
# with nothing but the system's schema in the path, PostgreSQL writes out the schema of every table and function
_QUALIFY = text("SELECT current_schema(), pg_catalog.set_config('search_path', 'pg_catalog', true)")
_SEQUENCES = text(
    """
    SELECT n.nspname, c.relname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'S' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND NOT pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER')  -- who owns it cannot give the right up
       AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') ELSE false END
     ORDER BY 1, 2
    """
)
_TOLD = text(f"SELECT current_setting('{SETTING}', true)")
_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}


def verify_row_security(engine: Engine | AsyncEngine, tenancy: Tenancy) -> None:
    """Raise unless every row of a tenant that the connected role can reach is held by policies it is subject to.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or one or more of that does not hold; all are listed.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            'raw_sql="database" relies on row security, which PostgreSQL has; use "rewrite"'
        )
    try:
        found = (
            _faults_sync(engine, tenancy) if isinstance(engine, Engine) else _faults_async(engine, tenancy)
        )
    except (DBAPIError, OSError) as error:  # asyncpg lets through what the network says
        said = " ".join(str(getattr(error, "orig", error)).split())
        raise ConfigurationError(f'raw_sql="database" cannot be verified: {said}') from error
    if found:
        listed = "\n".join(f"  - {fault}" for fault in found)
        raise ConfigurationError(f'raw_sql="database" cannot be relied on, {len(found)} fault(s):\n{listed}')


def _faults_sync(engine: Engine, tenancy: Tenancy) -> list[str]:
    try:
        with engine.connect() as connection:
            return _faults(connection, tenancy)
    finally:
        engine.dispose()  # its connections were made without the guard, and cannot take the tenant along


def _faults_async(engine: AsyncEngine, tenancy: Tenancy) -> list[str]:
    """Ask on a separate event loop, because guard() may be called with or without a running one."""

    async def ask() -> list[str]:
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_faults, tenancy)
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def _faults(connection: Connection, tenancy: Tenancy) -> list[str]:
    found = [
        f"the role {name} is a superuser or has BYPASSRLS, so no policy applies to it"
        for name, exempt in connection.execute(_ROLES)
        if exempt
    ]
    connection.execute(settings({SETTING: "probe"}))
    if connection.execute(_TOLD).scalar() != "probe":
        found.append(
            "its transactions end with each statement (autocommit), so it cannot be given the tenant"
        )
    connection.rollback()
    missing = {p.key: p.name for p in tenancy if p.kind != "shared"}
    found += [
        f"the role may read the sequence {schema}.{name}, which reveals how many rows others have stored: "
        "REVOKE SELECT (USAGE is enough for new keys)"
        for schema, name in connection.execute(_SEQUENCES)
    ]
    default = connection.execute(_QUALIFY).scalar()
    relations = connection.execute(_RELATIONS, {"default": default}).all()
    connection.rollback()
    for schema, name, kind, is_default, *row in relations:
        keys = [(schema, name), *([(None, name)] if is_default else [])]
        placement = next((p for key in keys if (p := tenancy.find_key(key)) is not None), None)
        if placement is not None:
            missing.pop(placement.key, None)
        fault = _relation_fault(f"{schema}.{name}", name, kind, placement, row, default)
        found += [fault] if fault is not None else []
    return found + [
        f"table {name} is not in the database, or the role may not use it" for name in missing.values()
    ]


def _relation_fault(
    full: str, name: str, kind: str, placement: Placement | None, row: list[Any], default: str | None
) -> str | None:
    """Tell why a relation that the role can reach could show another tenant's rows, or return ``None``."""
    enabled, subject, invoker, policies = row
    told = full if placement is None else placement.name
    if (placement is not None and placement.kind == "shared") or name in _OF_TOOLS:
        return None
    if kind in _KINDS:
        if kind == "v" and invoker:
            return None  # its tables are read with the role's own rights, and are verified themselves
        return (
            f"the role can read {told}, a {_KINDS[kind]}, which no policy restricts: WITH (security_invoker = true) "
            "for a view, or REVOKE ALL, or place it as shared"
        )
    if not enabled:
        return (
            f"row security is not enabled on {told}: ALTER TABLE ... ENABLE ROW LEVEL SECURITY, or REVOKE ALL"
        )
    if not subject:
        return f"the role owns {told} and is exempt: ALTER TABLE ... FORCE ROW LEVEL SECURITY"
    return _policy_fault(told, placement, json.loads(policies or "[]"), default)


def _policy_fault(
    told: str, placement: Placement | None, policies: Iterable[Any], default: str | None
) -> str | None:
    permissive, restricted = [], False
    for is_permissive, command, using, check, for_all, comment, content in policies:
        expressions = {
            "r": [using], "d": [using], "a": [check], "w": [using, check or using], "*": [using, check or using],
        }[command]  # fmt: skip
        holds = follows(comment, content, placement) or all(
            restricts(one, placement, default) for one in expressions
        )
        if is_permissive:
            permissive.append(holds)
        else:
            restricted = restricted or (holds and command == "*" and for_all)
    if not permissive:
        return f"{told} has no policy that grants any rows: CREATE POLICY"
    if not restricted and not all(permissive):
        return (
            f"{told} has no policy that restricts rows as it should: each must ask that the tenant column equals "
            f"current_setting('{SETTING}', true), or for a through table that EXISTS the parent of its key; what a row "
            "rule shows is held by the policies that tenantguard.postgres.install() writes"
        )
    return None


def settings(values: Mapping[str, str]) -> Any:
    """Return the statement that makes settings for the rest of the transaction."""
    return select(*(func.set_config(name, value, True) for name, value in values.items()))
