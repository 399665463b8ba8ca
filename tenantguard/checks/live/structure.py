"""Structure: indexes, unique constraints and foreign keys of the database, compared by their columns.

Alembic compares them by name, but the same index may have a different name in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Inspector, Table, inspect
from sqlalchemy.exc import NoSuchTableError

from tenantguard.checks.belongs import (
    OF_TENANTS,
    is_of_one_row,
    is_random,
    leading,
    of_tenants,
    primary_key,
    tells_tenant,
    uniques,
)
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Placement, Reference, Tenancy

_ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT")


def structures(connection: Connection, tenancy: Tenancy) -> Iterator[Finding]:
    """Yield what is missing in the database, or unknown to the models."""
    inspector = inspect(connection)
    for placement, table in of_tenants(tenancy):
        try:
            indexes = inspector.get_indexes(table.name, table.schema)
        except NoSuchTableError:
            continue  # told by the comparison
        keys = _uniques(inspector, table, indexes)
        yield from _of_index(placement, table, indexes, keys, _primary(inspector, table))
        yield from _of_uniques(tenancy, placement, table, keys)
        yield from _of_foreign_keys(tenancy, placement, table, inspector)


def indexed(connection: Connection, tenancy: Tenancy) -> set[str]:
    """Return the names of the tables with a tenant index in the database, whatever the models say."""
    inspector, names = inspect(connection), set()
    for placement, table in of_tenants(tenancy):
        try:
            indexes = inspector.get_indexes(table.name, table.schema)
        except NoSuchTableError:
            continue
        keys = _uniques(inspector, table, indexes)
        if placement.column in _leading(indexes, keys, _primary(inspector, table)):
            names.add(placement.name)
    return names


def _primary(inspector: Inspector, table: Table) -> list[str]:
    return list(inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"])


def _uniques(inspector: Inspector, table: Table, indexes: list[Any]) -> set[tuple[str, ...]]:
    constraints = inspector.get_unique_constraints(table.name, table.schema)
    columns = [
        one["column_names"] for one in (*constraints, *[index for index in indexes if index["unique"]])
    ]
    return {tuple(names) for names in columns if all(names)}


def _leading(indexes: list[Any], keys: set[tuple[str, ...]], primary: list[str]) -> set[str]:
    whole = [
        one for one in indexes if not any(key.endswith("_where") for key in one.get("dialect_options", {}))
    ]
    return (
        {one["column_names"][0] for one in whole if one["column_names"]}
        | {key[0] for key in keys}
        | set(primary[:1])
    )


def _of_index(
    placement: Placement, table: Table, indexes: list[Any], keys: set[tuple[str, ...]], primary: list[str]
) -> Iterator[Finding]:
    column = placement.column
    if (
        placement.kind == "owned"
        and column in leading(table)
        and column not in _leading(indexes, keys, primary)
    ):
        detail = f"no index of {placement.name} in the database begins with {column}"
        yield finding_of("TG306", f"{placement.name}.{column}", detail)


def _of_uniques(
    tenancy: Tenancy, placement: Placement, table: Table, keys: set[tuple[str, ...]]
) -> Iterator[Finding]:
    primary, known = primary_key(table), {frozenset(names) for names in uniques(table)}
    if is_of_one_row(placement, [primary, *keys]):
        return
    for names in sorted(keys):
        covered = set(primary) <= set(names) or is_random(table, names)
        covered = covered or tells_tenant(tenancy, placement, table, names)
        if frozenset(names) not in known and not covered:
            said = ", ".join(names)
            detail = f"{placement.name} is unique by {said} in the database, without the tenant"
            yield finding_of("TG307", f"{placement.name}({said})", detail)


def _of_foreign_keys(
    tenancy: Tenancy, placement: Placement, table: Table, inspector: Inspector
) -> Iterator[Finding]:
    there = {
        frozenset(zip(one["constrained_columns"], one["referred_columns"], strict=False)): one
        for one in inspector.get_foreign_keys(table.name, table.schema)
    }
    for reference in tenancy.references(table):
        live = there.pop(frozenset(reference.pairs), None)
        parent = tenancy.find_key(reference.parent_key)
        if live is None and parent is not None and parent.kind in OF_TENANTS:
            detail = f"the database has no foreign key {reference.name} to {parent.name}"
            yield finding_of("TG308", reference.name, detail)
        if live is not None:
            yield from _of_action(reference, placement, live)
    yield from _unknown_cascades(placement, there.values())


def _of_action(reference: Reference, placement: Placement, live: Mapping[str, Any]) -> Iterator[Finding]:
    for what, said in (("ondelete", reference.deletes), ("onupdate", reference.rekeys)):
        does = _action(live, what)
        if does and does != said:
            where = f"{_words(what)} {does} in the database"
            detail = f"{reference.name} says {where}, and {said or 'nothing'} in the models"
            yield finding_of("TG309", reference.name, detail)


def _unknown_cascades(placement: Placement, keys: Any) -> Iterator[Finding]:
    """Yield foreign keys that change tenants' rows and are not in the models."""
    for one in keys:
        for what in ("ondelete", "onupdate"):
            does = _action(one, what)
            if does:
                columns = ", ".join(one["constrained_columns"])
                detail = (
                    f"{placement.name}.{columns} leads to {one['referred_table']} in the database with "
                    f"{_words(what)} {does}, and the key is not in the models"
                )
                yield finding_of("TG309", f"{placement.name}.{columns}", detail)


def _words(what: str) -> str:
    return "ON DELETE" if what == "ondelete" else "ON UPDATE"


def _action(key: Mapping[str, Any], what: str) -> str | None:
    action = str(key.get("options", {}).get(what) or "").upper()
    return action if action in _ACTIONS else None
