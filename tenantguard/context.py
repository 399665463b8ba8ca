"""The binding: who the running code acts for, carried by context variables.

Only this module knows ``contextvars-extras``; everything else reads the binding through the functions here.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, ParamSpec, TypeVar, cast
from uuid import UUID

from contextvars_extras import ContextVarsRegistry

from tenantguard.errors import NoTenantError, TenantId

P = ParamSpec("P")
R = TypeVar("R")
Mode = Literal["tenant", "tenants", "bypass", "closed"]


class _Vars(ContextVarsRegistry):
    """Hold the two variables; a misspelt name must not create a third."""

    _registry_allocate_on_setattr = False

    binding: Any = None  # a Binding; the registry evaluates annotations, and that class comes later
    request_id: Any = None  # str or None


# The native methods of the variables: no Python frame on the path that every statement takes.
peek: Callable[[], Binding | None] = _Vars.binding.get_raw  # type: ignore[attr-defined]  # a descriptor at class level
_set: Callable[[Binding | None], object] = _Vars.binding.set  # type: ignore[attr-defined]  # the same
request_id: Callable[[], str | None] = _Vars.request_id.get_raw  # type: ignore[attr-defined]  # the same
set_request_id: Callable[[str | None], Any] = _Vars.request_id.set  # type: ignore[attr-defined]  # the same


@dataclass(frozen=True)
class Principal:
    """Name who is asking: the verified content of a token, or what stands for it.

    Args:
        subject: the ``sub`` of the token; never empty.
        tenant: the tenant it acts for; ``None`` where only ``tenants`` is given.
        permissions: what it may do, as the application understands it.
        claims: the verified claims, read-only.
        tenants: every tenant that the token names, where it names several.

    Raises:
        NoTenantError: a tenant is empty or of a type that cannot be one.

    Example:
        >>> Principal(subject="ada", tenant="acme").tenant
        'acme'
    """

    subject: str
    tenant: TenantId | None = None
    permissions: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    tenants: tuple[TenantId, ...] = ()

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.tenant is not None:
            put("tenant", tenant_id(self.tenant))
        put("tenants", tuple(tenant_id(t) for t in self.tenants))
        if self.tenant is None and not self.tenants:
            raise NoTenantError(
                f"principal {self.subject!r} names no tenant; give it tenant=... or tenants=..."
            )
        put("permissions", frozenset(self.permissions))
        put("claims", types.MappingProxyType(dict(self.claims)))


class Binding:
    """Hold what the context holds: a tenant, several, or a bypass with its reason. Read-only for users."""

    __slots__ = ("_tenant", "caller", "mode", "outer", "principal", "reason", "tenants")

    def __init__(
        self,
        tenants: tuple[TenantId, ...],
        principal: Principal | None = None,
        reason: str | None = None,
        caller: str | None = None,
    ) -> None:
        self.tenants = tenants
        self.principal = principal
        self.reason = reason
        self.caller = caller
        self.outer: Binding | None = None
        self._tenant = tenants[0] if len(tenants) == 1 else None
        self.mode: Mode = "bypass" if reason is not None else "tenant" if len(tenants) == 1 else "tenants"

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
        """Tell whether the guard is lifted."""
        return self.mode == "bypass"

    def __repr__(self) -> str:
        held = f"bypass: {self.reason}" if self.reason is not None else ", ".join(map(repr, self.tenants))
        return f"<Binding {held}>"


def tenant_id(value: object) -> TenantId:
    """Return the value as a tenant id, or refuse it.

    A tenant id is a ``str``, ``int`` or ``UUID``, never empty, blank or holding control characters.

    Raises:
        NoTenantError: the value cannot be a tenant id.
    """
    if isinstance(value, UUID):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if value.strip() and value.isprintable():
            return str.__str__(value)
        raise NoTenantError(
            "a tenant id is empty, blank or holds control characters; bind the id of a real tenant"
        )
    raise NoTenantError(
        f"a tenant id is a str, int or UUID, not {type(value).__name__}; bind the id of a real tenant"
    )


def current() -> Binding:
    """Return the binding in force.

    Raises:
        NoTenantError: nothing is bound, or the bypass it was copied from has ended.

    Example:
        >>> with bind("acme"):
        ...     current().tenant
        'acme'
    """
    binding = peek()
    if binding is None or binding.mode == "closed":
        raise no_tenant(binding)
    return binding


def no_tenant(binding: Binding | None, what: str = "A guarded action was tried") -> NoTenantError:
    """Return the error for a missing binding: what was tried, what was in force, what to do."""
    if binding is None:
        return NoTenantError(
            f"{what} with no tenant bound. Put TenantMiddleware before the handler, or run it inside "
            '`with bind(tenant):`; work for no single tenant goes inside `with bypass(reason="..."):`. '
            "In a thread or an executor, pass carry(function)."
        )
    return NoTenantError(
        f"{what} in a task that outlived its bypass ({binding.reason}, {binding.caller}). Open the bypass in the task."
    )


class bind:  # noqa: N801 - used like a function, `with bind(...)`
    """Bind a tenant, several, or a principal for a ``with`` block, in sync and async code alike.

    Args:
        who: a tenant id, a :class:`Principal`, or a collection of tenant ids (reads their union).

    Raises:
        NoTenantError: ``who`` is empty or of a wrong type; raised before the block is entered.

    Example:
        >>> with bind("acme") as binding:
        ...     binding.tenant
        'acme'
    """

    __slots__ = ("_binding", "_who")

    def __init__(self, who: TenantId | Principal | Collection[TenantId]) -> None:
        self._who: Principal | tuple[TenantId, ...] = who if isinstance(who, Principal) else _tenants(who)
        self._binding: Binding | None = None

    def __enter__(self) -> Binding:
        who = self._who
        if isinstance(who, Principal):
            binding = Binding((who.tenant,) if who.tenant is not None else who.tenants, who)
        else:
            binding = Binding(who)
        self._binding = enter(binding)
        return binding

    def __exit__(self, *exc: object) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            leave(binding)


def _tenants(who: object) -> tuple[TenantId, ...]:
    if isinstance(who, Iterable) and not isinstance(who, str | bytes | Mapping):
        found = tuple(dict.fromkeys(tenant_id(t) for t in who))
        if not found:
            raise NoTenantError("bind() was given an empty collection; name at least one tenant")
        return found
    return (tenant_id(who),)


# Called with the binding when a bypass opens (True) and closes (False); the audit trail registers here,
# because this module stands on a lower floor than the trail. An observer that raises keeps it from opening.
bypass_observers: list[Callable[[Binding, bool], None]] = []


class bypass:  # noqa: N801 - used like a function, `with bypass(...)`
    """Lift the guard for a ``with`` block, named and recorded with the caller's file and line.

    Args:
        reason: why; shown in the audit trail; never empty.

    Raises:
        NoTenantError: the reason is empty.

    Example:
        >>> with bypass(reason="nightly invoicing"):
        ...     current().bypassed
        True
    """

    __slots__ = ("_binding", "_caller", "_reason")

    def __init__(self, *, reason: str) -> None:
        if not isinstance(reason, str) or not reason.strip():
            raise NoTenantError(
                "bypass() needs a reason that a reviewer can read: bypass(reason='nightly invoicing')"
            )
        frame = sys._getframe(1)
        self._caller = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self._reason = reason.strip()
        self._binding: Binding | None = None

    def __enter__(self) -> Binding:
        outer = peek()
        principal = outer.principal if outer is not None else None
        binding = Binding((), principal, self._reason, self._caller)
        for observe in bypass_observers:
            observe(binding, True)
        self._binding = enter(binding)
        return binding

    def __exit__(self, *exc: object) -> None:
        binding, self._binding = self._binding, None
        if binding is None:
            return
        leave(binding)
        binding.mode = "closed"  # a task that copied this context must not go on unguarded
        for observe in bypass_observers:
            observe(binding, False)


def enter(binding: Binding) -> Binding:
    """Make the binding current; :func:`leave` undoes it. Prefer ``with bind(...)``."""
    binding.outer = peek()
    _set(binding)
    return binding


def leave(binding: Binding) -> None:
    """Restore what was current before the binding, whatever the order in which blocks end.

    A generator that is closed late ends its block inside a newer one, or in another context altogether:
    then the newer binding stays, and this one is taken out from beneath it.
    """
    node = peek()
    if node is binding:
        _set(binding.outer)
        return
    while node is not None:
        if node.outer is binding:
            node.outer = binding.outer
            return
        node = node.outer


class _resume:  # noqa: N801 - used like a function
    """Put a captured binding (or none) in force for a block."""

    __slots__ = ("_mark", "_saved")

    def __init__(self, saved: Binding | None) -> None:
        self._saved = saved

    def __enter__(self) -> None:
        self._mark = peek()
        _set(self._saved)

    def __exit__(self, *exc: object) -> None:
        _set(self._mark)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function so that it runs, wherever it is called, under the binding of this moment.

    Args:
        function: a function, a coroutine function, a generator function or an asynchronous one. Of a
            generator each step runs under the binding, and the code between the steps does not.

    Returns:
        A callable of the same kind.

    Example:
        >>> with bind("acme"):
        ...     work = carry(lambda: current().tenant)
        >>> work()
        'acme'
    """
    saved = peek()
    target = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = getattr(type(target), "__call__", target)
    wrap = _plain
    if inspect.isasyncgenfunction(target):
        wrap = _async_generator
    elif inspect.iscoroutinefunction(target):
        wrap = _coroutine
    elif inspect.isgeneratorfunction(target):
        wrap = _generator
    wrapped = wrap(function, saved)
    return cast("Callable[P, R]", functools.update_wrapper(wrapped, function))


def _plain(function: Callable[..., Any], saved: Binding | None) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with _resume(saved):
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Any], saved: Binding | None) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with _resume(saved):
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], saved: Binding | None) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _resume(saved):
            inner = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, inner)
        try:
            while True:
                try:
                    with _resume(saved):
                        item = step()
                except StopIteration as stop:
                    return stop.value
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    step = functools.partial(inner.throw, error)
        finally:
            with _resume(saved):
                inner.close()

    return call


def _async_generator(function: Callable[..., Any], saved: Binding | None) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _resume(saved):
            inner = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(anext, inner)
        try:
            while True:
                try:
                    with _resume(saved):
                        item = await step()
                except StopAsyncIteration:
                    return
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    step = functools.partial(inner.athrow, error)
        finally:
            with _resume(saved):
                await inner.aclose()

    return call
