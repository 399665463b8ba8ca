"""A bypass inside a tenant's work: values that the session loads in it do not stay in the tenant's objects.

An object that the bypass loads is marked by the identity map. But a bypass may also load into objects that the tenant
has: a relationship, a count, a refresh. So the session remembers what each of its objects held when it was first used
in the bypass, and expires the rest when the bypass ends.
"""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy.orm import Session

from tenantguard.context import Binding, bypass_observers
from tenantguard.sql.sessions.identity import GuardedIdentityMap, expire

_Held = dict[Any, tuple[int, frozenset[str]]]  # by object: the load that filled it, and what it held
_SESSIONS: weakref.WeakKeyDictionary[Binding, list[tuple[weakref.ref[Session], _Held]]] = (
    weakref.WeakKeyDictionary()
)


def remember(session: Session, held: GuardedIdentityMap, binding: Binding) -> None:
    """Remember the state of a tenant's objects when their session is first used in a bypass."""
    if held.tg_owner is None:
        return
    seen = _SESSIONS.setdefault(binding, [])
    if any(known() is session for known, _ in seen):
        return
    states = [state for state in held.all_states() if state._instance_dict is not held.tg_lifted]
    states += session._new
    seen.append((weakref.ref(session), {state: (state.runid, frozenset(state.dict)) for state in states}))


def _closed(binding: Binding, opened: bool) -> None:
    """Expire the values that a bypass loaded into a tenant's objects."""
    if opened:
        return
    for known, states in _SESSIONS.pop(binding, ()):
        session = known()
        for state, (load, names) in states.items() if session is not None else ():
            if state.obj() is not None:
                _restore(state, load, names, session)


def _restore(state: Any, load: int, names: frozenset[str], session: Any) -> None:
    if state.runid != load and state.key is not None:
        expire(state, session.identity_map._modified)
        return
    loaded = [name for name in state.dict if name not in names and name in state.unmodified]
    if loaded and state.key is not None:
        state._expire_attributes(state.dict, [name for name in loaded if name in state.manager])


bypass_observers.append(_closed)
