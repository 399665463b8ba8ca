"""The binding: who the running code acts for, carried by context variables.

Only this module knows ``contextvars-extras``; everything else reads the binding through the functions here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import Token
from typing import Any, Literal, ParamSpec, TypeVar
from uuid import UUID

from contextvars_extras import ContextVarsRegistry  # type: ignore[import-untyped]  # it has no types

from tenantguard.errors import ConfigurationError, NoTenantError, TenantId
from tenantguard.principal import Principal, tenant_id
from tenantguard.stepwise import stepwise

__all__ = [
    "Binding",
    "Principal",
    "begin",
    "bind",
    "bypass",
    "bypass_observers",
    "carry",
    "current",
    "enter",
    "leave",
    "no_tenant",
    "peek",
    "request_id",
    "set_request_id",
    "tenant_id",
]

P = ParamSpec("P")
R = TypeVar("R")
Mode = Literal["tenant", "tenants", "bypass", "closed"]


class _Vars(ContextVarsRegistry):  # type: ignore[misc]  # the same
    """Hold the two variables; a misspelt name must not create a third."""

    _registry_allocate_on_setattr = False

    binding: Any = None  # a Binding; the registry evaluates annotations, and that class comes later
    request_id: Any = None  # str or None


# The native methods of the variables: no Python frame on the path that every statement takes.
peek: Callable[[], Binding | None] = _Vars.binding.get_raw
_set: Callable[[Binding | None], Token[Any]] = _Vars.binding.set
_reset: Callable[[Token[Any]], None] = _Vars.binding.reset
request_id: Callable[[], str | None] = _Vars.request_id.get_raw
set_request_id: Callable[[str | None], Any] = _Vars.request_id.set
_put = object.__setattr__


class _Fields:
    """Hold the members of a binding; written natively while one is made, since every request makes one."""

    __slots__ = ("_tenant", "_token", "caller", "mode", "outer", "principal", "reason", "tenants")

    tenants: tuple[TenantId, ...]
    principal: Principal | None
    reason: str | None
    caller: str | None
    outer: Binding | None
    mode: Mode
    _tenant: TenantId | None
    _token: Token[Any] | None


class Binding(_Fields):
    """Hold what the context holds: a tenant, several, or a bypass with its reason. Read-only."""

    __slots__ = ()

    def __new__(
        cls,
        tenants: tuple[TenantId, ...],
        principal: Principal | None = None,
        reason: str | None = None,
        caller: str | None = None,
    ) -> Binding:
        """Return a binding that nobody has entered yet."""
        made: Any = _Fields()
        made.tenants = tenants
        made.principal = principal
        made.reason = reason
        made.caller = caller
        made.outer = made._token = None
        one = len(tenants) == 1
        made._tenant = tenants[0] if one else None
        made.mode = "bypass" if reason is not None else "tenant" if one else "tenants"
        made.__class__ = cls  # from here on it is read-only
        return made  # type: ignore[no-any-return]  # typing.cast() is a call, on the path of every request

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a binding is read-only ({name}); open a block with bind(...) or bypass(...)")

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
        """Tell whether the guard is lifted."""
        return self.mode == "bypass"

    def __repr__(self) -> str:
        held = f"bypass: {self.reason}" if self.reason is not None else ", ".join(map(repr, self.tenants))
        return f"<Binding {held}>"


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
    if binding is not None and binding.mode == "closed":
        binding = _without_ended()
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
    if binding.reason is None:
        return NoTenantError(
            f"{what} under a binding whose block was ended in another task or thread, as that of a "
            "generator that somebody else closed. Wrap the generator function in carry(...)."
        )
    return NoTenantError(
        f"{what} in a task that outlived its bypass ({binding.reason}, {binding.caller}). "
        "Open the bypass in the task."
    )


_put_outer: Callable[[Binding, Binding | None], None] = _Fields.outer.__set__  # type: ignore[union-attr,misc]  # a slot
_put_token: Callable[[Binding, Any], None] = _Fields._token.__set__  # type: ignore[union-attr,misc]  # a slot


class bind:  # used like a function
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
        self._binding: Binding | None = None
        self._who: Principal | tuple[TenantId, ...]
        # what most programs bind is looked at here, since every request or job does it
        if (type(who) is str and who.isprintable() and who.strip()) or type(who) is int:
            self._who = (who,)
        else:
            self._who = who if isinstance(who, Principal) else _tenants(who)

    def __enter__(self) -> Binding:
        if self._binding is not None:
            raise _entered_twice("bind")
        who = self._who
        if isinstance(who, Principal):
            self._binding = binding = begin(who)
            return binding
        self._binding = binding = Binding(who)
        _put_outer(binding, peek())  # enter(), written out
        _put_token(binding, _set(binding))
        return binding

    def __exit__(self, *exc: object) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            leave(binding)


def _entered_twice(verb: str) -> ConfigurationError:
    return ConfigurationError(
        f"this {verb}(...) is entered already, perhaps by another task; write `with {verb}(...):` at each place"
    )


def _tenants(who: object) -> tuple[TenantId, ...]:
    if isinstance(who, str | int | UUID):  # before the abstract class, whose check costs ten times as much
        return (tenant_id(who),)
    if isinstance(who, Iterable) and not isinstance(who, str | bytes | Mapping):
        found = tuple(dict.fromkeys(tenant_id(t) for t in who))
        if not found:
            raise NoTenantError("bind() was given an empty collection; name at least one tenant")
        return found
    return (tenant_id(who),)


# Called with the binding when a bypass opens (True) and closes (False); the audit trail registers here,
# because this module stands on a lower floor than the trail. An observer that raises keeps it from opening.
bypass_observers: list[Callable[[Binding, bool], None]] = []


class bypass:  # used like a function
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
        if self._binding is not None:
            raise _entered_twice("bypass")
        outer = peek()
        principal = outer.principal if outer is not None else None
        binding = Binding((), principal, self._reason, self._caller)
        try:
            for observe in bypass_observers:
                observe(binding, True)
        except BaseException:
            _close(binding, quietly=True)  # whoever heard that it opened hears that it did not last
            raise
        self._binding = enter(binding)
        return binding

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        binding, self._binding = self._binding, None
        if binding is None:
            return
        leave(binding)
        try:
            _close(binding)
        except Exception as failed:
            if error is None:
                raise
            error.add_note(f"the end of the bypass ({binding.reason}) could not be recorded: {failed!r}")


def _close(binding: Binding, *, quietly: bool = False) -> None:
    _put(binding, "mode", "closed")  # a task that copied this context must not go on unguarded
    for observe in bypass_observers:
        try:
            observe(binding, False)
        except Exception:
            if not quietly:
                raise


def enter(binding: Binding) -> Binding:
    """Make the binding current; :func:`leave` undoes it. Prefer ``with bind(...)``."""
    _put_outer(binding, peek())
    _put_token(binding, _set(binding))
    return binding


def begin(principal: Principal) -> Binding:
    """Enter a new binding of the principal, in one step, since every request takes it; :func:`leave` undoes it."""
    made: Any = _Fields()
    tenant = principal.tenant
    made.tenants = tenants = (tenant,) if tenant is not None else principal.tenants
    one = len(tenants) == 1
    if not tenants:
        raise NoTenantError(
            f"principal {principal.subject!r} names no tenant; give it tenant=... or tenants=..."
        )
    made._tenant = tenants[0] if one else None
    made.mode = "tenant" if one else "tenants"
    made.principal = principal
    made.reason = made.caller = None
    made.outer = peek()
    made._token = _set(made)
    made.__class__ = Binding  # from here on it is read-only
    return made  # type: ignore[no-any-return]  # as in Binding.__new__


def leave(binding: Binding) -> None:
    """Restore what was current before the binding, whatever the order in which blocks end.

    A generator that is closed late ends its block inside a newer one: then the newer binding stays, and
    this one is taken out from beneath it. Where the block ends in another context than it began in, the
    binding cannot be taken out of the first one, which would go on under it: so it is closed, and refused.
    """
    node, undone = peek(), False
    if binding._token is not None:
        try:  # as _undone(), without a call on the path that every request takes
            _reset(binding._token)
            _put_token(binding, None)
            undone = True
        except ValueError:
            pass
    if node is binding and undone:
        if peek() is not binding.outer:  # the block around this one has ended before it
            _set(binding.outer)
        return
    if not undone:
        _put(binding, "mode", "closed")
    if node is binding:
        _set(binding.outer)
        return
    _set(node)
    while node is not None:
        if node.outer is binding:
            _put_outer(node, binding.outer)
            return
        node = node.outer


def _undone(binding: Binding) -> bool:
    """Set the variable back to before the binding; tell whether this is the context that entered it."""
    if binding._token is None:
        return False
    try:
        _reset(binding._token)
    except ValueError:  # what a token says in another context
        return False
    _put_token(binding, None)
    return True


def _without_ended() -> Binding | None:
    """Return the binding in force once those are gone whose blocks were ended from another context."""
    binding = peek()
    while binding is not None and binding.mode == "closed" and _undone(binding):
        _set(binding.outer)
        binding = binding.outer
    return binding


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
    binding, request = peek(), request_id()
    return stepwise(function, lambda: _Inside(binding, request).step)


class _Inside:
    """Hold what is in force inside one call of a carried function, and put it in force step by step.

    A step begins and ends in one context and in order, whoever takes it: so nothing is left behind where a
    generator or a coroutine is dropped half-way, or closed by another task, or moved between threads.
    """

    __slots__ = ("_binding", "_request_id")

    def __init__(self, binding: Binding | None, request: str | None) -> None:
        self._binding = binding
        self._request_id = request

    def step(self, call: Callable[[], Any]) -> Any:
        """Make one step, and remember what it left in force for the next one."""
        binding, request = peek(), request_id()
        _set(self._binding)
        set_request_id(self._request_id or request)
        try:
            return call()
        finally:
            self._binding = peek()
            _set(binding)
            set_request_id(request)
