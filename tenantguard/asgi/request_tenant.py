"""The company that a request names by host, path or header, which must be in its token."""

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
    """A place where a request names its company; all values there must agree.

    Attributes:
        read: returns the names in the request: none, one or several.
        resolve: turns a name into the company's id, such as a subdomain into a number.
    """

    read: Callable[[Scope], list[str]]
    resolve: Resolve | None = None

    async def tenants(self, scope: Scope, kind: TenantType) -> list[TenantId | None]:
        """Return the companies that the request names, with ``None`` for an unknown name."""
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
    """Return a place that reads the company from the Host header, never from a forwarded header.

    Args:
        pattern: such as ``"{company}.example.com"``; the name matches one label.
        ignore: labels that are not companies, such as ``{"www", "api"}``.
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
        """Return the label of each Host header that matches."""
        given = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        labels = [match[1] for match in map(host.fullmatch, given) if match]
        malformed = [_UNREADABLE for value in given if not _HOST.fullmatch(value)]
        return [label for label in labels if label not in ignore] + malformed

    return Place(read, resolve)


def from_path(pattern: str, *, resolve: Resolve | None = None) -> Place:
    """Return a place that reads the company from the routed path.

    Args:
        pattern: such as ``"/companies/{company_id}/..."``; ``*`` matches any one segment.
        resolve: turns the segment into the company's id.

    Raises:
        ConfigurationError: the pattern names no segment.
    """
    path = PathPattern(pattern)
    if not path.reads:
        raise ConfigurationError(f"{pattern!r} names no segment; write it as /companies/{{company_id}}/...")

    def read(scope: Scope) -> list[str]:
        """Return the segment, if the path matches."""
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
    """Return a place that reads the company from a header; the token must still contain that company.

    Args:
        name: such as ``"X-Company"``.
        resolve: turns the value into the company's id.
    """
    wanted = name.lower().encode()

    def read(scope: Scope) -> list[str]:
        """Return the values of these headers."""
        return [value.decode("latin-1") for header, value in scope["headers"] if header == wanted]

    return Place(read, resolve)


class Agreement:
    """The rule that decides a request's company from its token and the company that it names.

    Args:
        places: the places where requests name companies.
        union: whether a token of several companies is for all of them if the request names none.
    """

    def __init__(self, places: Collection[Place], *, union: bool) -> None:
        self._places = tuple(places)
        self._union = union

    async def settle(self, principal: Principal, scope: Scope) -> Principal:
        """Return the principal for the request's company.

        Raises:
            Violation: the request names a company that is not in the token, or must name one and does not.
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
    """Return a place that reads only on the listed path patterns, and never from ambiguous paths.

    Raises:
        ConfigurationError: no route is listed, or one is not a pattern.
    """
    patterns = patterns_of(routes, "anonymous_on")
    if not patterns:
        raise ConfigurationError('anonymous= needs the routes it applies to: anonymous_on=["/sign-in"]')

    def read(scope: Scope) -> list[str]:
        """Return the names in the request, on these routes."""
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
