"""How every table belongs: owned, through another table, or shared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.sql.expression import FromClause, TableClause

from tenantguard.belonging import (
    Key,
    Kind,
    Placement,
    RowRule,
    Shared,
    Through,
    by_base,
    by_foreign_key,
    find_column,
    full_name,
    generated_keys,
    owned,
    shared,
    shared_writable,
    table_key,
    through,
)
from tenantguard.errors import ConfigurationError

__all__ = [
    "Key",
    "Kind",
    "Placement",
    "RowRule",
    "Shared",
    "Tenancy",
    "Through",
    "full_name",
    "shared",
    "shared_writable",
    "table_key",
    "through",
]


class Tenancy:
    """Place every table of one or several MetaData: owned, through, or shared.

    Args:
        metadata: the MetaData of the application, one or several.
        column: the name of the tenant column; a table that has it is owned.
        columns: tables whose tenant column has another name, ``{"companies": "id"}``.
        through: tables without a tenant column, by the foreign key to their parent, ``{"call_tags": "call_id"}``.
        shared: tables whose rows are the same for all; written only in a bypass.
        shared_writable: shared tables that may be written under a binding.
        nullable: owned tables that may hold rows of no tenant (which nobody sees outside a bypass).
        visible: row rules that widen what is read of an owned table:
            ``{"templates": lambda t, tenant: or_(t.c.company_id == tenant, t.c.company_id.is_(None))}``.
        functions: functions of the database that read no table, by their whole names: ``{"slugify", "shop.price"}``.
            The database's own need not be named.

    A table is named as ``"name"`` or ``"schema.name"``. The same can be said on the model:
    ``__table_args__ = {"info": {"tenant": "company_id"}}``, ``{"tenant": through("call_id")}``,
    ``{"tenant": shared}``. A table whose whole primary key is a foreign key to one other table (the child
    of joined-table inheritance) belongs through it without being named.

    Nothing is checked here, because models may be imported later: :func:`tenantguard.guard` lists every
    fault when it starts.

    Example:
        >>> from sqlalchemy import Column, Integer, String
        >>> metadata = MetaData()
        >>> calls = Table("calls", metadata, Column("id", Integer, primary_key=True),
        ...               Column("company_id", String, nullable=False))
        >>> str(Tenancy(metadata, column="company_id").of(calls))
        'owned by company_id'
    """

    def __init__(
        self,
        *metadata: MetaData,
        column: str | None = None,
        columns: Mapping[str, str] | None = None,
        through: Mapping[str, str] | None = None,
        shared: Collection[str] = (),
        shared_writable: Collection[str] = (),
        nullable: Collection[str] = (),
        visible: Mapping[str, RowRule] | None = None,
        functions: Collection[str] = (),
    ) -> None:
        self.metadata = tuple(map(_metadata, metadata))
        self.column = column
        self._columns = _pairs(columns, "columns")
        self._through = _pairs(through, "through")
        self._shared = _names(shared, "shared")
        self._shared_writable = _names(shared_writable, "shared_writable")
        self._nullable = _names(nullable, "nullable")
        self._visible = _pairs(visible, "visible")
        self.functions = _functions(functions)
        self._placed: dict[Key, Placement] = {}
        self.is_unrestricted = False

    @classmethod
    def unrestricted(cls) -> Tenancy:
        """Place every table, known or not, as shared and writable, and ask for no binding.

        The guard is installed in full and adds nothing; it exists to run other projects' suites under it.
        """
        tenancy = cls()
        tenancy.is_unrestricted = True
        return tenancy

    def of(self, table: Any) -> Placement:
        """Tell how a table belongs.

        Args:
            table: a ``Table``, a ``table()`` construct or a mapped class.

        Raises:
            ConfigurationError: the tenancy does not place the table.
        """
        key = table_key(getattr(table, "__table__", table))
        placement = self.find_key(key)
        if placement is None:
            told = self._place(key, self._named(key))
            why = told if isinstance(told, str) else "; ".join(self._faults_of(told))
            raise ConfigurationError(f"the tenancy does not place table {full_name(key)!r}: {why}")
        return placement

    def find(self, table: TableClause | FromClause) -> Placement | None:
        """Return the placement of a table, or ``None`` where it is outside the tenancy."""
        return self.find_key(table_key(table))

    def find_key(self, key: Key) -> Placement | None:
        """Return the placement by schema and name, or ``None``; tables that were added later are found too."""
        if self.is_unrestricted:
            return Placement(key, "shared", writable=True)
        placement = self._placed.get(key)
        if placement is None:
            placed = self._place(key, self._named(key))
            if isinstance(placed, Placement) and not self._faults_of(placed):
                self._placed[key] = placement = placed
        return placement

    def faults(self) -> list[str]:
        """List everything that is wrong, a sentence each; empty where the tenancy can be enforced."""
        found: list[str] = (
            [] if self.metadata or self.is_unrestricted else ["no MetaData was given to Tenancy(...)"]
        )
        tables = self._tables()
        found += self._unknown_names(tables)
        types: dict[type, str] = {}
        for key, mappings in tables.items():
            placed = self._place(key, mappings)
            if isinstance(placed, str):
                found.append(placed)
                continue
            found += self._faults_of(placed)
            found += self._generated(mappings)
            if placed.kind == "owned" and placed.python_type is not None:
                types.setdefault(placed.python_type, f"{full_name(key)}.{placed.column}")
        if len(types) > 1:
            told = ", ".join(f"{where} is {kind.__name__}" for kind, where in types.items())
            found.append(f"tenant columns differ in type ({told}); a tenant id has one type")
        return found

    def _generated(self, mappings: Iterable[Table]) -> Iterator[str]:
        """Yield the faults of foreign keys that the database generates, where they lead to rows of a tenant."""
        for table in mappings:
            for parent, fault in generated_keys(table):
                placement = self.find_key(table_key(parent))
                if placement is not None and placement.kind != "shared":
                    yield fault

    def verify(self) -> None:
        """Raise one ConfigurationError that lists every fault.

        Raises:
            ConfigurationError: there is a fault.
        """
        found = self.faults()
        if found:
            listed = "\n".join(f"  - {fault}" for fault in found)
            raise ConfigurationError(f"the tenancy cannot be enforced, {len(found)} fault(s):\n{listed}")

    def __iter__(self) -> Iterator[Placement]:
        """Yield the placement of every table, by name."""
        for key in sorted(self._tables(), key=full_name):
            placement = self.find_key(key)
            if placement is not None:
                yield placement

    def __repr__(self) -> str:
        if self.is_unrestricted:
            return "Tenancy.unrestricted()"
        kinds = [placement.kind for placement in self]
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("owned", "through", "shared"))
        return f"<Tenancy column={self.column!r}: {told}>"

    def __str__(self) -> str:
        rows = [("table", "belongs", "by")]
        for key, mappings in sorted(self._tables().items(), key=lambda item: full_name(item[0])):
            placed = self._place(key, mappings)
            if isinstance(placed, str):
                rows.append((full_name(key), "?", f"not placed: {re.split(_CLAUSE_END, placed)[0]}"))
            else:
                belongs, _, by = str(placed).partition(" ")
                rows.append((full_name(key), belongs.rstrip(","), by))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2]))
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _tables(self) -> dict[Key, list[Table]]:
        """Return every table, each with all its mappings: two MetaData may know the same one."""
        found: dict[Key, list[Table]] = {}
        for metadata in self.metadata:
            for table in metadata.tables.values():
                found.setdefault(table_key(table), []).append(table)
        return found

    def _named(self, key: Key) -> list[Table]:
        named = (metadata.tables.get(full_name(key)) for metadata in self.metadata)
        return [table for table in named if table is not None and table_key(table) == key]

    def _unknown_names(self, tables: Iterable[Key]) -> Iterator[str]:
        known = {full_name(key) for key in tables}
        said: dict[str, Iterable[str]] = {
            "columns": self._columns,
            "through": self._through,
            "shared": self._shared,
            "shared_writable": self._shared_writable,
            "nullable": self._nullable,
            "visible": self._visible,
        }
        for argument, names in said.items():
            for name in names:
                if name not in known:
                    yield f"{argument} names {name!r}, which is no table of the metadata"

    def _place(self, key: Key, mappings: Collection[Table]) -> Placement | str:
        """Return the placement, or the sentence that says why there is none."""
        told = [self._place_one(key, table) for table in mappings]
        placed = [one for one in told if isinstance(one, Placement)]
        if len({one.way for one in placed}) > 1:
            return f"{full_name(key)} is declared more than once, differently; say once how it belongs"
        if placed:
            return placed[0]
        return told[0] if told else f"it is in none of the tenancy's MetaData. {_HOW_TO_PLACE}"

    def _place_one(self, key: Key, table: Table) -> Placement | str:
        name = full_name(key)
        said = self._said(name, table)
        if isinstance(said, str):
            return said
        if len(said) > 1:
            return f"{name} is declared more than once, differently; say once how it belongs"
        if not said:
            return self._infer(name, table)
        (how,) = said
        if isinstance(how, Shared):
            return Placement(key, "shared", writable=how.writable)
        if isinstance(how, Through):
            return by_foreign_key(table, how.column)
        return self._owned(name, table, how[0])

    def _said(self, name: str, table: Table) -> set[Any] | str:
        """Collect what was said of a table, in the arguments and on the model."""
        said: set[Any] = set()
        if name in self._columns:
            said.add((self._columns[name],))
        if name in self._through:
            said.add(Through(self._through[name]))
        if name in self._shared:
            said.add(shared)
        if name in self._shared_writable:
            said.add(shared_writable)
        info = table.info.get("tenant")
        if isinstance(info, str):
            said.add((info,))
        elif isinstance(info, Through | Shared):
            said.add(info)
        elif info is not None:
            return f'{name}: info["tenant"] is {info!r}; say a column name, through("fk") or shared'
        return said

    def _infer(self, name: str, table: Table) -> Placement | str:
        if self.column is not None and find_column(table, self.column) is not None:
            return self._owned(name, table, self.column)
        nothing = f"table {name} is none of owned, through or shared. {_HOW_TO_PLACE}"
        return by_base(table) or nothing

    def _owned(self, name: str, table: Table, column: str) -> Placement | str:
        return owned(table, column, nullable=name in self._nullable, visible=self._visible.get(name))

    def _faults_of(self, placed: Placement) -> list[str]:
        """Follow a chain of parents to its end: it must reach an owned table."""
        if placed.kind != "owned":
            for argument, names in (("visible", self._visible), ("nullable", self._nullable)):
                if placed.name in names:
                    return [f"{argument} names {placed.name!r}, which is not owned"]
        seen, here = {placed.key}, placed
        while here.kind == "through" and here.parent is not None:
            key = table_key(here.parent)
            told = f"{placed.name} belongs through {placed.column} to {full_name(key)}"
            parent = self._place(key, self._named(key))
            if isinstance(parent, str):
                return [f"{told}, which is not placed itself"]
            if parent.kind == "shared":
                return [f"{told}, which leads to {parent.name}, a shared table; it must lead to an owned one"]
            if parent.key in seen:
                return [f"{told}, which leads back to itself; it must lead to an owned table"]
            seen.add(parent.key)
            here = parent
        return []


_CLAUSE_END = r"[:.] "
_PART = r"""(?:[^\W\d][\w$]*|"(?:[^"]|"")+"|`(?:[^`]|``)+`)"""
_FUNCTION = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
_HOW_TO_PLACE = (
    'Give it the tenant column, or say columns={"table": "column"}, through={"table": "foreign_key"}, '
    'shared={"table"}, or info={"tenant": ...} on the model'
)


def _names(names: Collection[str], argument: str) -> frozenset[str]:
    if isinstance(names, str):
        raise ConfigurationError(
            f'{argument}="{names}" is one string; give a set of names: {argument}={{"{names}"}}'
        )
    return frozenset(names)


def _functions(names: Collection[str]) -> frozenset[str]:
    declared = _names(names, "functions")
    for name in declared:
        if not isinstance(name, str) or _FUNCTION.fullmatch(name) is None:
            raise ConfigurationError(
                f"functions names {name!r}, which is no name of a function; say its whole name, as it is called: "
                'functions={"slugify", "shop.price"}'
            )
    return declared


def _pairs(pairs: Mapping[str, Any] | None, argument: str) -> dict[str, Any]:
    if pairs is not None and not isinstance(pairs, Mapping):
        raise ConfigurationError(
            f'{argument} is a dictionary, one entry per table: {argument}={{"table": ...}}'
        )
    return dict(pairs or {})


def _metadata(given: object) -> MetaData:
    if not isinstance(given, MetaData):
        raise ConfigurationError(f"Tenancy() takes MetaData, such as Base.metadata, and was given {given!r}")
    return given
