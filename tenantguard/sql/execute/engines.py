"""Engines and pools: a guarded engine returns guarded connections, and keeps the driver's connections to SQLAlchemy."""

from __future__ import annotations

import functools
import sys
from typing import Any

from sqlalchemy.engine import Engine, base
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.pool import Pool

from tenantguard.binding import is_bypass
from tenantguard.context import peek
from tenantguard.sql.execute.connections import GuardedConnection
from tenantguard.sql.execute.leftovers import note_raw
from tenantguard.sql.execute.told_tenant import MAINTENANCE
from tenantguard.sql.refusals import only_sqlalchemy, refuse_raw

_BASE = vars(base)  # the globals of SQLAlchemy's own engines and connections


def _raw_connection(self: Any) -> Any:
    """Return a raw connection, only to SQLAlchemy or in a bypass."""
    try:
        asked = sys._getframe(1).f_globals is _BASE
    except ValueError:  # no frame below: a greenlet that was handed the method itself
        asked = False
    if not asked:
        only_sqlalchemy("Engine.raw_connection()", self.dialect)
    maintenance = self.dialect.tg_guard.maintenance
    if maintenance is not None and is_bypass(peek()):
        made = maintenance.pool.connect()
        made.info[MAINTENANCE] = True
        return made
    try:
        connect = self.pool.tg_connect
    except AttributeError:  # somebody gave it another pool
        connect = self.pool.connect
    made = connect()
    if not asked and is_bypass(peek()):
        note_raw(made, self)
    return made


class GuardedEngine(Engine):
    """An engine that returns only guarded connections; an engine is guarded by changing its class."""

    _connection_cls = GuardedConnection
    raw_connection = _raw_connection


class GuardedOptionEngine(OptionEngine):
    """The copy that ``engine.execution_options()`` creates from a guarded engine."""

    _connection_cls = GuardedConnection
    raw_connection = _raw_connection


GuardedEngine._option_cls = GuardedOptionEngine
GuardedOptionEngine._option_cls = GuardedOptionEngine
for guarded in (GuardedEngine, GuardedOptionEngine):
    guarded.__module__ = base.__name__  # polars and others tell by it what they were given


@functools.cache
def guarded_pool(cls: type[Pool]) -> type[Pool]:
    """Return the pool's class with a guarded ``connect()``."""

    def connect(self: Any) -> Any:
        only_sqlalchemy("Pool.connect()", self._dialect)
        if not hasattr(self._dialect, "tg_guard"):
            refuse_raw("A second engine on the pool of a guarded engine")
        return cls.connect(self)

    members = {"connect": connect, "tg_connect": cls.connect, "__module__": cls.__module__}
    return type(f"Guarded{cls.__name__}", (cls,), members)
