"""Sessions: rows that a session holds for one tenant are not served to another, identity-map hits included."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm import identity as _identity
from sqlalchemy.orm.base import instance_dict
from sqlalchemy.orm.interfaces import EXT_CONTINUE

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import TenantSwitchError
from tenantguard.sql.sessions.mapped import stamped_attributes

_BASE: type = getattr(_identity, "_WeakInstanceDict", None) or vars(_identity)["WeakInstanceDict"]
_BYPASS: tuple[str, ...] = ("a bypass",)
_count: Callable[[Any], int] = getattr(sys, "getrefcount", lambda _: 0)


class _Owned(weakref.ref):  # type: ignore[type-arg]  # of an identity map
    """Be the reference to its map that every object in it holds; it tells whose the objects are, at no cost."""

    owner: tuple[Any, ...] | None = None


class GuardedIdentityMap(_BASE):  # type: ignore[misc]  # its name differs between SQLAlchemy 2.0 and 2.1
    """Refuse to serve what was loaded under another tenant, or in a bypass."""

    tg_seen: Binding | None = None
    tg_connections: tuple[Any, ...] = ()
    _wr: _Owned

    def __init__(self, binding: Binding | None = None) -> None:
        # the base's own, written out: each session makes one
        self._dict: dict[Any, Any] = {}
        self._modified: set[Any] = set()
        self._wr = mine = _Owned(self)
        if binding is not None:
            mine.owner = binding.tenants
            self.tg_seen = binding

    @staticmethod
    def of(session: Session) -> GuardedIdentityMap:
        """Return the map of a session, made a guarded one where it is not."""
        held: Any = session.identity_map
        if type(held) is GuardedIdentityMap:
            return held
        if held._dict or held._modified or _count(held) != _ALONE:
            # it holds rows of an engine that is not guarded, or is held by what still loads some
            held.__class__ = GuardedIdentityMap
            held.tg_adopt()
        else:  # a new object: CPython is slow with the attributes of one whose class was changed
            session.identity_map = held = GuardedIdentityMap()
        return held  # type: ignore[no-any-return]  # typing.cast() is a call

    def _kill(self) -> None:
        # the session gets a new map, which the connections have not seen
        for known in self.tg_connections:
            connection = known()
            if connection is not None:
                connection.tg_ready = False
        super()._kill()

    def tg_adopt(self) -> None:
        """Hand the objects that come the reference that carries the owner."""
        self._wr = mine = _Owned(self)
        for state in self._dict.values():
            state._instance_dict = mine
            # it came before the guard watched; nothing vouches for its key
            state.tg_planted = True

    def tg_enter(self, binding: Binding | None) -> None:
        """Take the binding as the one the map serves, or refuse."""
        owner = self._wr.owner
        if binding is None or binding.mode == "closed":
            if owner is not None:
                refuse(no_tenant(binding, "A session that holds a tenant's rows was used"))
        elif binding.mode != "bypass":
            if owner is None:
                self._wr.owner = binding.tenants
            elif owner != binding.tenants:
                _switched(owner, binding)
            self.tg_seen = binding

    def tg_taint(self) -> None:
        """Remember that rows were loaded in a bypass; no tenant is served from the map again."""
        self._wr.owner = _BYPASS
        self.tg_seen = None

    def _tg_touch(self) -> None:
        binding = peek()
        if binding is None or binding is not self.tg_seen:
            self.tg_enter(binding)
            if binding is not None and binding.mode == "bypass":
                self.tg_taint()

    def get(self, key: Any, default: Any = None) -> Any:
        """Serve a hit to the tenant that the map belongs to; a miss, as for every row loaded anew, serves nobody."""
        if key not in self._dict:  # the usual case: cheaper asked than looked up
            return default
        state = self._dict.get(key)
        if state is None:  # collected in between
            return default
        binding = peek()
        if binding is None or binding is not self.tg_seen:
            self._tg_touch()
        found = state.obj()
        return default if found is None else found

    def __getitem__(self, key: Any) -> Any:
        self._tg_touch()
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        if peek() is not self.tg_seen or self.tg_seen is None:
            self._tg_touch()
        return bool(super().__contains__(key))

    def fast_get_state(self, key: Any) -> Any:
        """Serve a hit, as :meth:`get` does."""
        state = self._dict.get(key)
        if state is not None:
            binding = peek()
            if binding is None or binding is not self.tg_seen:
                self._tg_touch()
        return state

    def values(self) -> Any:
        """List what the map holds to the tenant that it belongs to."""
        self._tg_touch()
        return super().values()

    def items(self) -> Any:
        """List what the map holds to the tenant that it belongs to."""
        self._tg_touch()
        return super().items()

    def add(self, state: Any) -> bool:
        """Take in an object, unless it was loaded for another tenant."""
        self._tg_take(state)
        return bool(super().add(state))

    def replace(self, state: Any) -> Any:
        """Take in an object, unless it was loaded for another tenant."""
        self._tg_take(state)
        return super().replace(state)

    def _manage_removed_state(self, state: Any) -> None:
        state.tg_owner = self._wr.owner
        super()._manage_removed_state(state)

    def _tg_take(self, state: Any) -> None:
        """Refuse an object that another map held for another tenant."""
        binding = peek()
        if binding is None or binding.mode == "closed":
            return  # a rollback or a clean-up after the binding has ended: nothing is served
        if binding.mode == "bypass":
            self.tg_taint()
            return
        held = getattr(state, "tg_owner", None) or getattr(state._instance_dict, "owner", None)
        if held is not None and held != binding.tenants:
            _switched(held, binding, "an object that was loaded")
        if binding is not self.tg_seen:
            self.tg_enter(binding)
        state.tg_planted = True  # its key was not read from the database under the guard


def _references() -> int:
    """Count the references to a map that nothing but its session holds, as they are counted here."""
    session: Any = SimpleNamespace(identity_map=_BASE())
    held: Any = session.identity_map
    return _count(held)


_ALONE = _references() or -1  # never, where references are not counted


def watch(
    session: Session | None, binding: Binding | None, connection: Any = None, *, loads: bool = False
) -> None:
    """Make a session's identity map a guarded one, and check it against the binding.

    Args:
        session: the session that executes.
        binding: what is bound.
        connection: the connection that it executes on.
        loads: the statement loads objects, and not only values.

    Raises:
        TenantSwitchError: the session was used under another tenant.
    """
    if session is None:
        return
    held = GuardedIdentityMap.of(session)
    if binding is None or held.tg_seen is not binding:
        held.tg_enter(binding)
        if loads and binding is not None and binding.mode == "bypass":
            held.tg_taint()
    if connection is None:
        return
    if not held.tg_connections:
        held.tg_connections = (weakref.ref(connection),)
    elif not any(known() is connection for known in held.tg_connections):
        alive = tuple(known for known in held.tg_connections if known() is not None)
        held.tg_connections = (*alive, weakref.ref(connection))


def _merging(merge: Any) -> Any:
    """Return ``Session._merge`` so that it copies no object that was loaded for another tenant unread.

    With ``load=False``, as for a cached or a frozen result, no statement is executed that the guard could read.
    """

    @functools.wraps(merge)
    def copy(self: Session, state: Any, *args: Any, **kw: Any) -> Any:
        binding = peek()
        if not kw.get("load", True) and binding is not None and binding.mode in ("tenant", "tenants"):
            held = getattr(state, "tg_owner", None) or getattr(state._instance_dict, "owner", None)
            if held is not None and held != binding.tenants and _is_a_tenants(self, state.mapper):
                _switched(held, binding, "an object that was loaded")
        return merge(self, state, *args, **kw)

    return copy


def _is_a_tenants(session: Session, mapper: Any) -> bool:
    """Tell whether a guarded engine of the session places any table of a class as a tenant's."""
    for bind in _binds(session):
        guard = getattr(bind.dialect, "tg_guard", None)
        if guard is not None and guard.enforces:
            placed = [guard.tenancy.find(table) for table in mapper.tables]
            return any(placement is None or placement.kind != "shared" for placement in placed)
    return False


