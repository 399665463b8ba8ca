"""Rows for any schema, alike for the attacker, the victim and everybody."""

from __future__ import annotations

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CheckConstraint, Column, Dialect, ForeignKeyConstraint, Table, UniqueConstraint, types
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapper

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.kinds import enum_of, kinds_of, statement_columns, stored_as, takes
from tenantguard.testing.limits import Limit, limits_of

ROWS = 3  # per table and tenant
FRESH = 100  # from here on a row number is a new row's, which no seeded row has

Row = Mapping[str, Any]
Value = Callable[[Any, int], Any]


@dataclass(frozen=True)
class Owner:
    """An owner of rows: a tenant, or everybody (``tenant`` is ``None``)."""

    tenant: Any
    number: int
    word: str


class Unseedable(Exception):
    """No valid row of a table could be made."""


@dataclass
class Seeder:
    """A maker of rows that fit the schema, in the order of the tables.

    Args:
        tenancy: how every table belongs.
        tables: the tables, parents first.
        owners: who has rows; everybody last.
        mappers: mapped classes, whose discriminators a row must respect.
        values: for columns whose values cannot be guessed: ``{"calls.code": lambda tenant, n: ...}``.
        dialect: whose types convert the values.
    """

    tenancy: Tenancy
    tables: Sequence[Table]
    owners: Sequence[Owner]
    mappers: Collection[Mapper[Any]] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    dialect: Dialect = field(default_factory=SQLiteDialect_pysqlite)
    made: dict[tuple[Table, Any], list[dict[str, Any]]] = field(default_factory=dict)
    empty: dict[str, str] = field(default_factory=dict)  # tables without rows, and why
    _classes: dict[int, Any] = field(
        default_factory=dict
    )  # the discriminator that a row has, by the row's id
    _limits: dict[Table, dict[str, Limit]] = field(default_factory=dict)

    def in_order(self, table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows that were read back in the order in which they were made, which foreign keys may need."""
        keys = [column.key for column in table.primary_key.columns]
        made = [row for owner in self.owners for row in self.made.get((table, owner.tenant), [])]
        order = {tuple(row.get(key) for key in keys): n for n, row in enumerate(made)}
        return sorted(rows, key=lambda row: order.get(tuple(row[key] for key in keys), len(order)))

    def all_rows(self) -> list[tuple[Table, list[dict[str, Any]]]]:
        """Return every row of every table that can be seeded, ready to insert."""
        found = []
        for table in self.tables:
            rows: list[dict[str, Any]] = []
            for owner in self._owners_of(table):
                rows += self._rows(table, owner)
            found.append((table, rows))
        return found

    def row(self, table: Table, owner: Owner, n: int) -> dict[str, Any]:
        """Return one row by the keys of its columns.

        Raises:
            Unseedable: a column takes no value that is known here.
        """
        row: dict[str, Any] = {}
        self._follow(table, owner, n, row)
        for column in statement_columns(table):
            identities = self._identities(table, column)
            if identities:
                self._classes[id(row)] = row[column.key] = identities[n % len(identities)]
            elif column.key not in row and not self._left_out(column):
                row[column.key] = self._value(table, column, owner, n)
        return row

    def _owners_of(self, table: Table) -> Sequence[Owner]:
        shared = self.tenancy.of(table).kind == "shared"
        return [owner for owner in self.owners if shared == (owner.tenant is None)]

    def _rows(self, table: Table, owner: Owner) -> list[dict[str, Any]]:
        made = self.made.setdefault((table, owner.tenant), [])
        ids = self._named_by_tenants(table) if owner.tenant is None else []
        for n in range(self._how_many(table, owner, len(ids))):
            try:
                row = self.row(table, owner, n)
            except Unseedable as error:
                self.empty[table.fullname] = str(error)
                return made
            for column, tenant in ids[n : n + 1]:
                row[column.key] = tenant
            made.append(row)
        return made

    def _how_many(self, table: Table, owner: Owner, named: int) -> int:
        """Return how many rows a table gets: two of each class, as many as a joined child has bases."""
        bases = self._bases(table, owner)
        if bases is not None:
            return len(bases)
        classes = [len(m.polymorphic_map) for m in self.mappers if m.local_table is table]
        spare = 2 if owner.tenant is None else 0  # shared rows that nothing refers to
        return 1 if self._one_each(table) else max(ROWS + spare, named, 2 * max(classes, default=0))

    def _bases(self, table: Table, owner: Owner) -> list[dict[str, Any]] | None:
        """Return the rows that a table of joined inheritance may extend; ``None`` where it is no such table."""
        for mapper in self.mappers:
            base = mapper.inherits
            if mapper.local_table is table and base is not None and base.local_table is not table:
                rows = self.made.get((base.local_table, owner.tenant), [])  # type: ignore[arg-type]  # a Table here
                fits = [name for name, sub in mapper.polymorphic_map.items() if sub.isa(mapper)]
                return [row for row in rows if self._classes.get(id(row), fits) in (fits, *fits)]
        return None

    def _one_each(self, table: Table) -> bool:
        """Tell whether the tenant alone is a key of the table."""
        placed = self.tenancy.of(table)
        keys = [{c.name for c in table.primary_key.columns}]
        keys += [{c.name} for c in table.columns if c.unique]
        keys += [{c.name for c in k.columns} for k in table.constraints if isinstance(k, UniqueConstraint)]
        keys += [{c.name for c in index.columns} for index in table.indexes if index.unique]
        return placed.kind == "owned" and {placed.column} in keys

    def _named_by_tenants(self, table: Table) -> list[tuple[Column[Any], Any]]:
        """Return the ids that a shared table of tenants must have, because tenant columns refer to it."""
        for other in self.tables:
            placed = self.tenancy.of(other)
            for key in other.foreign_keys:
                if placed.kind == "owned" and key.parent.name == placed.column and key.column.table is table:
                    return [(key.column, owner.tenant) for owner in self.owners if owner.tenant is not None]
        return []

    def _follow(self, table: Table, owner: Owner, n: int, row: dict[str, Any]) -> None:
        """Fill the foreign keys with rows of the same owner, or of everybody."""
        placed = self.tenancy.of(table)
        if placed.kind == "owned":
            row[tenant_column(table, placed).key] = owner.tenant
        for offset, constraint in enumerate(sorted_keys(table)):
            parent = self._parent(constraint, owner, n, offset if n >= FRESH else 0, row)
            for element in constraint.elements:
                mine = element.parent
                if parent is not None and parent.get(element.column.key) is not None:
                    row.setdefault(mine.key, parent[element.column.key])
                elif mine.key not in row and mine.nullable:
                    row[mine.key] = None
                elif mine.key not in row:
                    raise Unseedable(f"{table.name}.{mine.name} needs a parent")

    def _parent(
        self, constraint: ForeignKeyConstraint, owner: Owner, n: int, offset: int, row: Row
    ) -> Row | None:
        target = constraint.referred_table
        rows = self.made.get((target, owner.tenant)) or self.made.get((target, None)) or []
        table: Any = constraint.parent
        if {c.name for c in constraint.columns} == {c.name for c in table.primary_key.columns}:
            bases = self._bases(table, owner)
            rows = rows if bases is None else bases
            if bases:
                self._classes[id(row)] = self._classes.get(id(bases[n % len(bases)]))
        if target is constraint.parent:
            return rows[0] if rows else None
        return rows[(n + offset) % len(rows)] if rows else None

    def _left_out(self, column: Column[Any]) -> bool:
        if column.computed is not None or (column.identity is not None and column.identity.always):
            return True
        if column.primary_key or f"{column.table}.{column.name}" in self.values:
            return False
        return column.default is not None or column.server_default is not None

    def _value(self, table: Table, column: Column[Any], owner: Owner, n: int) -> Any:
        given = self.values.get(f"{table.fullname}.{column.name}")
        if given is not None:
            return given(owner.tenant, n)
        try:
            value = value_for(column.type, column.name, owner, n, self.dialect)
            limit = self._limits_of(table).get(column.name)
            return value if limit is None else limit.fit(value, n)
        except Unseedable:
            if column.nullable:
                return None
            raise Unseedable(f"{table.fullname}.{column.name} has the type {column.type!r}") from None

    def _limits_of(self, table: Table) -> dict[str, Limit]:
        if table not in self._limits:
            self._limits[table] = limits_of(table)
        return self._limits[table]

    def _identities(self, table: Table, column: Column[Any]) -> list[Any]:
        """Return the polymorphic identities that a row of this table may have, where the column is one."""
        for mapper in self.mappers:
            if mapper.polymorphic_on is not None and mapper.local_table is table:
                on = mapper.polymorphic_on
                if getattr(on, "key", None) == column.key and getattr(on, "table", None) is table:
                    return list(mapper.polymorphic_map)
        return []


def tenant_column(table: Table, placed: Placement) -> Column[Any]:
    """Return the tenant column of an owned table."""
    return next(column for column in table.columns if column.name == placed.column)


def misfit(table: Table, row: Row, dialect: Dialect, error: StatementError) -> str:
    """Return the sentence that names the table, and the column where one can be told, which a row does not fit."""
    bad = [key for key, value in row.items() if not takes(table.c[key].type, value, dialect)]
    said = str(error.orig or error).splitlines()[0].rstrip(".")
    named = [f"{table.fullname}.{table.c[key].name}" for key in bad] or _mentioned(table, said)
    columns = ", ".join(named) or f"a column of {table.fullname}"
    example = named[0] if named else f"{table.fullname}.column"
    return (
        f"the row that the kit made for {table.fullname} does not fit the schema: {said}. Give values for {columns}: "
        f'values={{"{example}": lambda tenant, n: ...}}'
    )


def _mentioned(table: Table, said: str) -> list[str]:
    """Return the columns that an error names, or that a constraint does which it names."""
    words = set(re.findall(r"\w+", said))
    texts = [
        str(k.sqltext) for k in table.constraints if isinstance(k, CheckConstraint) and str(k.name) in words
    ]
    words |= {word for text in texts for word in re.findall(r"\w+", text)}
    return [f"{table.fullname}.{c.name}" for c in table.columns if c.name in words]


def sorted_keys(table: Table) -> list[ForeignKeyConstraint]:
    """Return the foreign keys whose parent is in the metadata, in a stable order."""
    usable = []
    for constraint in table.foreign_key_constraints:
        try:
            usable.append((constraint.referred_table.fullname, constraint))
        except Exception:  # noqa: S112 - several kinds; each means that the parent cannot be followed
            continue
    return [c for _, c in sorted(usable, key=lambda found: (found[0], [x.name for x in found[1].columns]))]


def value_for(kind: types.TypeEngine[Any], name: str, owner: Owner, n: int, dialect: Dialect) -> Any:
    """Return a value of the type that tells its owner apart from the others.

    Raises:
        Unseedable: the type is not known here, or takes nothing that is.
    """
    for known in kinds_of(kind):
        try:
            value = _MAKERS[known](
                stored_as(kind) if known not in ("enum", "list") else kind, name, owner, n, dialect
            )
        except Unseedable:
            continue
        if takes(kind, value, dialect):
            return value
    raise Unseedable(f"no value for {kind!r}")


Maker = Callable[[Any, str, Owner, int, Dialect], Any]


def _numbered(make: Callable[[int], Any]) -> Maker:
    """Return what makes a value of a number that no other owner's row has."""
    return lambda kind, name, owner, n, dialect: make(owner.number * 1000 + n)


def _choice(kind: Any, name: str, owner: Owner, n: int, dialect: Dialect) -> Any:
    members = enum_of(kind)
    choices: list[Any] = (
        list(members) if members is not None else [str(one) for one in getattr(kind, "enums", ())]
    )
    if not choices:
        raise Unseedable(f"no choices in {kind!r}")
    return choices[n % len(choices)]


def _list(kind: Any, name: str, owner: Owner, n: int, dialect: Dialect) -> list[Any]:
    item = getattr(stored_as(kind), "item_type", None)
    return [value_for(item, name, owner, n, dialect)] if item is not None else []


def _text(kind: Any, name: str, owner: Owner, n: int, dialect: Dialect) -> str:
    value = f"{owner.word}{n}-{name}"
    limit = getattr(kind, "length", None) or len(value)
    if limit < len(owner.word) + 3:
        value = f"{owner.word[0]}{n}"
    return value[:limit]


def _uuid(kind: Any, name: str, owner: Owner, n: int, dialect: Dialect) -> uuid.UUID:
    return uuid.UUID(int=(owner.number << 64) + n)


def _room(kind: Any) -> int:
    """Return how far a number may count in a type."""
    if isinstance(kind, mysql.TINYINT):
        return 128
    precision = getattr(kind, "precision", None)
    return 10 ** min(9, precision - (kind.scale or 0)) if precision is not None else 10**9


def _worded(make: Callable[[str], Any]) -> Maker:
    """Return what makes a value of the owner's word and the row's number."""
    return lambda kind, name, owner, n, dialect: make(f"{owner.word}{owner.number * 1000 + n}")


def _moment(zone: dt.tzinfo | None) -> Maker:
    return _numbered(lambda number: dt.datetime(2020, 1, 1, 12, 0, tzinfo=zone) + dt.timedelta(hours=number))


_MAKERS: dict[str, Maker] = {
    "address": lambda kind, name, owner, n, dialect: f"10.0.{owner.number}.{n % 256}",
    "bool": _numbered(lambda number: bool(number % 2)),
    "bytes": _worded(str.encode),
    "date": _numbered(lambda number: dt.date(2020, 1, 1) + dt.timedelta(days=number)),
    "datetime": _moment(None),
    "enum": _choice,
    "float": _numbered(lambda number: number + 0.25),
    "int": lambda kind, name, owner, n, dialect: (owner.number * 1000 + n) % _room(kind),
    "interval": _numbered(lambda number: dt.timedelta(seconds=number)),
    "json": _worded(lambda word: {"said": word}),
    "list": _list,
    "mail": _worded(lambda word: f"{word}@mail.example"),
    "num": lambda kind, name, owner, n, dialect: decimal.Decimal((owner.number * 1000 + n) % _room(kind)),
    "str": _text,
    "time": _numbered(lambda number: dt.time(number // 1000, number % 60)),
    "uuid": _uuid,
    "uuid text": lambda *given: str(_uuid(*given)),
    "words": _worded(lambda word: {"said": word}),
    "zoned": _moment(dt.UTC),
}
