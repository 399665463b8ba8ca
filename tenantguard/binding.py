"""The binding: a value that says which tenant the running code acts for, and when that ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, Literal, TypeGuard
from weakref import ref

from tenantguard.errors import NoTenantError, TenantId
from tenantguard.principal import Principal

Mode = Literal["tenant", "tenants", "bypass", "closed"]
# The bindings that were entered inside of one request, so that they end with it; None in front: it has ended.
Life = list["ref[Binding] | None"]
# The mode of a binding that is closed for a moment, while the garbage collector finalises objects: equal to "closed",
# and an object of its own, so that nothing that was ended meanwhile is opened again.
collecting: list[int] = []  # the thread in which the garbage collector finalises objects, while it does
ASIDE: Mode = "".join(("clo", "sed"))  # type: ignore[assignment]


class Fields:
    """The members of a binding, set natively at creation, because every request creates one."""

    __slots__ = (
        "__weakref__", "_tenant", "_token", "caller", "life", "mode", "outer", "principal", "reason", "scope",
        "tenants", "ties",
    )  # fmt: skip

    tenants: tuple[TenantId, ...]
    principal: Principal | None
    reason: str | None
    caller: str | None
    outer: Binding | None
    life: Life | None
    mode: Mode
    _tenant: TenantId | None
    _token: Token[Any] | None
    scope: Mapping[str, Any] | None  # of a request: ASGI's, for the record
    ties: bool  # of a bypass: it may tie the rows of two tenants together


class Binding(Fields):
    """A read-only value of the context: one tenant, several tenants, or a bypass with its reason."""

    __slots__ = ()

    def __new__(
        cls,
        tenants: tuple[TenantId, ...],
        principal: Principal | None = None,
        reason: str | None = None,
        caller: str | None = None,
        ties: bool = False,
    ) -> Binding:
        """Return a binding that has not been entered yet."""
        made: Any = Fields()
        made.tenants = tenants
        made.principal = principal
        made.reason = reason
        made.caller = caller
        made.ties = ties
        made.outer = made.life = made._token = made.scope = None
        one = len(tenants) == 1
        made._tenant = tenants[0] if one else None
        made.mode = "bypass" if reason is not None else "tenant" if one else "tenants"
        made.__class__ = cls  # from here on it is read-only
        return made  # type: ignore[no-any-return]  # typing.cast() is a call, on the path of every request

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a binding is read-only ({name}); use `with bind(...)` or `with bypass(...)`")

    __delattr__ = None  # type: ignore[assignment]  # an attribute can no more be taken away than set

    @property
    def tenant(self) -> TenantId:
        """Return the one tenant that is bound.

        Raises:
            NoTenantError: the binding is a bypass or names several tenants.
        """
        if self._tenant is None:
            held = (
                f"a bypass ({self.reason})"
                if self.reason is not None
                else f"several tenants {self.tenants!r}"
            )
            raise NoTenantError(
                f"one tenant was asked for while the binding is {held}; bind the one you mean"
            )
        return self._tenant

    @property
    def bypassed(self) -> bool:
        """Return whether this is a bypass."""
        return self.mode == "bypass"

    def __repr__(self) -> str:
        held = f"bypass: {self.reason}" if self.reason is not None else ", ".join(map(repr, self.tenants))
        return f"<Binding {held}>"


# The slots themselves: the one way to write a binding that was made, for the module that enters and leaves it.
put_outer: Callable[[Binding, Binding | None], None] = Fields.outer.__set__  # type: ignore[union-attr,misc]  # a slot
put_token: Callable[[Binding, Any], None] = Fields._token.__set__  # type: ignore[union-attr,misc]  # a slot
put_mode: Callable[[Binding, Mode], None] = Fields.mode.__set__  # type: ignore[union-attr,misc]  # a slot
put_life: Callable[[Binding, Life | None], None] = Fields.life.__set__  # type: ignore[union-attr,misc]  # a slot


def is_bypass(binding: Binding | None) -> TypeGuard[Binding]:
    """Tell whether the guard is lifted by what is bound."""
    return binding is not None and binding.mode == "bypass"


def same_tenants(one: tuple[TenantId, ...], other: tuple[TenantId, ...]) -> bool:
    """Return whether two bindings name the same tenants, in any order."""
    return one == other or (len(one) == len(other) > 1 and set(one) == set(other))


def live_within(binding: Binding, life: Life | None) -> None:
    """End the binding with the request that it is entered in, unless that request is over already."""
    if life is None or (life and life[0] is None):
        return
    put_life(binding, life)
    life.append(ref(binding, life.remove))
    if life[0] is None:  # another thread has ended it at this moment
        put_mode(binding, "closed")


def end_life(life: Life) -> None:
    """Close in place the bindings of a finished request, including copies in tasks that outlive it."""
    life.insert(0, None)
    for held in life[1:]:
        inside = None if held is None else held()
        if inside is not None:
            put_mode(inside, "closed")


def copied(binding: Binding | None) -> Binding | None:
    """Return a copy that does not end with its request; a bypass or an ended binding has no copy."""
    if binding is None or binding.mode not in ("tenant", "tenants"):
        return binding
    return Binding(binding.tenants, binding.principal)


def no_tenant(binding: Binding | None, what: str = "A guarded action was tried") -> NoTenantError:
    """Return the error for a missing binding, with the action, the current state and the remedy."""
    if binding is None:
        return NoTenantError(
            f"{what} with no tenant bound. Put TenantMiddleware before the handler, or run it inside "
            '`with bind(tenant):`; work for no single tenant goes inside `with bypass(reason="..."):`. '
            "In a thread or an executor, pass carry(function)." + in_a_dependency()
        )
    if binding.mode is ASIDE:
        return NoTenantError(
            f"{what} while the garbage collector finalised something that was never closed, such as "
            "the generator of a client that hung up. Close it inside its request, or wrap the "
            "generator function in carry(...)."
        )
    if binding.reason is None:
        return NoTenantError(
            f"{what} under a binding that has ended: its request is over, or its block ended in "
            "another task or thread. Pass what outlives a request as carry(function), and wrap a "
            "generator function that is closed elsewhere in carry(...)."
        )
    return NoTenantError(
        f"{what} in a task that outlived its bypass ({binding.reason}, {binding.caller}). "
        "Open the bypass in the task."
    )


def in_a_dependency() -> str:
    """Return the advice about FastAPI dependencies, if FastAPI is loaded."""
    if "fastapi" not in sys.modules:
        return ""
    return (
        " A FastAPI dependency that binds must be `async def`: a plain `def` runs in a thread, and its "
        "binding does not reach the endpoint."
    )
