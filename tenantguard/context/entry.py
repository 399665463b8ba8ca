"""Entering a binding and leaving it, in whatever order and context blocks end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import get_ident
from typing import Any

from tenantguard.binding import (
    ASIDE,
    Binding,
    Fields,
    collecting,
    end_life,
    live_within,
    put_mode,
    put_outer,
    put_token,
)
from tenantguard.context.variables import peek, peek_request, put, reset
from tenantguard.errors import NoTenantError, TenantId
from tenantguard.principal import Principal


def entered(tenants: tuple[TenantId, ...], principal: Principal | None) -> Binding:
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
        made.tenants = tenants = tenants_of(principal)
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
    """End a block during garbage collection, when context variables cannot be set; see ``handover``."""
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


def without_ended() -> Binding | None:
    """Return the current binding, skipping those whose blocks were ended from another context."""
    binding = peek()
    while binding is not None and binding.mode == "closed" and binding.mode is not ASIDE and _undone(binding):
        outer = binding.outer
        put_outer(binding, None)
        put(outer)
        binding = outer
    return binding


def time_over(principal: Principal, now: float | None = None) -> NoTenantError | None:
    """Return the error for an actor whose time is over, or ``None``."""
    actor = principal.actor
    if actor is None or actor.until >= (time.time() if now is None else now):
        return None
    return NoTenantError(
        f"the time in which {actor.subject} may act for {principal.subject!r} is over; it has to be granted again"
    )


def tenants_of(principal: Principal) -> tuple[TenantId, ...]:
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
