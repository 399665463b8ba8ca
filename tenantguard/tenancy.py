"""How every table belongs: owned, through another table, or shared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Column, ColumnElement, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.sql.expression import FromClause, TableClause

from tenantguard.errors import ConfigurationError

Kind = Literal["owned", "through", "shared"]
Key = tuple[str | None, str]  # schema and name
RowRule = Callable[[Any, ColumnElement[Any]], ColumnElement[bool]]


@dataclass(frozen=True)
class Through:
    """Say on a model that its table belongs by a foreign key; made by :func:`through`."""

    column: str


@dataclass(frozen=True)
class Shared:
    """Say on a model that its table holds the same rows for all; see :data:`shared`."""

    writable: bool = False


shared = Shared()
shared_writable = Shared(writable=True)


def through(column: str) -> Through:
    """Return the value of ``info={"tenant": ...}`` for a table that belongs to the row ``column`` points at."""
    return Through(column)


@dataclass(frozen=True)
class Placement:
    """Tell how one table belongs.

    Attributes:
        key: schema (or ``None``) and name.
        kind: ``"owned"``, ``"through"`` or ``"shared"``.
        column: the database's name of the tenant column (owned) or of the foreign key (through).
        type: the tenant column's type (owned).
        python_type: ``str``, ``int`` or ``UUID`` where the type tells (owned).
        parent: the table that the foreign key leads to (through).
        link: pairs of column names, ours and the parent's (through).
        writable: a shared table that may be written under a binding.
        nullable: rows of no tenant were declared to exist (owned).
        visible: the row rule that widens what is read (owned).
    """

    key: Key
    kind: Kind
    column: str | None = None
    type: Any = None
    python_type: type | None = None
    parent: Table | None = None
    link: tuple[tuple[str, str], ...] = ()
    writable: bool = False
    nullable: bool = False
    visible: RowRule | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Return the table's name, with its schema where it has one."""
        return full_name(self.key)

    def __str__(self) -> str:
        if self.kind == "owned":
            return f"owned by {self.column}"
        if self.kind == "through":
            parent = full_name(table_key(self.parent)) if self.parent is not None else "?"
            return f"through {', '.join(ours for ours, _ in self.link)} to {parent}"
        return "shared, writable" if self.writable else "shared"


def table_key(table: Any) -> Key:
    """Return schema and name of a table, the only thing that it is recognised by."""
    schema = getattr(table, "schema", None)
    return (str(schema) if schema else None, str(table.name))


