"""Proposals: the likely placement of a table that has none, and the nearest name for one that is misspelt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

from tenantguard.belonging.placement import Placement, full_name, unique_columns
from tenantguard.belonging.references import Key, Reference

_OF_TENANTS = ("owned", "through")


class Proposals:
    """Guesses at how tables belong, from the foreign keys between them.

    Args:
        placed: the placements that are known.
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
        """Return one table, sorted by name, of what each unplaced table looks like."""
        rows = [(full_name(key), self.of(key)) for key in sorted(keys, key=full_name)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"      {name.ljust(width)}  {proposal}" for name, proposal in rows)

    def of(self, key: Key) -> str:
        """Return the likely placement of a table, as an argument of ``Tenancy(...)``."""
        name = full_name(key)
        if key in self._companies:
            return f'columns={{"{name}": "{self._companies[key]}"}}'
        for reference in self._references.get(key, ()):
            if reference.parent_key in self._companies and len(reference.pairs) == 1:
                return f'columns={{"{name}": "{reference.columns[0]}"}}'
        parent = self._parent(key)
        if parent is not None:
            return f'through={{"{name}": "{parent.columns[0]}"}}'
        members = self._members(key)
        if members is not None:
            return f'visible={{"{name}": rule}}, where {members} says who is shown a row'
        told = f"the column {self._column}, or " if self._column else ""
        return f'{told}shared={{"{name}"}} if its rows are the same for all'

    def _parents_of_tenant_columns(self) -> dict[Key, str]:
        """Return the table of the tenants themselves, which tenant columns lead to, with its column."""
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
        """Return the foreign key that most likely leads to the owner of a row: one that must be given comes first."""
        own = [one for one in self._references.get(key, ()) if one.parent_key not in (key, *above)]
        for reference in sorted(own, key=lambda one: not one.is_required):
            placement = self._placed.get(reference.parent_key)
            if placement is not None:
                if placement.kind in _OF_TENANTS:
                    return reference
            elif (
                reference.parent is not None and self._parent(reference.parent_key, (key, *above)) is not None
            ):
                return reference
        return None

    def _members(self, key: Key) -> str | None:
        """Return an owned table that ties rows of this one to tenants, as memberships do."""
        found = [
            full_name(child)
            for child, references in self._references.items()
            for reference in references
            if reference.parent_key == key
            and reference.is_required
            and self._ties_to_tenants(child, reference)
        ]
        return min(found, default=None)

    def _ties_to_tenants(self, key: Key, reference: Reference) -> bool:
        """Tell whether a table is there to tie rows to tenants, by its name, or as it does each one only once.

        Most owned tables that point at a table without an owner do so as calls do at their country.
        """
        placement = self._placed.get(key)
        if placement is None or placement.kind != "owned":
            return False
        once = {placement.column or "", *reference.columns}
        named = "member" in key[1] or reference.parent_key[1].rstrip("s") in key[1]
        return named or any(columns == once for columns in unique_columns(reference.table))


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence that proposes the known name most like a misspelt one."""
    bare = {one.rpartition(".")[2]: one for one in known}
    found = get_close_matches(name, known, 1, 0.6) or [
        bare[one] for one in get_close_matches(name.rpartition(".")[2], bare, 1, 0.75)
    ]
    return f"; did you mean {found[0]!r}?" if found else ""
