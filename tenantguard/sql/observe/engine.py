"""The observed engine: its statements pass the observer and are sent unchanged."""

from __future__ import annotations

import functools
import logging
import os
import sys
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, base
from sqlalchemy.orm import Session

from tenantguard.context import peek
from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.placements.declarations import names_of
from tenantguard.placements.proposals import nearest
from tenantguard.sql.guard import Guard
from tenantguard.sql.observe.comparison import How
from tenantguard.sql.observe.observer import Observer
from tenantguard.sql.observe.records import Records, directory_of
from tenantguard.sql.observe.shadow import Shadow
from tenantguard.tenancy import Placement, Tenancy, full_name, table_key

log = logging.getLogger("tenantguard.observe")
_ABSENT = object()
_BASE = vars(base)  # the globals of SQLAlchemy's own engines and connections


@dataclass(frozen=True, kw_only=True)
class Observing:
    """The options of an observing guard; see ``guard(..., mode="observe")``.

    Args:
        directory: where each process writes what it has seen; by default what ``TENANTGUARD_OBSERVED`` names, or
            ``.tenantguard/observed``. ``tenantguard observe report`` reads it.
        compare: whether results are compared on a connection of its own ``"beside"`` the application, ``"inline"`` on
            the statement's own connection, which sees what is not committed yet, as in tests; or ``"never"``.
    """

    directory: str | os.PathLike[str] | None = None
    compare: How = "beside"


def observed(
    engine: Engine,
    guard: Guard,
    install: Callable[[Engine, Guard], None],
    observing: Observing,
    enforced: Collection[str],
) -> Observer:
    """Return the observer of an engine, which nothing passes yet.

    Args:
        engine: the application's engine, before anything is put into it.
        guard: what would be enforced.
        install: puts a guard into an engine.
        observing: how.
        enforced: the tables that are guarded already.
    """
    records = Records(directory_of(observing.directory))
    return Observer(Shadow(engine, guard, install), records, observing.compare, enforced)


def install_observer(engine: Engine, installed: Guard) -> None:
    """Let the statements of an engine pass its observer; nothing else about it changes."""
    dialect: Any = engine.dialect
    cls: Any = type(dialect)
    members = {
        "execution_ctx_cls": observed_context(cls.execution_ctx_cls, installed.observer),
        "tg_guard": installed,
        "supports_statement_cache": cls.__dict__.get("supports_statement_cache", False),
        "__module__": cls.__module__,
    }
    dialect.__class__ = type(cls.__name__, (cls,), members)
    engine.__class__ = _observed_engine(type(engine), installed.observer)
    watch_sessions()


@functools.cache
def watch_sessions() -> None:
    """Let the connections of observed engines know the session that uses them: a listener, and nothing else."""
    event.listen(Session, "after_begin", _know)


def _know(session: Session, transaction: Any, connection: Any) -> None:
    known: Any = getattr(connection, "tg_session", _ABSENT)
    if known is _ABSENT:  # of an engine that is not observed
        return
    if not transaction.nested:
        binding = peek()
        connection.tg_began = binding.tenants if binding is not None and binding.tenants else None
    other = known() if known is not None else None
    if other is not None and other is not session and other.in_transaction():
        connection.tg_session = _nobody  # two use it at once, and which of them sends a statement is not told
    elif known is not _nobody:
        connection.tg_session = weakref.ref(session)


def _nobody() -> None:
    """Stand for the session of a connection that several use."""


def observed_context(base: Any, observer: Observer) -> Any:
    """Return a subclass of a dialect's execution context whose statements pass an observer."""
    see, prepare = observer.see, base.pre_exec

    class ObservedContext(base):  # type: ignore[misc]  # of whatever dialect
        """An execution context that the observer sees."""

        def pre_exec(self) -> None:
            """Look at the statement, now that it has all its parameters."""
            see(self)
            prepare(self)

    ObservedContext.__name__ = ObservedContext.__qualname__ = base.__name__
    return ObservedContext


def _observed_engine(kind: Any, observer: Observer) -> Any:
    """Return an engine's class that reports connections which leave SQLAlchemy, and its own disposal."""

    class ObservedConnection(kind._connection_cls):  # type: ignore[misc]  # the engine's own
        """A connection that reports uses of the driver's connection, and the session that uses it."""

        tg_session: Callable[[], Session | None] | None = None
        tg_began: tuple[TenantId, ...] | None = None

        @property
        def connection(self) -> Any:
            if _is_taken():
                observer.see_raw("Connection.connection")
            return super().connection

    ObservedConnection.__name__ = ObservedConnection.__qualname__ = Connection.__name__

    def made(cls: Any) -> Any:
        def raw_connection(self: Any) -> Any:
            if _is_taken():
                observer.see_raw("Engine.raw_connection()")
            return cls.raw_connection(self)

        def dispose(self: Any, close: bool = True) -> None:
            cls.dispose(self, close)
            observer.dispose(close)

        members = {
            "_connection_cls": ObservedConnection,
            "raw_connection": raw_connection,
            "dispose": dispose,
        }
        return type(cls.__name__, (cls,), {**members, "__module__": cls.__module__})

    engine, option = made(kind), made(kind._option_cls)
    engine._option_cls = option._option_cls = option
    return engine


def _is_taken() -> bool:
    """Return whether a raw connection is requested by code outside SQLAlchemy's engines and connections."""
    try:
        return sys._getframe(2).f_globals is not _BASE
    except ValueError:  # no frame below: a greenlet that was handed the method itself
        return True


def verify_enforced(tenancy: Tenancy, enforce: Collection[str]) -> frozenset[str]:
    """Return the tables that are enforced while the others are observed, or raise if their names are wrong.

    Raises:
        ConfigurationError: one of them is no table of the tenancy, or the names are one string.
    """
    names = names_of(enforce, "enforce")
    known = {placement.name for placement in tenancy}
    faults = [
        f"enforce names {name!r}, which is not a table of the tenancy{nearest(str(name), known)}"
        for name in sorted(names - known, key=str)
    ]
    faults += [fault for placement in tenancy if (fault := _unfounded(placement, names)) is not None]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigurationError(f"the tenancy cannot be enforced, {len(faults)} fault(s):\n{listed}")
    return names


def _unfounded(placement: Placement, names: frozenset[str]) -> str | None:
    """Tell which table has to be enforced before one that belongs through it, or return ``None``."""
    if placement.name not in names or placement.parent is None:
        return None
    parent = full_name(table_key(placement.parent))
    if parent in names:
        return None
    return f"enforce names {placement.name}, which belongs through {parent}, which is not enforced: name {parent!r} too"


def announce(engine: Engine, guard: Guard, observer: Observer) -> None:
    """Log at the start what is not enforced."""
    enforced = guard.enforced or frozenset()
    rest = [one.name for one in guard.tenancy if one.kind != "shared" and one.name not in enforced]
    url = engine.url.render_as_string(hide_password=True)
    what = "ENFORCES NOTHING" if not enforced else f"enforces {', '.join(sorted(enforced))} AND NOTHING ELSE"
    log.warning(
        'guard(mode="observe") %s on %s: every company\'s rows can be read and written in %s. '
        "What is observed is written to %s; see it with: tenantguard observe report",
        what,
        url,
        f"{len(rest)} table(s)" if len(rest) > 5 else ", ".join(rest) or "no table of a company's",
        observer.records.directory,
    )
