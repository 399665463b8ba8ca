"""Mapped classes: the attributes that hold the tenant, and the classes that a row rule shows to others."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.selectable import TableClause

from tenantguard.sql.guard import Guard, permitting
from tenantguard.tenancy import Placement


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
    placement = guard.placed.find(table)
    return placement is not None and placement.kind == "owned" and column.name == placement.column


def shown_placement(guard: Guard, mapper: Any) -> Placement | None:
    """Return the placement of a class if a row rule shows its rows, or their parents, to other tenants."""
    try:
        return guard.shown[mapper]
    except KeyError:
        placement = guard.tenancy.find(mapper.local_table)
        shows = placement is not None and placement.kind != "shown" and _shows_others(guard, placement)
        guard.shown[mapper] = found = placement if shows else None
        return found


def is_permitted(mapper: Any) -> bool:
    """Tell whether the rows of a class take a permission, by any guard of the process."""
    tables = [table for table in mapper.tables if isinstance(table, TableClause)]
    placed = [guard.tenancy.find(table) for guard in list(permitting) for table in tables]
    return any(placement is not None and placement.permitted is not None for placement in placed)


def _shows_others(guard: Guard, placement: Placement) -> bool:
    while placement.kind == "through" and placement.parent is not None:
        placement = guard.tenancy.of(placement.parent)
    return placement.visible is not None
