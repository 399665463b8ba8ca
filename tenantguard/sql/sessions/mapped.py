"""Mapped classes: which of their attributes hold the tenant."""

from __future__ import annotations

from typing import Any

from tenantguard.sql.guard import Guard


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
