"""The company that a request names itself, by host, path or header: it must agree with the token, or choose from it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from tenantguard.asgi.paths import PathPattern, listed, patterns_of, readings, stays_in_place
from tenantguard.asgi.types import Scope
from tenantguard.audit import refuse
from tenantguard.context import Principal, bind
from tenantguard.errors import ConfigurationError, TenantId, TokenError, Violation
from tenantguard.identity.tenants import TenantType, as_tenant

MISMATCH = "tenant_mismatch"
_LONGEST = 200  # characters of a company in a request; a longer one is nobody's
_LABEL = r"([a-z0-9_-]+)"
_HOST = re.compile(r"(([a-z0-9_-]+\.)*[a-z0-9_-]+\.?|\[[0-9a-f:.]+\])?(:[0-9]*)?")  # as HTTP clients write it
_UNREADABLE = ""  # names no company: what could be read in two ways agrees with no token

Resolve = Callable[[str], TenantId | Awaitable[TenantId | None] | None]


@dataclass(frozen=True)
class Place:
    """Read the company that a request names; every value that it finds has to agree.

    Attributes:
        read: returns what the request names, nothing or several included.
        resolve: turns a name into the id of the company, such as a subdomain into a number.
    """

    read: Callable[[Scope], list[str]]
    resolve: Resolve | None = None

    async def tenants(self, scope: Scope, kind: TenantType) -> list[TenantId | None]:
        """Return the companies that the request names; ``None`` for a name that is none."""
        return [await self._tenant(name, kind) for name in self.read(scope)]

    async def _tenant(self, name: str, kind: TenantType) -> TenantId | None:
        if not name or len(name) > _LONGEST:
            return None
        if self.resolve is not None:
            found = self.resolve(name)
            resolved: Any = await found if inspect.isawaitable(found) else found
            return resolved if type(resolved) is kind else None
        try:
            return as_tenant(name, kind)
        except TokenError:
            return None


def from_host(pattern: str, *, ignore: Collection[str] = (), resolve: Resolve | None = None) -> Place:
    """Return what reads the company from the Host header, never from a forwarded one.

    Args:
        pattern: such as ``"{company}.example.com"``; the name stands for one label.
        ignore: labels that are no company, such as ``{"www", "api"}``.
        resolve: turns the label, in lower case, into the company's id.

    Raises:
        ConfigurationError: the pattern does not name one label.
    """
    before, found, after = (
        re.split(r"\{(\w+)\}", pattern.lower()) if pattern.count("{") == 1 else ("", "", "")
    )
    if (
        not found
        or not re.fullmatch(r"(\.[a-z0-9-]+)+", after)
        or not re.fullmatch(r"([a-z0-9-]+\.)*", before)
    ):
        raise ConfigurationError(f"{pattern!r} is not a host pattern; write it as {{company}}.example.com")
    host = re.compile(re.escape(before) + _LABEL + re.escape(after) + r"\.?(:[0-9]*)?")

    def read(scope: Scope) -> list[str]:
        """Return the label of each Host header that fits."""
        given = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        labels = [match[1] for match in map(host.fullmatch, given) if match]
        malformed = [_UNREADABLE for value in given if not _HOST.fullmatch(value)]
        return [label for label in labels if label not in ignore] + malformed

    return Place(read, resolve)


def from_path(pattern: str, *, resolve: Resolve | None = None) -> Place:
    """Return what reads the company from the path, as the application routes it.

    Args:
        pattern: such as ``"/companies/{company_id}/..."``; ``*`` stands for any one segment.
        resolve: turns the segment into the company's id.

    Raises:
        ConfigurationError: the pattern names no segment.
    """
    path = PathPattern(pattern)
    if not path.reads:
        raise ConfigurationError(f"{pattern!r} names no segment; write it as /companies/{{company_id}}/...")

    def read(scope: Scope) -> list[str]:
        """Return the segment, where the path fits."""
        routed = readings(scope)
        if not routed:
            return [_UNREADABLE]
        found = {path.read(one) for one in routed}
        if found == {None}:
            return []
        segment = found.pop()
        sound = not found and segment is not None and all(map(stays_in_place, routed))
        return [segment if sound and segment is not None else _UNREADABLE]

    return Place(read, resolve)


def from_header(name: str, *, resolve: Resolve | None = None) -> Place:
    """Return what reads the company from a header; it only chooses or agrees, and never says by itself.

    Args:
        name: such as ``"X-Company"``.
        resolve: turns the value into the company's id.
    """
    wanted = name.lower().encode()

    def read(scope: Scope) -> list[str]:
        """Return the value of each such header."""
        return [value.decode("latin-1") for header, value in scope["headers"] if header == wanted]

    return Place(read, resolve)


class Agreement:
    """Settle for which company a request is, between its token and what it names itself.

    Args:
        places: where requests name companies.
        union: whether a token of several companies is for all of them where the request names none.
    """

    def __init__(self, places: Collection[Place], *, union: bool) -> None:
        self._places = tuple(places)
        self._union = union

    async def settle(self, principal: Principal, scope: Scope) -> Principal:
        """Return the principal, bound to the one company that the request is for.

        Raises:
            Violation: the request names a company that the token does not, or none where it has to.
        """
        kind: Any = type(principal.tenant if principal.tenant is not None else principal.tenants[0])
        named = {tenant for place in self._places for tenant in await place.tenants(scope, kind)}
        if not named:
            return principal if principal.tenant is not None or self._union else _unnamed(principal, scope)
        chosen = named.pop()
        if named or chosen is None or chosen not in (principal.tenant, *principal.tenants):
            _mismatch(principal, chosen, scope)
        return principal if chosen == principal.tenant else replace(principal, tenant=chosen)


def on_routes(place: Place, routes: Collection[str]) -> Place:
    """Return the place so that it reads on the listed path patterns only, and nowhere that is ambiguous.

    Raises:
        ConfigurationError: no route is listed, or one is no pattern.
    """
    patterns = patterns_of(routes, "anonymous_on")
    if not patterns:
        raise ConfigurationError('anonymous= needs the routes it applies to: anonymous_on=["/sign-in"]')

    def read(scope: Scope) -> list[str]:
        """Return what the request names, on these routes."""
        return place.read(scope) if listed(scope, patterns) else []

    return Place(read, place.resolve)


def _unnamed(principal: Principal, scope: Scope) -> NoReturn:
    with bind(principal):
        refuse(
            Violation("the token is for several companies and the request names none", kind="tenant_unnamed"),
            scope=scope,
        )


def _mismatch(principal: Principal, attempted: TenantId | None, scope: Scope) -> NoReturn:
    with bind(principal):
        message = "the request names a company that its token is not for"
        violation = Violation(message, kind=MISMATCH, tenant=principal.tenant, attempted=attempted)
        refuse(violation, scope=scope)
