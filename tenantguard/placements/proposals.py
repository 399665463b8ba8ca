"""Proposals: the likely placement of an unplaced table, and the nearest name to a misspelt one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from tenantguard.placements.placement import Placement, full_name, table_key, unique_columns
from tenantguard.placements.references import Key, Reference

_OF_TENANTS = ("owned", "through")
# columns that say who did something, and not whose a row is
_ACTORS = frozenset(
    {"actor", "added", "approved", "assigned", "assignee", "author", "by", "canceled", "cancelled", "changed",
     "completed", "created", "creator", "deleted", "edited", "editor", "granted", "invited", "inviter", "modified",
     "owner", "performed", "reporter", "requested", "resolved", "reviewed", "reviewer", "sender", "sent", "submitted",
     "triggered", "updated", "uploaded", "user"}
)  # fmt: skip

# tables of these ties list the companies that a row is kept from
_KEEPING = frozenset(
    {"banned", "blacklist", "blocked", "blocklist", "denied", "disabled", "excluded", "exclusion", "exclusions",
     "hidden", "ignored", "muted", "removed", "suppressed"}
)  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """The likely placement of one table.

    Attributes:
        kind: ``"owned"``, ``"through"``, ``"shown"`` by a rule, or ``"unknown"``.
        column: the tenant column (owned), or the column of the foreign key (through).
        reference: the foreign key that suggests it, or the key to a parent that is shown by a rule.
        members: the foreign key of the membership table that decides who sees a row (shown).
    """

    kind: Literal["owned", "through", "shown", "unknown"]
    column: str | None = None
    reference: Reference | None = None
    members: Reference | None = None


class Proposals:
    """Guesses about how tables belong, from the foreign keys between them.

    Args:
        placed: the known placements.
        references: the foreign keys of each table.
        column: the name of the tenant column, if the tenancy has one.
    """

    def __init__(
        self,
        placed: Mapping[Key, Placement],
        references: Mapping[Key, Sequence[Reference]],
        column: str | None,
    ) -> None:
        self._placed = placed
        self._references = references
        self._column = column
        self._companies = self._parents_of_tenant_columns()

    def listed(self, keys: Iterable[Key]) -> str:
        """Return a list, sorted by name, of the likely placements of the unplaced tables."""
        rows = [(full_name(key), self.of(key)) for key in sorted(keys, key=full_name)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"      {name.ljust(width)}  {proposal}" for name, proposal in rows)

    def of(self, key: Key) -> str:
        """Return the likely placement of a table, as an argument of ``Tenancy(...)``."""
        name, likely = full_name(key), self.likely(key)
        if likely.kind == "owned":
            return f'columns={{"{name}": "{likely.column}"}}'
        if likely.kind == "through":
            return f'through={{"{name}": "{likely.column}"}}'
        if likely.members is not None:
            members = likely.members.table.fullname
            return f'visible={{"{name}": rule}}, where {members} says who is shown a row'
        told = f"the column {self._column}, or " if self._column else ""
        return f'{told}shared={{"{name}"}} if its rows are the same for all'

    def likely(self, key: Key) -> Proposal:
        """Return the likely placement of a table, by its required keys first and its optional keys second."""
        if key in self._companies:
            return Proposal("owned", self._companies[key])
        owner, parent, members = self._owner(key), self._parent(key), self.members(key)
        if owner is not None and (owner.is_required or members is None):
            return Proposal("owned", owner.columns[0], owner)
        if parent is not None and (parent.is_required or members is None):
            return Proposal("through", parent.columns[0], parent)
        if members is not None:
            return Proposal("shown", members=members)
        for reference in sorted(self._references.get(key, ()), key=lambda one: not one.is_required):
            if not reference.is_required and names_actor(reference):
                continue
            above = None if reference.parent_key == key else self.members(reference.parent_key)
            if above is not None and above.table is not reference.table and len(reference.pairs) == 1:
                return Proposal("shown", reference=reference, members=above)
        return Proposal("unknown")

    def _owner(self, key: Key) -> Reference | None:
        """Return the foreign key to the table of the tenants; a NOT NULL key comes first."""
        found = [
            reference
            for reference in self._references.get(key, ())
            if reference.parent_key in self._companies and len(reference.pairs) == 1
        ]
        return min(found, key=lambda one: not one.is_required, default=None)

    def _parents_of_tenant_columns(self) -> dict[Key, str]:
        """Return the table of the tenants, which tenant columns reference, with its column."""
        found: dict[Key, str] = {}
        for key, references in self._references.items():
            placement = self._placed.get(key)
            for reference in references:
                if len(reference.pairs) != 1 or reference.parent_key == key:
                    continue
                ((ours, theirs),) = reference.pairs
                owner = None if placement is None or placement.kind != "owned" else placement.column
                parent = self._placed.get(reference.parent_key)
                if theirs and ours in (owner, self._column) and (parent is None or parent.column == theirs):
                    found[reference.parent_key] = theirs
        return found

    def _parent(self, key: Key, above: tuple[Key, ...] = ()) -> Reference | None:
        """Return the foreign key that most likely leads to the owner of a row; NOT NULL keys come first."""
        return next(iter(self.parents(key, above)), None)

    def parents(self, key: Key, above: tuple[Key, ...] = ()) -> Iterator[Reference]:
        """Yield the foreign keys that lead to tenants' rows, the likeliest first."""
        own = [one for one in self._references.get(key, ()) if one.parent_key not in (key, *above)]
        for reference in sorted(own, key=_closeness):
            placement = self._placed.get(reference.parent_key)
            if placement is not None:
                if placement.kind in _OF_TENANTS:
                    yield reference
            elif reference.parent_key in self._companies or (
                reference.parent is not None and self._belongs(reference.parent_key, (key, *above))
            ):
                yield reference

    def _belongs(self, key: Key, above: tuple[Key, ...]) -> bool:
        """Return whether each row of an unplaced table likely belongs to one tenant."""
        owner, parent = self._owner(key), self._parent(key, above)
        is_sure = any(one is not None and one.is_required for one in (owner, parent))
        return is_sure or ((owner or parent) is not None and self.members(key) is None)

    def members(self, key: Key) -> Reference | None:
        """Return the key of an owned table that connects this table's rows to tenants, like a membership table."""
        found = [
            reference
            for child, references in self._references.items()
            for reference in references
            if reference.parent_key == key
            and reference.is_required
            and self._ties_to_tenants(child, reference)
        ]
        return min(found, key=lambda one: (not self.ties_nothing_else(one), *_membership(one)), default=None)

    def ties_nothing_else(self, reference: Reference) -> bool:
        """Return whether a table connects rows only to tenants, unlike, say, the members of a project."""
        key = table_key(reference.table)
        placement = self._placed.get(key)
        once = {*reference.columns} | (
            {placement.column} if placement is not None and placement.column else set()
        )
        return any(columns == once for columns in unique_columns(reference.table)) or not any(
            one.is_required
            and one.parent_key not in (reference.parent_key, *self._companies)
            and "role" not in one.parent_key[1]
            for one in self._references[key]
        )

    def _ties_to_tenants(self, key: Key, reference: Reference) -> bool:
        """Return whether a table exists to connect rows to tenants, by its name, or because each pair is unique.

        Most owned tables that reference a table without an owner do so as calls reference their country.
        """
        placement = self._placed.get(key)
        if placement is None or placement.kind != "owned" or _KEEPING.intersection(_words(key[1])):
            return False
        if any(one.nullable for one in reference.table.columns if one.name == placement.column):
            return False
        once = {placement.column or "", *reference.columns}
        named = "member" in key[1] or _is_named_after(reference)
        return named or any(columns == once for columns in unique_columns(reference.table))


