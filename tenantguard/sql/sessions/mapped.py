"""Mapped classes: which of their attributes hold the tenant, and whose identity is a key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import mapperlib

from tenantguard.sql.guard import Guard
from tenantguard.tenancy import Key, table_key


def classes_by_key(parent: Key, columns: tuple[str, ...]) -> tuple[type, ...]:
    """Return the mapped classes whose identity is the given columns of a table."""
    mappers = [m for registry in mapperlib._all_registries() for m in registry.mappers]
    return tuple(
        {
            m.base_mapper.class_
            for m in mappers
            if isinstance(m.local_table, Table)
            and table_key(m.local_table) == parent
            and tuple(c.name for c in m.local_table.primary_key) == columns
        }
    )


def stamped_attributes(guard: Guard, mapper: Any) -> tuple[str, ...]:
    """Return the attributes of a mapped class that hold its tenant."""
    cached = guard.attributes.get(mapper)
    if cached is None:
        columns = [c for table in mapper.tables for c in table.c if _is_tenant_column(guard, table, c)]
        mapped = {id(column) for column in mapper.columns.values()}
        cached = tuple(mapper.get_property_by_column(c).key for c in columns if id(c) in mapped)
        guard.attributes[mapper] = cached
    return cached


def _is_tenant_column(guard: Guard, table: Any, column: Any) -> bool:
    placement = guard.tenancy.find(table)
    return placement is not None and placement.kind == "owned" and column.name == placement.column
