"""A part of a tenancy that is enforced, and the rest observed, while a guard is adopted table by table."""

from __future__ import annotations

from tenantguard.tenancy import Key, Placement, Tenancy


class Part(Tenancy):
    """A tenancy whose other tables are open: read and written by everybody, as without a guard.

    Args:
        whole: the tenancy.
        enforced: the names of the tables that are enforced.
    """

    def __init__(self, whole: Tenancy, enforced: frozenset[str]) -> None:
        self.__dict__.update(whole.__dict__)
        self.whole = whole
        self.enforced = enforced

    def find_key(self, key: Key) -> Placement | None:
        """Return the placement of a table, an open one where it is not enforced, or ``None`` where it is unknown."""
        placement = self.whole.find_key(key)
        if placement is None or placement.name in self.enforced:
            return placement
        return Placement(key, "shared", writable=True, mapping=placement.mapping)
