"""Sessions: at each execution, a session that holds another tenant's rows is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_attribute
from sqlalchemy.orm.base import instance_dict

from tenantguard.binding import is_bypass, same_tenants
from tenantguard.context import peek
from tenantguard.sql.definitions import guards_of
from tenantguard.sql.sessions.identity import GuardedIdentityMap, added_by, switched
from tenantguard.sql.sessions.mappings import stamped_attributes
from tenantguard.sql.sessions.nested_bypass import remember


def judge(session: Session, transaction: Any, connection: Any) -> None:
    """Let a session execute on a guarded connection, or refuse it.

    Args:
        session: the session that executes.
        transaction: its transaction.
        connection: the connection that it executes on.

    Raises:
        TenantSwitchError: the session was used under another tenant.
        NoTenantError: it holds a tenant's rows, and nothing is bound.
    """
    guard = getattr(connection.engine.dialect, "tg_guard", None)
    if guard is None or not guard.enforces:
        return
    binding = peek()
    held = GuardedIdentityMap.of(session)
    if binding is not None and binding.tenants:
        while transaction._parent is not None:
            transaction = transaction._parent
        began = getattr(transaction, "tg_began", binding)
        # what was added under one tenant, to a session whose engine was not known yet, is not flushed for another
        if began is not binding and not same_tenants(began.tenants, binding.tenants):
            switched(began.tenants, binding)
    held.tg_enter(binding)
    if is_bypass(binding):
        remember(session, held, binding)


def begin(session: Session, transaction: Any) -> None:
    """Remember under which tenant a session began; its map is watched before the first object is attached."""
    binding = peek()
    if binding is None or not binding.tenants:
        return
    transaction.tg_began = binding
    held: Any = session.identity_map
    if type(held) is GuardedIdentityMap and held.tg_watches:
        if held.tg_seen is not binding:
            held.tg_enter(binding)
    elif _is_guarded(session):
        GuardedIdentityMap.of(session).tg_enter(binding)


def is_a_tenants(session: Session, mapper: Any) -> bool:
    """Tell whether a guarded engine of the session places any table of a class as a tenant's."""
    for guard in _guards(session, mapper):
        if guard is not None and guard.enforces:
            placed = [guard.placed.find(table) for table in mapper.tables]
            return any(placement is None or placement.kind != "shared" for placement in placed)
    return False


def _guards(session: Session, mapper: Any) -> Iterable[Any]:
    """Return the guards of a session's engines, or of the tables if it has no engine."""
    binds = _binds(session)
    if not binds:
        try:  # a session that picks an engine for each statement
            binds = [session.get_bind(mapper=mapper)]
        except Exception:  # it may be given one later
            return guards_of(mapper.local_table.metadata)
    return [getattr(bind.dialect, "tg_guard", None) for bind in binds]


def _is_guarded(session: Session) -> bool:
    """Tell whether one of the engines and connections that the session was given is guarded."""
    own = getattr(getattr(session.bind, "dialect", None), "tg_guard", None)
    if own is not None:
        return bool(own.enforces)
    guards = [getattr(bind.dialect, "tg_guard", None) for bind in _binds(session)]
    return any(guard is not None and guard.enforces for guard in guards)


def _binds(session: Session) -> list[Any]:
    """Return the engines and connections that the session was given."""
    several: Any = getattr(session, "binds", None) or getattr(session, "_Session__binds", {})
    return [bind for bind in (session.bind, *several.values()) if bind is not None]


def stamp(mapper: Any, connection: Any, state: Any) -> None:
    """Give a new object its tenant, so that it reads right after the flush; the statement is checked all the same.

    What a tenant's code has added is the tenant's, though it is flushed in a bypass inside its binding.
    """
    guard = getattr(getattr(connection, "dialect", None), "tg_guard", None)
    binding = peek()
    if guard is None or binding is None:
        return
    tenants = added_by(state) if binding.mode == "bypass" else binding.tenants
    if tenants is not None and len(tenants) == 1:
        target = state.obj()
        held = instance_dict(target)
        for key in stamped_attributes(guard, mapper):
            if held.get(key) is None:
                set_attribute(target, key, tenants[0])  # a class may refuse unknown fields in its __setattr__
