"""The middleware: takes the token from the ASGI scope and binds its principal around the application."""

from __future__ import annotations

import time
from asyncio import current_task
from collections.abc import Callable, Collection
from sys import get_asyncgen_hooks
from typing import Any, Literal

from tenantguard.asgi.admission import PRINCIPAL, Admission
from tenantguard.asgi.answers import Answers, OwnAnswer
from tenantguard.asgi.expiry import Ending
from tenantguard.asgi.generators import Unclosed, watch_unclosed
from tenantguard.asgi.layers import is_preflight
from tenantguard.asgi.litestar_hook import reraising
from tenantguard.asgi.outside import Exchange, Unbound, hand_nothing_over, unbound
from tenantguard.asgi.paths import ExemptPaths
from tenantguard.asgi.refusal_events import note_refused
from tenantguard.asgi.request_id import forget, note_from_headers
from tenantguard.asgi.request_tenant import Place
from tenantguard.asgi.responses import refusal_in
from tenantguard.asgi.server_errors import Withheld, answers_errors
from tenantguard.asgi.sockets import Sockets
from tenantguard.asgi.tokens import authorization, or_cookie, or_subprotocol
from tenantguard.asgi.types import App, Receive, Scope, Send
from tenantguard.asgi.watch import Running, Sleep, in_time
from tenantguard.context import begin, end, peek_request
from tenantguard.errors import TokenError, Violation
from tenantguard.identity import Registry, Verifier
from tenantguard.identity.registry import IsActive


