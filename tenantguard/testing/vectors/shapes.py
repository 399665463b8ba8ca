"""Shapes: the kinds of tables and pairs of tables that vectors need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Enum,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    types,
)
from sqlalchemy.orm import Mapper, registry, relationship

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.kinds import plain_type, statement_columns, stored_as
from tenantguard.testing.limits import limits_of
from tenantguard.testing.vectors.seed import sorted_keys, tenant_column
from tenantguard.testing.vectors.table import NotApplicable

Row = Mapping[str, Any]
Make = Callable[[Any, "Shape", int], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Shape:
    """A table with its rows on both sides, and a plain class that the kit maps to it.

    Attributes:
        table: the table of the schema.
        cls: a class mapped to the table; its attributes are the keys of the columns.
        placed: how the table belongs.
        a: the attacker's rows, by the keys of the columns.
        b: the victim's rows.
    """

    table: Table
    cls: Any
    placed: Placement
    a: list[dict[str, Any]]
    b: list[dict[str, Any]]
    make: Make
    tenants: tuple[Any, Any]
    texts: list[Column[Any]] = field(default_factory=list)
    numbers: list[Column[Any]] = field(default_factory=list)

    @property
    def c(self) -> Any:
        """Return the table's columns."""
        return self.table.c

    @property
    def columns(self) -> list[Column[Any]]:
        """Return the columns that statements name."""
        return statement_columns(self.table)

    @property
    def key(self) -> list[Column[Any]]:
        """Return the columns that tell a row from others: the primary key, or all where there is none."""
        return key_of(self.table)

    @property
    def pk(self) -> Column[Any]:
        """Return the column of the key that is not the tenant's."""
        own = [c for c in self.key if c.key != self.tenant_key]
        if not own:
            raise NotApplicable(f"{self.table.name} has no key but the tenant")
        return own[0]

    @property
    def tenant_key(self) -> str | None:
        """Return the key of the tenant column, or ``None`` where the table has none."""
        return tenant_column(self.table, self.placed).key if self.placed.kind == "owned" else None

    @property
    def tenant(self) -> Column[Any]:
        """Return the tenant column."""
        if self.tenant_key is None:
            raise NotApplicable(f"{self.table.name} has no tenant column")
        return self.table.c[self.tenant_key]

    @property
    def text(self) -> Column[Any]:
        """Return a column that holds free text."""
        if not self.texts:
            raise NotApplicable(f"{self.table.name} has no text column")
        return self.texts[0]

    @property
    def number(self) -> Column[Any]:
        """Return a column that holds a free integer."""
        if not self.numbers:
            raise NotApplicable(f"{self.table.name} has no integer column")
        return self.numbers[0]

    @property
    def repeatable(self) -> Column[Any]:
        """Return a text column that may hold the same in two rows."""
        if self.text.name in unique_names(self.table):
            raise NotApplicable(f"no two rows of {self.table.name} may hold the same {self.text.name}")
        return self.text

    def attr(self, column: Column[Any]) -> Any:
        """Return the mapped attribute of a column."""
        return getattr(self.cls, column.key)

    def match(self, row: Row, of: Any = None) -> ColumnElement[bool]:
        """Return the condition that finds one row by its key."""
        columns = (self.table if of is None else of).c
        return and_(*(columns[c.key] == row[c.key] for c in self.key))

    def ident(self, row: Row) -> Any:
        """Return a row's key as ``Session.get`` takes it."""
        keys = tuple(row[c.key] for c in self.key)
        return keys[0] if len(keys) == 1 else keys

    def new(self, side: str = "a", n: int = 100, **over: Any) -> dict[str, Any]:
        """Return a row that is not there yet, of the attacker or the victim."""
        return {**self.make(self.tenants["ab".index(side)], self, n), **over}

    def complete(self, side: str = "a", n: int = 100, **over: Any) -> dict[str, Any]:
        """Return a new row with a value for each default too, which a text or another Table does not fire."""
        like = (self.a if side == "a" else self.b)[0]
        return {
            **{key: value for key, value in like.items() if value is not None},
            **self.new(side, n, **over),
        }

    def unnamed(self, n: int = 100, **over: Any) -> dict[str, Any]:
        """Return a new row of the attacker that leaves its tenant to the guard."""
        row = self.new("a", n, **over)
        row.pop(self.tenant.key)
        return row

    def object(self, row: Row) -> Any:
        """Return a transient object with these values."""
        made = self.cls()
        for key, value in row.items():
            setattr(made, key, value)
        return made

    def keys_of(self, row: Row) -> dict[str, Any]:
        """Return the key part of a row."""
        return {c.key: row[c.key] for c in self.key}

    def set(self, **values: Any) -> dict[str, Any]:
        """Return values by column key, given as ``text=``, ``number=`` or ``tenant=``."""
        return {getattr(self, name).key: value for name, value in values.items()}

    def twin(self, *, without: Iterable[str] = ()) -> Table:
        """Return the same table once more, as another program would write it down, without some columns."""
        columns = [
            Column(c.name, c.type, key=c.key, primary_key=c.primary_key)
            for c in self.columns
            if c.key not in set(without)
        ]
        return Table(self.table.name, MetaData(), *columns, schema=self.table.schema)


