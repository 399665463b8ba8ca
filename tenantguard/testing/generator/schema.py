"""The user's models as the generator knows them: tables, keys, classes and relationships, as plain data."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapper, RelationshipDirection, registry

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.kinds import plain_type, statement_columns
from tenantguard.testing.limits import Limit, limits_of

_KINDS: tuple[tuple[type[Any], str], ...] = (
    (Enum, "other"),
    (Boolean, "bool"),
    (Integer, "int"),
    (DateTime, "datetime"),
    (Date, "date"),
    (String, "str"),
    (Uuid, "uuid"),
)


def kind_of_type(type_: Any) -> str:
    """Return the kind of a type's values: what may be compared with what."""
    type_ = plain_type(type_)
    if isinstance(type_, TypeDecorator):
        return "other"
    if isinstance(type_, Numeric):
        return "num" if type_.asdecimal else "other"
    return next((kind for known, kind in _KINDS if isinstance(type_, known)), "other")


def identifier(name: str, taken: set[str]) -> str:
    """Return a Python name for a table or class that no other one has."""
    found = re.sub(r"\W", "_", name) or "t"
    if found[0].isdigit() or keyword.iskeyword(found):
        found = f"t_{found}"
    while found in taken:
        found += "_"
    taken.add(found)
    return found


@dataclass(frozen=True)
class ColumnInfo:
    """A column: its name in code, its kind, and what it references."""

    name: str
    kind: str
    nullable: bool
    primary: bool
    foreign: bool
    unique: bool
    tells_class: bool
    samples: tuple[Any, ...]
    limit: Limit | None
    column: Column[Any] = field(compare=False, repr=False)

    def code(self, table: str) -> str:
        """Return the column of a table, as code."""
        return f"{table}.c.{self.name}" if self.name.isidentifier() else f"{table}.c[{self.name!r}]"


@dataclass(frozen=True)
class Link:
    """A foreign key: pairs of our column and the parent's."""

    parent: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TableInfo:
    """A table.

    Attributes:
        name: the name in code, which is also how programs ask for keys.
        table: the table itself.
        placement: how it belongs.
    """

    name: str
    table: Table = field(compare=False, repr=False)
    placement: Placement = field(compare=False, repr=False)
    columns: tuple[ColumnInfo, ...]
    links: tuple[Link, ...]

    @cached_property
    def key(self) -> tuple[ColumnInfo, ...]:
        """Return the columns of the primary key."""
        return tuple(c for c in self.columns if c.primary)

    @cached_property
    def distinct(self) -> tuple[tuple[str, ...], ...]:
        """Return the columns that no two rows may have alike, for each key and each unique constraint or index."""
        table = self.table
        found = [tuple(c.name for c in self.key), *((c.name,) for c in table.columns if c.unique)]
        found += [
            tuple(c.name for c in k.columns) for k in table.constraints if isinstance(k, UniqueConstraint)
        ]
        found += [tuple(c.name for c in index.columns) for index in table.indexes if index.unique]
        known = {c.name for c in self.columns}
        return tuple(dict.fromkeys(names for names in found if names and known.issuperset(names)))

    @cached_property
    def tenant_column(self) -> str | None:
        """Return the name of the tenant column, where the table is owned."""
        return self.placement.column if self.placement.kind == "owned" else None

    @cached_property
    def roots(self) -> bool:
        """Tell whether the table holds one row for each tenant: its key is the tenant."""
        return [c.name for c in self.key] == [self.tenant_column]

    @cached_property
    def writable(self) -> bool:
        """Tell whether a program of one tenant may write the table."""
        belongs = self.placement.kind != "shared" or self.placement.writable
        return belongs and bool(self.key) and not self.roots

    def named(self, name: str) -> ColumnInfo:
        """Return the column of this name."""
        return next(c for c in self.columns if c.name == name)

    def plain(self) -> list[ColumnInfo]:
        """Return the columns that a program changes freely: no key, no reference, not the tenant."""
        return [
            c
            for c in self.columns
            if not (c.primary or c.foreign or c.unique or c.tells_class)
            and c.name != self.tenant_column
            and c.kind != "other"
        ]


@dataclass(frozen=True)
class Relation:
    """A relationship of a mapped class."""

    name: str
    target: str
    many: bool
    direction: str
    view_only: bool
    dynamic: bool
    orphans: bool
    cascades: bool


@dataclass(frozen=True)
class ClassInfo:
    """A mapped class.

    Attributes:
        name: the name in code.
        table: the name of its own table (of a subclass in the parent's table: that table).
        attributes: pairs of attribute name and column.
        key: the attributes of the identity.
        base: the class it inherits from.
        subclasses: every class below it.
    """

    name: str
    cls: type[Any] = field(compare=False, repr=False)
    table: str
    attributes: tuple[tuple[str, ColumnInfo], ...]
    key: tuple[str, ...]
    relations: tuple[Relation, ...]
    base: str | None
    subclasses: tuple[str, ...]
    identity: Any
    discriminator: str | None
    deferred: tuple[str, ...]
    expressions: tuple[tuple[str, str], ...]

    def relation(self, name: str) -> Relation:
        """Return the relationship of this name."""
        return next(r for r in self.relations if r.name == name)


