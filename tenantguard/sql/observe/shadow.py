"""The shadow: a second, fully guarded engine on the same database, which executes only the observer's comparisons."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection, Engine

from tenantguard.sql.guard import Guard


class Shadow:
    """A guarded and a plain engine beside the application's, with one pool for both.

    Args:
        engine: the engine of the application, before anything is put into it.
        guard: the guard of the shadow.
        install: puts a guard into an engine.

    Attributes:
        guard: that guard.
        plain: the plain engine.
        guarded: the guarded engine.
    """

    plain: Engine
    guarded: Any

    def __init__(self, engine: Engine, guard: Guard, install: Callable[[Engine, Guard], None]) -> None:
        self.guard = guard
        self._engine = engine
        self._install = install
        dialect: Any = engine.dialect
        self._classes = type(dialect), type(engine.pool)
        self._parts = {
            name: type(getattr(dialect, name)) for name in ("identifier_preparer", "type_compiler_instance")
        }
        self.is_ready = False

    @property
    def is_in_memory(self) -> bool:
        """Tell whether another connection would see another database."""
        url = self._engine.url
        if self._engine.dialect.name != "sqlite":
            return False
        name = str(url.database or "")
        return name in ("", ":memory:") or "mode=memory" in str(url) or ":memory:" in name

    @property
    def is_asynchronous(self) -> bool:
        """Tell whether the driver needs an event loop."""
        return bool(self._engine.dialect.is_async)

    def make_ready(self) -> None:
        """Make both engines, once the application's has learnt of its server."""
        pool: Any = self._engine.pool.recreate()
        pool.__class__ = self._classes[1]
        self.plain = Engine(pool, self._dialect(), self._engine.url)
        guarded = Engine(pool, self._dialect(), self._engine.url)
        pool._dialect = guarded.dialect
        self._install(guarded, self.guard)
        self.guarded = guarded
        for engine in (self.plain, guarded):
            # who listens to every engine hears of the application's statements alone
            engine._has_events = False
        self.is_ready = True

    def connections(self, connection: Any) -> tuple[Connection, Any]:
        """Return a plain and a guarded connection that use one and the same of the driver's."""
        return Connection(self.plain, connection), self.guarded._connection_cls(self.guarded, connection)

    def connect(self) -> Any:
        """Return a connection of the pool, for both."""
        return self.guarded.raw_connection()

    def dispose(self, close: bool) -> None:
        """Let go of the connections of the pool; leave them open where another process has them."""
        if self.is_ready:
            self.guarded.dispose(close)

    def _dialect(self) -> Any:
        """Return a separate dialect like the application's."""
        own: Any = object.__new__(self._classes[0])
        own.__dict__ = dict(self._engine.dialect.__dict__)
        own.__dict__.pop("tg_variants", None)
        for name, kind in self._parts.items():
            part: Any = copy.copy(getattr(own, name))
            part.__class__ = kind
            part.dialect = own
            setattr(own, name, part)
        return own
