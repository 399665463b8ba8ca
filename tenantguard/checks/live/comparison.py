"""The comparison of the database's tables with the models, using Alembic."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from tenantguard.checks.belongs import OF_TENANTS, is_view
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.sql.servers.collations import column_faults
from tenantguard.tenancy import Key, Placement, Tenancy, full_name, table_key

# what PostgreSQL or others keep for themselves: partitions, and the tables of extensions
_NOT_OURS = text(
    """
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    """
)
_TOOLS = (
    "alembic_version",
    "schema_migrations",
    "flyway_schema_history",
    "django_migrations",
    "sqlite_sequence",
)


def differences(connection: Connection, tenancy: Tenancy) -> Iterator[Finding]:
    """Yield differences in tables and columns that decide how rows belong."""
    loose = column_faults(connection.connection, tenancy, connection.dialect.name)
    for place, fault in loose.items():
        yield finding_of("TG305", place, fault)
    schemas = {schema for placement in tenancy if (schema := placement.key[0])}
    skipped = _not_ours(connection)
    views = {
        placement.key for placement in tenancy if placement.mapping is not None and is_view(placement.mapping)
    }

    def wanted(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "schema" or name is None or name in schemas

    options = {"compare_type": True, "include_schemas": bool(schemas), "include_name": wanted}
    with _silent():
        context = MigrationContext.configure(connection, opts=options)
        found_by_alembic = compare_metadata(context, list(tenancy.metadata))  # type: ignore[arg-type]  # it takes several
    for difference in _flat(found_by_alembic):
        finding = _of(difference, tenancy, skipped, views)
        if finding is not None and not (finding.rule.id == "TG305" and finding.place in loose):
            yield finding


def _not_ours(connection: Connection) -> set[Key]:
    if connection.dialect.name != "postgresql":
        return set()
    default = connection.dialect.default_schema_name
    rows = connection.execute(_NOT_OURS)
    return {(None if schema == default else schema, name) for schema, name in rows}


def _flat(differences: list[Any]) -> Iterator[Any]:
    """Yield each difference, flattening the lists for single columns."""
    for one in differences:
        if isinstance(one, list):
            yield from one
        else:
            yield one


def _of(difference: Any, tenancy: Tenancy, skipped: set[Key], views: set[Key]) -> Finding | None:
    kind = difference[0]
    if kind == "remove_table":
        key = table_key(difference[1])
        if key in skipped or key[1] in _TOOLS or key[0] == "tenantguard":
            return None
        return finding_of(
            "TG303", full_name(key), f"the database has {full_name(key)}, which is not in the models"
        )
    if kind == "add_table":
        key = table_key(difference[1])
        return (
            None
            if key in views
            else finding_of("TG304", full_name(key), f"{full_name(key)} is not in the database")
        )
    if kind in ("add_column", "modify_type", "modify_nullable"):
        return _of_column(kind, difference, tenancy)
    return None


def _of_column(kind: str, difference: Any, tenancy: Tenancy) -> Finding | None:
    schema, table = difference[1:3]
    column = difference[3].name if kind == "add_column" else difference[3]
    placement = tenancy.find_key((schema, table))
    if placement is None or column not in _telling(placement, tenancy):
        return None
    place = f"{full_name((schema, table))}.{column}"
    if kind == "add_column":
        return finding_of("TG305", place, f"the database has no column {place}, by which rows belong")
    if kind == "modify_type":
        detail = f"{place} is {difference[5]!r} in the database and {difference[6]!r} in the models"
        return finding_of("TG305", place, detail)
    nullable_here, nullable_in_models = difference[5:7]
    if nullable_here and not nullable_in_models and placement.kind in OF_TENANTS:
        return finding_of("TG302", place, f"{place} may be NULL in the database, and not in the models")
    return None


def _telling(placement: Placement, tenancy: Tenancy) -> set[str]:
    """Return the columns that decide how rows belong: the tenant column, and keys to tenants' rows."""
    names = {placement.column} if placement.kind == "owned" and placement.column else set()
    if placement.mapping is not None and placement.kind in OF_TENANTS:
        for reference in tenancy.references(placement.mapping):
            parent = tenancy.find_key(reference.parent_key)
            if parent is not None and parent.kind in OF_TENANTS:
                names |= set(reference.columns)
    if placement.kind == "through":
        names |= dict(placement.link).keys()
    return names


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress Alembic's log."""
    logger = logging.getLogger("alembic")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