@dataclass(frozen=True, eq=False)
class Pair:
    """A child and the parent that its foreign key references; the classes are mapped to each other.

    Attributes:
        child: has the foreign key; its class has ``parent``.
        parent: is referred to; its class has ``children``, ``many`` (write-only) and ``some`` (dynamic).
        link: pairs of columns, the child's and the parent's.
    """

    child: Shape
    parent: Shape
    link: tuple[tuple[Column[Any], Column[Any]], ...]

    @property
    def belongs(self) -> bool:
        """Tell whether the child belongs through this very foreign key: then its row is whoever's the parent is."""
        return {(ours.name, theirs.name) for ours, theirs in self.link} == set(self.child.placed.link)

    @property
    def in_key(self) -> bool:
        """Tell whether the foreign key is part of the child's own key: a row that is moved is another row."""
        return not {ours.key for ours, _ in self.link}.isdisjoint(c.key for c in self.child.key)

    def on(self, child: Any = None, parent: Any = None) -> ColumnElement[bool]:
        """Return the join condition, of the tables or of aliases of them."""
        left = (self.child.table if child is None else child).c
        right = (self.parent.table if parent is None else parent).c
        return and_(*(left[ours.key] == right[theirs.key] for ours, theirs in self.link))

    def to(self, row: Row) -> dict[str, Any]:
        """Return the child's values that make it refer to this row of the parent."""
        return {ours.key: row[theirs.key] for ours, theirs in self.link}


@dataclass(frozen=True, eq=False)
class Bridge:
    """Two owned tables and the association between them; ``left.cls.rights`` goes through it."""

    table: Shape
    left: Pair
    right: Pair

    def joins(self) -> dict[str, Any]:
        """Return the two conditions of a many-to-many relationship."""
        return {"primaryjoin": self.left.on(), "secondaryjoin": self.right.on()}


def key_of(table: Table) -> list[Column[Any]]:
    """Return the columns of the primary key, or of an association without one what its rows are made of."""
    keys = list(table.primary_key.columns)
    return keys or [c for c in table.columns if not c.nullable] or list(table.columns)


def columns_of(table: Table, tenancy: Tenancy, kind: type[Any], mappers: Iterable[Mapper[Any]]) -> list[Any]:
    """Return the columns that hold free values of a type: no key, no tenant, no discriminator."""
    placed = tenancy.of(table)
    special = {placed.column} | {
        getattr(m.polymorphic_on, "name", None) for m in mappers if m.local_table is table
    }
    return [
        c
        for c in statement_columns(table)
        if isinstance(stored_as(c.type), kind)
        and not isinstance(stored_as(c.type), Enum)
        and not (c.primary_key or c.foreign_keys or c.unique or c.name in special or c.computed is not None)
    ]


