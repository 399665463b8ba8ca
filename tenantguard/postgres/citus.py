"""Citus: the tenancy as a distribution, the rows of one tenant on one shard, and shared tables on every node."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint

from tenantguard.errors import ConfigurationError
from tenantguard.placements.placement import is_view
from tenantguard.postgres.spelling import block, literal, relation
from tenantguard.tenancy import Placement, Tenancy

# a table that has a foreign key to a reference table is distributed shard after shard, or not at all
_IN_TURN = "SET LOCAL citus.multi_shard_modify_mode TO 'sequential'"
_KEYS = "tenantguard_foreign_keys"  # a temporary table, which ends with the transaction


def distribution(tenancy: Tenancy, *, schema: str = "public") -> list[str]:
    """Return the statements that distribute every table by its tenant, reference tables first.

    Run them in one transaction. A statement that the guard let through asks for one tenant, so it is one shard's.

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
        >>> distribution(Tenancy(metadata, column="company_id"))[-1]
        "SELECT create_distributed_table('public.calls', 'company_id', colocate_with => 'none')"
    """
    tenancy.verify()
    # a reference table that a foreign key leads to comes before the one that has it
    order = {table: at for each in tenancy.metadata for at, table in enumerate(each.sorted_tables)}
    placements = [p for p in tenancy if p.mapping is not None and not is_view(p.mapping)]
    placements.sort(key=lambda placement: order.get(placement.mapping, 0))  # type: ignore[arg-type]  # none is None
    faults = [fault for placement in placements for fault in _faults(tenancy, placement)]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigurationError(f"the tables cannot be distributed, {len(faults)} fault(s):\n{listed}")
    shared = [relation(p.key, schema) for p in placements if p.kind != "owned"]
    owned = {relation(p.key, schema): str(p.column) for p in placements if p.kind == "owned"}
    keys = any(_tied(tenancy, p) for p in placements if p.kind == "owned")
    return [
        _IN_TURN,
        *(f"SELECT create_reference_table({literal(name)})" for name in shared),
        *(_taken(list(owned)) if keys else ()),
        *_distributed(owned),
        *(_put_back() if keys else ()),
    ]


def _distributed(owned: dict[str, str]) -> Iterator[str]:
    beside = "none"
    for name, column in owned.items():
        yield (
            f"SELECT create_distributed_table({literal(name)}, {literal(column)}, colocate_with => {literal(beside)})"
        )
        beside = name if beside == "none" else beside


def _taken(owned: list[str]) -> Iterator[str]:
    """Yield what takes away the foreign keys between the tables, and keeps what they were.

    While one of two tables is distributed, a foreign key between them is refused, whichever comes first. A table that
    was distributed is another one than before, so it is kept by its name.
    """
    parents = ", ".join(f"{literal(name)}::regclass" for name in owned)
    yield (
        f"CREATE TEMPORARY TABLE {_KEYS} ON COMMIT DROP AS SELECT conrelid::regclass::text AS child, conname AS name, "
        f"pg_catalog.pg_get_constraintdef(oid) AS definition FROM pg_catalog.pg_constraint "
        f"WHERE contype = 'f' AND conparentid = 0 AND confrelid IN ({parents})"
    )
    yield _for_each_key("DROP CONSTRAINT %I', key.child, key.name")


def _put_back() -> Iterator[str]:
    yield _for_each_key("ADD CONSTRAINT %I %s', key.child, key.name, key.definition")
    yield f"DROP TABLE {_KEYS}"


def _for_each_key(change: str) -> str:
    return block(
        f"DECLARE key record; BEGIN FOR key IN SELECT * FROM {_KEYS} LOOP "
        f"EXECUTE format('ALTER TABLE %s {change}); END LOOP; END;"
    )


def _tied(tenancy: Tenancy, placement: Placement) -> list[Placement]:
    """Return the owned tables that a table's foreign keys name."""
    table: Table = placement.mapping  # type: ignore[assignment]  # those without are left out
    parents = [tenancy.find_key(reference.parent_key) for reference in tenancy.references(table)]
    return [parent for parent in parents if parent is not None and parent.kind == "owned"]


def _faults(tenancy: Tenancy, placement: Placement) -> Iterator[str]:
    """Yield why a table cannot stand on one shard for each tenant."""
    table: Table = placement.mapping  # type: ignore[assignment]  # those without are left out
    if placement.kind == "through":
        yield f"{placement.name} belongs through its parent, and a shard is chosen by a column: add the tenant to it"
        return
    if placement.kind != "owned":
        for owned in _tied(tenancy, placement):
            yield f"{placement.name} is on every node, and names {owned.name} by a foreign key, whose rows are on one"
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
