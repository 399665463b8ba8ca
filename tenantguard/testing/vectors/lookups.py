"""Look-ups: the table, or pair of tables, that has the shape a vector needs.

Each finds every candidate and hands out the best; at a later turn it hands out the next best, so that a vector
that the best one does not suit is tried on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Column, ForeignKeyConstraint, Table
from sqlalchemy.orm import Mapper, registry

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.vectors.judge import EVERYBODY, Snapshot
from tenantguard.testing.vectors.seed import Owner, Seeder
from tenantguard.testing.vectors.shapes import (
    Bridge,
    Pair,
    Shape,
    free_columns,
    key_of,
    links,
    map_pair,
    map_plain,
)
from tenantguard.testing.vectors.table import NotApplicable

Candidate = TypeVar("Candidate", Shape, Pair)
Found = TypeVar("Found", Shape, Pair, Bridge, Mapper[Any], Table)


class Lookups:
    """The shapes of a schema that both tenants have rows in. Each raises ``NotApplicable`` where there is none.

    Attributes:
        tenancy: how every table belongs.
        tables: every table that is no view, parents first.
        mappers: the mappers of the application.
        before: the rows as they were seeded.
        turn: which candidate is handed out, from the best on.
        turns: how many candidates there were, at most, for what was asked for.
        used: the tables that were handed out.
    """

    tenancy: Tenancy
    tables: Sequence[Table]
    mappers: Sequence[Mapper[Any]]
    before: Snapshot
    seeder: Seeder
    a: Any
    b: Any
    turn: int = 0
    turns: int = 1
    used: set[str]
    _owners: dict[Any, Owner]
    _exists: Callable[[Any], bool]
    _mappings: registry
    _paired: dict[Any, Pair]

    def at(self, turn: int) -> None:
        """Begin a turn: hand out the candidates of this number, and note which tables they are."""
        self.turn, self.turns, self.used = turn, 1, set()

    @property
    def shapes(self) -> dict[Table, Shape]:
        """Return a shape for each table that both tenants have rows in, and for each shared one."""
        self.used.update(table.fullname for table in self._shapes)
        return self._shapes

    @cached_property
    def _shapes(self) -> dict[Table, Shape]:
        found = {}
        for table in self.tables:
            placed = self.tenancy.of(table)
            owner = (EVERYBODY, EVERYBODY) if placed.kind == "shared" else (self.a, self.b)
            a, b = (self.before.of(table, who) for who in owner)
            if a and b:
                found[table] = self._shape(table, placed, a, b)
        return found

    @cached_property
    def _links(self) -> dict[Table, list[tuple[ForeignKeyConstraint, Table]]]:
        return {table: list(links(table)) for table in self.tables}

    def _shape(self, table: Table, placed: Placement, a: list[Any], b: list[Any], cls: Any = None) -> Shape:
        free = free_columns(table, self.tenancy, self.mappers, a, b)
        cls = map_plain(self._mappings, table) if cls is None else cls
        return Shape(table, cls, placed, a, b, self._new_row, (self.a, self.b), **free)

    def _new_row(self, tenant: Any, shape: Shape, n: int) -> dict[str, Any]:
        return self.seeder.row(shape.table, self._owners[tenant], n)

    def _of_kind(self, kind: str) -> list[Shape]:
        return [s for s in self._shapes.values() if s.placed.kind == kind and not self._is_extension(s.table)]

    def _is_extension(self, table: Table) -> bool:
        """Tell whether the whole key is a foreign key or the tenant: rows cannot be made by themselves."""
        placed = self.tenancy.of(table)
        keys = {c.name for c in key_of(table)}
        return keys == {placed.column} or any(
            {c.name for c in k.columns} == keys for k, _ in self._links[table]
        )

    def _referred(self, table: Table) -> int:
        return sum(parent is table for other in self.tables for _, parent in self._links[other])

    def unreferred(self, shape: Shape) -> Shape:
        """Return the shape if nothing refers to its rows, so that their keys can change."""
        if self._referred(shape.table):
            raise NotApplicable(f"other tables refer to {shape.table.name}")
        return shape

    @property
    def owned(self) -> Shape:
        """Return an owned table, one that much refers to; a table without a tenant column where that is all."""
        return self._pick(
            self._owned_or_through(lambda s: (_simple(s), self._referred(s.table))), "an owned table"
        )

    @property
    def leaf(self) -> Shape:
        """Return an owned table that nothing refers to."""
        every = self._owned_or_through(lambda s: (_simple(s), len(s.table.foreign_keys)))
        free = [s for s in every if not self._referred(s.table)]
        # what only adds rows suits others as well; what takes them away meets the database's own refusal there
        rest = [s for s in every if s not in free and s.placed.kind == "owned"]
        without = [s for s in free if s.placed.kind != "owned"]
        return self._pick(
            [*(s for s in free if s not in without), *rest, *without], "an owned table that nothing refers to"
        )

    def _owned_or_through(self, rank: Callable[[Shape], Any]) -> list[Shape]:
        return [*_ranked(self._of_kind("owned"), rank), *_ranked(self._of_kind("through"), rank)]

    @property
    def shared(self) -> Shape:
        """Return a shared table that is read-only under a binding."""
        fixed = [s for s in self._of_kind("shared") if not s.placed.writable]
        return self._pick(_ranked(fixed, lambda s: len(s.texts)), "a shared table")

    @property
    def keyed(self) -> Shape:
        """Return an owned table whose key includes the tenant."""
        found = [
            s for s in self._of_kind("owned") if s.tenant_key in {c.key for c in s.table.primary_key.columns}
        ]
        ranked = _ranked(found, lambda s: (-self._referred(s.table), len(s.texts)))
        return self._pick(ranked, "a table whose key includes the tenant")

    @property
    def pair(self) -> Pair:
        """Return an owned child of an owned parent, by a key that does not include the tenant."""
        found = [
            *_ranked((p for p in self._pairs("owned") if p.parent.placed.kind == "owned"), _simple_pair),
            *_ranked((p for p in self._pairs("through") if p.parent.placed.kind != "shared"), _through_rank),
        ]
        return self._pick([p for p in found if not p.in_key], "an owned child of an owned parent")

    @property
    def part(self) -> Pair:
        """Return a table without a tenant column, and the owned parent that it belongs through."""
        found = [p for p in self._parts() if p.parent.placed.kind == "owned"]
        return self._pick(_ranked(found, _simple_pair), "a table that belongs through an owned one")

    @property
    def deep(self) -> Pair:
        """Return a grandchild: a table that belongs through a table that belongs through another."""
        found = [p for p in self._parts() if p.parent.placed.kind == "through"]
        return self._pick(
            _ranked(found, lambda p: _simple(p.child)), "a chain of tables without a tenant column"
        )

    @property
    def tree(self) -> Pair:
        """Return a table that refers to itself."""
        found = [*self._pairs("owned", itself=True), *self._pairs("through", itself=True)]
        return self._pick(_ranked(found, lambda p: len(p.child.texts)), "a table that refers to itself")

    @property
    def bridge(self) -> Bridge:
        """Return an association between two tables that are no shared ones."""
        return self._pick(list(self._bridges()), "an association between two owned tables")

    def _bridges(self) -> Iterator[Bridge]:
        for shape in self._of_kind("through") + self._of_kind("owned"):
            links_ = {k.parent.key for k in shape.table.foreign_keys} - {shape.tenant_key}
            rest = [c for c in shape.table.columns if c.key not in {*links_, shape.tenant_key}]
            if all(_fills_itself(c) for c in rest):
                pairs = [p for p in self._pairs_of(shape) if p.parent.placed.kind != "shared"]
                if len(pairs) == len(links_) == 2:
                    yield Bridge(shape, *pairs)

    @property
    def extension(self) -> Pair:
        """Return the child of joined-table inheritance, and its base."""
        found = [
            self._pair(shape, constraint, parent)
            for shape in self._shapes.values()
            for constraint, parent in self._links[shape.table]
            if self._is_extension(shape.table) and shape.placed.kind == "through" and parent in self._shapes
        ]
        return self._pick(_ranked(found, lambda p: len(p.child.texts)), "joined-table inheritance")

    @property
    def view(self) -> Table:
        """Return a view that is mapped as an owned table."""
        found = [
            table
            for metadata in self.tenancy.metadata
            for table in metadata.tables.values()
            if table.info.get("is_view") and self.tenancy.of(table).kind == "owned" and self._exists(table)
        ]
        return self._pick(found, "a view mapped as a table")

    @property
    def subclass(self) -> Mapper[Any]:
        """Return a mapper of the schema's own that shares its table with its base."""
        found = [m for m in self.mappers if m.single and m.local_table in self._shapes]
        return self._pick(found, "single-table inheritance")

    def _parts(self) -> list[Pair]:
        return [p for p in self._pairs("through") if p.child.placed.parent is p.parent.table]

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
            for constraint, parent in self._links[shape.table]
            if parent in self._shapes and shape.tenant_key not in {c.key for c in constraint.columns}
        ]

    def _pair(self, shape: Shape, constraint: Any, parent: Table) -> Pair:
        if constraint not in self._paired:
            self._paired[constraint] = self._new_pair(shape, constraint, parent)
        return self._paired[constraint]

    def _new_pair(self, shape: Shape, constraint: Any, parent: Table) -> Pair:
        link = tuple((e.parent, e.column) for e in constraint.elements)
        itself = parent is shape.table
        child_cls, parent_cls = map_pair(self._mappings, shape.table, parent, link, itself=itself)
        top = self._shapes[parent]
        return Pair(
            self._shape(shape.table, shape.placed, shape.a, shape.b, child_cls),
            self._shape(parent, top.placed, top.a, top.b, parent_cls),
            link,
        )

    def _pick(self, found: Sequence[Found], wanted: str) -> Found:
        """Hand out this turn's candidate."""
        if not found:
            raise NotApplicable(f"the schema has no {wanted.removeprefix('a ').removeprefix('an ')}")
        self.turns = max(self.turns, len(found))
        chosen = found[min(self.turn, len(found) - 1)]
        self.used.update(table.fullname for table in _tables(chosen))
        return chosen


