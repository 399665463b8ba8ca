"""The blocks ``with bind(...):`` and ``with bypass(...):``, and what is bound inside of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from types import FrameType
from uuid import UUID

from tenantguard.binding import Binding, no_tenant, put_mode, put_outer
from tenantguard.context.entry import enter, entered, leave, tenants_of, without_ended
from tenantguard.context.variables import peek
from tenantguard.errors import ConfigurationError, NoTenantError, TenantId
from tenantguard.principal import Principal, tenant_id


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
        binding = without_ended()
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
            self._principal, self._tenants = who, tenants_of(who)
        else:
            self._tenants = _tenants(who)

    def __enter__(self) -> Binding:
        if self._binding is not None:
            raise _entered_twice("bind")
        if "anyio" in sys.modules:  # whose threads they are
            _refuse_in_a_thread(sys._getframe(1), "bind")
        self._binding = binding = entered(self._tenants, self._principal)
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
    """Refuse a block in a generator that a framework runs in threads, where its binding would reach nothing else.

    The block may stand in a context manager that the generator uses.
    """
    held_by = _past_contextlib(frame)
    while held_by is not None and held_by.f_code.co_flags & inspect.CO_GENERATOR:
        taken_by = _past_contextlib(held_by.f_back)
        if taken_by is not None and taken_by.f_globals.get("__name__", "").startswith("anyio."):
            raise NoTenantError(
                f"{held_by.f_code.co_name}() holds {verb}(...) around its `yield`, and is a dependency of plain "
                "`def`: it runs in a thread, and its binding would not reach the endpoint. Write it as `async def`."
            )
        held_by = taken_by


def _past_contextlib(frame: FrameType | None) -> FrameType | None:
    """Return the frame, or the first one outside of ``contextlib``."""
    while frame is not None and frame.f_globals.get("__name__") == "contextlib":
        frame = frame.f_back
    return frame


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
        if "anyio" in sys.modules:  # whose threads they are
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
