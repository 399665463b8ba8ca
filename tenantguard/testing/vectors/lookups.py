"""Look-ups: which table, or pair of tables, of the schema has the shape that a vector asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Table
from sqlalchemy.orm import Mapper, registry

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.vectors.judge import EVERYBODY, Snapshot
from tenantguard.testing.vectors.seed import Owner, Seeder
from tenantguard.testing.vectors.shapes import Bridge, Pair, Shape, free_columns, links, map_pair, map_plain
from tenantguard.testing.vectors.table import NotApplicable

Found = TypeVar("Found")


class Lookups:
    """Find shapes in a schema that both tenants have rows in. Each one raises ``NotApplicable`` where there is none.

    Attributes:
        tenancy: how every table belongs.
        tables: every table that is no view, parents first.
        mappers: the mappers of the application.
        before: the rows as they were seeded.
    """

    tenancy: Tenancy
    tables: Sequence[Table]
    mappers: Sequence[Mapper[Any]]
    before: Snapshot
    seeder: Seeder
    a: Any
    b: Any
    _owners: dict[Any, Owner]
    _exists: Callable[[Any], bool]
    _mappings: registry

    @cached_property
    def shapes(self) -> dict[Table, Shape]:
        """Return a shape for each table that both tenants have rows in, and for each shared one."""
        found = {}
        for table in self.tables:
            placed = self.tenancy.of(table)
            owner = (EVERYBODY, EVERYBODY) if placed.kind == "shared" else (self.a, self.b)
            a, b = (self.before.of(table, who) for who in owner)
            if a and b and len(table.primary_key.columns):
                found[table] = self._shape(table, placed, a, b)
        return found

    def _shape(self, table: Table, placed: Placement, a: list[Any], b: list[Any], cls: Any = None) -> Shape:
        free = free_columns(table, self.tenancy, self.mappers, a, b)
        cls = map_plain(self._mappings, table) if cls is None else cls
        return Shape(table, cls, placed, a, b, self._new_row, (self.a, self.b), **free)

    def _new_row(self, tenant: Any, shape: Shape, n: int) -> dict[str, Any]:
        return self.seeder.row(shape.table, self._owners[tenant], n)

    def _of_kind(self, kind: str) -> list[Shape]:
        return [s for s in self.shapes.values() if s.placed.kind == kind and not self._is_extension(s.table)]

    def _is_extension(self, table: Table) -> bool:
        """Tell whether the whole key is a foreign key or the tenant: rows cannot be made by themselves."""
        placed = self.tenancy.of(table)
        keys = {c.name for c in table.primary_key.columns}
        return keys == {placed.column} or any({c.name for c in k.columns} == keys for k, _ in links(table))

    def _referred(self, table: Table) -> int:
        return sum(parent is table for other in self.tables for _, parent in links(other))

    def unreferred(self, shape: Shape) -> Shape:
        """Return the shape if nothing refers to its rows, so that their keys can change."""
        if self._referred(shape.table):
            raise NotApplicable(f"other tables refer to {shape.table.name}")
        return shape

    @cached_property
    def owned(self) -> Shape:
        """Return an owned table, one that much refers to."""
        return _best(
            self._of_kind("owned"), lambda s: (_simple(s), self._referred(s.table)), "an owned table"
        )

    @cached_property
    def leaf(self) -> Shape:
        """Return an owned table that nothing refers to."""
        free = [s for s in self._of_kind("owned") if not self._referred(s.table)]
        return _best(
            free, lambda s: (_simple(s), len(s.table.foreign_keys)), "an owned table that nothing refers to"
        )

    @cached_property
    def shared(self) -> Shape:
        """Return a shared table that is read-only under a binding."""
        fixed = [s for s in self._of_kind("shared") if not s.placed.writable]
        return _best(fixed, lambda s: len(s.texts), "a shared table")

    @cached_property
    def keyed(self) -> Shape:
        """Return an owned table whose key includes the tenant."""
        found = [
            s for s in self._of_kind("owned") if s.tenant_key in {c.key for c in s.table.primary_key.columns}
        ]
        return _best(
            found, lambda s: (-self._referred(s.table), len(s.texts)), "a table whose key includes the tenant"
        )

    @cached_property
    def pair(self) -> Pair:
        """Return an owned child of an owned parent, by a key that does not include the tenant."""
        found = [p for p in self._pairs("owned") if p.parent.placed.kind == "owned"]
        return _best(
            found, lambda p: (_simple(p.child), _simple(p.parent)), "an owned child of an owned parent"
        )

    @cached_property
    def part(self) -> Pair:
        """Return a table without a tenant column, and the owned parent that it belongs through."""
        found = [p for p in self._parts() if p.parent.placed.kind == "owned"]
        return _best(
            found,
            lambda p: (_simple(p.child), _simple(p.parent)),
            "a table that belongs through an owned one",
        )

    @cached_property
    def deep(self) -> Pair:
        """Return a grandchild: a table that belongs through a table that belongs through another."""
        found = [p for p in self._parts() if p.parent.placed.kind == "through"]
        return _best(found, lambda p: _simple(p.child), "a chain of tables without a tenant column")

    @cached_property
    def tree(self) -> Pair:
        """Return an owned table that refers to itself."""
        return _best(
            self._pairs("owned", itself=True), lambda p: len(p.child.texts), "a table that refers to itself"
        )

    @cached_property
    def bridge(self) -> Bridge:
        """Return an association between two owned tables."""
        for shape in self._of_kind("through") + self._of_kind("owned"):
            if {c.key for c in shape.table.columns} - {shape.tenant_key} == {
                k.parent.key for k in shape.table.foreign_keys
            } - {shape.tenant_key}:
                pairs = [p for p in self._pairs_of(shape) if p.parent.placed.kind == "owned"]
                if len(pairs) == 2:
                    return Bridge(shape, *pairs)
        raise NotApplicable("the schema has no association between two owned tables")

    @cached_property
    def extension(self) -> Pair:
        """Return the child of joined-table inheritance, and its base."""
        found = [
            self._pair(shape, constraint, parent)
            for shape in self.shapes.values()
            for constraint, parent in links(shape.table)
            if self._is_extension(shape.table) and shape.placed.kind == "through" and parent in self.shapes
        ]
        return _best(found, lambda p: len(p.child.texts), "joined-table inheritance")

    @cached_property
    def view(self) -> Table:
        """Return a view that is mapped as an owned table."""
        for metadata in self.tenancy.metadata:
            for table in metadata.tables.values():
                if (
                    table.info.get("is_view")
                    and self.tenancy.of(table).kind == "owned"
                    and self._exists(table)
                ):
                    return table
        raise NotApplicable("the schema has no view mapped as a table")

    @cached_property
    def subclass(self) -> Mapper[Any]:
        """Return a mapper of the schema's own that shares its table with its base."""
        for mapper in self.mappers:
            if mapper.single and mapper.local_table in self.shapes:
                return mapper
        raise NotApplicable("the schema has no single-table inheritance")

    def _parts(self) -> list[Pair]:
        return [
            p for p in self._pairs("through") if p.child.placed.parent is p.parent.table and p.child.texts
        ]

    def _pairs(self, kind: str, *, itself: bool = False) -> list[Pair]:
        return [
            p
            for s in self._of_kind(kind)
            for p in self._pairs_of(s)
            if (p.child.table is p.parent.table) == itself
        ]

    def _pairs_of(self, shape: Shape) -> list[Pair]:
        return [
            self._pair(shape, constraint, parent)
            for constraint, parent in links(shape.table)
            if parent in self.shapes and shape.tenant_key not in {c.key for c in constraint.columns}
        ]

    def _pair(self, shape: Shape, constraint: Any, parent: Table) -> Pair:
        link = tuple((e.parent, e.column) for e in constraint.elements)
        itself = parent is shape.table
        child_cls, parent_cls = map_pair(self._mappings, shape.table, parent, link, itself=itself)
        top = self.shapes[parent]
        return Pair(
            self._shape(shape.table, shape.placed, shape.a, shape.b, child_cls),
            self._shape(parent, top.placed, top.a, top.b, parent_cls),
            link,
        )


def _best(found: Sequence[Found], rank: Callable[[Found], Any], wanted: str) -> Found:
    if not found:
        raise NotApplicable(f"the schema has not {wanted}")
    return max(found, key=rank)


def _simple(shape: Shape) -> int:
    """Rank a table by how much a vector can do with it."""
    plain_key = len(shape.table.primary_key.columns) == 1
    return 4 * bool(shape.texts) + 2 * bool(shape.numbers) + plain_key
