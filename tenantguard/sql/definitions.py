"""Later definitions: a table, a column or a key that is defined after ``guard()`` takes effect immediately.

Nothing is asked when a statement executes. Where something is attached to a MetaData of the tenancy, its guards forget
what they have found, and what was compiled before is compiled anew. That a table was removed, or a column given another
type, is noticed when the next statement is compiled (``Guard.notice``); keys are compared in the types of the moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import MetaData

from tenantguard.sql.mappers import all_mappers

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard

_GUARDS: WeakKeyDictionary[MetaData, WeakSet[Guard]] = WeakKeyDictionary()


def watch_definitions(guard: Guard) -> None:
    """Notify a guard of later definitions."""
    for metadata in guard.tenancy.metadata:
        _GUARDS.setdefault(metadata, WeakSet()).add(guard)


def guards_of(metadata: Any) -> tuple[Guard, ...]:
    """Return the guards whose tenancies place the tables of a MetaData."""
    return tuple(_GUARDS.get(metadata, ()))


def defined(_target: Any, parent: Any) -> None:
    """Let the guards know that a table, or a part of one, was defined: a listener of ``sql/patches.py``."""
    table = getattr(parent, "table", parent)  # of a column that stands in one
    metadata = getattr(table, "metadata", table)
    if not isinstance(metadata, MetaData):
        return
    for guard in guards_of(metadata):
        if guard.era.used or guard.ties.are_asked:
            guard.renew()
            _forget_flushes()


def _forget_flushes() -> None:
    """Clear the compiled statements that each mapped class keeps for its unit of work."""
    for mapper in all_mappers():
        kept = mapper.__dict__.get("_compiled_cache")
        if kept is not None:
            kept.clear()
