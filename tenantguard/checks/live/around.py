"""Ways around row security: views, materialized views, and functions with their owner's rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from tenantguard.checks.belongs import OF_TENANTS
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Tenancy

# each view with the tables that it reads, views in between followed
_VIEWS = text(
    """
    WITH RECURSIVE reads (view, relation) AS (
        SELECT w.ev_class, d.refobjid FROM pg_catalog.pg_rewrite w
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class
        UNION
        SELECT r.view, d.refobjid FROM reads r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.relation
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class
    )
    SELECT n.nspname, v.relname, v.relkind::text,
           coalesce((SELECT bool_or(o ~* '^security_invoker=(true|on|1|yes)$') FROM unnest(v.reloptions) o), false),
           pg_catalog.array_agg(DISTINCT tn.nspname || '.' || t.relname), bool_or(t.relrowsecurity)
      FROM reads r JOIN pg_catalog.pg_class v ON v.oid = r.view JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
      JOIN pg_catalog.pg_class t ON t.oid = r.relation AND t.relkind IN ('r', 'p')
      JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
     WHERE v.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND (CAST(:role AS text) IS NULL OR pg_catalog.has_any_column_privilege(CAST(:role AS name), v.oid, 'SELECT'))
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = v.oid AND e.deptype = 'e')
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
    """.replace("::", r"\:\:")
)
_FUNCTIONS = text(
    """
    SELECT p.oid::regprocedure::text, p.prosrc, l.lanname FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tenantguard')
       AND pg_catalog.has_function_privilege(coalesce(CAST(:role AS name), 'public'), p.oid, 'EXECUTE')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e') ORDER BY 1
    """.replace("::", r"\:\:")
)
_TRIGGER = re.compile(r"\bEXECUTE\b(?!\s+FUNCTION)", re.IGNORECASE)


def readers(connection: Connection, tenancy: Tenancy, role: str | None) -> Iterator[Finding]:
    """Yield the views and functions that show tenants' rows with their owner's rights.

    Args:
        connection: a connection to PostgreSQL.
        tenancy: how every table belongs.
        role: the application role; without one, PUBLIC.
    """
    default = str(connection.dialect.default_schema_name)
    tables = {
        f"{placement.key[0] or default}.{placement.key[1]}"
        for placement in tenancy
        if placement.kind in (*OF_TENANTS, "shown")
    }
    modelled = {f"{placement.key[0] or default}.{placement.key[1]}" for placement in tenancy}
    for row in connection.execute(_VIEWS, {"role": role}):
        yield from _of_view(row, tables, modelled, default)
    for name, source, language in connection.execute(_FUNCTIONS, {"role": role}):
        yield from _of_function(name, source or "", language, tables)


def _of_view(row: Any, tables: set[str], modelled: set[str], default: str) -> Iterator[Finding]:
    schema, name, kind, invoker, reads, secured = row
    of_tenants = sorted(tables.intersection(reads))
    place = name if schema == default else f"{schema}.{name}"
    listed = ", ".join(one.removeprefix(f"{default}.") for one in of_tenants)
    if not of_tenants or (secured and f"{schema}.{name}" in modelled):  # drift looks at those
        return
    if kind == "m":
        yield finding_of("TG415", place, f"the materialized view {place} holds a copy of rows of {listed}")
    elif not invoker:
        detail = f"the view {place} reads {listed} with its owner's rights"
        severity = "error" if secured else "note"
        yield finding_of("TG414", place, detail, severity=severity)


def _of_function(name: str, source: str, language: str, tables: set[str]) -> Iterator[Finding]:
    named = sorted(
        bare
        for bare in {table.partition(".")[2] for table in tables}
        if re.search(rf"\b{re.escape(bare)}\b", source)
    )
    what = f"names {', '.join(named)}" if named else None
    if what is None and (language not in ("sql", "plpgsql") or _TRIGGER.search(source)):
        what = "builds SQL at run time" if language == "plpgsql" else f"is written in {language}"
    if what is not None:
        detail = f"{name} runs with its owner's rights and {what}"
        yield finding_of("TG416", name, detail)
