"""The enforced part of a tenancy, whose rest is observed while the guard is adopted table by table."""

from __future__ import annotations

from tenantguard.tenancy import Key, Placement, Tenancy


class Part(Tenancy):
    """A tenancy of which only some tables are enforced; the others are open, as without a guard.

    Args:
        whole: the tenancy.
        enforced: the names of the tables that are enforced.
    """

    def __init__(self, whole: Tenancy, enforced: frozenset[str]) -> None:
        self.__dict__.update(whole.__dict__)
        self.whole = whole
        self.enforced = enforced

    def find_key(self, key: Key) -> Placement | None:
        """Return a table's placement: open if it is not enforced, ``None`` if it is unknown."""
        placement = self.whole.find_key(key)
        if placement is None or placement.name in self.enforced:
            return placement
        return Placement(key, "shared", writable=True, mapping=placement.mapping)
