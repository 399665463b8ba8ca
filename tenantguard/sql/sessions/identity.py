"""Identity maps: objects of one tenant, or loaded in a bypass, are not served to another tenant.

Each object in a map holds a reference to it. There are two of them, one for the tenant's objects and one for those
that came in a bypass, so that an object tells whose it is at no cost.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm import identity as _identity
from sqlalchemy.orm.session import _sessions

from tenantguard.audit import refuse
from tenantguard.binding import is_bypass, same_tenants
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import TenantSwitchError
from tenantguard.sql.sessions.mappings import is_permitted

_BASE: type = getattr(_identity, "_WeakInstanceDict", None) or vars(_identity)["WeakInstanceDict"]
# no tenant is None, so these are nobody's
BYPASS: tuple[str | None, ...] = ("a bypass", None)
UNKNOWN: tuple[str | None, ...] = ("an unknown tenant", None)  # of what was pickled where the guard was not


class _Owned(weakref.ref):  # type: ignore[type-arg]  # of an identity map
    """An object's reference to its map, which identifies the tenant."""

    owner: tuple[Any, ...] | None = None


class GuardedIdentityMap(_BASE):  # type: ignore[misc]  # its name differs between SQLAlchemy 2.0 and 2.1
    """The identity map of a session, which serves one tenant once a guarded engine takes part.

    Attributes:
        tg_watches: a guarded engine takes part.
        tg_seen: the binding that it last served; while it lasts, nothing needs a second look.
        tg_lifted: the reference that objects hold which came in a bypass, once there are some.
    """

    tg_watches = False
    tg_seen: Binding | None = None
    tg_lifted: _Owned | None = None
    _wr: _Owned  # an ordinary reference as long as it does not watch

    @staticmethod
    def of(session: Session) -> GuardedIdentityMap:
        """Return the map of a session, which watches from now on."""
        held: Any = session.identity_map
        if type(held) is not GuardedIdentityMap:  # the session is older than the first guard
            held.__class__ = GuardedIdentityMap
        if not held.tg_watches:
            held.tg_watch()
        return held  # type: ignore[no-any-return]  # typing.cast() is a call

    @property
    def tg_owner(self) -> tuple[Any, ...] | None:
        """Return the tenants that the map serves, ``None`` as long as there are none."""
        return self._wr.owner

    def tg_watch(self) -> None:
        """Watch, and hand the objects that came before the reference that carries the owner."""
        self.tg_watches = True
        self._wr = mine = _Owned(self)
        for state in list(self._dict.values()) if self._dict else ():
            self._tg_take(state)
            state._instance_dict = mine

    def tg_enter(self, binding: Binding | None) -> None:
        """Take the binding as the one the map serves, or refuse."""
        owner = self._wr.owner
        if binding is None or binding.mode == "closed":
            if owner is not None:
                raise no_tenant(binding, "A session that holds a tenant's rows was used")
        elif binding.mode != "bypass":
            if owner is None:
                self._wr.owner = binding.tenants
            elif not same_tenants(owner, binding.tenants):
                switched(owner, binding, f"{_session_of(self)} that was used")
            elif self.tg_seen is not None and self.tg_seen.principal is not binding.principal:
                self._tg_hand_over()
            self.tg_seen = binding

    def _tg_hand_over(self) -> None:
        """Serve rows that take a permission only from the current principal's own query by key."""
        for state in list(self._dict.values()):
            if is_permitted(state.manager.mapper):
                expire(state, self._modified)

    def _tg_served(self, state: Any) -> None:
        """Let an object be served to who is bound, or refuse.

        What a bypass has loaded is expired first: who is bound is served what its own query gives for the key.
        """
        if not self.tg_watches:
            return
        binding = peek()
        if binding is None or binding is not self.tg_seen:
            self.tg_enter(binding)
        if state._instance_dict is self.tg_lifted:
            if binding is None or binding.mode == "closed":
                raise no_tenant(binding, "A session that holds rows of a bypass was used")
            if binding.mode != "bypass":
                expire(state, self._modified)
                state._instance_dict = self._wr

    def _tg_incoming(self, binding: Binding | None) -> _Owned:
        """Return the reference for an object that comes under a binding."""
        if not self.tg_watches:
            return self._wr
        if binding is not None and binding.mode == "bypass":
            return self._tg_lift()
        if binding is not None and binding.mode != "closed":
            self.tg_enter(binding)
        return (
            self._wr
        )  # with nothing bound it is a rollback or a clean-up, or a result that is read to its end

    def _add_unpresent(self, state: Any, key: Any) -> None:
        # with nothing bound, as by a rollback, the reference is the same
        state._instance_dict = self._wr if peek() is self.tg_seen else self._tg_incoming(peek())
        self._dict[key] = state

    def get(self, key: Any, default: Any = None) -> Any:
        """Serve a hit to the tenant that the map belongs to; a miss returns nothing."""
        if key not in self._dict:  # the usual case: cheaper asked than looked up
            return default
        state = self._dict.get(key)
        if state is None:  # collected in between
            return default
        if peek() is not self.tg_seen or self.tg_seen is None or state._instance_dict is not self._wr:
            self._tg_served(state)
        found = state.obj()
        return default if found is None else found

    def __getitem__(self, key: Any) -> Any:
        self._tg_served(self._dict[key])
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        state = self._dict.get(key)
        if state is not None:
            self._tg_served(state)
        return bool(super().__contains__(key))

    def fast_get_state(self, key: Any) -> Any:
        """Serve a hit, as ``get`` does."""
        state = self._dict.get(key)
        if state is not None:
            self._tg_served(state)
        return state

    def values(self) -> Any:
        """List the objects that the map holds for the bound tenant."""
        return [found for state in self._tg_own() if (found := state.obj()) is not None]

    def items(self) -> Any:
        """List the objects that the map holds for the bound tenant."""
        return [(state.key, found) for state in self._tg_own() if (found := state.obj()) is not None]

    def _tg_own(self) -> Iterable[Any]:
        binding = peek()
        if self.tg_watches and (binding is None or binding is not self.tg_seen):
            self.tg_enter(binding)
        states = list(self._dict.values())
        if self.tg_lifted is None or is_bypass(binding):
            return states
        return [state for state in states if state._instance_dict is not self.tg_lifted]

    def add(self, state: Any) -> bool:
        """Take in an object, unless it was loaded for another tenant."""
        mine = self._tg_take(state)
        added = bool(super().add(state))
        state._instance_dict = mine
        return added

    def replace(self, state: Any) -> Any:
        """Take in an object, unless it was loaded for another tenant."""
        mine = self._tg_take(state)
        replaced = super().replace(state)
        state._instance_dict = mine
        return replaced

    def _manage_removed_state(self, state: Any) -> None:
        if self.tg_watches:
            state.tg_owner = state._instance_dict.owner
        super()._manage_removed_state(state)

    def _tg_take(self, state: Any) -> _Owned:
        """Return the reference for an object that was given, or refuse one that was loaded for another tenant."""
        if not self.tg_watches:
            return self._wr
        binding = peek()
        if binding is not None and binding.tenants:
            owner = owner_of(state)
            if binding is self.tg_seen and (owner is None or owner is self._wr.owner):
                return self._wr  # as every object that a flush adds
            if owner is not None and not same_tenants(owner, binding.tenants):
                if owner != BYPASS:
                    switched(owner, binding, "an object that was loaded")
                expire(state, self._modified)
        elif binding is not None and binding.mode == "bypass":
            if added_by(state) is not None:
                return (
                    self._wr
                )  # what a tenant's code has added stays the tenant's, though a bypass flushes it
        elif (owner := owner_of(state)) is not None:
            if owner == BYPASS:
                return self._tg_lift()
            self._tg_keep(owner, binding)
        return self._tg_incoming(binding)

    def _tg_lift(self) -> _Owned:
        """Return the reference for an object that a bypass has loaded."""
        if self.tg_lifted is None:
            self.tg_lifted = lifted = _Owned(self)
            lifted.owner = BYPASS
        return self.tg_lifted

    def _tg_keep(self, owner: tuple[Any, ...], binding: Binding | None) -> None:
        """Adopt the tenant of an object that is added with nothing bound, or refuse another tenant's object."""
        if self._wr.owner is None:
            self._wr.owner = owner
        elif not same_tenants(self._wr.owner, owner):
            raise no_tenant(binding, "An object that was loaded for another tenant was added to a session")