def full_name(key: Key) -> str:
    """Return ``schema.name``, or the name alone."""
    return f"{key[0]}.{key[1]}" if key[0] else key[1]


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
    ) -> None:
        self.metadata = metadata
        self.column = column
        self._columns = dict(columns or {})
        self._through = dict(through or {})
        self._shared = _names(shared, "shared")
        self._shared_writable = _names(shared_writable, "shared_writable")
        self._nullable = _names(nullable, "nullable")
        self._visible = dict(visible or {})
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
        placement = self.find(getattr(table, "__table__", table))
        if placement is None:
            name = full_name(table_key(getattr(table, "__table__", table)))
            raise ConfigurationError(f"the tenancy does not place table {name!r}. {_HOW_TO_PLACE}")
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
            table = self._tables().get(key)
            if table is not None:
                placed = self._place(table)
                if isinstance(placed, Placement) and not self._faults_of(placed, table):
                    self._placed[key] = placement = placed
        return placement

    def table(self, key: Key) -> Table | None:
        """Return the metadata's own table by schema and name."""
        return self._tables().get(key)

    def faults(self) -> list[str]:
        """List everything that is wrong, a sentence each; empty where the tenancy can be enforced."""
        found: list[str] = (
            [] if self.metadata or self.is_unrestricted else ["no MetaData was given to Tenancy(...)"]
        )
        tables = self._tables()
        found += self._unknown_names(tables)
        types: dict[type, str] = {}
        for key, table in tables.items():
            placed = self._place(table)
            if isinstance(placed, str):
                found.append(placed)
                continue
            found += self._faults_of(placed, table)
            if placed.kind == "owned" and placed.python_type is not None:
                types.setdefault(placed.python_type, f"{full_name(key)}.{placed.column}")
        if len(types) > 1:
            told = ", ".join(f"{where} is {kind.__name__}" for kind, where in types.items())
            found.append(f"tenant columns differ in type ({told}); a tenant id has one type")
        return found

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
        tables = self._tables()
        for key in sorted(tables, key=full_name):
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
        for key, table in sorted(self._tables().items(), key=lambda item: full_name(item[0])):
            placed = self._place(table)
            if isinstance(placed, str):
                rows.append((full_name(key), "?", "not placed"))
            else:
                belongs, _, by = str(placed).partition(" ")
                rows.append((full_name(key), belongs.rstrip(","), by))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2]))
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _tables(self) -> dict[Key, Table]:
        return {table_key(table): table for metadata in self.metadata for table in metadata.tables.values()}

    def _unknown_names(self, tables: Mapping[Key, Table]) -> Iterator[str]:
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

    def _place(self, table: Table) -> Placement | str:
        """Return the placement, or the sentence that says why there is none."""
        key = table_key(table)
        name = full_name(key)
        said = self._said(name, table)
        if isinstance(said, str):
            return said
        if len(said) > 1:
            return f"{name} is declared more than once, differently; say once how it belongs"
        if not said:
            return self._infer(key, table)
        (how,) = said
        if isinstance(how, Shared):
            return Placement(key, "shared", writable=how.writable)
        if isinstance(how, Through):
            return _through(key, table, how.column)
        return self._owned(key, table, how[0])

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

    def _infer(self, key: Key, table: Table) -> Placement | str:
        if self.column is not None and _column(table, self.column) is not None:
            return self._owned(key, table, self.column)
        base = _base_of(table)
        if base is not None:
            return _through(key, table, base)
        return f"table {full_name(key)} is none of owned, through or shared. {_HOW_TO_PLACE}"

    def _owned(self, key: Key, table: Table, column: str) -> Placement | str:
        name = full_name(key)
        found = _column(table, column)
        if found is None:
            return f"{name} has no column {column!r} to be its tenant column"
        nullable = name in self._nullable
        if found.nullable and not nullable and not _is_view(table):
            return (
                f"the tenant column {name}.{found.name} is nullable: a row of no tenant is seen by nobody. "
                f"Make it NOT NULL, or say nullable={{{name!r}}}"
            )
        kind = _python_type(found)
        if kind is not None and kind not in (str, int, UUID):
            return f"the tenant column {name}.{found.name} holds {kind.__name__}; a tenant id is a str, int or UUID"
        return Placement(
            key, "owned", found.name, found.type, kind, nullable=nullable, visible=self._visible.get(name)
        )

    def _faults_of(self, placed: Placement, table: Table) -> list[str]:
        """Follow a chain of parents to its end: it must reach an owned table."""
        if placed.visible is None and placed.name in self._visible and placed.kind != "owned":
            return [f"visible names {placed.name!r}, which is not owned"]
        seen, here = {placed.key}, placed
        while here.kind == "through" and here.parent is not None:
            parent = self._place(here.parent)
            told = f"{placed.name} belongs through {placed.column} to {full_name(table_key(here.parent))}"
            if isinstance(parent, str):
                return [f"{told}, which is not placed itself"]
            if parent.kind == "shared":
                return [f"{told}, which leads to {parent.name}, a shared table; it must lead to an owned one"]
            if parent.key in seen:
                return [f"{told}, which leads back to itself; it must lead to an owned table"]
            seen.add(parent.key)
            here = parent
        return []


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


def _column(table: Table, name: str) -> Column[Any] | None:
    """Find a column by its name in the database, or else by its key in Python."""
    named = next((column for column in table.columns if column.name == name), None)
    return named if named is not None else table.columns.get(name)


def _python_type(column: Column[Any]) -> type | None:
    """Return the Python type of the values, where the column's type tells; a custom type may convert."""
    if hasattr(column.type, "process_bind_param") and not hasattr(column.type, "auto_string"):
        return None
    try:
        return column.type.python_type
    except NotImplementedError:
        return None


def _is_view(table: Table) -> bool:
    """Tell whether the table looks like a view: its columns carry no constraint that could forbid NULL."""
    return bool(table.info.get("is_view")) or not any(c.primary_key for c in table.columns)


def _base_of(table: Table) -> str | None:
    """Return the key column of a table whose whole primary key is one foreign key to one other table."""
    keys = {column.name for column in table.primary_key.columns}
    for constraint in _foreign_keys(table):
        if keys and {c.name for c in constraint.columns} == keys and constraint.referred_table is not table:
            return next(iter(constraint.columns)).name
    return None


def _foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    """Return the foreign keys whose parent is in the metadata, in the order of their columns' names."""
    usable = []
    for constraint in table.foreign_key_constraints:
        try:
            constraint.referred_table  # noqa: B018 - raises where the parent is not in the metadata
        except Exception:  # noqa: S112 - SQLAlchemy raises several kinds; each means that it cannot be followed
            continue
        usable.append(constraint)
    return sorted(usable, key=lambda c: [column.name for column in c.columns])


def _through(key: Key, table: Table, column: str) -> Placement | str:
    found = _column(table, column)
    if found is None:
        return f"{full_name(key)} has no column {column!r} to belong through"
    usable = [c for c in _foreign_keys(table) if any(mine is found for mine in c.columns)]
    if not usable:
        return f"{full_name(key)}.{column} is no usable foreign key: its parent is not in the metadata"
    chosen = min(usable, key=lambda c: len(list(c.columns)))
    link = tuple((element.parent.name, element.column.name) for element in chosen.elements)
    return Placement(key, "through", found.name, parent=chosen.referred_table, link=link)
