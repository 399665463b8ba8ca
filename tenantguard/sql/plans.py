"""Plans: what must be verified when a write is executed, decided at compilation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.types import TypeEngine

from tenantguard.placements.placement import is_deferred, unique_columns
from tenantguard.tenancy import Key, Placement

Pairs = tuple[tuple[str, str], ...]  # of a foreign key: the columns here, and those of the parent


@dataclass
class Link:
    """The parameters that hold one foreign key's values, a tuple of names per row.

    Attributes:
        parent: the table that the key leads to.
        columns: the columns of the parent.
        rows: the parameters; none where the values are read back.
        child: the table that is written.
        ours: the columns of it that hold the key.
        read: a parent that a row rule shows will do; never where the row belongs through it.
        belongs: the row belongs through it.
        required: it may not be NULL: the row belongs through it, or the database would pick a value.
        deferred: the database looks for the parent when the transaction ends.
        unique: the parent's columns are declared to identify one row.
        storing: what finds the values that the columns of some types store, once it was asked for.
    """

    parent: Any
    parent_key: Key
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    read: bool = False
    belongs: bool = False
    required: bool = False
    child: Any = None
    ours: tuple[str, ...] = ()
    deferred: bool = field(init=False)
    unique: bool = field(init=False)
    storing: Any = None
    _storing: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        source, names = (self.parent, self.columns) if self.child is None else (self.child, self.ours)
        columns = {column.name: column for column in source.c}
        self._storing = tuple([columns[name] for name in names])
        self.deferred = self.child is not None and is_deferred(self.child, self.ours)
        self.unique = any(unique <= set(self.columns) for unique in unique_columns(self.parent))

    def given(self, rows: list[tuple[str, ...]], *, required: bool) -> Link:
        """Return the same foreign key with one statement's parameters."""
        link = object.__new__(Link)
        link.__dict__.update(self.__dict__)
        link.rows, link.required = rows, required
        return link

    @property
    def types(self) -> tuple[TypeEngine[Any], ...]:
        """Return the types that store the key, which may be others than when the statement was compiled."""
        return tuple([column.type for column in self._storing])

    @property
    def shape(self) -> tuple[Any, ...]:
        """Return the values that a look-up of the parent depends on."""
        return self.parent_key, self.columns, self.types, self.read


@dataclass
class ReadBack:
    """The columns that a write returns to the guard because no parameter holds the stored value.

    Attributes:
        plan: the write.
        tenant: the first column tells whether the row is the tenant's: 1 or 0.
        granted: the next one tells whether a permission rule grants the row to whoever acts.
        links: the foreign keys whose columns follow.
        key: the last column is the key that the database generated.
        texts: the columns, as they are rendered; none where the database returns nothing.
    """

    plan: WritePlan
    tenant: bool = False
    granted: bool = False
    links: list[Link] = field(default_factory=list)
    key: bool = False
    texts: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Return how many columns there are."""
        return len(self.texts)


@dataclass
class WritePlan:
    """The verification of one write at its execution.

    Attributes:
        verb: ``"insert"``, ``"update"`` or ``"delete"``.
        table: the table that is written.
        tried: both, for a message.
        placement: how it belongs.
        tenant: the parameters that hold the tenant column's values.
        links: the foreign keys that are given by parameters.
        key: the parameters that pick a row by its primary key, by column.
        late: of these parameters, those that a column's default fills when the statement is about to be sent.
        stores_tenant: new rows are stored with the tenant's id.
        stamped: of those of the tenant, the ones that an INSERT is stamped by, where they hold ``None``.
        stored: what is verified of the rows that it stored, where no parameter holds it.
        certain: an INSERT that writes each row it is given, or fails.
        spare: what can be verified of the rows that it stored where its parameters do not tell: only the database
            knows what it stores of a value, or the write may meet no row.
        upserts: an INSERT of one row that updates, on no condition of the user's, the row that holds its key:
            where it does neither, the row is another tenant's.
        where: the conditions of an UPDATE that its rows can be found by, where the database returns none of them.
        frees: a row that others may hang on is deleted, or gets another key.
        beside: the parameters of the keys of the table's own that its rows are given, where no conflict clause may
            leave one out: what else the statement writes may point at them.
    """

    verb: str
    table: Any
    placement: Placement
    tenant: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    key: dict[str, str] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    stored: ReadBack | None = None
    certain: bool = False
    spare: ReadBack | None = None
    upserts: bool = False
    where: tuple[Any, ...] | None = None
    frees: bool = False
    beside: dict[tuple[str, ...], list[tuple[str, ...]]] = field(default_factory=dict)
    tried: str = field(init=False)
    stores_tenant: bool = field(init=False)
    stamped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.stores_tenant = self.verb == "insert" and self.placement.kind == "owned"
        self.tried = f"{self.verb} on {self.placement.name}"

    def settle(self) -> None:
        """Sum up what each execution would find out again."""
        if self.verb == "insert":
            self.stamped = tuple([name for name in self.tenant if name not in self.late])

    @property
    def is_idle(self) -> bool:
        """Tell whether the predicates say all: nothing that is given needs a look."""
        may = self.placement.kind != "shared" or self.placement.writable
        return may and not (self.tenant or self.links or self.stored or self.frees or self.stores_tenant)