class Schema:
    """Every table and class that programs are made of.

    Args:
        metadata: one MetaData or several.
        tenancy: how the tables belong.
        models: a declarative base or a registry, where there are mapped classes.
        samples: values for columns whose type is unknown here, ``{"calls.started_at": [...]}``.
    """

    def __init__(
        self,
        metadata: MetaData | tuple[MetaData, ...],
        tenancy: Tenancy,
        models: Any = None,
        *,
        samples: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self._samples = samples or {}
        self.tenancy = tenancy
        self.metadata = metadata if isinstance(metadata, tuple) else (metadata,)
        self.registry: registry | None = getattr(models, "registry", models)
        taken: set[str] = set()
        self._names: dict[Table, str] = {}
        self._discriminators = self._polymorphic_columns()
        for one in self.metadata:
            for table in one.sorted_tables:
                self._names[table] = identifier(table.name, taken)
        self.tables = {name: self._table(table, name) for table, name in self._names.items()}
        self.classes = {c.name: c for c in self._classes(taken)} if self.registry is not None else {}

    def name(self, table: Any) -> str:
        """Return a table's name in code."""
        return self._names[table]

    def namespace(self) -> dict[str, Any]:
        """Return what programs find under the names of tables and classes."""
        names: dict[str, Any] = {info.name: info.table for info in self.tables.values()}
        names.update((info.name, info.cls) for info in self.classes.values())
        return names

    def rows_of_class(self, cls: ClassInfo, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those rows of the class's table that are objects of the class."""
        teller = next((c for c in self.tables[cls.table].columns if c.tells_class), None)
        if teller is None:
            return rows
        identities = [cls.identity, *(self.classes[name].identity for name in cls.subclasses)]
        return [row for row in rows if row[teller.name] in identities]

    def _polymorphic_columns(self) -> set[Any]:
        if self.registry is None:
            return set()
        self.registry.configure()
        return {m.polymorphic_on for m in self.registry.mappers if m.polymorphic_on is not None}

    def _table(self, table: Table, name: str) -> TableInfo:
        foreign = {c.name for key in table.foreign_key_constraints for c in key.columns}
        alone = {c.name for c in table.columns if c.unique}
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                alone |= {c.name for c in constraint.columns}
        limits = limits_of(table)
        columns = tuple(
            ColumnInfo(
                name=c.name,
                kind=kind_of_type(c.type),
                nullable=bool(c.nullable),
                primary=c.primary_key,
                foreign=c.name in foreign,
                unique=c.name in alone,
                tells_class=c in self._discriminators,
                samples=tuple(self._samples.get(f"{table.fullname}.{c.name}", ())),
                limit=limits.get(c.name),
                column=c,
            )
            for c in statement_columns(table)
            if c.computed is None
        )
        return TableInfo(name, table, self.tenancy.of(table), columns, tuple(self._links(table)))

    def _links(self, table: Table) -> Iterator[Link]:
        for constraint in sorted(table.foreign_key_constraints, key=lambda c: sorted(c.column_keys)):
            pairs = tuple((e.parent.name, e.column.name) for e in constraint.elements)
            if constraint.referred_table in self._names:
                yield Link(self._names[constraint.referred_table], pairs)

    def _classes(self, taken: set[str]) -> Iterator[ClassInfo]:
        assert self.registry is not None
        mappers = sorted(self.registry.mappers, key=lambda m: m.class_.__name__)
        mappers = [m for m in mappers if all(t in self._names for t in m.tables)]
        names = {m: identifier(m.class_.__name__, taken) for m in mappers}
        for mapper in mappers:
            yield self._class(mapper, names)

    def _class(self, mapper: Mapper[Any], names: dict[Mapper[Any], str]) -> ClassInfo:
        attributes: list[tuple[str, ColumnInfo]] = []
        expressions: list[tuple[str, str]] = []
        for prop in mapper.column_attrs:
            known = [c for c in prop.columns if isinstance(c, Column) and c.table in self._names]
            if known:
                info = self.tables[self._names[known[0].table]]
                attributes.append((prop.key, info.named(known[0].name)))
            else:
                expressions.append((prop.key, kind_of_type(prop.columns[0].type)))
        table = mapper.local_table
        tables = [t for t in mapper.tables if isinstance(t, Table)]
        return ClassInfo(
            name=names[mapper],
            cls=mapper.class_,
            table=self._names[table if isinstance(table, Table) else tables[0]],
            attributes=tuple(attributes),
            key=tuple(mapper.get_property_by_column(c).key for c in mapper.primary_key),
            relations=tuple(_relations(mapper, names)),
            base=names.get(mapper.inherits) if mapper.inherits is not None else None,
            subclasses=tuple(names[m] for m in mapper.self_and_descendants if m is not mapper and m in names),
            identity=mapper.polymorphic_identity,
            discriminator=_discriminator(mapper),
            deferred=tuple(p.key for p in mapper.column_attrs if getattr(p, "deferred", False)),
            expressions=tuple(expressions),
        )


def _discriminator(mapper: Mapper[Any]) -> str | None:
    column = mapper.polymorphic_on
    return mapper.get_property_by_column(column).key if isinstance(column, Column) else None


def _relations(mapper: Mapper[Any], names: dict[Mapper[Any], str]) -> Iterator[Relation]:
    for prop in mapper.relationships:
        if prop.mapper in names:
            yield Relation(
                name=prop.key,
                target=names[prop.mapper],
                many=bool(prop.uselist),
                direction={
                    RelationshipDirection.MANYTOONE: "many_to_one",
                    RelationshipDirection.ONETOMANY: "one_to_many",
                    RelationshipDirection.MANYTOMANY: "many_to_many",
                }[prop.direction],
                view_only=bool(prop.viewonly),
                dynamic=prop.lazy in ("dynamic", "write_only"),
                orphans=prop.cascade.delete_orphan,
                cascades=prop.cascade.delete,
            )
