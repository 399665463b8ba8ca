"""Definitions that come later: a table, a column or a key that is defined after ``guard()`` is known from then on.

Nothing is asked when a statement executes. Where something is attached to a MetaData of the tenancy, its guards forget
what they have found, and what was compiled before is compiled anew. That a table was removed, or a column given another
type, is noticed when the next statement is compiled (``Guard.notice``); keys are compared in the types of the moment.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Column, ForeignKey, MetaData, Table, event
from sqlalchemy.schema import ColumnCollectionConstraint, ForeignKeyConstraint, Index

from tenantguard.sql.mappers import all_mappers

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard

_GUARDS: WeakKeyDictionary[MetaData, WeakSet[Guard]] = WeakKeyDictionary()


def watch_definitions(guard: Guard) -> None:
    """Let a guard know what is defined from now on."""
    _listen()
    for metadata in guard.tenancy.metadata:
        _GUARDS.setdefault(metadata, WeakSet()).add(guard)


def guards_of(metadata: Any) -> tuple[Guard, ...]:
    """Return the guards whose tenancies place the tables of a MetaData."""
    return tuple(_GUARDS.get(metadata, ()))


@functools.cache
def _listen() -> None:
    """Listen to every definition: a patch, which nothing but ``guard()`` makes."""
    for kind in (Table, Column, ForeignKey, ForeignKeyConstraint, ColumnCollectionConstraint, Index):
        event.listen(kind, "after_parent_attach", _defined)


def _defined(_target: Any, parent: Any) -> None:
    table = getattr(parent, "table", parent)  # of a column that stands in one
    metadata = getattr(table, "metadata", table)
    if not isinstance(metadata, MetaData):
        return
    for guard in guards_of(metadata):
        if guard.era.used or guard.ties.are_asked:
            guard.renew()
            _forget_flushes()


def _forget_flushes() -> None:
    """Let units of work compile their statements anew, which each mapped class keeps for itself."""
    for mapper in all_mappers():
        kept = mapper.__dict__.get("_compiled_cache")
        if kept is not None:
            kept.clear()
