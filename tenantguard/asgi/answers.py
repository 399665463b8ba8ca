"""The responses of one middleware to refusals, in the application's own form."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tenantguard.asgi.admission import NO_COMPANY
from tenantguard.asgi.layers import Layers
from tenantguard.asgi.responses import NOT_FOUND, Answer, forbidden, unauthorized
from tenantguard.asgi.types import App, Message, Receive, Scope, Send
from tenantguard.errors import ConfigurationError, PermissionDeniedError, TokenError, Violation

_OF_THE_USER = {NO_COMPANY, PermissionDeniedError.kind}
# Returns the body of a refusal as an ASGI application, such as a response of Starlette, or None for ours.
OwnAnswer = Callable[[Scope, int, TokenError | Violation], App | Awaitable[App | None] | None]


class Answers:
    """How refusals are answered; the arguments are those of ``TenantMiddleware``.

    Args:
        missing: an application that responds like the wrapped one's 404; detected by default.
    """

    def __init__(
        self,
        app: App,
        *,
        conceal: bool,
        own: OwnAnswer | None,
        metadata: str | None,
        missing: App | None = None,
    ) -> None:
        if own is not None and not callable(own):
            raise ConfigurationError(
                "answer= must be a function: answer(scope, status, error) -> a response, or None"
            )
        if metadata is not None and (urlsplit(metadata).scheme not in ("https", "http") or '"' in metadata):
            raise ConfigurationError(f"resource_metadata={metadata!r} is not a URL")
        self.conceals = conceal
        self.asks_again = (
            conceal and missing is None
        )  # with the connection as it came in, before it was routed
        self._layers = Layers(app)
        self._own, self._metadata, self._missing = own, metadata, missing

    def to(self, error: TokenError | Violation) -> Answer:
        """Return the status, the headers and the default body of a refusal."""
        if isinstance(error, TokenError):
            return unauthorized(error, self._metadata)
        return NOT_FOUND if self._hides(error) else forbidden(error, self._metadata)

    async def send(self, error: TokenError | Violation, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response over HTTP.

        Args:
            error: the refusal.
            scope: the connection; the original scope if violations are concealed.
            receive: the server's ``receive``.
            send: the server's ``send``.
        """
        app = await self._app(error, scope)
        if app is None:
            await self.to(error).send(send)
        else:
            await app(scope, receive, send)

    async def deny(self, error: TokenError | Violation, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the handshake of a websocket, with a response if the server supports it."""
        extended = "websocket.http.response" in (scope.get("extensions") or {})
        hidden = self._where_missing(error, scope)
        if hidden is not None:
            await hidden(scope, receive, send)
            return
        own = await self._in_own_words(error, scope) if extended else None
        if own is None:
            await self.to(error).deny(send, extended=extended)
        else:
            await own({**scope, "type": "http", "method": "GET"}, receive, _as_denial(send))

    async def preflight(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Let the application's CORS middleware answer a preflight; return whether there is one."""
        cors = self._layers.cors(_nothing, scope)
        if cors is None:
            return False
        await cors(scope, receive, send)
        return True

    async def _app(self, error: TokenError | Violation, scope: Scope) -> App | None:
        """Return the application that responds, or ``None`` for the default response with no layer around it."""
        hidden = self._where_missing(error, scope)
        if hidden is not None:
            return hidden
        own = await self._in_own_words(error, scope)
        if not any(name == b"origin" for name, _ in scope["headers"]):
            return own

        async def ours(_scope: Scope, _receive: Receive, send: Send) -> None:
            await self.to(error).send(send)

        return self._layers.cors(own or ours, scope) or own

    def _where_missing(self, error: TokenError | Violation, scope: Scope) -> App | None:
        return (self._missing or self._layers.missing(scope)) if self._hides(error) else None

    def _hides(self, error: TokenError | Violation) -> bool:
        """Return whether a refusal is concealed; a missing permission is not, because it reveals no rows."""
        return self.conceals and isinstance(error, Violation) and error.kind not in _OF_THE_USER

    async def _in_own_words(self, error: TokenError | Violation, scope: Scope) -> App | None:
        if self._own is None:
            return None
        answer = self.to(error)
        made = self._own(scope, answer.status, error)
        body = await made if inspect.isawaitable(made) else made
        return None if body is None else _with_status(body, answer)


def _with_status(body: App, answer: Answer) -> App:
    """Return the application with the status and headers of the refusal added to its response."""
    ours = {name for name, _ in answer.own_headers}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def as_refusal(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value) for name, value in message.get("headers", ()) if name.lower() not in ours
                ]
                message = {**message, "status": answer.status, "headers": [*kept, *answer.own_headers]}
            await send(message)

        await body(scope, receive, as_refusal)

    return app


def _as_denial(send: Send) -> Send:
    async def denial(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return denial


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that is never reached."""
