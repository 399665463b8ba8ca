"""The token of a request, from its Authorization header, or from a cookie or subprotocol if enabled."""

from __future__ import annotations

import re
from collections.abc import Callable

from tenantguard.asgi.request_id import HEADER, note
from tenantguard.asgi.types import Scope
from tenantguard.errors import TokenError
from tenantguard.identity.presentation import BEARER, DPOP

_SCHEMES = {scheme.lower().encode(): scheme for scheme in (BEARER, DPOP)}
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750 section 2.1

Credential = Callable[[Scope], bytes | None]  # an Authorization value, from wherever it came


def authorization(scope: Scope) -> bytes | None:
    """Return the value of the only ``Authorization`` header, and record the request's id on the way.

    Raises:
        TokenError: there are two headers.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                raise _two()
            found = value
        elif name == HEADER:
            note(scope, value)
    return found


def or_cookie(cookie: str) -> Credential:
    """Return a function that reads the header or, without one, the cookie with that name."""
    prefix = cookie.encode() + b"="

    def read(scope: Scope) -> bytes | None:
        """Return an ``Authorization`` value."""
        jars = [value for name, value in scope["headers"] if name == b"cookie"]
        crumbs = [crumb.strip(b" ") for jar in jars for crumb in jar.split(b";")]
        tokens = [crumb[len(prefix) :] for crumb in crumbs if crumb.startswith(prefix)]
        return _one(authorization(scope), tokens)

    return read


def or_subprotocol(credential: Credential, protocol: str) -> Credential:
    """Return a function that also reads a websocket's token from ``Sec-WebSocket-Protocol: protocol, token``.

    Browsers cannot set any other header: ``new WebSocket(url, ["bearer", token])``. The application's own
    subprotocols may come before and after the two.
    """

    def read(scope: Scope) -> bytes | None:
        """Return an ``Authorization`` value."""
        offered = list(scope.get("subprotocols") or ())
        if protocol not in offered:
            return credential(scope)
        place = offered.index(protocol) + 1
        if place == len(offered) or offered.count(protocol) > 1 or offered.count(offered[place]) > 1:
            raise TokenError(
                "the token's subprotocol is malformed", code="invalid_request", reason="malformed"
            )
        return _one(credential(scope), [str(offered[place]).encode("latin-1", "replace")])

    return read


def is_for_us(value: bytes) -> bool:
    """Return whether an ``Authorization`` value uses a token scheme, rather than one of the application's own."""
    return value.partition(b" ")[0].lower() in _SCHEMES


def presented_token(value: bytes | None, most_bytes: int) -> tuple[str, str]:
    """Return the scheme and the token of an ``Authorization`` header.

    Raises:
        TokenError: there is no header, it uses another scheme, or it is malformed or too long.
    """
    if value is None:
        raise TokenError("the request carries no token", code=None, reason="missing")
    named, _, token = value.partition(b" ")
    scheme = _SCHEMES.get(named.lower())
    if scheme is None:
        raise TokenError("the request uses another authentication scheme", code=None, reason="scheme")
    if len(token) > most_bytes:
        raise TokenError(f"the token is longer than {most_bytes} bytes", reason="oversized")
    if not _TOKEN.fullmatch(token):
        raise TokenError("the Authorization header is malformed", code="invalid_request", reason="malformed")
    return scheme, token.decode()


def _one(header: bytes | None, tokens: list[bytes]) -> bytes | None:
    if len(tokens) + (header is not None) > 1:
        raise _two()
    return b"Bearer " + tokens[0] if tokens else header


def _two() -> TokenError:
    return TokenError("the request carries two tokens", code="invalid_request", reason="two_tokens")
