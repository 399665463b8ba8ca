"""The middleware: takes the token from the ASGI scope and binds its principal around the application."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Literal

from tenantguard.asgi.admission import Admission
from tenantguard.asgi.paths import ExemptPaths
from tenantguard.asgi.request_id import forget, note_from_headers
from tenantguard.asgi.requested import Place
from tenantguard.asgi.responses import FORBIDDEN, NOT_FOUND, Answer, refusal_in, unauthorized
from tenantguard.asgi.tokens import authorization, or_cookie, or_subprotocol
from tenantguard.asgi.types import App, Message, Receive, Scope, Send
from tenantguard.asgi.websocket import Sleep, Socket
from tenantguard.audit import Event, record
from tenantguard.audit.events import now
from tenantguard.carrying import carry
from tenantguard.context import begin, leave, request_id
from tenantguard.errors import TokenError, Violation
from tenantguard.identity import Registry, Verifier
from tenantguard.identity.registry import IsActive

_log = logging.getLogger("tenantguard")


class TenantMiddleware:
    """Bind each request and websocket to the company of its verified token.

    Pure ASGI: the binding reaches sync and async endpoints, streamed bodies and background tasks, and is
    gone with the request. A violation raised below is answered here; one raised after the response has
    begun breaks the connection, so that nobody takes half an answer for a whole one.

    Args:
        app: the application.
        verifier: a :class:`TokenVerifier`, or anything with ``async verify(token) -> Principal``.
        exempt: paths that need no token, by whole segments; nothing is bound there.
        conceal: answer 404 instead of 403 to a violation.
        requested: where requests name a company themselves: :func:`from_host`, :func:`from_path`,
            :func:`from_header`. It must agree with the token, or choose from those that the token lists.
        several: what a token of several companies means where the request names none: ``"refuse"``, or
            ``"union"`` to bind them all.
        registry: a :class:`Registry`, or an async function, that says whether a company is known and active.
        anonymous: where a request without a token names the company whose page it asks for.
        anonymous_on: the path patterns on which that is enough.
        cookie: the name of a cookie that may carry the token instead of the header.
        websocket_subprotocol: the subprotocol that a browser may send a websocket's token behind.
        most_bytes: the longest token that is looked at; by default what the verifier says of it, or 8 KiB.
        clock: the time in seconds; for tests.
        sleep: what waits for a websocket's token to expire; for tests.

    Raises:
        ConfigurationError: the verifier cannot verify, or a path or pattern is ambiguous.
    """

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        *,
        exempt: Collection[str] = (),
        conceal: bool = False,
        requested: Place | Collection[Place] = (),
        several: Literal["refuse", "union"] = "refuse",
        registry: Registry | IsActive | None = None,
        anonymous: Place | None = None,
        anonymous_on: Collection[str] = (),
        cookie: str | None = None,
        websocket_subprotocol: str | None = None,
        most_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.app = app
        self._admission = Admission(
            verifier,
            requested=requested,
            several=several,
            registry=registry,
            anonymous=anonymous,
            anonymous_on=anonymous_on,
            most_bytes=most_bytes,
        )
        self._recall, self._careful = self._admission.recall, self._admission.careful
        self._exempt = ExemptPaths(exempt)
        self._likely = self._exempt.likely
        self._answer = NOT_FOUND if conceal else FORBIDDEN
        self._credential = authorization if cookie is None else or_cookie(cookie)
        self._protocol = websocket_subprotocol
        self._clock, self._sleep = clock, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or (
            self._likely
            and (scope["path"].startswith(self._likely) or scope.get("root_path"))
            and self._exempt.covers(scope)
        ):
            await self._aside(scope, receive, send)
            return
        try:
            value = self._credential(scope)
            principal = self._recall(value) or await self._admission.verified(scope, value)
            if self._careful or principal.tenant is None:
                principal = await self._admission.settled(scope, principal)
        except (TokenError, Violation) as error:
            await self._refused(error, scope).send(send)
            return
        started = False

        def tracked(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        binding = begin(principal)
        try:
            await self.app(scope, receive, tracked)
        except Exception as error:
            answer = self._answer_to(error)
            if answer is None or started:
                raise
            await answer.send(send)
        finally:
            leave(binding)
            if request_id() is not None:
                forget(scope)

    async def _aside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is no HTTP request with a token: lifespan untouched, exempt paths with nothing bound."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif self._exempt.covers(scope):
            note_from_headers(scope)
            try:
                await _unbound(self.app, scope, receive, send)
            finally:
                forget(scope)
        else:
            await self._websocket(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(scope, receive, send)
        credential = self._credential
        if self._protocol is not None:
            credential = or_subprotocol(credential, self._protocol)
        try:
            value = credential(scope)
            principal = self._recall(value) or await self._admission.verified(scope, value)
            if self._careful or principal.tenant is None:
                principal = await self._admission.settled(scope, principal)
        except (TokenError, Violation) as error:
            await socket.refuse(self._refused(error, scope))
            return
        if self._protocol is not None:
            scope = socket.without_token(scope, self._protocol)
        binding = begin(principal)
        try:
            until = self._admission.ends(principal)
            if until is None:
                await socket.run(self.app, scope)
            else:
                expired = unauthorized(TokenError("the token has expired", reason="expired"))
                await socket.run_until(self.app, scope, until, self._clock, self._sleep, expired)
        except Exception as error:
            answer = self._answer_to(error)
            if answer is None:
                raise
            await socket.refuse(answer)
        finally:
            leave(binding)
            forget(scope)

    def _refused(self, error: TokenError | Violation, scope: Scope) -> Answer:
        """Return the answer; a token is recorded here, a violation was where it was raised."""
        try:
            if isinstance(error, TokenError):
                record(_event(error))
        except ExceptionGroup:  # a failing sink must not let the token through
            _log.exception("a refused token could not be recorded")
        finally:
            forget(scope)
        return unauthorized(error) if isinstance(error, TokenError) else self._answer

    def _answer_to(self, error: Exception) -> Answer | None:
        """Return the answer to what was raised below, or ``None`` where it is not ours to answer."""
        found = refusal_in(error)
        if isinstance(found, TokenError):
            return unauthorized(found)
        return None if found is None else self._answer


def _event(error: TokenError) -> Event:
    return Event(
        time=now(), kind="token_refused", request_id=request_id(), reason=error.reason, message=str(error)
    )


async def _call(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


# Captured in an empty context: what runs through it has nothing bound, whatever its caller has.
_unbound = contextvars.Context().run(carry, _call)
