"""Hidden rows: why a row is not visible to a company, without revealing whose it is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, select
from sqlalchemy.engine import Engine

from tenantguard.context import bind
from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.sql.observe.shapes import unheard
from tenantguard.tenancy import Placement, Tenancy, table_key


def why_hidden(tenancy: Tenancy, plain: Connection, guarded: Engine, row: str, tenant: TenantId) -> str:
    """Explain in a sentence why a row is or is not visible to a company.

    Args:
        tenancy: how every table belongs.
        plain: a connection that sees every row; nothing is changed.
        guarded: a guarded engine on the same database.
        row: ``table:key``, with commas between the parts of a key of several columns.
        tenant: the company.

    Raises:
        ConfigurationError: there is no such table, or the key does not match its primary key.
    """
    name, colon, key = row.partition(":")
    placement = next((one for one in tenancy if one.name == name), None)
    if placement is None or placement.mapping is None or not colon:
        raise ConfigurationError(f"{row!r} does not name a row; write table:key, with a table of the tenancy")
    picked = _picked(placement.mapping, key)
    if plain.execute(select(placement.mapping).where(picked)).first() is None:
        return f"there is no row {row} in the database"
    with bind(tenant), unheard(), guarded.connect() as connection:
        if connection.execute(select(placement.mapping).where(picked)).first() is not None:
            return f"the row {row} is visible to {tenant}"
    return f"the row {row} is not visible to {tenant}: {_reason(tenancy, plain, placement, picked)}"


def _picked(table: Any, key: str) -> Any:
    columns, parts = list(table.primary_key.columns), key.split(",")
    if len(columns) != len(parts):
        names = ", ".join(column.name for column in columns) or "none"
        raise ConfigurationError(
            f"the key of {table.fullname} is {names}, and {key!r} has {len(parts)} part(s)"
        )
    return and_(*(column == _value(column, part) for column, part in zip(columns, parts, strict=True)))


def _value(column: Any, part: str) -> Any:
    try:
        kind = column.type.python_type
        return part if kind is str else kind(part)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{part!r} is not a value of {column.table.fullname}.{column.name}"
        ) from error


def _reason(tenancy: Tenancy, plain: Connection, placement: Placement, picked: Any) -> str:
    """Follow the row's keys to its company and return where the path ends, without revealing the company."""
    way, where = "", placement.name
    while placement.kind == "through" and placement.parent is not None and placement.mapping is not None:
        names = [ours for ours, _ in placement.link]
        columns = [_column(placement.mapping, ours) for ours in names]
        values = plain.execute(select(*columns).where(picked)).first()
        if values is None:
            return f"{way}no row of {placement.name} is there"
        if any(value is None for value in values):
            return (
                f"{way}its {', '.join(names)} is NULL, so it hangs on no row of {placement.parent.fullname}"
            )
        parent = placement.parent
        picked = and_(
            *(
                _column(parent, theirs) == value
                for (_, theirs), value in zip(placement.link, values, strict=True)
            )
        )
        where = parent.fullname
        way += f"it belongs through {', '.join(names)} to a row of {where}; "
        above = tenancy.find_key(table_key(parent))
        if above is None:
            return f"{way}{where} is not placed"
        placement = above
    if placement.kind == "owned" and placement.mapping is not None:
        column = _column(placement.mapping, placement.column or "")
        value = plain.execute(select(column).where(picked)).first()
        if value is None:
            return f"{way}no row of {where} is there"
        if value[0] is None:
            return f"{way}{where}.{placement.column} is NULL, and rows of nobody are seen in a bypass only"
        rule = ", and the row rule does not show it either" if placement.visible is not None else ""
        return f"{way}{where}.{placement.column} names another company{rule}"
    if placement.kind == "shown":
        return f"{way}the row rule of {where} does not show it"
    return f"{way}{where} belongs in another way"


def _column(table: Any, name: str) -> Any:
    return next(column for column in table.columns if column.name == name)
