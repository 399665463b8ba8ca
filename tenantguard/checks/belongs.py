"""Ownership: questions about a table's columns that several checks share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import Column, Index, String, Table, UniqueConstraint, Uuid
from sqlalchemy.sql.elements import NamedColumn

from tenantguard.tenancy import Placement, Tenancy

OF_TENANTS = ("owned", "through")
_UUID_LENGTHS = (22, 26, 32, 36)
_SECRET = re.compile(r"(^|_)(token|secret|nonce|jti|(api|access|secret)_?key)(_|$)")
_OF_DEVICES = re.compile(r"push|device|fcm|apns|expo")  # one device may serve users of two tenants


def of_tenants(tenancy: Tenancy) -> Iterator[tuple[Placement, Table]]:
    """Yield the tables whose rows each belong to one tenant, without views."""
    for placement in tenancy:
        table = placement.mapping
        if placement.kind in OF_TENANTS and table is not None and not is_view(table):
            yield placement, table


def is_view(table: Table) -> bool:
    """Return whether the models declare it as a view."""
    return bool(table.info.get("is_view") or getattr(table, "is_view", False))


def is_of_one_row(placement: Placement, keys: Iterable[Collection[str]]) -> bool:
    """Return whether a tenant has at most one row, as in the table of the tenants."""
    return placement.kind == "owned" and any(set(key) == {placement.column} for key in keys)


def primary_key(table: Table) -> tuple[str, ...]:
    """Return the names of the primary key's columns."""
    return tuple([column.name for column in table.primary_key.columns])


def uniques(table: Table, tenant: str | None = None) -> list[tuple[str, ...]]:
    """Return the columns of each unique constraint and unique index of the models, except the primary key.

    Args:
        table: the table.
        tenant: its tenant column; an index over rows without a tenant is skipped.
    """
    constraints = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique and not _is_of_nobody(index, tenant)]
    unique: list[Any] = [*constraints, *indexes]
    return sorted({tuple([column.name for column in one.columns]) for one in unique if len(one.columns)})


def leading(table: Table) -> set[str]:
    """Return the first column of every index, unique constraint and primary key of the models."""
    constraints = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    firsts = {columns[0].name for one in constraints if (columns := list(one.columns))}
    firsts |= {name for index in table.indexes if (name := _first(index)) is not None}
    return firsts | set(primary_key(table)[:1])


def _wheres(index: Index) -> list[Any]:
    """Return the conditions of a partial index, one per dialect."""
    return [value for name, value in index.kwargs.items() if name.endswith("_where") and value is not None]


def _is_of_nobody(index: Index, tenant: str | None) -> bool:
    """Return whether an index contains only rows whose tenant column is NULL."""
    is_null = re.compile(rf"(^|[\W_]){re.escape(tenant)}\W*\s+is\s+null\b", re.IGNORECASE) if tenant else None
    return is_null is not None and any(
        is_null.search(str(where)) and not re.search(r"\bor\b", str(where), re.IGNORECASE)
        for where in _wheres(index)
    )


def _first(index: Index) -> str | None:
    expression = next(iter(index.expressions), None)
    return None if _wheres(index) else getattr(expression, "name", None)


def tells_tenant(tenancy: Tenancy, placement: Placement, table: Table, columns: Collection[str]) -> bool:
    """Return whether equal values in these columns imply the same tenant, directly or through a key."""
    if placement.kind == "owned" and placement.column in columns:
        return True
    for reference in tenancy.references(table):
        parent = tenancy.find_key(reference.parent_key)
        if parent is not None and parent.kind in OF_TENANTS and set(reference.columns) <= set(columns):
            return True
    return False


def is_random(table: Table, names: Collection[str]) -> bool:
    """Return whether a column's values are generated and unique, so that two tenants never collide."""
    columns = [column for column in table.columns if column.name in names]
    return any(_is_generated(table, column) or _is_uuid(column) or _is_secret(column) for column in columns)


def _is_generated(table: Table, column: Column[object]) -> bool:
    if column is table.autoincrement_column or column.identity is not None:
        return True
    if column.primary_key:
        return column.default is not None or column.server_default is not None
    default = column.default
    # a value that a function makes for each row; one of a moment does come twice
    return default is not None and default.is_callable and isinstance(column.type, String)


def _is_secret(column: NamedColumn[object]) -> bool:
    """Return whether a column's name suggests a random secret."""
    name = column.name.lower()
    return _SECRET.search(name) is not None and _OF_DEVICES.search(name) is None


def _is_uuid(column: NamedColumn[object]) -> bool:
    kind = getattr(column.type, "impl_instance", column.type)
    if isinstance(kind, Uuid) or re.search("[ug]uid", type(column.type).__name__, re.IGNORECASE):
        return True
    return column.name == "id" and isinstance(kind, String) and kind.length in _UUID_LENGTHS