def _tables(chosen: Any) -> Iterable[Table]:
    """Return the tables of what was handed out."""
    if isinstance(chosen, Pair):
        return (chosen.child.table, chosen.parent.table)
    if isinstance(chosen, Bridge):
        return (chosen.table.table, chosen.left.parent.table, chosen.right.parent.table)
    if isinstance(chosen, Mapper):
        return [table for table in chosen.tables if isinstance(table, Table)]
    return (chosen if isinstance(chosen, Table) else chosen.table,)


def _ranked(found: Iterable[Candidate], rank: Callable[[Candidate], Any]) -> list[Candidate]:
    return sorted(found, key=rank, reverse=True)


def _simple(shape: Shape) -> int:
    """Rank a table by how much a vector can do with it."""
    plain_key = len(shape.table.primary_key.columns) == 1
    return 4 * bool(shape.texts) + 2 * bool(shape.numbers) + plain_key


def _simple_pair(pair: Pair) -> tuple[int, int]:
    return _simple(pair.child), _simple(pair.parent)


def _through_rank(pair: Pair) -> tuple[bool, tuple[int, int]]:
    return not pair.belongs, _simple_pair(pair)


def _fills_itself(column: Column[Any]) -> bool:
    """Tell whether an association's row may leave a column out."""
    filled = column.default is not None or column.server_default is not None or column.computed is not None
    return filled or bool(column.nullable) or column is column.table.autoincrement_column
