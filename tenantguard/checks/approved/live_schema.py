"""The schema's part of the lock on any database: tables, keys, nullable tenant columns, and tables without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.engine.reflection import ObjectKind

from tenantguard.tenancy import Tenancy, full_name

_OWN = frozenset({"alembic_version"})


def schema_section(connection: Connection, tenancy: Tenancy) -> dict[str, str]:
    """Return an entry for each table and view in the schemas of a tenancy."""
    placed = {placement.key: placement for placement in tenancy}
    entries: dict[str, str] = {}
    for schema in sorted({key[0] for key in placed}, key=str):
        looked: Any = inspect(connection)
        given: dict[str, Any] = {"schema": schema, "kind": ObjectKind.ANY}
        primary, foreign = looked.get_multi_pk_constraint(**given), looked.get_multi_foreign_keys(**given)
        columns = looked.get_multi_columns(**given)
        for key in columns:
            placement = placed.get(key)
            tenant = None if placement is None else placement.column
            parts = [
                *([] if placement is not None else ["in no model"]),
                *_tenant(connection, columns[key], tenant),
                f"primary key {_listed((primary.get(key) or {}).get('constrained_columns') or ())}",
                *sorted(_key(one, schema) for one in foreign.get(key) or ()),
            ]
            if key[1] not in _OWN:
                entries[full_name(key)] = "; ".join(parts)
    return entries


def _tenant(
    connection: Connection, columns: Iterable[Mapping[str, Any]], tenant: str | None
) -> Iterator[str]:
    for column in columns:
        if column["name"] == tenant:
            kind = column["type"].compile(connection.dialect)
            default = f" default {column['default']}" if column.get("default") else ""
            yield f"{tenant} {kind} {'may be NULL' if column['nullable'] else 'not NULL'}{default}"


def _key(key: Mapping[str, Any], schema: str | None) -> str:
    options = key.get("options") or {}
    actions = "".join(
        f" on {event[2:]} {options[event].lower()}"
        for event in ("ondelete", "onupdate")
        if options.get(event)
    )
    parent = full_name((key["referred_schema"] or schema, key["referred_table"]))
    return f"{_listed(key['constrained_columns'])} to {parent} {_listed(key['referred_columns'])}{actions}"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns) or "none"
