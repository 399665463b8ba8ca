"""How every table belongs: owned, through another table, shared, or shown by a row rule alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.sql.expression import FromClause, TableClause

from tenantguard.errors import ConfigurationError
from tenantguard.placements.declarations import Declared, functions_of, metadata_of
from tenantguard.placements.faults import faults_of
from tenantguard.placements.lookup import Placements
from tenantguard.placements.permissions import Permitted
from tenantguard.placements.placement import (
    Kind,
    Placement,
    RowRule,
    Shared,
    Through,
    full_name,
    shared,
    shared_writable,
    table_key,
    through,
)
from tenantguard.placements.proposals import Proposals
from tenantguard.placements.references import Key, Reference

__all__ = [
    "Key",
    "Kind",
    "Permitted",
    "Placement",
    "Reference",
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
    """The placement of every table of one or several MetaData: owned, through, shared, or shown by a row rule.

    Args:
        metadata: the MetaData of the application, one or several.
        column: the name of the tenant column; a table that has it is owned.
        columns: tables whose tenant column has another name, ``{"companies": "id"}``.
        through: tables without a tenant column, by the foreign key to their parent, ``{"call_tags": "call_id"}``.
        shared: tables whose rows are the same for everyone; written only in a bypass.
        shared_writable: shared tables that may be written under a binding.
        openly_shared: shared tables that have a tenant column, or a foreign key to a tenant's rows, and are shared on
            purpose: every tenant reads every row.
        nullable: owned tables that may hold rows without a tenant, which are visible only in a bypass.
        visible: row rules that widen what can be read of an owned table:
            ``{"templates": lambda t, tenant: or_(t.c.company_id == tenant, t.c.company_id.is_(None))}``.
            A table without a tenant column can be placed by its rule alone, such as users of several companies:
            ``{"users": lambda users, tenant: exists().where(members.c.user_id == users.c.id,
            members.c.company_id == tenant)}``; its rows are written in a bypass.
        changeable: columns of such a table that may be changed under a binding, in the rows that the rule shows:
            ``{"users": {"display_name", "locale"}}``.
        permissions: the permissions that reading and writing a table needs, and the rows a principal may
            reach: ``{"invoices": {"read": "billing:read", "write": "billing:write"}}``, or a function of principal and
            table that returns a condition, ``{"calls": lambda who, calls: calls.c.user_id == who.subject}``.
            Both together: ``{"read": ..., "write": ..., "rows": rule}``. See the page on permissions.
        functions: database functions that read no table, by full name: ``{"slugify", "shop.price"}``.
            Built-in functions need not be named.

    A table is named ``"name"`` or ``"schema.name"``. The same can be declared on the model:
    ``__table_args__ = {"info": {"tenant": "company_id"}}``, ``{"tenant": through("call_id")}``,
    ``{"tenant": shared}``. A table whose whole primary key is a foreign key to one other table (the child
    of joined-table inheritance) belongs through it without being named.

    Nothing is checked here, because models may be imported later: ``tenantguard.guard`` lists every
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
        openly_shared: Collection[str] = (),
        nullable: Collection[str] = (),
        visible: Mapping[str, RowRule] | None = None,
        changeable: Mapping[str, Collection[str]] | None = None,
        permissions: Mapping[str, Any] | None = None,
        functions: Collection[str] = (),
    ) -> None:
        self.metadata = tuple(map(metadata_of, metadata))
        self.column = column
        self.functions = functions_of(functions)
        declared = Declared.of(
            columns=columns,
            through=through,
            shared=shared,
            shared_writable=shared_writable,
            openly_shared=openly_shared,
            nullable=nullable,
            visible=visible,
            changeable=changeable,
            permissions=permissions,
        )
        self.permissions: Mapping[str, Permitted] = declared.permissions
        self.visible: Mapping[str, RowRule] = declared.visible
        self._placements = Placements(self.metadata, declared, column)
        self.is_unrestricted = False

    @classmethod
    def unrestricted(cls) -> Tenancy:
        """Return a tenancy that places every table as shared and writable, and requires no binding.

        The guard is fully installed and adds nothing. This exists to run other projects' test suites under it.
        """
        tenancy = cls()
        tenancy.is_unrestricted = True
        return tenancy

    def of(self, table: Any) -> Placement:
        """Return how a table belongs.

        Args:
            table: a ``Table``, a ``table()`` construct or a mapped class.

        Raises:
            ConfigurationError: the tenancy does not place the table.
        """
        key = table_key(getattr(table, "__table__", table))
        placement = self.find_key(key)
        if placement is None:
            raise ConfigurationError(
                f"the tenancy does not place table {full_name(key)!r}: {self._why_not(key)}"
            )
        return placement

    def _why_not(self, key: Key) -> str:
        named = self._placements.named(key)
        placement = self._placements.place(key, named)
        if placement is None:
            return f"{_IS_NONE if named else _IS_OUTSIDE}. {_HOW_TO_PLACE}"
        return (
            placement if isinstance(placement, str) else "; ".join(self._placements.chain_faults(placement))
        )

    def find(self, table: TableClause | FromClause) -> Placement | None:
        """Return the placement of a table, or ``None`` if it is outside the tenancy."""
        return self.find_key(table_key(table))

    def find_key(self, key: Key) -> Placement | None:
        """Return the placement by schema and name, or ``None``; tables that were added later are found too."""
        if self.is_unrestricted:
            return Placement(key, "shared", writable=True)
        return self._placements.find(key)

    def references(self, table: Table) -> list[Reference]:
        """Return the foreign keys of a table; their parents are found by name in every MetaData."""
        return self._placements.references(table)

    def faults(self) -> list[str]:
        """Return every fault as a sentence; the list is empty if the tenancy can be enforced."""
        unplaced, found = self._faults()
        proposals = self._proposals()
        return [
            f"table {full_name(key)} is neither owned, through nor shared. Likely: {proposals.of(key)}"
            for key in unplaced
        ] + found

    def misplaced(self) -> list[str]:
        """Return every fault as a sentence, except unplaced tables."""
        return self._faults()[1]

    def forget(self) -> None:
        """Forget all placements, because a table was defined or altered; they are computed again on demand."""
        self._placements.forget()

    def verify(self) -> None:
        """Raise one ConfigurationError that lists every fault.

        Raises:
            ConfigurationError: there is a fault.
        """
        unplaced, found = self._faults()
        lines = [f"  - {fault}" for fault in found]
        if unplaced:
            which = "1 table is" if len(unplaced) == 1 else f"{len(unplaced)} tables are"
            likely = self._proposals().listed(unplaced)
            lines.insert(0, f"  - {which} neither owned, through nor shared. Likely placements:\n{likely}")
        if lines:
            listed = "\n".join(lines)
            count = len(unplaced) + len(found)
            raise ConfigurationError(f"the tenancy cannot be enforced, {count} fault(s):\n{listed}")

    def _faults(self) -> tuple[list[Key], list[str]]:
        """Return the unplaced tables, and a sentence for every other fault."""
        if not self.metadata:
            return [], [] if self.is_unrestricted else ["no MetaData was given to Tenancy(...)"]
        return faults_of(self._placements)

    def _proposals(self) -> Proposals:
        tables = {key: mappings[0] for key, mappings in self._placements.tables().items()}
        placed = {key: one for key in tables if (one := self.find_key(key)) is not None}
        return Proposals(placed, {key: self.references(table) for key, table in tables.items()}, self.column)

    def __iter__(self) -> Iterator[Placement]:
        """Yield the placement of every table, by name."""
        for key in sorted(self._placements.tables(), key=full_name):
            placement = self.find_key(key)
            if placement is not None:
                yield placement

    def __repr__(self) -> str:
        if self.is_unrestricted:
            return "Tenancy.unrestricted()"
        kinds = [placement.kind for placement in self]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("owned", "through", "shared"))
        counts += f", {kinds.count('shown')} shown" if "shown" in kinds else ""
        return f"<Tenancy column={self.column!r}: {counts}>"

    def __str__(self) -> str:
        rows = [("table", "belongs", "by")]
        for key, mappings in sorted(self._placements.tables().items(), key=lambda item: full_name(item[0])):
            placed = self._placements.place(key, mappings)
            if placed is None:
                rows.append((full_name(key), "?", f"not placed: {_IS_NONE}"))
            elif isinstance(placed, str):
                rows.append((full_name(key), "?", f"not placed: {re.split(_CLAUSE_END, placed)[0]}"))
            else:
                belongs, _, by = str(placed).partition(" ")
                rows.append((full_name(key), belongs.rstrip(","), by))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2]))
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )


_CLAUSE_END = r"[:.] "
_IS_NONE = "it is neither owned, through nor shared"
_IS_OUTSIDE = "it is in none of the tenancy's MetaData"
_HOW_TO_PLACE = (
    'Give it the tenant column, or declare columns={"table": "column"}, through={"table": "foreign_key"}, '
    'shared={"table"}, or info={"tenant": ...} on the model'
)