def free_columns(
    table: Table, tenancy: Tenancy, mappers: Iterable[Mapper[Any]], a: list[Row], b: list[Row]
) -> dict[str, list[Any]]:
    """Return the text and the integer columns that vectors may write to, and whose values tell the owner.

    Those that take any value come first: no key or CHECK that would forbid one, no type that converts; then the longest
    text, because it holds the owner's name.
    """
    mappers = list(mappers)
    limited = unique_names(table).union(limits_of(table))
    found = {}
    for name, kind, python_type in (("texts", String, str), ("numbers", Integer, int)):
        columns = [c for c in columns_of(table, tenancy, kind, mappers) if _tells(c.key, a, b, python_type)]
        found[name] = sorted(
            columns,
            key=lambda c: (
                c.name in limited,
                _converts(c.type),
                -(getattr(stored_as(c.type), "length", None) or 1_000),
            ),
        )
    return found


def unique_names(table: Table) -> set[str]:
    """Return the columns of every key that forbids two rows alike."""
    unique = [k.columns for k in table.constraints if isinstance(k, UniqueConstraint)]
    unique += [index.columns for index in table.indexes if index.unique]
    return {c.name for columns in unique for c in columns}


def _converts(type_: Any) -> bool:
    return isinstance(plain_type(type_), types.TypeDecorator)


def _tells(key: str, a: list[Row], b: list[Row], python_type: type) -> bool:
    """Tell whether every row has a value, and the victim's are not the attacker's; shared rows are both."""
    values = [row[key] for row in (*a, *b)]
    if not all(type(value) is python_type for value in values):
        return False
    return a is b or not {row[key] for row in a} & {row[key] for row in b}


def links(table: Table) -> Iterator[tuple[ForeignKeyConstraint, Table]]:
    """Yield the foreign keys of a table with the table each leads to."""
    for constraint in sorted_keys(table):
        yield constraint, constraint.referred_table


def map_plain(mappings: registry, table: Table, **properties: Any) -> Any:
    """Map a class of the kit's own to a table, imperatively; the schema's own classes stay as they are."""
    cls = type("".join(part.title() for part in table.name.split("_")), (), {"__module__": __name__})
    _map(mappings, cls, table, **properties)
    return cls


def map_pair(
    mappings: registry, child: Table, parent: Table, link: Any, *, itself: bool = False
) -> tuple[Any, Any]:
    """Map a child and its parent to each other, with relationships of each kind."""
    condition = and_(*(ours == theirs for ours, theirs in link))
    ours = [pair[0] for pair in link]
    theirs = [pair[1] for pair in link]
    one = {"primaryjoin": condition, "foreign_keys": ours}
    up: dict[str, Any] = {**one, "remote_side": theirs}
    down: dict[str, Any] = {**one, "remote_side": ours, "passive_deletes": "all"}
    parent_cls: Any = type("Parent", (), {"__module__": __name__})
    child_cls: Any = parent_cls if itself else type("Child", (), {"__module__": __name__})
    lists = {
        "children": relationship(child_cls, back_populates="parent", **down),
        "many": relationship(child_cls, lazy="write_only", overlaps="children,some,parent", **down),
        "some": relationship(child_cls, lazy="dynamic", overlaps="children,many,parent", **down),
    }
    single = {"parent": relationship(parent_cls, back_populates="children", **up)}
    if itself:
        _map(mappings, parent_cls, parent, **lists, **single)
    else:
        _map(mappings, parent_cls, parent, **lists)
        _map(mappings, child_cls, child, **single)
    return child_cls, parent_cls


def _map(mappings: registry, cls: Any, table: Table, **properties: Any) -> None:
    columns = {c.key: c for c in table.columns}
    mappings.map_imperatively(cls, table, primary_key=key_of(table), properties={**columns, **properties})
