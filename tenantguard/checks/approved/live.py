"""The database's part of the lock: its tables and, on PostgreSQL, row security, policies, roles and grants."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from tenantguard.checks.approved.live_schema import schema_section
from tenantguard.sql.servers.rule_policies import CONTENT
from tenantguard.tenancy import Tenancy

_TABLES = text(
    """
    SELECT n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname = ANY (CAST(:schemas AS text[])) ORDER BY 1, 2
    """
)
_POLICIES = text(
    """
    SELECT n.nspname, c.relname, p.polname, p.polcmd::text, p.polpermissive,
           ARRAY(SELECT CASE WHEN r = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(r) END FROM unnest(p.polroles) r
                  ORDER BY 1),
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), content
      FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (CAST(:schemas AS text[])) ORDER BY 1, 2, 3
    """.replace(", content\n", f", {CONTENT}\n").replace("::", r"\:\:")
)
_GRANTS = text(
    """
    SELECT n.nspname, c.relname, CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(a.grantee) END,
           pg_catalog.array_agg(DISTINCT a.privilege_type ORDER BY a.privilege_type)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL (
          SELECT grantee, privilege_type FROM pg_catalog.aclexplode(c.relacl)
          UNION ALL
          SELECT x.grantee, x.privilege_type || ' (' || t.attname || ')' FROM pg_catalog.pg_attribute t
            CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) x WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL
      ) a
     WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname = ANY (CAST(:schemas AS text[])) AND a.grantee <> c.relowner
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
_ROLES = text(
    """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcanlogin,
           ARRAY(SELECT g.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                  WHERE m.member = r.oid ORDER BY 1)
      FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (CAST(:names AS text[])) ORDER BY 1
    """
)
_DEFINERS = text(
    """
    SELECT CAST(CAST(p.oid AS regprocedure) AS text), pg_catalog.pg_get_userbyid(p.proowner),
           pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid))
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prosecdef AND p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
     ORDER BY 1
    """
)
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
_FLAGS = ("superuser", "bypassrls", "createrole", "login")
_PATH = text("SELECT pg_catalog.set_config('search_path', :path, true)")


def database_sections(connection: Connection, tenancy: Tenancy) -> dict[str, dict[str, str]]:
    """Return the database's sections of the lock; only PostgreSQL has more than tables."""
    schema = {"schema": schema_section(connection, tenancy)}
    if connection.dialect.name != "postgresql":
        return schema
    # expressions are written out with every schema that the search path does not hold
    path = connection.execute(text("SELECT pg_catalog.current_setting('search_path')")).scalar()
    connection.execute(_PATH, {"path": "pg_catalog"})
    sections = _sections(connection, tenancy)
    connection.execute(_PATH, {"path": path})
    return schema | sections


def _sections(connection: Connection, tenancy: Tenancy) -> dict[str, dict[str, str]]:
    default = str(connection.dialect.default_schema_name)
    given = {"schemas": sorted({placement.key[0] or default for placement in tenancy})}
    known = {f"{placement.key[0] or default}.{placement.key[1]}" for placement in tenancy}

    def rows(query: Any) -> list[Any]:
        return [row for row in connection.execute(query, given) if f"{row[0]}.{row[1]}" in known]

    def name(row: Any) -> str:
        return str(row[1]) if row[0] == default else f"{row[0]}.{row[1]}"

    tables, grants = rows(_TABLES), rows(_GRANTS)
    roles = {row[4] for row in tables} | {row[2] for row in grants} - {"public"}
    return {
        "row security": {name(row): _secured(row) for row in tables},
        "policies": {f"{name(row)} {row[2]}": _policy(row) for row in rows(_POLICIES)},
        "roles": {row[0]: _role(row) for row in connection.execute(_ROLES, {"names": sorted(roles)})},
        "grants": {f"{name(row)} to {row[2]}": ", ".join(row[3]) for row in grants},
        "definers": {row[0]: f"as {row[1]} [{row[2][:12]}]" for row in connection.execute(_DEFINERS)},
    }


def _secured(row: Any) -> str:
    state = "forced" if row[2] and row[3] else "enabled, not forced" if row[2] else "off"
    return f"{state}, owner {row[4]}"


def _policy(row: Any) -> str:
    kind = "permissive" if row[4] else "restrictive"
    using = "" if row[6] is None else f" using {_one_line(row[6])}"
    check = "" if row[7] is None else f" check {_one_line(row[7])}"
    return f"{kind} {_COMMANDS[row[3]]} to {', '.join(row[5])}{using}{check} [{row[8][:12]}]"


def _one_line(expression: str) -> str:
    return " ".join(expression.split())


def _role(row: Any) -> str:
    flags = [word for word, held in zip(_FLAGS, row[1:5], strict=True) if held]
    member = f"member of {', '.join(row[5])}" if row[5] else ""
    return ", ".join([*flags, *([member] if member else [])]) or "no rights of its own"
