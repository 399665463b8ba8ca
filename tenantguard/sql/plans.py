"""Plans: what must be verified when a write is executed, as its compilation found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tenantguard.tenancy import Key, Placement

Pairs = tuple[tuple[str, str], ...]  # of a foreign key: the columns here, and those of the parent


@dataclass
class Link:
    """Name the parameters that hold one foreign key's values, a tuple of names per row.

    Attributes:
        parent: the table that the key leads to.
        columns: the columns of the parent.
        rows: the parameters.
        read: a parent that a row rule shows will do; never where the row belongs through it.
        required: the row belongs through this key, which the database lets be NULL.
        only: the one parameter that holds it, where there is one.
    """

    parent: Any
    parent_key: Key
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    read: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        self.only = self.rows[0][0] if len(self.rows) == len(self.rows[0]) == 1 else None


@dataclass
class Probe:
    """Hold a query that finds a row which a write by expression would give away or steal."""

    statement: Any
    table: str
    what: str


@dataclass
class WritePlan:
    """Say what must be verified when a write is executed.

    Attributes:
        verb: ``"insert"``, ``"update"`` or ``"delete"``.
        table: the table that is written.
        placement: how it belongs.
        tenant: the parameters that hold the tenant column's values.
        links: the foreign keys that are given by parameters.
        probes: the queries that stand for what is given by expressions.
        key: the parameters that pick a row by its primary key, by column.
        late: of these parameters, those that a column's default fills when the statement is about to be sent.
        upserts: an INSERT of one row that updates, on no condition of the user's, the row that holds its key:
            where it does neither, the row is another tenant's.
    """

    verb: str
    table: Any
    placement: Placement
    tenant: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    key: dict[str, str] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    upserts: bool = False

    @property
    def is_idle(self) -> bool:
        """Tell whether the predicates say all: nothing that is given needs a look."""
        return self.placement.kind != "shared" and not (self.tenant or self.links or self.probes)
