"""The ORM methods that the guard replaces: each function takes SQLAlchemy's own and returns the replacement.

``sql/patches.py`` puts them there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import EXT_CONTINUE

from tenantguard.binding import same_tenants
from tenantguard.context import peek
from tenantguard.sql.sessions.events import begin, is_a_tenants, judge, stamp
from tenantguard.sql.sessions.frozen_results import owner_of_result, verify_frozen
from tenantguard.sql.sessions.identity import UNKNOWN, GuardedIdentityMap, owner_of, switched
from tenantguard.sql.sessions.synchronization import synchronized


def beginning(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, session: Session, origin: Any, parent: Any = None) -> None:
        original(self, session, origin, parent)
        # that of a flush begins inside another, usually under the binding that the session served last
        if parent is None or getattr(session.identity_map, "tg_seen", None) is not peek():
            begin(session, self)

    return init


def connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def connection_for_bind(self: Any, bind: Any, execution_options: Any) -> Any:
        connection = original(self, bind, execution_options)
        try:  # a session that goes on under the binding which it served last needs no second look
            if self.session.identity_map.tg_seen is peek():
                return connection
        except AttributeError:  # it is older than the first guard
            pass
        if peek() is not None:  # otherwise each statement is judged by itself
            judge(self.session, self, connection)
        return connection

    return connection_for_bind


def adding(original: Callable[..., None]) -> Callable[..., None]:
    def save_impl(self: Session, state: Any) -> None:
        original(self, state)
        binding = peek()
        state.tg_added = binding.tenants if binding is not None and binding.tenants else None

    return save_impl


def attaching(original: Callable[..., None]) -> Callable[..., None]:
    """Let the map of a session watch as soon as it takes in an object that was loaded for a tenant.

    A session that picks its engine for each statement, or is given it later, would serve it without a statement.
    """

    def update_impl(self: Session, state: Any, *args: Any, **kw: Any) -> None:
        watches = getattr(self.identity_map, "tg_watches", False)
        if not watches and owner_of(state) is not None and is_a_tenants(self, state.mapper):
            GuardedIdentityMap.of(self)
        original(self, state, *args, **kw)

    return update_impl


def merging(original: Callable[..., Any]) -> Callable[..., Any]:
    """Copy no object that was loaded for another tenant unread.

    With ``load=False``, as for a cached or a frozen result, no statement is executed that the guard could read.
    """

    def merge(self: Session, state: Any, *args: Any, **kw: Any) -> Any:
        binding = peek()
        if not kw.get("load", True) and binding is not None and binding.tenants:
            held = owner_of(state)
            if (
                held is not None
                and not same_tenants(held, binding.tenants)
                and is_a_tenants(self, state.mapper)
            ):
                switched(held, binding, "an object that was loaded")
        return original(self, state, *args, **kw)

    return merge


def pickling(original: Callable[..., Any]) -> Callable[..., Any]:
    def getstate(self: Any) -> Any:
        return {**original(self), "tg_owner": owner_of(self)}

    return getstate


def unpickling(original: Callable[..., None]) -> Callable[..., None]:
    def setstate(self: Any, state_dict: Any) -> None:
        original(self, state_dict)
        if self.key is not None:
            self.tg_owner = state_dict.get("tg_owner", UNKNOWN)

    return setstate


def freezing(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, result: Any) -> None:
        self.tg_owner = owner_of_result(result)
        original(self, result)

    return init


def refreezing(original: Callable[..., Any]) -> Callable[..., Any]:
    def with_new_rows(self: Any, *args: Any, **kw: Any) -> Any:
        made = original(self, *args, **kw)
        made.tg_owner = self.__dict__.get("tg_owner", UNKNOWN)
        return made

    return with_new_rows


def thawing(original: Callable[..., Any]) -> Callable[..., Any]:
    def thaw(self: Any) -> Any:
        verify_frozen(self)
        return original(self)

    return thaw


def synchronizing(original: Callable[..., Any]) -> Callable[..., Any]:
    def orm_pre_session_exec(  # the arguments are SQLAlchemy's
        cls: Any,
        session: Session,
        statement: Any,
        params: Any,
        execution_options: Any,
        bind_arguments: Any,
        is_pre_event: bool,
    ) -> Any:
        if not is_pre_event and not isinstance(params, list):
            statement, execution_options = synchronized(session, statement, execution_options, bind_arguments)
        return original(cls, session, statement, params, execution_options, bind_arguments, is_pre_event)

    return orm_pre_session_exec


def before_insert(mapper: Any, connection: Any, state: Any) -> Any:
    stamp(mapper, connection, state)
    return EXT_CONTINUE