def _membership(reference: Reference) -> tuple[bool, bool, str, tuple[str, ...]]:
    """Sort the keys of membership tables: those with a typical name first, then those named after the row."""
    return (
        "member" not in reference.table.name,
        not _is_named_after(reference),
        reference.table.fullname,
        reference.columns,
    )


def _is_named_after(reference: Reference) -> bool:
    return reference.parent_key[1].rstrip("s") in reference.table.name


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", name.lower())


def _closeness(reference: Reference) -> tuple[bool, bool, bool, bool, bool]:
    """Sort foreign keys: required keys, keys in the table's name or unique keys, and cascading keys come first.

    Keys to actors come last: the author of a comment may write in several companies.
    """
    table, parent = str(reference.table.name), reference.parent_key[1].removesuffix("s")
    primary = {column.name for column in reference.table.primary_key.columns}
    return (
        not reference.is_required,
        names_actor(reference),
        not primary.intersection(reference.columns),
        not table.startswith(parent),
        reference.deletes != "CASCADE",
    )


def names_actor(reference: Reference) -> bool:
    """Return whether a foreign key names who did something, rather than who owns the row."""
    return any(_ACTORS.intersection(_words(name)) for name in reference.columns)


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence that proposes the known name closest to a misspelt one."""
    bare = {one.rpartition(".")[2]: one for one in known}
    found = get_close_matches(name, known, 1, 0.6) or [
        bare[one] for one in get_close_matches(name.rpartition(".")[2], bare, 1, 0.75)
    ]
    return f"; did you mean {found[0]!r}?" if found else ""
