"""Patches: everything that the guard changes in SQLAlchemy itself, once per process, at the first ``guard()``.

Listeners on the ``Session`` class would do for some of it; but whoever clears listeners would switch the guard off.
An engine that is observed lets one listener know which session uses it, ``observe.engine.watch_sessions``.
"""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import Column, ForeignKey, Table, event
from sqlalchemy.engine import MappingResult, Result, ScalarResult
from sqlalchemy.engine.result import FrozenResult, ResultInternal
from sqlalchemy.ext.compiler import _dispatcher
from sqlalchemy.orm import Mapper, Session, SessionTransaction, bulk_persistence, identity, loading
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.schema import ColumnCollectionConstraint, ForeignKeyConstraint, Index

from tenantguard.sql.compile.compiler import reading_constructs
from tenantguard.sql.definitions import defined
from tenantguard.sql.execute.results import WatchedResult, resuming
from tenantguard.sql.sessions.identity import GuardedIdentityMap
from tenantguard.sql.sessions.methods import (
    adding,
    attaching,
    before_insert,
    beginning,
    connecting,
    freezing,
    merging,
    pickling,
    refreezing,
    synchronizing,
    thawing,
    unpickling,
)

_CHANGES: Any = (
    getattr(bulk_persistence, "_BulkUDCompileState", None) or vars(bulk_persistence)["BulkUDCompileState"]
)
_MAP = "_WeakInstanceDict" if hasattr(identity, "_WeakInstanceDict") else "WeakInstanceDict"
_REWRITES = "_rewrite_rows" if hasattr(FrozenResult, "_rewrite_rows") else "rewrite_rows"


@functools.cache
def patch_sqlalchemy() -> None:
    """Install the guard in sessions, objects, results and ``@compiles``, and listen for definitions."""
    for owner, name, patch in (
        (SessionTransaction, "__init__", beginning),
        (SessionTransaction, "_connection_for_bind", connecting),
        (Session, "_save_impl", adding),
        (Session, "_update_impl", attaching),
        (Session, "_merge", merging),
        (InstanceState, "__getstate__", pickling),
        (InstanceState, "__setstate__", unpickling),
        (FrozenResult, "__init__", freezing),
        (FrozenResult, "with_new_rows", refreezing),
        (FrozenResult, "__call__", thawing),
        (FrozenResult, _REWRITES, thawing),
        (ResultInternal, "_iter_impl", resuming),
        (Result, "partitions", resuming),
        (ScalarResult, "partitions", resuming),
        (MappingResult, "partitions", resuming),
        (_dispatcher, "__call__", reading_constructs),
    ):
        setattr(owner, name, functools.wraps(getattr(owner, name))(patch(getattr(owner, name))))
    original = vars(_CHANGES)["orm_pre_session_exec"].__func__
    _CHANGES.orm_pre_session_exec = classmethod(functools.wraps(original)(synchronizing(original)))
    # the names that loading.instances() and sessions make them by
    loading.ChunkedIteratorResult = WatchedResult  # type: ignore[attr-defined]  # imported there
    setattr(identity, _MAP, GuardedIdentityMap)
    event.listen(Mapper, "before_insert", before_insert, raw=True, retval=True)
    for kind in (Table, Column, ForeignKey, ForeignKeyConstraint, ColumnCollectionConstraint, Index):
        event.listen(kind, "after_parent_attach", defined)
