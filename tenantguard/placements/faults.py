"""Faults of a tenancy, found before it guards anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Table

from tenantguard.placements.lookup import Placements
from tenantguard.placements.placement import Placement, find_column, full_name, generated_keys
from tenantguard.placements.references import Key, Reference


def faults_of(placements: Placements) -> tuple[list[Key], list[str]]:
    """Return the unplaced tables, and a sentence for every other fault."""
    found: list[str] = []
    tables = placements.tables()
    found += placements.declared.unknown({full_name(key) for key in tables})
    unplaced: list[Key] = []
    types: dict[type, str] = {}
    for key in sorted(tables, key=full_name):
        placed = placements.place(key, tables[key])
        if placed is None:
            unplaced.append(key)
            continue
        if isinstance(placed, str):
            found.append(placed)
            continue
        faults = placements.chain_faults(placed)
        found += faults or _of_keys(placements, placed, tables)
        if placed.kind == "owned" and placed.python_type is not None:
            types.setdefault(placed.python_type, f"{full_name(key)}.{placed.column}")
    if len(types) > 1:
        told = ", ".join(f"{where} is {kind.__name__}" for kind, where in types.items())
        found.append(f"tenant columns differ in type ({told}); a tenant id has one type")
    return unplaced, found


def _of_keys(placements: Placements, placed: Placement, tables: Mapping[Key, list[Table]]) -> Iterator[str]:
    """Yield the faults of a table's foreign keys, and of its placement as shared."""
    for table in tables[placed.key]:
        own = placements.references(table)
        for parent, generated in generated_keys(table, own):
            above = placements.find(parent)
            if above is not None and above.kind != "shared":
                yield generated
        if placed.kind == "shared" and placed.name not in placements.declared.openly_shared:
            yield from _of_shared(placements, placed, table, own)
        for reference in own:
            fault = _of_reference(placements, placed, reference, tables)
            if fault is not None:
                yield fault


def _of_shared(
    placements: Placements, placed: Placement, table: Table, own: Iterable[Reference]
) -> Iterator[str]:
    """Yield the signs that a shared table belongs to tenants."""
    way = f'Remove it from shared, or declare openly_shared={{"{placed.name}"}}'
    column = None if placements.column is None else find_column(table, placements.column)
    if column is not None:
        yield (
            f"{placed.name} is declared shared, and has the tenant column {column.name}: every tenant would read "
            f"every row. {way}"
        )
        return
    for reference in own:
        above = placements.find(reference.parent_key)
        if above is not None and above.kind in ("owned", "through"):
            yield (
                f"{placed.name} is declared shared, and {reference.name} points at rows of {above.name}, which "
                f'belong to a tenant. Declare through={{"{placed.name}": "{reference.columns[0]}"}} instead. {way}'
            )
            return


def _of_reference(
    placements: Placements, placed: Placement, reference: Reference, tables: Mapping[Key, list[Table]]
) -> str | None:
    """Return the fault of a foreign key, or ``None``."""
    above = placements.find(reference.parent_key)
    if placed.kind == "shared" and not placed.writable:
        return None  # its rows are written in a bypass
    parent = full_name(reference.parent_key)
    if reference.parent is None or (above is None and reference.parent_key not in tables):
        return (
            f"the foreign key {reference.name} leads to {parent}, which is in none of the tenancy's MetaData, or "
            "has no such column. Give that MetaData to Tenancy(...) as well"
        )
    if placed.kind == "shared" or above is None:
        return None
    deletes = reference.deletes if above.kind == "shared" and above.writable else None
    rekeys = reference.rekeys if above.kind == "shared" and above.writable else None
    if above.kind == "shown" and above.changeable.intersection([theirs for _, theirs in reference.pairs]):
        rekeys = reference.rekeys
    if deletes is None and rekeys is None:
        return None
    action = f"ON DELETE {deletes}" if deletes else f"ON UPDATE {rekeys}"
    return (
        f"the foreign key {reference.name} says {action}, and tenants may write {parent}, which is not one "
        "tenant's: the database would change rows of other tenants along with it. Leave the action out, or let "
        f"{parent} be written in a bypass only"
    )