Session._merge = _merging(Session._merge)  # type: ignore[method-assign]


def _switched(held: tuple[Any, ...], binding: Binding, what: str = "a session that was used") -> None:
    now = ", ".join(map(str, binding.tenants))
    before = ", ".join(map(str, held))
    refuse(
        TenantSwitchError(
            f"{what} under {before} is used under {now}. Use a session for each: close it, or "
            "expunge_all() after the transaction ends, before the next tenant; open a second one for a bypass",
            tenant=now,
            attempted=before,
        )
    )


def _after_begin(session: Session, transaction: Any, connection: Any) -> None:
    """Tie a session to the guarded connection that it begins on."""
    sessions = getattr(connection, "tg_sessions", None)
    if not isinstance(sessions, tuple):  # the connection of an engine that is not guarded
        session.tg_beside = True  # type: ignore[attr-defined]  # its rows may be another tenant's
        return
    if not sessions and transaction._parent is None and _is_usual(session, transaction, connection):
        return
    if not sessions:
        connection.tg_sessions = (weakref.ref(session),)
    elif not any(known() is session for known in sessions):
        alive = tuple(known for known in sessions if known() is not None)
        connection.tg_sessions = (*alive, weakref.ref(session))
    binding = peek()
    root = transaction
    while root._parent is not None:
        root = root._parent
    if (
        getattr(root, "tg_began", binding) is not binding
        and binding is not None
        and binding.mode in ("tenant", "tenants")
        and root.tg_began.tenants != binding.tenants
    ):
        _switched(root.tg_began.tenants, binding)
    connection.tg_make_ready(binding)
    if connection.tg_ready is not binding:
        watch(session, binding, connection)


