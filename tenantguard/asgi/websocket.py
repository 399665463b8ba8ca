"""One websocket: refused at the handshake, closed on a violation, closed when its token expires."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tenantguard.asgi.responses import POLICY_VIOLATION, Answer
from tenantguard.asgi.types import App, Message, Receive, Scope, Send

_LONGEST_SLEEP = 3600.0  # a clock that is set, or a machine that slept, is noticed after this many seconds
Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


class Socket:
    """Follow one websocket through its states, between the server and the application."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._extended = "websocket.http.response" in (scope.get("extensions") or {})
        self._receive = receive
        self._send = send
        self._accepted = False
        self._closed = False
        self._protocol: str | None = None
        self.expired = False

    async def receive(self) -> Message:
        """Hand the server's next message to the application; after the end, that it has ended."""
        if self.expired:
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Hand the application's message to the server.

        Raises:
            ConnectionError: the token has expired.
        """
        if self.expired:
            raise ConnectionError("the websocket was closed: its token has expired")
        kind = message["type"]
        if kind == "websocket.accept" and self._protocol is not None:
            message = {**message, "subprotocol": message.get("subprotocol") or self._protocol}
        self._accepted = self._accepted or kind == "websocket.accept"
        self._closed = self._closed or kind in ("websocket.close", "websocket.http.response.start")
        await self._send(message)

    def without_token(self, scope: Scope, protocol: str) -> Scope:
        """Return the scope without the token that came as a subprotocol, which the accept then confirms."""
        if protocol not in (scope.get("subprotocols") or ()):
            return scope
        self._protocol = protocol
        headers = [
            (name, protocol.encode() if name == b"sec-websocket-protocol" else value)
            for name, value in scope["headers"]
        ]
        return {**scope, "headers": headers, "subprotocols": [protocol]}

    async def refuse(self, answer: Answer) -> None:
        """End it with 1008, or with the answer while the handshake is still open."""
        if self._closed:
            return
        self._closed = True
        if self._accepted:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        else:
            await answer.deny(self._send, extended=self._extended)

    async def run(self, app: App, scope: Scope) -> None:
        """Run the application on it."""
        await app(scope, self.receive, self.send)

    async def run_until(
        self, app: App, scope: Scope, until: float, clock: Clock, sleep: Sleep, answer: Answer
    ) -> None:
        """Run the application on it, and end both when the time has come."""
        task = asyncio.current_task()
        if task is None:  # asyncio runs everything in a task
            raise RuntimeError("a websocket is served inside an asyncio task")
        timer = asyncio.create_task(self._expire(task, until, clock, sleep, answer))
        try:
            await self.run(app, scope)
        except asyncio.CancelledError:
            if not self.expired or task.uncancel() > 0:
                raise
        finally:
            timer.cancel()
            with suppress(asyncio.CancelledError):
                await timer

    async def _expire(
        self, task: asyncio.Task[object], until: float, clock: Clock, sleep: Sleep, answer: Answer
    ) -> None:
        while (left := until - clock()) > 0:
            await sleep(min(left, _LONGEST_SLEEP))
        self.expired = True
        try:
            await self.refuse(answer)
        finally:
            task.cancel()
