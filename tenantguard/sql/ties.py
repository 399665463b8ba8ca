"""Ties: the foreign keys of every table, and the columns whose values are verified.

They are resolved here once, for the compiler and for SQL text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Table

from tenantguard.errors import ConfigurationError
from tenantguard.sql.exactness import exact_column
from tenantguard.sql.part import Part
from tenantguard.sql.plans import Link, Pairs
from tenantguard.tenancy import Key, Placement, Reference, Tenancy, full_name, table_key


class Ties:
    """The foreign keys and verified columns of one tenancy, by table.

    Args:
        tenancy: how every table belongs.
        dialect: the name of the database's dialect.
    """

    def __init__(self, tenancy: Tenancy, dialect: str) -> None:
        self._dialect = dialect
        self.tenancy = tenancy.whole if isinstance(tenancy, Part) else tenancy
        self._enforced = tenancy.enforced if isinstance(tenancy, Part) else None
        self._columns: dict[Key, frozenset[str]] = {}
        self._watched: dict[Key, frozenset[str]] = {}
        self._typed: list[tuple[Any, Any]] = []
        self._carrying: dict[Key, list[Reference]] = {}
        self._links: dict[Key, list[tuple[Table, Pairs]]] = {}
        self._verified: dict[Key, tuple[Link, ...]] = {}
        self._kept: dict[Key, frozenset[str]] = {}
        self._by_name: dict[Table, Mapping[str, Any]] = {}
        self._referenced: dict[Key, frozenset[str]] = {}
        self._tables: dict[Key, list[Table]] = {}
        self._below: dict[Key, list[Placement]] | None = None
        self._tying: dict[Key, tuple[Link, ...]] = {}

    @property
    def are_asked(self) -> bool:
        """Tell whether anything was found yet."""
        return bool(self._tables or self._columns)

    def table(self, key: Key) -> Table:
        """Return the metadata's own table, by schema and name."""
        return self._mappings(key)[0]

    def table_with(self, key: Key, names: Collection[str]) -> Table:
        """Return the first mapping of a table that has some columns: another one may leave them out."""
        return next(one for one in self._mappings(key) if {column.name for column in one.c}.issuperset(names))

    def column_names(self, key: Key) -> frozenset[str]:
        """Return the names of a table's columns, of every mapping of it."""
        names = self._columns.get(key)
        if names is None:
            found = (metadata.tables.get(full_name(key)) for metadata in self.tenancy.metadata)
            names = frozenset(column.name for table in found if table is not None for column in table.c)
            self._columns[key] = names
        return names

    def kept(self, placement: Placement) -> frozenset[str]:
        """Return the columns whose values a write records: the verified ones, and those in the table's own keys."""
        found = self._kept.get(placement.key)
        if found is None:
            own = [pairs for parent, pairs in self.links(placement.key) if table_key(parent) == placement.key]
            found = self.watched(placement) | {theirs for pairs in own for _, theirs in pairs}
            self._kept[placement.key] = found
        return found

    def columns(self, table: Any) -> Mapping[str, Any]:
        """Return the columns of a table, by key and by name; those of the tenancy's own tables are found once."""
        found = self._by_name.get(table)
        if found is None:
            found = _by_name(table)
            if isinstance(table, Table) and any(
                table is mapping for mapping in self._mappings(table_key(table))
            ):
                self._by_name[table] = found
        return found

    def watched(self, placement: Placement) -> frozenset[str]:
        """Return the names of a table's columns whose values are verified: the tenant column, and the keys'."""
        names = self._watched.get(placement.key)
        if names is None:
            names = frozenset(ours for _, pairs in self.links(placement.key) for ours, _ in pairs)
            if placement.column is not None:
                names |= {placement.column}
            self._watched[placement.key] = names
            columns = [column for table in self._mappings(placement.key) for column in table.c]
            self._typed += [(column, column.type) for column in columns if column.name in names]
        return names

    def are_altered(self) -> bool:
        """Tell whether a verified column was given another type, which decides how its values are compared."""
        return any(column.type is not type_ for column, type_ in self._typed)

    def links(self, key: Key) -> list[tuple[Table, Pairs]]:
        """Return the foreign keys of a table that lead to owned or through tables: parent, and column pairs."""
        found = self._links.get(key)
        if found is None:
            self._links[key] = found = [
                link for table in self._mappings(key) for link in self._foreign_keys(table)
            ]
        return found

    def verified(self, placement: Placement) -> tuple[Link, ...]:
        """Return the foreign keys of a table that the guard verifies, without a statement's parameters."""
        found = self._verified.get(placement.key)
        if found is None:
            self._verified[placement.key] = found = tuple(
                [
                    self._link(placement, parent, pairs)
                    for parent, pairs in self.links(placement.key)
                    if not self.covered(placement, parent, pairs)
                ]
            )
        return found

    def _link(self, placement: Placement, parent: Table, pairs: Pairs) -> Link:
        belongs, ours = placement.link == tuple(pairs), tuple([ours for ours, _ in pairs])
        return Link(
            parent,
            table_key(parent),
            tuple([theirs for _, theirs in pairs]),
            [],
            read=self.tenancy.of(parent).visible is not None and not belongs,
            belongs=belongs,
            child=self.table_with(placement.key, ours),
            ours=ours,
        )

    def covered(self, placement: Placement, parent: Table, pairs: Pairs) -> bool:
        """Tell whether a foreign key includes the tenant on both sides, so that the database itself checks it.

        It does not where it takes the ids of two tenants for one, as MariaDB's collations do.
        """
        if not self.includes_tenant(placement, parent, pairs):
            return False
        if len(pairs) == 1:
            return True  # it names the tenant itself
        mine, theirs = [
            exact_column(one.type, one.python_type, self._dialect)
            for one in (placement, self.tenancy.of(parent))
        ]
        # an id that a CHAR(n) of PostgreSQL does not keep is not inserted
        return theirs is None or (mine is not None and self._dialect == "postgresql")

    def includes_tenant(self, placement: Placement, parent: Table, pairs: Pairs) -> bool:
        """Tell whether a foreign key leads from a tenant column to a tenant column, among others."""
        owner = self.tenancy.find(parent)
        return (
            owner is not None
            and placement.kind == owner.kind == "owned"
            and (placement.column, owner.column) in pairs
        )

    def tying(self, placement: Placement) -> tuple[Link, ...]:
        """Return the foreign keys through which a row of a table could link rows of two tenants."""
        found = self._tying.get(placement.key)
        if found is None:
            found = tuple([link for link in self.verified(placement) if self._has_owner(link.parent)])
            owners = len(found) + (placement.kind == "owned")
            self._tying[placement.key] = found = found if owners > 1 else ()
        return found

    def below(self, key: Key) -> list[Placement]:
        """Return the tables whose rows are linked to a table's: each may link two tenants once one of its rows moves.

        They name it by a foreign key, or name what belongs through it.
        """
        if self._below is None:
            self._below = {}
            for placement in self.tenancy:
                above = {one for link in self.tying(placement) for one in self._chain(link.parent)}
                for one in above:
                    self._below.setdefault(one, []).append(placement)
        return self._below.get(key, [])

    def _chain(self, table: Table) -> Iterable[Key]:
        """Yield a table and those that it belongs through, up to the one that names the tenant."""
        placement = self.tenancy.of(table)
        yield placement.key
        while placement.kind == "through" and placement.parent is not None:
            placement = self.tenancy.of(placement.parent)
            yield placement.key

    def _has_owner(self, table: Table) -> bool:
        """Return whether each row of a table belongs to one tenant; rows placed by a row rule alone do not."""
        placement = self.tenancy.of(table)
        while placement.kind == "through" and placement.parent is not None:
            placement = self.tenancy.of(placement.parent)
        return placement.column is not None

    def hanging(self, parents: Collection[Key] | None) -> list[Placement]:
        """Return the placements of the tables that belong through one of some tables, or through any."""
        return [
            placement
            for placement in self.tenancy
            if placement.parent is not None
            and (parents is None or table_key(placement.parent) in parents)
            and (self._enforced is None or placement.name in self._enforced)
        ]

    def referenced(self, key: Key) -> frozenset[str]:
        """Return the columns of a table that foreign keys lead to."""
        found = self._referenced.get(key)
        if found is None:
            self._referenced[key] = found = frozenset(
                theirs
                for placement in self.tenancy
                for parent, pairs in self.links(placement.key)
                if table_key(parent) == key
                for _, theirs in pairs
            )
        return found

    def carrying(self, key: Key) -> list[Reference]:
        """Return the foreign keys through which changing the table's rows changes rows that may be another tenant's."""
        found = self._carrying.get(key)
        if found is None:
            self._carrying[key] = found = [
                reference
                for placement in self.tenancy
                for table in self._mappings(placement.key)
                for reference in self.tenancy.references(table)
                if reference.parent_key == key
                and (reference.deletes or reference.rekeys)
                and reference.parent is not None
                and placement.link != reference.pairs  # what belongs through a row is its tenant's
                and not self.includes_tenant(placement, reference.parent, reference.pairs)
            ]
        return found

    def any_owned(self, tables: Iterable[Key]) -> Placement:
        """Return the placement of an owned table that the tables are, or belong through."""
        for key in tables:
            placement = self.tenancy.find_key(key)
            while placement is not None and placement.kind == "through" and placement.parent is not None:
                placement = self.tenancy.find(placement.parent)
            if placement is not None and placement.kind == "owned":
                return placement
        raise ConfigurationError("none of the tables belongs to a tenant")

    def _mappings(self, key: Key) -> list[Table]:
        found = self._tables.get(key)
        if found is None:
            self._tables[key] = found = [
                table
                for metadata in self.tenancy.metadata
                for table in metadata.tables.values()
                if table_key(table) == key
            ]
        return found

    def _foreign_keys(self, table: Table) -> Iterable[tuple[Table, Pairs]]:
        if self._enforced is not None and full_name(table_key(table)) not in self._enforced:
            return  # what an open table names is nobody's business
        for reference in self.tenancy.references(table):
            placement = self.tenancy.find_key(reference.parent_key)
            if reference.parent is not None and placement is not None and placement.kind != "shared":
                yield reference.parent, reference.pairs


def _by_name(table: Any) -> dict[str, Any]:
    found, by_key = {}, {}
    for column in table.c:
        name, key = column.name, column.key
        found[name] = column
        if key != name:
            by_key[key] = column
    return {**found, **by_key}
