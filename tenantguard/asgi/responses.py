"""Responses to refusals: problem+json (RFC 9457) that reveals nothing about what exists."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from tenantguard.asgi.types import Send
from tenantguard.errors import IssuerUnavailableError, PermissionDeniedError, TokenError, Violation

POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


@dataclass(frozen=True)
class Answer:
    """A complete response, for HTTP and for a websocket's handshake."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    async def send(self, send: Send) -> None:
        """Send the HTTP response."""
        await self._send(send, "http.response")

    async def deny(self, send: Send, *, extended: bool) -> None:
        """Refuse a handshake with it, or close it if the server does not support that extension."""
        if extended:
            await self._send(send, "websocket.http.response")
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})

    async def _send(self, send: Send, kind: str) -> None:
        await send({"type": f"{kind}.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": f"{kind}.body", "body": self.body, "more_body": False})

    @property
    def own_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that belong to the status rather than the body."""
        return tuple(header for header in self.headers if not header[0].startswith(b"content-"))


def problem(status: HTTPStatus, *headers: tuple[bytes, bytes]) -> Answer:
    """Return a response that contains only the status."""
    content = {"type": "about:blank", "title": status.phrase, "status": status.value}
    body = json.dumps(content, separators=(",", ":")).encode()
    return Answer(
        status.value,
        body,
        (
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *headers,
        ),
    )


def unauthorized(error: TokenError, metadata: str | None = None) -> Answer:
    """Return 401 with the challenge of RFC 6750, or 503 if the issuer is unavailable.

    Args:
        error: the reason.
        metadata: the URL of the resource's metadata (RFC 9728).
    """
    if isinstance(error, IssuerUnavailableError):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, (b"retry-after", str(error.retry_after).encode()))
    nonce = () if error.nonce is None else ((b"dpop-nonce", error.nonce.encode()),)
    return problem(
        HTTPStatus.UNAUTHORIZED, (b"www-authenticate", challenge(error, metadata).encode()), *nonce
    )


def forbidden(error: Violation, metadata: str | None = None) -> Answer:
    """Return 403, with the challenge of RFC 6750 if a permission is missing.

    Args:
        error: the reason.
        metadata: the URL of the resource's metadata (RFC 9728).
    """
    if not isinstance(error, PermissionDeniedError):
        return FORBIDDEN
    named = [
        ("error", "insufficient_scope"),
        ("scope", " ".join(error.needed)),
        ("resource_metadata", metadata),
    ]
    return problem(HTTPStatus.FORBIDDEN, (b"www-authenticate", f"Bearer {_parameters(named)}".encode()))


def challenge(error: TokenError, metadata: str | None = None) -> str:
    """Return the challenge for a refused token, without a code if no token was sent."""
    named = [("error", error.code), ("error_description", error.code and error.description)]
    named += [*error.parameters, ("algs", " ".join(error.algorithms)), ("resource_metadata", metadata)]
    return f"{error.scheme} {_parameters(named)}".rstrip()


def _parameters(named: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f'{name}="{_quotable(value)}"' for name, value in named if value)


def _quotable(text: str) -> str:
    """Return text with only the characters that RFC 6750 section 3 allows in quotes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else " " for c in text)


def refusal_in(error: BaseException) -> Violation | TokenError | None:
    """Return the refusal in an error, its group or its causes; violations come before refused tokens."""
    waiting, seen, refused = [error], set[int](), None
    while waiting:
        one = waiting.pop()
        if isinstance(one, Violation):
            return one
        if id(one) in seen:
            continue
        seen.add(id(one))
        refused = one if isinstance(one, TokenError) else refused
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [one.__cause__] if one.__cause__ is not None else ()
    return refused


FORBIDDEN = problem(HTTPStatus.FORBIDDEN)
NOT_FOUND = problem(HTTPStatus.NOT_FOUND)
