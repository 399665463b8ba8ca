"""Companies: the table of the tenants, and the column by which other tables name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import MetaData, Table

from tenantguard.errors import ConfigurationError
from tenantguard.placements.placement import full_name, table_key
from tenantguard.placements.references import Key, Reference, references

# what tenants are called, the plainest first
NOUNS = (
    "tenant", "company", "organization", "organisation", "org", "workspace", "account", "business", "merchant", "firm",
    "agency", "institution", "school", "clinic", "practice", "shop", "store", "client", "customer", "team", "group",
    "realm", "entity", "project", "space", "community", "site", "guild", "domain",
)  # fmt: skip
_PLURALS = {"company": "companies", "agency": "agencies", "business": "businesses", "entity": "entities"}
_WEAK = frozenset(NOUNS[NOUNS.index("client") :])  # names that tables of a tenant's bear too
_PREFIXES = (
    "current_",
    "default_",
    "last_",
    "active_",
    "primary_",
    "selected_",
    "parent_",
    "referred_",
    "source_",
)


@dataclass(frozen=True)
class Companies:
    """The table of the tenants, if there is one, and the column that names them.

    Attributes:
        table: the table; ``None`` if tenants have none.
        key: its column that other tables reference.
        column: the usual name of the referencing column.
        why: the evidence.
    """

    table: Table | None
    key: str | None
    column: str
    why: str


class Schema:
    """The tables of an application and the foreign keys between them.

    Args:
        metadata: the MetaData of the tables.
    """

    def __init__(self, metadata: Sequence[MetaData]) -> None:
        self.metadata = tuple(metadata)
        self.tables: dict[Key, Table] = {}
        for one in metadata:
            for table in one.tables.values():
                self.tables.setdefault(table_key(table), table)
        self.references: Mapping[Key, list[Reference]] = {
            key: references(table, self.tables.get) for key, table in self.tables.items()
        }

    def pointing_at(self, key: Key) -> list[Reference]:
        """Return the single-column foreign keys of other tables to a table."""
        return [
            reference
            for child, found in self.references.items()
            for reference in found
            if reference.parent_key == key and child != key and len(reference.pairs) == 1
        ]

    def leading_to(self, key: Key) -> set[Key]:
        """Return the tables that lead to a table through chains of NOT NULL foreign keys."""
        seen, waiting = {key}, [key]
        while waiting:
            for reference in self.pointing_at(waiting.pop()):
                child = table_key(reference.table)
                if child not in seen and reference.is_required:
                    seen.add(child)
                    waiting.append(child)
        return seen - {key}


def find_companies(schema: Schema, *, table: str | None = None, column: str | None = None) -> Companies:
    """Return the table of the tenants and the column that names them, by names and by keys.

    Args:
        schema: the tables.
        table: the table, if the user named it.
        column: the column, if the user named it.

    Raises:
        ConfigurationError: nothing looks like either, or what the user named does not exist.
    """
    if table is not None:
        return _named(schema, table, column)
    if column is not None:
        return _by_column(schema, column, "it was given")
    rooted = [
        (key, rank)
        for key in schema.tables
        if (rank := _rank(key[1])) is not None and schema.pointing_at(key)
    ]
    if rooted:
        best = _best(schema, rooted)
        return _of_table(schema, best, f"{len(schema.pointing_at(best))} foreign keys lead to it")
    counted = Counter(
        name
        for found in schema.tables.values()
        for name in (one.name for one in found.columns)
        if _names_tenant(name)
    )
    if counted:
        name = min(counted, key=lambda one: (-counted[one], one))
        return _by_column(schema, name, f"{counted[name]} tables have it")
    raise ConfigurationError(
        "found neither a companies table nor a tenant column by name; pass --companies TABLE or --column NAME"
        + _most_referenced(schema)
    )


def _most_referenced(schema: Schema) -> str:
    """Return a sentence that names the table with the most foreign keys to it, if any table has one."""
    counted = {key: len(schema.pointing_at(key)) for key in schema.tables}
    most = max(counted, key=lambda key: (counted[key], key[1]), default=None)
    if most is None or not counted[most]:
        return ""
    return f" (most foreign keys lead to {most[1]}: {counted[most]})"


def _best(schema: Schema, rooted: list[tuple[Key, int]]) -> Key:
    """Return the most likely table of the tenants, by its name and by how many tables reference it."""
    usual, rank = max(
        rooted, key=lambda one: (NOUNS[one[1]] not in _WEAK, len(schema.pointing_at(one[0])), -one[1])
    )
    above = [(place, key) for key, place in rooted if place < rank and usual in schema.leading_to(key)]
    return min(above, default=(rank, usual))[1]


def _rank(name: str) -> int | None:
    """Return the rank of a table's name among the usual names for tenants, or ``None``."""
    bare = (
        name.lower().rpartition("_")[2]
        if name.lower().split("_")[0] in ("tbl", "app", "core", "t")
        else name.lower()
    )
    for place, noun in enumerate(NOUNS):
        if bare in (noun, f"{noun}s", _PLURALS.get(noun)):
            return place
    return None


def _names_tenant(column: str) -> bool:
    stem = column.lower().removesuffix("_id").removesuffix("_uuid").removesuffix("_key")
    return stem != column.lower() and stem in NOUNS and stem not in _WEAK


def _of_table(schema: Schema, key: Key, why: str) -> Companies:
    found = schema.pointing_at(key)
    names = Counter(reference.columns[0] for reference in found)
    usual = min(names, key=lambda one: (one.startswith(_PREFIXES), -names[one], one))
    targets = Counter(reference.pairs[0][1] for reference in found if reference.columns[0] == usual)
    return Companies(schema.tables[key], targets.most_common(1)[0][0], usual, why)


def _by_column(schema: Schema, column: str, why: str) -> Companies:
    having = [table for table in schema.tables.values() if column in {one.name for one in table.columns}]
    if not having:
        raise ConfigurationError(f"no table has a column {column!r}")
    parents = Counter(
        (reference.parent_key, reference.pairs[0][1])
        for found in schema.references.values()
        for reference in found
        if reference.columns == (column,) and reference.parent is not None
    )
    if not parents:
        return Companies(None, None, column, why)
    key, theirs = parents.most_common(1)[0][0]
    return Companies(schema.tables[key], theirs, column, why)


def _named(schema: Schema, name: str, column: str | None) -> Companies:
    key = next((one for one in schema.tables if full_name(one) == name), None)
    if key is None:
        raise ConfigurationError(f"there is no table {name!r} in the models")
    if column is not None:
        found = _by_column(schema, column, "it was given")
        return (
            found
            if found.table is schema.tables[key]
            else Companies(schema.tables[key], None, column, found.why)
        )
    if not schema.pointing_at(key):
        raise ConfigurationError(
            f"no foreign key leads to {name!r}; pass --column, the column that names the company"
        )
    return _of_table(schema, key, "it was given")
