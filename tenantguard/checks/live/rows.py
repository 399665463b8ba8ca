"""Rows: existing rows whose keys lead from one tenant to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Inspector, Table, and_, func, inspect, select

from tenantguard.checks.belongs import OF_TENANTS, of_tenants
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Key, Placement, Reference, Tenancy

SHOWN = 20  # keys of rows that are listed on request
Step = Callable[[str], None]


@dataclass(frozen=True)
class Crossing:
    """A foreign key that could lead to another tenant's row."""

    child: Placement
    parent: Placement
    reference: Reference


def crossings(tenancy: Tenancy) -> list[Crossing]:
    """Return the keys between tenants' rows whose columns do not include the tenant."""
    keys = []
    for child, table in of_tenants(tenancy):
        for reference in tenancy.references(table):
            parent = tenancy.find_key(reference.parent_key)
            if parent is None or parent.kind not in OF_TENANTS or reference.parent is None:
                continue
            if not (_is_own_link(child, reference) or (child.column, parent.column) in reference.pairs):
                keys.append(Crossing(child, parent, reference))
    return keys


def _is_own_link(child: Placement, reference: Reference) -> bool:
    return child.kind == "through" and child.link == reference.pairs


def crossing_rows(
    connection: Connection, tenancy: Tenancy, *, keys: bool = False, step: Step = lambda _: None
) -> Iterator[Finding]:
    """Yield a finding for each key whose rows lead to another tenant, with their count.

    Args:
        connection: a connection whose role sees every tenant's rows.
        tenancy: how every table belongs.
        keys: whether to list the first of these rows.
        step: called before each key is counted.
    """
    present = _present(connection, tenancy)
    for crossing in crossings(tenancy):
        if not _tables(tenancy, crossing) <= present:
            continue  # the comparison tells it
        step(crossing.reference.name)
        joined, crosses, child = _query(tenancy, crossing)
        many = connection.execute(select(func.count()).select_from(joined).where(crosses)).scalar_one()
        if many:
            yield _finding(crossing, many, _listed(connection, joined, crosses, child) if keys else "")


def _present(connection: Connection, tenancy: Tenancy) -> set[Key]:
    """Return the tenants' tables that exist in the database."""
    inspector = inspect(connection)
    return {
        child.key for child, table in of_tenants(tenancy) if inspector.has_table(table.name, table.schema)
    }


def _tables(tenancy: Tenancy, crossing: Crossing) -> set[Key]:
    """Return every table that is needed to find the owners of two rows."""
    keys = set()
    for placement in (crossing.child, crossing.parent):
        keys.add(placement.key)
        while placement.kind == "through" and placement.parent is not None:
            placement = tenancy.of(placement.parent)
            keys.add(placement.key)
    return keys


def _query(tenancy: Tenancy, crossing: Crossing) -> tuple[FromClause, ColumnElement[bool], Any]:
    child = _table(crossing.child).alias("child")
    parent = _table(crossing.parent).alias("parent")
    joined: FromClause = child.join(parent, _link(child, parent, crossing.reference.pairs))
    joined, mine = _owner(tenancy, joined, child, crossing.child, "c")
    joined, theirs = _owner(tenancy, joined, parent, crossing.parent, "p")
    return joined, mine != theirs, child


def _owner(
    tenancy: Tenancy, joined: FromClause, here: Any, placement: Placement, name: str
) -> tuple[FromClause, ColumnElement[Any]]:
    """Join the parents of a through table, and return the tenant column at the end of the chain."""
    depth = 0
    while placement.kind == "through" and placement.parent is not None:
        above = tenancy.of(placement.parent)
        depth += 1
        there = _table(above).alias(f"{name}{depth}")
        joined = joined.join(there, _link(here, there, placement.link))
        here, placement = there, above
    return joined, _column(here, placement.column or "")


def _table(placement: Placement) -> Table:
    assert placement.mapping is not None
    return placement.mapping


def _link(child: Any, parent: Any, pairs: tuple[tuple[str, str], ...]) -> ColumnElement[bool]:
    return and_(*[_column(child, ours) == _column(parent, theirs) for ours, theirs in pairs])


def _column(table: Any, name: str) -> Any:
    return next(column for column in table.columns if column.name == name)


def _finding(crossing: Crossing, many: int, listed: str) -> Finding:
    rows = "1 row" if many == 1 else f"{many:,} rows"
    verb = "leads" if many == 1 else "lead"
    detail = (
        f"{rows} of {crossing.child.name} {verb} to another tenant's row of {crossing.parent.name}{listed}"
    )
    return finding_of("TG301", crossing.reference.name, detail)


def _listed(connection: Connection, joined: FromClause, crosses: ColumnElement[bool], child: Any) -> str:
    key = list(child.primary_key)
    if not key:
        return ""
    asked = select(*key).select_from(joined).where(crosses).order_by(*key).limit(SHOWN)
    rows = [", ".join(map(str, row)) for row in connection.execute(asked)]
    return f" ({', '.join(column.name for column in key)}: {'; '.join(rows)})"


def _may_be_null(inspector: Inspector, placement: Placement, table: Table) -> bool:
    """Return whether the tenant column can be NULL in the database; if not, no row is read."""
    if not inspector.has_table(table.name, table.schema):
        return False
    columns = inspector.get_columns(table.name, table.schema)
    return any(one["nullable"] for one in columns if one["name"] == placement.column)


def ownerless_rows(connection: Connection, tenancy: Tenancy) -> Iterator[Finding]:
    """Yield the owned tables with undeclared rows without a tenant."""
    inspector = inspect(connection)
    for placement, table in of_tenants(tenancy):
        if placement.kind == "owned" and not placement.nullable and _may_be_null(inspector, placement, table):
            column = _column(table, placement.column or "")
            many = connection.execute(
                select(func.count()).select_from(table).where(column.is_(None))
            ).scalar_one()
            if many:
                detail = f"{many:,} row(s) of {placement.name} have no {placement.column}"
                yield finding_of("TG302", f"{placement.name}.{placement.column}", detail)
