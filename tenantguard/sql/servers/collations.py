"""Collations: to PostgreSQL two tenants may be one by the tenant column's collation, or by its type."""

from __future__ import annotations

from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.tenancy import Tenancy, full_name

_LOOSE = (
    "SELECT collname FROM pg_collation WHERE NOT collisdeterministic "
    "UNION ALL SELECT typname FROM pg_type WHERE typname = 'citext'"
)
_COLUMNS = (
    "WITH RECURSIVE citext AS (SELECT oid FROM pg_type WHERE typname = 'citext' "
    "UNION SELECT d.oid FROM pg_type AS d JOIN citext ON d.typtype = 'd' AND d.typbasetype = citext.oid) "
    "SELECT n.nspname, t.relname, a.attname, pg_table_is_visible(t.oid) FROM pg_attribute AS a "
    "JOIN pg_collation AS c ON c.oid = a.attcollation JOIN pg_class AS t ON t.oid = a.attrelid "
    "JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE NOT a.attisdropped "
    "AND (NOT c.collisdeterministic OR a.atttypid IN (SELECT oid FROM citext))"
)


def verify_collations(driver: Any, tenancy: Tenancy) -> None:
    """Raise where the database takes the ids of two tenants for one.

    Args:
        driver: the driver's connection to PostgreSQL.
        tenancy: how every table belongs.

    Raises:
        ConfigurationError: the collation of a tenant column is not deterministic, or it ignores case by its type.
    """
    loose = {name for (name,) in rows_of(driver, _LOOSE)}
    if not loose:
        return
    held = set()
    for schema, table, column, visible in rows_of(driver, _COLUMNS):
        held |= {(schema, table, column), *([(None, table, column)] if visible else [])}
    faults = [
        f"{full_name(placement.key)}.{placement.column}"
        for placement in tenancy
        if placement.kind == "owned"
        and (
            (*placement.key, placement.column) in held or getattr(placement.type, "collation", None) in loose
        )
    ]
    if faults:
        raise ConfigurationError(
            f"the collation of a tenant column is not deterministic, or its type is citext ({', '.join(faults)}), so "
            "that two tenants could be one; give it an exact one"
        )


def rows_of(driver: Any, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement of ours finds, by the driver's own cursor."""
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
