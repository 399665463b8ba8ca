"""Collations: to PostgreSQL two tenants are one where the tenant column's collation is not deterministic."""

from __future__ import annotations

from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.tenancy import Tenancy, full_name

_LOOSE = "SELECT collname FROM pg_collation WHERE NOT collisdeterministic"
_COLUMNS = (
    "SELECT n.nspname, t.relname, a.attname, pg_table_is_visible(t.oid) FROM pg_attribute AS a "
    "JOIN pg_collation AS c ON c.oid = a.attcollation JOIN pg_class AS t ON t.oid = a.attrelid "
    "JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE NOT c.collisdeterministic AND NOT a.attisdropped"
)


def verify_collations(driver: Any, tenancy: Tenancy) -> None:
    """Raise where the database takes the ids of two tenants for one.

    Args:
        driver: the driver's connection to PostgreSQL.
        tenancy: how every table belongs.

    Raises:
        ConfigurationError: the collation of a tenant column is not deterministic.
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
            f"the collation of a tenant column is not deterministic ({', '.join(faults)}), so that two tenants could "
            "be one; give it an exact collation"
        )


def rows_of(driver: Any, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement of ours finds, by the driver's own cursor."""
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
