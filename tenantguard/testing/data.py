"""Rows of several tenants for any MetaData: foreign keys hold, keys differ, and all other values collide."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.testing.generator.schema import ClassInfo, ColumnInfo, Link, Schema, TableInfo
from tenantguard.testing.kinds import tenant_kind
from tenantguard.testing.samples import key_kind, samples_of

Row = dict[str, Any]

ROWS = (3, 4, 1)  # how many rows of each table the tenants have, in turn
SHARED = 3


@dataclass
class Data:
    """The rows of every tenant, and the shared ones under ``None``.

    Attributes:
        tenants: the ids, in the type of the tenant column.
        rows: by tenant, then by the table's name in code.
    """

    tenants: tuple[TenantId, ...]
    rows: dict[TenantId | None, dict[str, list[Row]]] = field(default_factory=dict)

    def slice(self, *tenants: TenantId) -> Iterator[tuple[str, list[Row]]]:
        """Yield the rows of these tenants and the shared ones, parents first."""
        for owner in (None, *tenants):
            yield from self.rows[owner].items()


def generate(schema: Schema) -> Data:
    """Return rows for as many tenants as ``ROWS`` names.

    The first rows of each tenant hold the same values as another tenant's, the next ones others; some
    references are NULL and some point at the row's own table.
    """
    data = Data(tenant_ids(schema))
    data.rows[None] = {}
    for table in schema.tables.values():
        if table.placement.kind == "shared":
            data.rows[None][table.name] = _Maker(schema, data, table, None, 0).rows(SHARED)
    for index, tenant in enumerate(data.tenants):
        data.rows[tenant] = {}
        for table in schema.tables.values():
            if table.placement.kind != "shared":
                maker = _Maker(schema, data, table, tenant, index)
                data.rows[tenant][table.name] = maker.rows(1 if table.roots else ROWS[index])
    return data


def tenant_ids(schema: Schema) -> tuple[TenantId, ...]:
    """Return the tenants, in the type of the tenant column."""
    kind = tenant_kind(schema.tenancy, SQLiteDialect_pysqlite())
    if kind == "uuid":
        return tuple(UUID(int=0xA000 + n) for n in range(len(ROWS)))
    if kind == "int":
        return tuple(range(1, len(ROWS) + 1))
    return ("acme", "globex", "initech")


def fresh_key(column: ColumnInfo, number: int) -> Any:
    """Return a key that no generated row has."""
    key = UUID(int=0xF000 + number)
    values: dict[str | None, Any] = {
        "int": 1000 + number,
        "str": f"new-{number}",
        "uuid": key,
        "uuid text": str(key),
    }
    kind = key_kind(column)
    if kind not in values:
        raise ConfigurationError(f"the generator has no keys for column {column.column} of that type")
    return values[kind]


class _Maker:
    """The maker of one table's rows for one tenant."""

    def __init__(
        self, schema: Schema, data: Data, table: TableInfo, tenant: TenantId | None, index: int
    ) -> None:
        self.schema, self.data, self.table = schema, data, table
        self.tenant, self.index = tenant, index
        self.made: list[Row] = []
        self.taken: dict[tuple[str, ...], set[Any]] = defaultdict(set)

    def rows(self, count: int) -> list[Row]:
        base = self._inherits()
        if base is not None:
            self._children(*base)
        else:
            for number in range(count):
                self._add(number, {})
        return self.made

    def _inherits(self) -> tuple[Link, list[Any] | None] | None:
        """Return the link to the base's table, and the identities of the rows that continue here."""
        keys = [c.name for c in self.table.key]
        for link in self.table.links:
            if keys and [ours for ours, _ in link.pairs] == keys and link.parent != self.table.name:
                return link, self._identities()
        return None

    def _identities(self) -> list[Any] | None:
        mine = [c for c in self.schema.classes.values() if c.table == self.table.name and c.discriminator]
        below = [self.schema.classes[name] for c in mine for name in c.subclasses]
        return [c.identity for c in (*mine, *below)] or None

    def _children(self, link: Link, identities: list[Any] | None) -> None:
        teller = self._teller(link.parent)
        for number, parent in enumerate(self._rows_of(link.parent)):
            kind = self._identity_of(parent, link.parent) if teller else None
            if kind in identities if identities is not None and teller else number % 2 == 0:
                self._add(number, {ours: parent[theirs] for ours, theirs in link.pairs})

    def _teller(self, table: str) -> ClassInfo | None:
        found = [c for c in self.schema.classes.values() if c.discriminator and c.table == table]
        return found[0] if found else None

    def _identity_of(self, row: Row, table: str) -> Any:
        """Return the discriminator's value for a row of a table that may itself continue a base's."""
        info = self.schema.tables[table]
        teller = next((c for c in info.columns if c.tells_class), None)
        if teller is not None:
            return row[teller.name]
        link = next(x for x in info.links if [ours for ours, _ in x.pairs] == [c.name for c in info.key])
        for parent in self._rows_of(link.parent):
            if all(parent[theirs] == row[ours] for ours, theirs in link.pairs):
                return self._identity_of(parent, link.parent)
        return None

    def _rows_of(self, table: str) -> list[Row]:
        if table == self.table.name:
            return self.made
        owner = None if self.schema.tables[table].placement.kind == "shared" else self.tenant
        return self.data.rows.get(owner, {}).get(table, [])

    def _add(self, number: int, row: Row) -> None:
        if self.table.tenant_column is not None:
            row.setdefault(self.table.tenant_column, self.tenant)
        for attempt in range(12):  # another parent each time, until the key is new
            made = self._fill(dict(row), number, attempt)
            if made is not None and self._is_new(made):
                self.made.append(made)
                return

    def _fill(self, row: Row, number: int, attempt: int) -> Row | None:
        for link in self.table.links:
            if not self._point(row, link, number, attempt):
                return None
        for column in self.table.columns:
            if column.name not in row:
                row[column.name] = self._value(column, number)
        return row

    def _point(self, row: Row, link: Link, number: int, attempt: int) -> bool:
        """Choose a parent that agrees with what the row holds already; tell whether the row can stand."""
        own = [ours for ours, _ in link.pairs]
        free = [name for name in own if name not in row]
        parents = [
            parent
            for parent in self._rows_of(link.parent)
            if all(row.get(ours, parent[theirs]) == parent[theirs] for ours, theirs in link.pairs)
        ]
        optional = all(self.table.named(name).nullable for name in free) and bool(free)
        if optional and (not parents or (number + len(link.parent)) % 4 == 3):
            row.update(dict.fromkeys(free))
            return True
        if not parents:
            return not free and link.parent == self.table.name
        chosen = parents[(number // 2 + attempt + _salt(self.table.name, *own)) % len(parents)]
        row.update({ours: chosen[theirs] for ours, theirs in link.pairs})
        return True

    def _value(self, column: ColumnInfo, number: int) -> Any:
        if column.tells_class:
            return self._identity(number)
        if column.primary or column.unique:
            return self._distinct(column, number)
        if column.nullable and (number + _salt(column.name)) % 4 == 2:
            return None
        samples = samples_of(column)
        shift = self.index if number % 2 else 0
        return samples[(_salt(self.table.name, column.name) + number + shift) % len(samples)]

    def _identity(self, number: int) -> Any:
        teller = self._teller(self.table.name)
        if teller is None:
            return None
        names = (teller.name, *teller.subclasses)
        known = [self.schema.classes[name] for name in names]
        return known[number % len(known)].identity

    def _distinct(self, column: ColumnInfo, number: int) -> Any:
        """Return a key: the tenants' keys interleave, unless the tenant is part of the key."""
        apart = self.table.tenant_column not in {c.name for c in self.table.key} or column.unique
        n = number * len(ROWS) + self.index + 1 if apart else number + 1
        kind = key_kind(column)
        if kind == "int":
            return n
        if kind == "str":
            return f"{self.table.name[:3]}{n}"
        if kind is not None:
            key = UUID(int=(_salt(self.table.name) << 32) + n)
            return key if kind == "uuid" else str(key)
        samples = samples_of(column)
        return samples[n % len(samples)]

    def _is_new(self, row: Row) -> bool:
        found = {names: tuple(row[name] for name in names) for names in self.table.distinct}
        known = {names: key for names, key in found.items() if None not in key}  # NULLs are never alike
        if any(key in self.taken[names] for names, key in known.items()):
            return False
        for names, key in known.items():
            self.taken[names].add(key)
        return True


def _salt(*names: str) -> int:
    return zlib.crc32("/".join(names).encode()) % 97


def keys_of(table: TableInfo, rows: Iterable[Row]) -> list[Any]:
    """Return the rows' keys: one value each, or a tuple where the key is composite."""
    names = [c.name for c in table.key]
    if len(names) == 1:
        return [row[names[0]] for row in rows]
    return [tuple(row[name] for name in names) for row in rows]
