"""Belongs: questions about a table's columns that several checks ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import Column, Index, String, Table, UniqueConstraint, Uuid
from sqlalchemy.sql.elements import NamedColumn

from tenantguard.tenancy import Placement, Tenancy

OF_TENANTS = ("owned", "through")
_UUID_LENGTHS = (22, 26, 32, 36)


def of_tenants(tenancy: Tenancy) -> Iterator[tuple[Placement, Table]]:
    """Yield the tables whose rows belong to one tenant each; views are read and keep nothing."""
    for placement in tenancy:
        table = placement.mapping
        if placement.kind in OF_TENANTS and table is not None and not is_view(table):
            yield placement, table


def is_view(table: Table) -> bool:
    """Tell whether the models say that it is a view."""
    return bool(table.info.get("is_view") or getattr(table, "is_view", False))


def is_of_one_row(placement: Placement, keys: Iterable[Collection[str]]) -> bool:
    """Tell whether a tenant has one row at most, as in the table of the tenants themselves."""
    return placement.kind == "owned" and any(set(key) == {placement.column} for key in keys)


def primary_key(table: Table) -> tuple[str, ...]:
    """Return the names of the primary key's columns."""
    return tuple([column.name for column in table.primary_key.columns])


def uniques(table: Table) -> list[tuple[str, ...]]:
    """Return the columns of each unique constraint and unique index of the models, but for the primary key."""
    constraints = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    unique: list[Any] = [*constraints, *[index for index in table.indexes if index.unique]]
    return sorted({tuple([column.name for column in one.columns]) for one in unique if len(one.columns)})


def leading(table: Table) -> set[str]:
    """Return the first column of everything of the models that can be searched by."""
    constraints = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    firsts = {columns[0].name for one in constraints if (columns := list(one.columns))}
    firsts |= {name for index in table.indexes if (name := _first(index)) is not None}
    return firsts | set(primary_key(table)[:1])


def _first(index: Index) -> str | None:
    partial = any(name.endswith("_where") and index.kwargs[name] is not None for name in index.kwargs)
    expression = next(iter(index.expressions), None)
    return None if partial else getattr(expression, "name", None)


def tells_tenant(tenancy: Tenancy, placement: Placement, table: Table, columns: Collection[str]) -> bool:
    """Tell whether equal values in these columns mean the same tenant: they hold it, or a key to rows of one."""
    if placement.kind == "owned" and placement.column in columns:
        return True
    for reference in tenancy.references(table):
        parent = tenancy.find_key(reference.parent_key)
        if parent is not None and parent.kind in OF_TENANTS and set(reference.columns) <= set(columns):
            return True
    return False


def is_random(table: Table, names: Collection[str]) -> bool:
    """Tell whether a column is filled by what never comes twice, so that two tenants never meet there."""
    columns = [column for column in table.columns if column.name in names]
    return any(_is_generated(table, column) or _is_uuid(column) for column in columns)


def _is_generated(table: Table, column: Column[object]) -> bool:
    if column is table.autoincrement_column or column.identity is not None:
        return True
    return column.primary_key and (column.default is not None or column.server_default is not None)


def _is_uuid(column: NamedColumn[object]) -> bool:
    kind = getattr(column.type, "impl_instance", column.type)
    if isinstance(kind, Uuid) or "uuid" in type(column.type).__name__.lower():
        return True
    return column.name == "id" and isinstance(kind, String) and kind.length in _UUID_LENGTHS
