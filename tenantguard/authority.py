"""Authority: the permissions and the kind of sign-in that an action requires."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Collection
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from tenantguard.audit import refuse
from tenantguard.context import Binding, Principal, bypass_observers, current, served
from tenantguard.errors import ConfigurationError, PermissionDeniedError, StepUpError

F = TypeVar("F", bound=Callable[..., Any])
_AHEAD = 30.0  # seconds that an issuer's clock may be ahead: a sign-in of a later time would count for ever
# A bypass is opened that was approved in another way: by breaking the glass.
approved: ContextVar[bool] = ContextVar("tenantguard_approved", default=False)
_MULTIPLE = "mfa"  # RFC 8176: several factors were used


@dataclass(frozen=True)
class Requirement:
    """Required permissions and sign-in; created by ``requires``.

    It works as a decorator, as a context manager and, through ``check``, as a dependency.
    """

    permissions: frozenset[str]
    any_of: frozenset[str]
    mfa: bool
    acr: tuple[str, ...]
    max_age: float | None
    clock: Callable[[], float] = field(default=time.time, compare=False, repr=False)
    _is_plain: bool = field(
        init=False, compare=False, repr=False
    )  # permissions say it all, as for most routes

    def __post_init__(self) -> None:
        plain = not (self.any_of or self.mfa or self.acr) and self.max_age is None
        object.__setattr__(self, "_is_plain", plain)

    def check(self) -> Principal:
        """Return the bound principal if it meets the requirement.

        Raises:
            PermissionDeniedError: a permission is missing; answered with 403 and ``insufficient_scope``.
            StepUpError: the user has to sign in again, or with a stronger method; answered with 401 (RFC 9470).
            NoTenantError: nothing is bound.
        """
        principal = current().principal
        if self._is_plain and principal is not None and self.permissions <= principal.permissions:
            return principal
        return self.check_of(principal)

    def check_of(self, principal: Principal | None) -> Principal:
        """Return a principal if it meets the requirement; raises like ``check``."""
        if principal is None:
            refuse(
                PermissionDeniedError(
                    (
                        "no principal with known permissions is bound: the binding comes from "
                        "bind(tenant), not from a token"
                    ),
                    needed=self._named(),
                )
            )
        missing = self.permissions - principal.permissions
        if missing or (self.any_of and self.any_of.isdisjoint(principal.permissions)):
            refuse(
                PermissionDeniedError(
                    f"{principal.subject} lacks a permission: {self._told(missing)}",
                    needed=self._named(),
                    tenant=principal.tenant,
                )
            )
        self._check_sign_in(principal)
        return principal

    def __call__(self, function: F) -> F:
        """Return the function with a check before each call.

        Raises:
            ConfigurationError: the argument is a class, or not a function.
        """
        if not inspect.isroutine(function):
            raise ConfigurationError(
                f"@requires(...) decorates functions, not {function!r}; for a class, put it on the methods"
            )
        wrap: Callable[[Callable[..., Any]], Callable[..., Any]] = self._around
        if inspect.iscoroutinefunction(function):
            wrap = self._around_coroutine
        elif inspect.isasyncgenfunction(function):
            wrap = self._around_stream
        return cast("F", functools.wraps(function)(wrap(function)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        check = self.check

        def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return function(*args, **kwargs)

        return checked

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        check = self.check

        async def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return await function(*args, **kwargs)

        return checked

    def _around_stream(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def checked(*args: Any, **kwargs: Any) -> Any:
            self.check()
            async with aclosing(function(*args, **kwargs)) as stream:
                async for item in stream:
                    yield item

        return checked

    def __enter__(self) -> Principal:
        return self.check()

    def __exit__(self, *_: object) -> None:
        return None

    def _check_sign_in(self, principal: Principal) -> None:
        claims = principal.claims
        methods = claims.get("amr", ())
        old = self.max_age is not None and not self._is_recent(claims.get("auth_time"), self.max_age)
        weak = bool(self.acr) and claims.get("acr") not in self.acr
        single = self.mfa and not (isinstance(methods, tuple) and _MULTIPLE in methods)
        if old or weak or single:
            raise StepUpError(
                "the user has to sign in "
                + ("again" if old and not (weak or single) else "with a stronger authentication"),
                acr_values=self.acr,
                max_age=self.max_age,
            )

    def _is_recent(self, signed_in: object, seconds: float) -> bool:
        number = isinstance(signed_in, int | float) and not isinstance(signed_in, bool)
        return number and -_AHEAD <= self.clock() - cast("float", signed_in) <= seconds

    def _named(self) -> tuple[str, ...]:
        return tuple(sorted(self.permissions | self.any_of))

    def _told(self, missing: Collection[str]) -> str:
        one_of = "" if missing else "one of "
        return one_of + ", ".join(sorted(missing or self.any_of))


def requires(
    *permissions: str,
    any_of: Collection[str] = (),
    mfa: bool = False,
    acr: str | Collection[str] = (),
    max_age: float | None = None,
    clock: Callable[[], float] = time.time,
) -> Requirement:
    """Return a requirement: permissions, and how the user must have authenticated.

    Args:
        permissions: permissions (``Principal.permissions``), all of which are required.
        any_of: further permissions, at least one of which is required.
        mfa: require multi-factor authentication: ``amr`` contains ``"mfa"`` (RFC 8176).
        acr: accepted authentication contexts (``acr``), one of which is required.
        max_age: the maximum age of the authentication in seconds, by ``auth_time``.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: nothing is required, or a permission is not a string.

    Example:
        >>> from tenantguard import Principal, bind
        >>> @requires("calls:write")
        ... def write():
        ...     return "written"
        >>> with bind(Principal("ada", "acme", frozenset({"calls:write"}))):
        ...     write()
        'written'
        >>> with bind(Principal("ada", "acme")):
        ...     write()
        Traceback (most recent call last):
        tenantguard.errors.PermissionDeniedError: ada lacks a permission: calls:write
    """
    contexts = (acr,) if isinstance(acr, str) else tuple(acr)
    if isinstance(any_of, str):
        raise ConfigurationError(f"any_of={any_of!r} is one string; give a list: [{any_of!r}]")
    texts = [*permissions, *any_of, *contexts]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigurationError("a permission or an acr must be a non-empty string: requires('calls:write')")
    if max_age is not None and (isinstance(max_age, bool) or not max_age >= 0):
        raise ConfigurationError("max_age is a number of seconds")
    if not texts and not mfa and max_age is None:
        raise ConfigurationError("requires() requires nothing: name a permission, mfa, acr or max_age")
    return Requirement(frozenset(permissions), frozenset(any_of), mfa, contexts, max_age, clock)


def bypass_requires(requirement: Requirement, *, unless: Collection[str] = ()) -> Callable[[], None]:
    """Require something of everyone who opens a bypass inside a request; return a function that ends the rule.

    Call it once, at start-up. Outside requests, for example in jobs and commands, nothing changes.

    Args:
        requirement: ``requires("ops:bypass", mfa=True)``.
        unless: the reasons of bypasses that your own code opens for every user, such as ``{"session look-up"}``.

    Raises:
        ConfigurationError: ``unless`` is a single string.

    Example:
        >>> from tenantguard import bypass_requires, requires
        >>> undo = bypass_requires(requires("ops:bypass"), unless={"session look-up"})
        >>> undo()
    """
    if isinstance(unless, str):
        raise ConfigurationError(f"unless={unless!r} is one string; give a set: {{{unless!r}}}")
    free = frozenset(unless)

    def observe(binding: Binding, opened: bool) -> None:
        if opened and binding.reason not in free and served() is not None and not approved.get():
            requirement.check_of(binding.principal)

    bypass_observers.insert(0, observe)  # before the record, so that no bypass is recorded that did not open
    return functools.partial(bypass_observers.remove, observe)