class TenantMiddleware:
    """ASGI middleware that binds each request and websocket to the company of its verified token.

    Because it is pure ASGI, the binding reaches sync and async endpoints, streamed bodies and background tasks, and
    ends with the request. Violations raised inside become responses. If the response has already begun, the
    connection is broken off, so that a partial response is not mistaken for a complete one.

    Args:
        app: the application.
        verifier: a ``TokenVerifier``, or anything with ``async verify(token) -> Principal``.
        exempt: paths that need no token, by whole segments; nothing is bound there.
        optional: path patterns on which a token is bound if there is one.
        without_tenant_on: path patterns that a verified user may use with nothing bound if the token names
            no company, or several; elsewhere, a user without a company gets 403.
        conceal: respond to a violation as if the route did not exist.
        missing: an application that sends the response for a concealed violation, if the wrapped application's 404
            cannot be detected; it can for Starlette and FastAPI, and ``tenant_guard`` does it for Litestar.
        answer: a function ``answer(scope, status, error)`` that returns the response to a refusal (any ASGI
            application), or ``None`` for the default.
        resource_metadata: the URL of this API's metadata (RFC 9728), for the challenge.
        requested: how requests name a company themselves: ``from_host``, ``from_path``,
            ``from_header``. The company must be in the token.
        several: what to do with a token of several companies if the request names none: ``"refuse"``, or
            ``"union"`` to bind them all.
        registry: a ``Registry``, or an async function, that says whether a company is known and active.
        anonymous: how a request without a token names the company whose page it requests.
        anonymous_on: the path patterns on which such requests are allowed.
        cookie: the name of a cookie that may carry the token instead of the header.
        websocket_subprotocol: the subprotocol after which a browser may send a websocket's token.
        websocket_recheck: the number of seconds after which the token of a websocket or a long response is verified
            again, repeatedly; 0 for never. The default is half a second if the verifier has a ``revocation``, and ten
            seconds otherwise.
        finish_answers: let a response that has begun continue after its token's expiry, such as a long download; a
            revocation still cuts it. Without it, the response is cut when its token ends.
        most_bytes: the maximum length of a token.
        clock: the time in seconds; for tests.
        sleep: the function that waits for a token to expire; for tests.

    Raises:
        ConfigurationError: the verifier cannot verify, or a path or pattern is ambiguous.
    """

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        *,
        exempt: Collection[str] = (),
        optional: Collection[str] = (),
        without_tenant_on: Collection[str] = (),
        conceal: bool = False,
        missing: App | None = None,
        answer: OwnAnswer | None = None,
        resource_metadata: str | None = None,
        requested: Place | Collection[Place] = (),
        several: Literal["refuse", "union"] = "refuse",
        registry: Registry | IsActive | None = None,
        anonymous: Place | None = None,
        anonymous_on: Collection[str] = (),
        cookie: str | None = None,
        websocket_subprotocol: str | None = None,
        websocket_recheck: float | None = None,
        finish_answers: bool = False,
        most_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Sleep | None = None,
    ) -> None:
        self.app = reraising(app)
        self._admission = Admission(
            verifier,
            requested=requested,
            several=several,
            registry=registry,
            anonymous=anonymous,
            anonymous_on=anonymous_on,
            optional=optional,
            without_tenant_on=without_tenant_on,
            most_bytes=most_bytes,
        )
        self._recall, self._careful = self._admission.recall, self._admission.careful
        paths = ExemptPaths(exempt)
        self._exempt = paths if exempt else None  # one look, where nothing is exempt
        self._answers = Answers(app, conceal=conceal, own=answer, metadata=resource_metadata, missing=missing)
        self._asks_again = self._answers.asks_again or self._careful
        self._withholds = answers_errors(app)
        self._credential = authorization if cookie is None else or_cookie(cookie)
        self._ending = Ending(
            self._admission, recheck=websocket_recheck, finish=finish_answers, clock=clock, sleep=sleep
        )
        self._watch = self._ending.watch
        self._sockets = Sockets(
            self._admission,
            self._answers,
            self._ending,
            credential=self._credential
            if websocket_subprotocol is None
            else or_subprotocol(self._credential, websocket_subprotocol),
            protocol=websocket_subprotocol,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind != "http":
            await (self._serve_socket if kind == "websocket" else self.app)(scope, receive, send)
            return
        hooks: Any = get_asyncgen_hooks()[1]
        if hooks.__class__ is not Unclosed:  # as at the first request of an event loop
            hooks = watch_unclosed()
        withheld = lasting = principal = value = None
        exchange = Exchange(receive, send)
        receive, send = exchange.receive, exchange.send
        if self._exempt is not None and self._exempt.covers(scope):
            note_from_headers(scope)
        else:
            try:
                value = self._credential(scope)
                principal = self._recall(value)
                if principal is None or self._careful or principal.tenant is None:
                    principal = await unbound(self._admission.admit(scope, value))
            except (TokenError, Violation) as error:
                await unbound(self._refuse(error, value, scope, receive, send))
                return
        asked = dict(scope) if self._asks_again else scope
        app: App = self.app
        if principal is None:
            bound, served = None, scope.get(PRINCIPAL)
            unguarded = Unbound(scope)
        else:
            bound, served = begin(principal, scope), principal
        if served is not None and hooks is not None:
            runs: Any = None if hooks.loop is None else current_task(hooks.loop)
            if runs is None:
                runs = Running(None)
                app = runs.within(app)
            lasting = hooks.lasting
            lasting.young[exchange] = (self._watch, served, value, asked, runs, bound)
            if not lasting.ticks:
                lasting.start()
            if "extensions" in scope:
                hand_nothing_over(scope)
        if self._withholds:
            withheld = Withheld(send)
        try:
            await app(scope, receive, withheld or send)
            if exchange.watch is not None and await exchange.was_ended(None):
                await self._cut(exchange, asked, withheld)
        except BaseException as error:
            if exchange.watch is not None and await exchange.was_ended(error):
                await self._cut(exchange, asked, withheld)
                return
            refusal = refusal_in(error) if isinstance(error, Exception) else None
            if exchange.begun and refusal is not None:
                await exchange.break_off()
            if exchange.begun or refusal is None:
                raise
            if withheld is not None:
                withheld.messages.clear()
            note_refused(refusal, asked)
            await self._answers.send(refusal, asked, receive, send)
        finally:
            if bound is None:
                unguarded.end()
            else:
                end(bound)
            if lasting is not None and lasting.young.pop(exchange, None) is None:
                lasting.drop(exchange)
            if peek_request() is not None:
                forget(scope)
            if withheld is not None:
                await withheld.release()

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch_unclosed()
        exchange = Exchange(receive, send)
        exempt = self._exempt is not None and self._exempt.covers(scope)
        await self._sockets.serve(self.app, scope, exchange.receive, exchange.send, exempt=exempt)

    async def _cut(self, exchange: Exchange, asked: Scope, withheld: Withheld | None) -> None:
        """Break off a response whose token has ended, or refuse the request if it has not begun.

        Raises:
            TokenError: makes the server close the connection, so that a partial response is not taken as complete.
            Violation: the same.
        """
        error, exchange.over = exchange.over, None
        if error is None or exchange.is_complete:
            return
        if withheld is not None:
            withheld.messages.clear()
        if exchange.begun:
            await exchange.break_off()
            raise error
        await in_time(lambda: unbound(self._answers.send(error, asked, exchange.receive, exchange.send)))

    async def _refuse(
        self, error: TokenError | Violation, value: bytes | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Respond to a refused request; a preflight is passed to the application's CORS middleware."""
        try:
            if value is None and is_preflight(scope) and await self._answers.preflight(scope, receive, send):
                return
            note_refused(error, scope, value)
            await self._answers.send(error, scope, receive, send)
        finally:
            forget(scope)
