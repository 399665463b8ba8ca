"""Placements: how each table belongs, by its declarations, its tenant column or its keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, MetaData, Table

from tenantguard.placements.declarations import Declared
from tenantguard.placements.placement import (
    Placement,
    RowRule,
    Shared,
    Through,
    by_base,
    by_foreign_key,
    by_rule,
    find_column,
    full_name,
    owned,
    table_key,
)
from tenantguard.placements.references import Key, Reference, references


class Placements:
    """The tables of an application, and how each belongs.

    Args:
        metadata: the MetaData of the tables.
        declared: the declarations.
        column: the name of the tenant column.
    """

    def __init__(self, metadata: tuple[MetaData, ...], declared: Declared, column: str | None) -> None:
        self.metadata = metadata
        self.declared = declared
        self.column = column
        self._placed: dict[Key, Placement] = {}

    def find(self, key: Key) -> Placement | None:
        """Return the placement by schema and name, or ``None``; tables that were added later are found too."""
        placement = self._placed.get(key)
        if placement is None:
            placed = self.place(key, self.named(key))
            if isinstance(placed, Placement) and not self.chain_faults(placed):
                permitted = self.declared.permissions.get(full_name(key))
                placement = placed if permitted is None else replace(placed, permitted=permitted)
                self._placed[key] = placement
        return placement

    def forget(self) -> None:
        """Forget all placements, because a table was defined or altered."""
        self._placed.clear()

    def tables(self) -> dict[Key, list[Table]]:
        """Return every table with all its mappings, because two MetaData may contain the same table."""
        found: dict[Key, list[Table]] = {}
        for metadata in self.metadata:
            for table in metadata.tables.values():
                found.setdefault(table_key(table), []).append(table)
        return found

    def named(self, key: Key) -> list[Table]:
        """Return the mappings of one table."""
        named = (metadata.tables.get(full_name(key)) for metadata in self.metadata)
        return [table for table in named if table is not None and table_key(table) == key]

    def references(self, table: Table) -> list[Reference]:
        """Return the foreign keys of a table; their parents are found by name in every MetaData."""
        return references(table, self._first)

    def _first(self, key: Key) -> Table | None:
        return next(iter(self.named(key)), None)

    def place(self, key: Key, mappings: Collection[Table]) -> Placement | str | None:
        """Return the placement, a sentence that says why there is none, or ``None`` if nothing declares one."""
        told = [self._place_one(key, table) for table in mappings]
        placed = [one for one in told if isinstance(one, Placement)]
        if len({one.way for one in placed}) > 1:
            return f"{full_name(key)} is declared more than once, in different ways; say once how it belongs"
        if placed:
            return placed[0]
        return next((one for one in told if one is not None), None)

    def _place_one(self, key: Key, table: Table) -> Placement | str | None:
        name = full_name(key)
        said = self.declared.said(name, table)
        if isinstance(said, str):
            return said
        if len(said) > 1:
            return f"{name} is declared more than once, in different ways; say once how it belongs"
        if not said:
            return self._infer(name, table)
        (how,) = said
        if isinstance(how, Shared):
            return Placement(key, "shared", writable=how.writable, mapping=table)
        if isinstance(how, Through):
            return by_foreign_key(table, how.column, self.references(table))
        return self._owned(name, table, how[0])

    def _infer(self, name: str, table: Table) -> Placement | str | None:
        if self.column is not None and find_column(table, self.column) is not None:
            return self._owned(name, table, self.column)
        rule = self.declared.visible.get(name)
        if rule is not None:
            return self._shown(name, table, rule)
        return by_base(table, self.references(table))

    def _owned(self, name: str, table: Table, column: str) -> Placement | str:
        nullable, rule = name in self.declared.nullable, self.declared.visible.get(name)
        return owned(table, column, nullable=nullable, visible=rule)

    def _shown(self, name: str, table: Table, rule: RowRule) -> Placement | str:
        tenant = self._tenant_column()
        if tenant is None:
            return (
                f"visible names {name!r}, but no table has a tenant column, from which the type of the "
                "rule's tenant would be taken"
            )
        return by_rule(table, rule, tenant, self.declared.changeable.get(name, frozenset()))

    def _tenant_column(self) -> Column[Any] | None:
        """Return the tenant column of any owned table."""
        for metadata in self.metadata:
            for table in metadata.tables.values():
                said = self.declared.said(full_name(table_key(table)), table)
                names = [how[0] for how in said if isinstance(how, tuple)] if isinstance(said, set) else []
                if not said and self.column is not None:
                    names = [self.column]
                column = find_column(table, names[0]) if names else None
                if column is not None:
                    return column
        return None

    def chain_faults(self, placed: Placement) -> list[str]:
        """Follow a chain of parents to its end: it must reach an owned table."""
        misplaced = self.declared.misplaced(placed.name, placed.kind)
        if misplaced is not None:
            return [misplaced]
        seen, here = {placed.key}, placed
        while here.kind == "through" and here.parent is not None:
            key = table_key(here.parent)
            told = f"{placed.name} belongs through {placed.column} to {full_name(key)}"
            parent = self.place(key, self.named(key))
            if parent is None or isinstance(parent, str):
                return [f"{told}, which itself is not placed"]
            if parent.kind == "shared":
                return [f"{told}, which leads to {parent.name}, a shared table; it must lead to an owned one"]
            if parent.kind == "shown":
                return [
                    f"{told}, whose rows a rule shows to several tenants; give {placed.name} a rule of its own, "
                    f'visible={{"{placed.name}": ...}}'
                ]
            if parent.key in seen:
                return [f"{told}, which leads back to itself; it must lead to an owned table"]
            seen.add(parent.key)
            here = parent
        return []