def _is_usual(session: Session, transaction: Any, connection: Any) -> bool:
    """Tie a session that began for one tenant to a new connection for it, as most do; tell whether this is such a case.

    It does what the long way does, ``tg_make_ready()`` and ``watch()``, without their frames.
    """
    binding, held, dialect = peek(), session.identity_map, connection.engine.dialect
    if (
        binding is None
        or binding.mode != "tenant"
        or type(held) is not GuardedIdentityMap
        or held.tg_seen is not binding
        or getattr(transaction, "tg_began", None) is not binding
        or connection._tg_learnt is not None
        or not dialect.tg_guard.is_prompt
    ):
        return False
    connection.tg_sessions = (weakref.ref(session),)
    alive = [known for known in held.tg_connections if known() is not None] if held.tg_connections else ()
    held.tg_connections = (*alive, weakref.ref(connection))
    connection.dialect = dialect.tg_variants["tenant"]
    connection.tg_ready = binding
    return True


def _after_transaction_create(session: Session, transaction: Any) -> None:
    """Remember under which tenant a session began: what was added then is not flushed for another."""
    binding = peek()
    if binding is not None and (binding.mode == "tenant" or binding.mode == "tenants"):
        transaction.tg_began = binding
        # the map is watched before the first object is attached, not at the first statement
        held: Any = session.identity_map
        if type(held) is GuardedIdentityMap:
            if held.tg_seen is not binding:
                held.tg_enter(binding)
        elif hasattr(getattr(session.bind, "dialect", None), "tg_guard") or _is_guarded(session):
            if held._dict or held._modified or _count(held) != _ALONE:
                GuardedIdentityMap.of(session).tg_enter(binding)
            else:
                session.identity_map = GuardedIdentityMap(binding)  # of(), written out


def _is_guarded(session: Session) -> bool:
    """Tell whether one of the engines and connections that the session was given is guarded."""
    return any(hasattr(bind.dialect, "tg_guard") for bind in _binds(session))


def _binds(session: Session) -> list[Any]:
    """Return the engines and connections that the session was given."""
    several: Any = getattr(session, "binds", None) or getattr(session, "_Session__binds", {})
    return [bind for bind in (session.bind, *several.values()) if bind is not None]


def _before_insert(mapper: Any, connection: Any, state: Any) -> Any:
    """Give a new object its tenant, so that it reads right after the flush; the statement is checked all the same."""
    guard = getattr(getattr(connection, "dialect", None), "tg_guard", None)
    binding = peek()
    if guard is not None and binding is not None and binding.mode == "tenant":
        target = state.obj()
        held = instance_dict(target)
        for key in stamped_attributes(guard, mapper):
            if held.get(key) is None:
                setattr(target, key, binding._tenant)
    return EXT_CONTINUE


# a listener that is raw and returns a value is kept as it is; another would be wrapped, and could not be found again
_HOOKS: tuple[tuple[Any, str, Any, dict[str, bool]], ...] = (
    (Session, "after_begin", _after_begin, {}),
    (Session, "after_transaction_create", _after_transaction_create, {}),
    (Mapper, "before_insert", _before_insert, {"raw": True, "retval": True}),
)


def hook() -> None:
    """Listen on sessions and mappers; said again whenever a session begins, since others may clear listeners."""
    for function, listeners in _HEARD:
        if function not in listeners:
            _listen()


def _listen() -> None:
    for target, name, function, options in _HOOKS:
        if function not in _listeners(target, name):
            event.listen(target, name, function, **options)
    _HEARD[:] = [(function, _listeners(target, name)) for target, name, function, _ in _HOOKS]


def _listeners(target: Any, name: str) -> Any:
    """Return the collection of the listeners of a class, which stays the same one when it is cleared."""
    return getattr(target.dispatch, name)._clslevel.get(target, ())


_HEARD: list[tuple[Any, Any]] = [(None, ())]  # until the first engine is guarded
