"""The context: which tenant the running code acts for, kept in context variables.

Only this module uses ``contextvars-extras``; everything else reads the binding through its functions.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import Token
from threading import get_ident
from types import FrameType
from typing import Any
from uuid import UUID

from contextvars_extras import ContextVarsRegistry  # type: ignore[import-untyped]  # it has no types

from tenantguard.binding import (
    ASIDE,
    Binding,
    Fields,
    Life,
    collecting,
    end_life,
    live_within,
    no_tenant,
    put_mode,
    put_outer,
    put_token,
)
from tenantguard.errors import ConfigurationError, NoTenantError, TenantId
from tenantguard.principal import Principal, tenant_id

__all__ = [
    "Binding",
    "Principal",
    "Request",
    "begin",
    "bind",
    "bypass",
    "bypass_observers",
    "current",
    "end",
    "enter",
    "leave",
    "no_tenant",
    "peek",
    "peek_request",
    "put",
    "put_request",
    "request_id",
    "reset",
    "reset_request",
    "served",
    "set_request_id",
    "tenant_id",
]


class Request:
    """The request apart from its binding; ``life`` and ``scope`` are set if nothing is bound."""

    __slots__ = ("id", "life", "scope")

    def __init__(
        self, id: str | None, life: Life | None = None, scope: Mapping[str, Any] | None = None
    ) -> None:
        self.id = id
        self.life = life
        self.scope = scope


class _Vars(ContextVarsRegistry):  # type: ignore[misc]  # the same
    """The two context variables; a misspelt name must not create a third."""

    _registry_allocate_on_setattr = False

    binding: Any = None  # a Binding
    request: Any = None  # a Request


# The native methods of the variables: no Python frame on the path that every statement takes.
peek: Callable[[], Binding | None] = _Vars.binding.get_raw
peek_request: Callable[[], Request | None] = _Vars.request.get_raw
put: Callable[[Binding | None], Token[Any]] = _Vars.binding.set
put_request: Callable[[Request | None], Token[Any]] = _Vars.request.set
reset: Callable[[Token[Any]], None] = _Vars.binding.reset
reset_request: Callable[[Token[Any]], None] = _Vars.request.reset


def request_id() -> str | None:
    """Return the id of the request, if it has one."""
    request = peek_request()
    return None if request is None else request.id


def set_request_id(value: str | None) -> Token[Any]:
    """Set or remove the id of the request; return the token for ``reset_request``."""
    request = peek_request()
    if request is None or request.life is None:
        return put_request(None if value is None else Request(value))
    return put_request(Request(value, request.life, request.scope))


def served() -> Mapping[str, Any] | None:
    """Return the ASGI scope of the current request, or of the request that started this code, if there is one."""
    binding = peek()
    while binding is not None:
        if binding.scope is not None:
            return binding.scope
        binding = binding.outer
    request = peek_request()
    return None if request is None else request.scope


def current() -> Binding:
    """Return the binding in force.

    Raises:
        NoTenantError: nothing is bound, or the request, the block or the bypass it was copied from has ended.

    Example:
        >>> with bind("acme"):
        ...     current().tenant
        'acme'
    """
    binding = peek()
    if binding is not None and binding.mode == "closed":
        binding = _without_ended()
    if binding is None or binding.mode == "closed":
        raise no_tenant(binding)
    return binding


class bind:  # used like a function
    """Bind a tenant, several tenants or a principal for a ``with`` block, in sync and async code.

    Args:
        who: a tenant id, a ``Principal``, or a collection of tenant ids, to read the rows of all of them.

    Raises:
        NoTenantError: ``who`` is empty or has the wrong type; raised before the block is entered.

    Example:
        >>> with bind("acme") as binding:
        ...     binding.tenant
        'acme'
    """

    __slots__ = ("_binding", "_principal", "_tenants")

    def __init__(self, who: TenantId | Principal | Collection[TenantId]) -> None:
        self._binding: Binding | None = None
        self._principal: Principal | None = None
        # what most programs bind is looked at here, since every request or job does it
        if (type(who) is str and who.isprintable() and who.strip()) or type(who) is int:
            self._tenants: tuple[TenantId, ...] = (who,)
        elif isinstance(who, Principal):
            self._principal, self._tenants = who, _of_principal(who)
        else:
            self._tenants = _tenants(who)

    def __enter__(self) -> Binding:
        if self._binding is not None:
            raise _entered_twice("bind")
        _refuse_in_a_thread(sys._getframe(1), "bind")
        self._binding = binding = _entered(self._tenants, self._principal)
        return binding

    def __exit__(self, *exc: object) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            leave(binding)

    def __del__(self) -> None:
        binding = getattr(self, "_binding", None)  # there is none where __init__ was called wrongly
        if binding is not None:  # whoever could have left the block is gone
            leave(binding)
            put_mode(binding, "closed")


def _entered_twice(verb: str) -> ConfigurationError:
    return ConfigurationError(
        f"this {verb}(...) is already in use, perhaps in another task; write a new `with {verb}(...):` in each place"
    )


def _refuse_in_a_thread(frame: FrameType | None, verb: str) -> None:
    """Refuse a block in a generator that a framework runs in threads, where its binding would reach nothing else."""
    if "anyio" not in sys.modules:  # whose threads they are
        return
    while frame is not None and frame.f_globals.get("__name__") == "contextlib":
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & inspect.CO_GENERATOR:
        return
    taken_by = frame.f_back
    while taken_by is not None and taken_by.f_globals.get("__name__") == "contextlib":
        taken_by = taken_by.f_back
    if taken_by is not None and taken_by.f_globals.get("__name__", "").startswith("anyio."):
        raise NoTenantError(
            f"{frame.f_code.co_name}() holds {verb}(...) around its `yield`, and is a dependency of plain `def`: it "
            "runs in a thread, and its binding would not reach the endpoint. Write it as `async def`."
        )


def time_over(principal: Principal, now: float | None = None) -> NoTenantError | None:
    """Return the error for an actor whose time is over, or ``None``."""
    actor = principal.actor
    if actor is None or actor.until >= (time.time() if now is None else now):
        return None
    return NoTenantError(
        f"the time in which {actor.subject} may act for {principal.subject!r} is over; it has to be granted again"
    )


def _of_principal(principal: Principal) -> tuple[TenantId, ...]:
    if principal.actor is not None:
        over = time_over(principal)
        if over is not None:
            raise over
    tenants = (principal.tenant,) if principal.tenant is not None else principal.tenants
    if not tenants:
        raise NoTenantError(
            f"principal {principal.subject!r} names no tenant; give it tenant=... or tenants=..."
        )
    return tenants


def _tenants(who: object) -> tuple[TenantId, ...]:
    if isinstance(who, str | int | UUID):  # before the abstract classes, whose check costs ten times as much
        return (tenant_id(who),)
    if isinstance(who, Collection | Iterator) and not isinstance(who, str | bytes | Mapping):
        found = tuple(dict.fromkeys(map(tenant_id, who)))
        if not found:
            raise NoTenantError("bind() was given an empty collection; name at least one tenant")
        return found
    return (tenant_id(who),)


# Called with the binding when a bypass opens (True) and closes (False); the audit trail registers here,
# because this module stands on a lower floor than the trail. An observer that raises keeps it from opening.
bypass_observers: list[Callable[[Binding, bool], None]] = []


class bypass:  # used like a function
    """Lift the guard for a ``with`` block; its reason is recorded, with the caller's file and line.

    Args:
        reason: the reason, for the audit trail; never empty.
        ties: allow writes that connect rows of two tenants; each one is recorded.

    Raises:
        NoTenantError: the reason is empty.

    Example:
        >>> with bypass(reason="nightly invoicing"):
        ...     current().bypassed
        True
    """

    __slots__ = ("_binding", "_caller", "_reason", "_ties")

    def __init__(self, *, reason: str, ties: bool = False) -> None:
        self._binding: Binding | None = None
        if not isinstance(reason, str) or not reason.strip():
            raise NoTenantError(
                "bypass() needs a reason that a reviewer can read: bypass(reason='nightly invoicing')"
            )
        frame = sys._getframe(1)
        self._caller = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self._reason = reason.strip()
        self._ties = ties

    def __enter__(self) -> Binding:
        if self._binding is not None:
            raise _entered_twice("bypass")
        _refuse_in_a_thread(sys._getframe(1), "bypass")
        outer = peek()
        principal = outer.principal if outer is not None and outer.mode != "closed" else None
        binding = Binding((), principal, self._reason, self._caller, self._ties)
        try:
            for observe in bypass_observers:
                observe(binding, True)
        except BaseException:
            _close(binding, outer, quietly=True)  # whoever heard that it opened hears that it did not last
            raise
        self._binding = enter(binding)
        return binding

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        binding, self._binding = self._binding, None
        if binding is None:
            return
        outer = binding.outer
        leave(binding)
        try:
            _close(binding, outer)
        except Exception as failed:
            if error is None:
                raise
            error.add_note(f"the end of the bypass ({binding.reason}) could not be recorded: {failed!r}")

    def __del__(self) -> None:
        binding = getattr(self, "_binding", None)
        if binding is not None:  # as with bind
            outer = binding.outer
            leave(binding)
            _close(binding, outer, quietly=True)


def _close(binding: Binding, outer: Binding | None, *, quietly: bool = False) -> None:
    put_mode(binding, "closed")  # a task that copied this context must not go on unguarded
    put_outer(binding, outer)  # for the observers, who name the tenant around it
    try:
        for observe in bypass_observers:
            try:
                observe(binding, False)
            except Exception:
                if not quietly:
                    raise
    finally:
        if binding._token is None:  # left in the context that entered it: nobody needs to find the way back
            put_outer(binding, None)


def _entered(tenants: tuple[TenantId, ...], principal: Principal | None) -> Binding:
    """Create and enter a binding in one step, natively like ``begin``."""
    made: Any = Fields()
    made.tenants = tenants
    made.principal = principal
    made.reason = made.caller = made.life = made.scope = None
    made.ties = False
    one = len(tenants) == 1
    made._tenant = tenants[0] if one else None
    made.mode = "tenant" if one else "tenants"
    made.outer = outer = peek()
    around = peek_request() if outer is None else outer
    if around is not None and around.life is not None:
        live_within(made, around.life)
    made._token = put(made)
    made.__class__ = Binding  # from here on it is read-only
    return made  # type: ignore[no-any-return]  # as in Binding.__new__


def enter(binding: Binding) -> Binding:
    """Make the binding current; ``leave`` undoes it. Prefer ``with bind(...)``."""
    outer = peek()
    if outer is not None:
        if outer.life is not None:
            live_within(binding, outer.life)
    else:
        request = peek_request()
        if request is not None:
            live_within(binding, request.life)
    put_outer(binding, outer)
    put_token(binding, put(binding))
    return binding


def begin(principal: Principal, scope: Mapping[str, Any] | None = None) -> Binding:
    """Enter the binding of a request in a single step, because every request does; ``end`` undoes it."""
    made: Any = Fields()
    tenant = principal.tenant
    if tenant is not None:
        made.tenants = (tenant,)
        made._tenant = tenant
        made.mode = "tenant"
    else:
        made.tenants = tenants = _of_principal(principal)
        one = len(tenants) == 1
        made._tenant = tenants[0] if one else None
        made.mode = "tenant" if one else "tenants"
    made.principal = principal
    made.reason = made.caller = None
    made.life = []
    made.scope = scope
    made.outer = peek()
    made._token = put(made)
    made.__class__ = Binding  # from here on it is read-only
    return made  # type: ignore[no-any-return]  # as in Binding.__new__


def end(binding: Binding) -> None:
    """Leave the binding of a request, and close it with everything entered inside it, including copies."""
    token = binding._token
    if token is None or peek() is not binding or collecting:
        leave(binding)
    else:
        try:  # as leave(), without what is for blocks that end out of order, since every request takes it
            reset(token)
        except ValueError:
            leave(binding)
        else:
            put_token(binding, None)
            outer = binding.outer
            if outer is not None:
                put_outer(binding, None)
                if peek() is not outer:  # the block around this one has ended before it
                    put(outer)
    put_mode(binding, "closed")
    life: Any = binding.life  # begin() made it
    if life:
        end_life(life)
    else:
        life.append(None)


def leave(binding: Binding) -> None:
    """Restore the previous binding, in whatever order blocks end.

    A generator that is closed late ends its block inside a newer one. The newer binding then stays, and this one is
    removed beneath it. If the block ends in a different context than it began in, the binding cannot be removed from
    the first context, so it is closed and refused there.
    """
    if collecting and collecting[0] == get_ident():
        _close_in_place(binding)
        return
    node, outer, undone = peek(), binding.outer, False
    if binding._token is not None:
        try:  # as _undone(), without a call on the path that every request takes
            reset(binding._token)
            put_token(binding, None)
            put_outer(binding, None)  # what copied it keeps nothing of what was before it
            undone = True
        except ValueError:
            pass
    if node is binding and undone:
        if peek() is not outer:  # the block around this one has ended before it
            put(outer)
        return
    if not undone:
        put_mode(binding, "closed")
    if node is binding:
        put(outer)
        return
    put(node)
    while node is not None:
        if node.outer is binding:
            put_outer(node, outer)
            return
        node = node.outer


def _close_in_place(binding: Binding) -> None:
    """End a block during garbage collection, when context variables cannot be set; see ``carrying``."""
    put_mode(binding, "closed")
    node = peek()
    while node is not None:
        if node.outer is binding:
            put_outer(node, binding.outer)
            return
        node = node.outer


def _undone(binding: Binding) -> bool:
    """Reset the variable; return whether this is the context that entered the binding."""
    if binding._token is None:
        return False
    try:
        reset(binding._token)
    except ValueError:  # what a token says in another context
        return False
    put_token(binding, None)
    return True


def _without_ended() -> Binding | None:
    """Return the current binding, skipping those whose blocks were ended from another context."""
    binding = peek()
    while binding is not None and binding.mode == "closed" and binding.mode is not ASIDE and _undone(binding):
        outer = binding.outer
        put_outer(binding, None)
        put(outer)
        binding = outer
    return binding
