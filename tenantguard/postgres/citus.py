"""Citus: the tenancy as a distribution, the rows of one tenant on one shard, and shared tables on every node.

Written against Citus 11 and later, and not run on one where no URL of one is given to the tests.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint

from tenantguard.belonging.placement import is_view
from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import literal, relation
from tenantguard.tenancy import Placement, Tenancy


def distribution(tenancy: Tenancy, *, schema: str = "public") -> list[str]:
    """Return the statements that distribute every table by its tenant, reference tables first.

    A statement that the guard let through asks for one tenant, so it is one shard's.

    Args:
        tenancy: how every table belongs.
        schema: the schema of tables that name none.

    Raises:
        ConfigurationError: a table has no tenant column, or a key of it does not include the tenant; all are listed.

    Example:
        >>> from sqlalchemy import Column, Integer, MetaData, String, Table
        >>> metadata = MetaData()
        >>> calls = Table("calls", metadata, Column("company_id", String, primary_key=True),
        ...               Column("id", Integer, primary_key=True))
        >>> distribution(Tenancy(metadata, column="company_id"))
        ["SELECT create_distributed_table('public.calls', 'company_id', colocate_with => 'none')"]
    """
    tenancy.verify()
    # a table that a foreign key leads to comes before the one that has it
    order = {table: at for each in tenancy.metadata for at, table in enumerate(each.sorted_tables)}
    placements = [p for p in tenancy if p.mapping is not None and not is_view(p.mapping)]
    placements.sort(key=lambda placement: order.get(placement.mapping, 0))  # type: ignore[arg-type]  # none is None
    faults = [fault for placement in placements for fault in _faults(tenancy, placement)]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigurationError(f"the tables cannot be distributed, {len(faults)} fault(s):\n{listed}")
    made, first = [], "none"
    for placement in placements:
        if placement.kind != "owned":
            made.append(f"SELECT create_reference_table({literal(relation(placement.key, schema))})")
    for placement in placements:
        if placement.kind == "owned":
            name = relation(placement.key, schema)
            column = literal(str(placement.column))
            made.append(
                f"SELECT create_distributed_table({literal(name)}, {column}, colocate_with => {literal(first)})"
            )
            first = name if first == "none" else first
    return made


def _faults(tenancy: Tenancy, placement: Placement) -> Iterator[str]:
    """Yield why a table cannot stand on one shard for each tenant."""
    table: Table = placement.mapping  # type: ignore[assignment]  # those without are left out
    if placement.kind == "through":
        yield f"{placement.name} belongs through its parent, and a shard is chosen by a column: add the tenant to it"
        return
    if placement.kind != "owned":
        return
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint) and placement.column not in {
            column.name for column in constraint.columns
        }:
            names = ", ".join(column.name for column in constraint.columns)
            yield f"{placement.name} has a key ({names}) without the tenant, and a shard can keep its own keys alone"
    for reference in tenancy.references(table):
        parent = tenancy.find_key(reference.parent_key)
        if parent is None or parent.kind != "owned" or (placement.column, parent.column) in reference.pairs:
            continue
        yield f"{placement.name} names {parent.name} by a foreign key without the tenant, perhaps on another shard"
