"""Receivers of an identity provider's signals: ASGI applications to mount, each at its own path.

They authenticate requests by their signed tokens, so exempt the paths from ``TenantMiddleware``.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from tenantguard.asgi.refusal_events import note_refused
from tenantguard.asgi.responses import Answer
from tenantguard.asgi.types import App, Receive, Scope, Send
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity.signals import Signals, error_code

_MOST_BYTES = 64 * 1024
_FORM, _EVENT = "application/x-www-form-urlencoded", "application/secevent+jwt"


def back_channel_logout(signals: Signals) -> App:
    """Return an application that receives logout tokens (OpenID Connect Back-Channel Logout 1.0).

    Args:
        signals: the receiver that verifies them and revokes.

    Example:
        >>> from starlette.routing import Mount
        >>> def routes(signals):
        ...     return [Mount("/backchannel-logout", back_channel_logout(signals))]
    """

    async def receive_logout(scope: Scope, receive: Receive, send: Send) -> None:
        async def take(body: bytes) -> None:
            given = parse_qs(body.decode("ascii"), max_num_fields=10).get("logout_token", [])
            if len(given) != 1:
                raise TokenError("the form has no logout_token, or more than one", reason="signal")
            await signals.logout(given[0])

        await _answer(scope, receive, send, _FORM, take, lambda _: "invalid_request", "error", HTTPStatus.OK)

    return receive_logout


def security_events(signals: Signals) -> App:
    """Return an application that receives pushed security event tokens (RFC 8935).

    Args:
        signals: the receiver that verifies them and revokes.
    """

    async def receive_event(scope: Scope, receive: Receive, send: Send) -> None:
        async def take(body: bytes) -> None:
            await signals.event(body.decode("ascii").strip())

        await _answer(scope, receive, send, _EVENT, take, error_code, "err", HTTPStatus.ACCEPTED)

    return receive_event


async def _answer(
    scope: Scope,
    receive: Receive,
    send: Send,
    media: str,
    take: Any,
    code: Any,
    member: str,
    done: HTTPStatus,
) -> None:
    if scope["type"] != "http":
        raise ConfigurationError("signals arrive over HTTP; mount their receiver at an HTTP path")
    status, told = await _outcome(scope, receive, media, take, done)
    body, headers = b"", [(b"cache-control", b"no-store")]
    if told is not None:
        note_refused(told, scope)
        described = "error_description" if member == "error" else "description"
        body = json.dumps({member: code(told), described: told.description or str(told)}).encode()
        headers.append((b"content-type", b"application/json"))
    if isinstance(told, IssuerUnavailableError):
        headers.append((b"retry-after", str(told.retry_after).encode()))
    headers.append((b"content-length", str(len(body)).encode()))
    await Answer(status.value, body, tuple(headers)).send(send)


async def _outcome(
    scope: Scope, receive: Receive, media: str, take: Any, done: HTTPStatus
) -> tuple[HTTPStatus, TokenError | None]:
    if scope["method"] != "POST":
        return HTTPStatus.METHOD_NOT_ALLOWED, None
    named = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    if named.partition(";")[0].strip().lower() != media:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, None
    body = await _body(receive)
    if body is None:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None
    try:
        await take(body)
    except IssuerUnavailableError as error:  # it shall be sent again
        return HTTPStatus.SERVICE_UNAVAILABLE, error
    except TokenError as error:
        return HTTPStatus.BAD_REQUEST, error
    except ValueError:  # neither ASCII nor a form of a few fields
        return HTTPStatus.BAD_REQUEST, TokenError("the body is malformed", reason="malformed")
    return done, None


async def _body(receive: Receive) -> bytes | None:
    """Return the body, or ``None`` if it is too long or the client has disconnected."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MOST_BYTES:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)
