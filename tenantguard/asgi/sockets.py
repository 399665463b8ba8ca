"""Websockets: refused at the handshake, closed on a violation, ended with their token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tenantguard.asgi.admission import Admission
from tenantguard.asgi.answers import Answers
from tenantguard.asgi.outside import Unbound, unbound
from tenantguard.asgi.refused import note_refused
from tenantguard.asgi.request_id import forget, note_from_headers
from tenantguard.asgi.responses import POLICY_VIOLATION, refusal_in
from tenantguard.asgi.tokens import Credential
from tenantguard.asgi.types import App, Message, Receive, Scope, Send
from tenantguard.asgi.watch import Sleep, in_time, run_until
from tenantguard.binding import put_mode
from tenantguard.context import Principal, begin, end
from tenantguard.errors import ConfigurationError, TokenError, Violation

_LONGEST_SLEEP = 3600.0  # a clock that is set, or a machine that slept, is noticed after this many seconds
Clock = Callable[[], float]


class Sockets:
    """How websockets are served; the arguments are those of ``TenantMiddleware``."""

    def __init__(
        self,
        admission: Admission,
        answers: Answers,
        *,
        credential: Credential,
        protocol: str | None,
        recheck: float,
        clock: Clock,
        sleep: Sleep | None,
    ) -> None:
        if recheck < 0:
            raise ConfigurationError("websocket_recheck= is a number of seconds, or 0 for never")
        self._admission, self._answers = admission, answers
        self._credential, self._protocol = credential, protocol
        self._recheck, self._clock, self._sleep = recheck, clock, sleep

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send, *, exempt: bool) -> None:
        """Serve one connection."""
        socket = Socket(self._answers, scope, receive, send)
        principal, value = None, None
        if exempt:
            note_from_headers(scope)
        else:
            try:
                value = self._credential(scope)
                principal = await unbound(self._admission.admit(scope, value))
            except (TokenError, Violation) as error:
                note_refused(error, scope, value)
                try:
                    await unbound(socket.refuse(error))
                finally:
                    forget(scope)
                return
            if self._protocol is not None:
                scope = socket.without_token(scope, self._protocol)
        await self._run(app, socket, scope, principal, value)

    async def _run(
        self, app: App, socket: Socket, scope: Scope, principal: Principal | None, value: bytes | None
    ) -> None:
        binding = Unbound(scope) if principal is None else begin(principal, scope)

        async def late() -> None:
            if not isinstance(binding, Unbound):
                put_mode(binding, "closed")  # the handler goes on, and does so for nobody
            await socket.end()

        async def over(sleep: Sleep) -> None:
            socket.over = await self._ended(socket.scope, principal, value, self._sleep or sleep)  # type: ignore[arg-type]
            socket.release()

        async def run() -> None:
            await app(scope, socket.receive, socket.send)

        try:
            if principal is None or (self._admission.ends(principal) is None and not self._recheck):
                await run()
            elif await run_until(run, over, late):
                await socket.end()
        except Exception as error:
            await socket.end()
            refusal = refusal_in(error)
            if refusal is not None:
                note_refused(refusal, scope)
                await in_time(lambda: socket.refuse(refusal))
            elif socket.over is None or not isinstance(error, ConnectionError):
                raise
        finally:
            if isinstance(binding, Unbound):
                binding.end()
            else:
                end(binding)
            forget(scope)

    async def _ended(
        self, scope: Scope, principal: Principal, value: bytes | None, sleep: Sleep
    ) -> TokenError | Violation:
        """Wait for the end of a token, by its own time or by whoever revokes it, and return what ended it."""
        until = self._admission.ends(principal)
        while until is None or until > self._clock():
            left = _LONGEST_SLEEP if until is None else min(until - self._clock(), _LONGEST_SLEEP)
            await sleep(min(left, self._recheck) if self._recheck else left)
            if self._recheck and (until is None or until > self._clock()):
                error = await self._admission.ended(scope, value, principal)
                if error is not None:
                    note_refused(error, scope, value)
                    return error
        return TokenError("the token has expired", reason="expired")


class Socket:
    """One websocket in its states, between the server and the application."""

    def __init__(self, answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.over: TokenError | Violation | None = None
        self._answers = answers
        self._receive = receive
        self._send = send
        self._accepted = False
        self._closed = False
        self._protocol: str | None = None
        self._task = _current_task()
        self._waiting: set[Any] = set()  # tasks of the application inside of the server

    async def receive(self) -> Message:
        """Hand the server's next message to the application; after the end, that it has ended."""
        if self.over is not None:
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        message: Message = await self._within(self._receive)
        return message

    async def send(self, message: Message) -> None:
        """Hand the application's message to the server.

        Raises:
            ConnectionError: the token has expired.
        """
        if self.over is not None:
            raise ConnectionError("the websocket was closed: its token has ended")
        kind = message["type"]
        if kind == "websocket.accept" and self._protocol is not None:
            message = {**message, "subprotocol": message.get("subprotocol") or self._protocol}
        self._accepted = self._accepted or kind == "websocket.accept"
        self._closed = self._closed or kind in ("websocket.close", "websocket.http.response.start")
        await self._within(self._send, message)

    async def _within(self, call: Callable[..., Any], *message: Message) -> Any:
        """Wait for the server, and be known to wait: see ``release``."""
        task = _current_task()
        if task is None or task in self._waiting:
            return await call(*message)
        self._waiting.add(task)
        try:
            return await call(*message)
        finally:
            self._waiting.discard(task)

    def release(self) -> None:
        """Cancel whatever of the application waits for a client that may never read or write again."""
        for task in self._waiting - {self._task}:  # the handler's own task is cancelled already
            task.cancel()

    def without_token(self, scope: Scope, protocol: str) -> Scope:
        """Return the scope without the token that came as a subprotocol, which the accept then confirms."""
        offered = list(scope.get("subprotocols") or ())
        if protocol not in offered:
            return scope
        self._protocol = protocol
        del offered[offered.index(protocol) + 1]
        headers = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
        headers.append((b"sec-websocket-protocol", ", ".join(offered).encode("latin-1", "replace")))
        return {**scope, "headers": headers, "subprotocols": offered}

    async def end(self) -> None:
        """Close it because it is over, in the time that a client has for that."""
        over = self.over
        if over is not None:
            await in_time(lambda: self.refuse(over))

    async def refuse(self, error: TokenError | Violation) -> None:
        """End it with 1008, or with the answer while the handshake is still open."""
        if self._closed:
            return
        self._closed = True
        if self._accepted:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        else:
            await self._answers.deny(error, self.scope, self._receive, self._send)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # not on asyncio: trio's own scopes end what waits
        return None