def owner_of(state: Any) -> tuple[Any, ...] | None:
    """Return the tenants that an object was loaded for."""
    held: tuple[Any, ...] | None = getattr(state, "tg_owner", None) or getattr(
        state._instance_dict, "owner", None
    )
    return held


def added_by(state: Any) -> tuple[Any, ...] | None:
    """Return the tenants under which a new object was added."""
    tenants: tuple[Any, ...] | None = getattr(state, "tg_added", None)
    return tenants


def expire(state: Any, modified: set[Any]) -> None:
    """Expire an object, so that it is loaded again at the next access; unflushed changes stay."""
    if not state.modified:
        state._expire(state.dict, modified)
        return
    kept = state.committed_state
    state._expire_attributes(state.dict, [name for name in state.manager.keys() if name not in kept])  # noqa: SIM118 - it is no dict
    state.expired = True


def switched(held: tuple[Any, ...], binding: Binding, what: str = "a session that was used") -> None:
    """Refuse an object or session of another tenant."""
    now = ", ".join(map(str, binding.tenants))
    before = ", ".join(str(one) for one in held if one is not None)
    refuse(
        TenantSwitchError(
            f"{what} under {before} is used under {now}. Use a session for each: close it, or "
            "expunge_all() after the transaction ends, before the next tenant",
            tenant=now,
            attempted=before,
        )
    )


def _session_of(held: Any) -> str:
    """Return what to call the session of a map in a message."""
    for session in list(_sessions.values()):
        if session.identity_map is held:
            return f"{type(session).__name__} at {id(session):#x}, a session"
    return "a session"
