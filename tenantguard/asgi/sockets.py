"""Websockets: refused at the handshake, closed on a violation, ended with their token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenantguard.asgi.admission import PRINCIPAL, Admission
from tenantguard.asgi.answers import Answers
from tenantguard.asgi.expiry import Ending
from tenantguard.asgi.outside import Unbound, unbound
from tenantguard.asgi.refusal_events import note_refused
from tenantguard.asgi.request_id import forget, note_from_headers
from tenantguard.asgi.responses import POLICY_VIOLATION, refusal_in
from tenantguard.asgi.tokens import Credential
from tenantguard.asgi.types import App, Message, Receive, Scope, Send
from tenantguard.asgi.watch import Running, Sleep, Watch, current_task, in_time
from tenantguard.binding import put_mode
from tenantguard.context import Principal, begin, end
from tenantguard.errors import TokenError, Violation


class Sockets:
    """The handling of websockets; the arguments are those of ``TenantMiddleware``."""

    def __init__(
        self,
        admission: Admission,
        answers: Answers,
        ending: Ending,
        *,
        credential: Credential,
        protocol: str | None,
    ) -> None:
        self._admission, self._answers, self._ending = admission, answers, ending
        self._credential, self._protocol = credential, protocol

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send, *, exempt: bool) -> None:
        """Serve one connection."""
        socket = Socket(self._answers, dict(scope), receive, send)  # as it came in, before it was routed
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
        served: Principal | None = principal or scope.get(PRINCIPAL)

        async def late() -> None:
            if not isinstance(binding, Unbound):
                put_mode(binding, "closed")  # the handler goes on, and does so for nobody
            await socket.end()

        async def over(sleep: Sleep) -> bool:
            if served is not None:
                socket.over = await self._ending.of(socket.scope, served, value, sleep)
            socket.release()
            return True

        running = Running(socket.task)
        watch = Watch(over, late, running)
        try:
            if served is not None and self._ending.comes_to(served):
                watch.start()
            await running.within(app)(scope, socket.receive, socket.send)
        except BaseException as error:
            ended = await watch.ends(error)
            if not await _is_answered(error, socket, scope, ended=ended):
                raise
        else:
            if await watch.ends(None):
                await socket.end()
        finally:
            if isinstance(binding, Unbound):
                binding.end()
            else:
                end(binding)
            forget(scope)


async def _is_answered(error: BaseException, socket: Socket, scope: Scope, *, ended: bool) -> bool:
    """Close a socket whose handler has raised an error; return whether the error is handled."""
    if ended:
        await socket.end()
    if not isinstance(error, Exception):
        return ended
    refusal = refusal_in(error)
    if refusal is not None:
        note_refused(refusal, scope)
        await in_time(lambda: socket.refuse(refusal))
    return refusal is not None or (ended and isinstance(error, ConnectionError))


class Socket:
    """A websocket between the server and the application, with its state."""

    def __init__(self, answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.over: TokenError | Violation | None = None
        self._answers = answers
        self._receive = receive
        self._send = send
        self._accepted = False
        self._closed = False
        self._protocol: str | None = None
        self.task = current_task()
        self._waiting: set[Any] = set()  # tasks of the application inside of the server

    async def receive(self) -> Message:
        """Pass the server's next message to the application or, after the end, a disconnect."""
        if self.over is not None:
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        message: Message = await self._within(self._receive)
        return message

    async def send(self, message: Message) -> None:
        """Pass the application's message to the server.

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
        """Wait for the server in a way that ``release`` can cancel."""
        task = current_task()
        if task is None or task in self._waiting:
            return await call(*message)
        self._waiting.add(task)
        try:
            return await call(*message)
        finally:
            self._waiting.discard(task)

    def release(self) -> None:
        """Cancel the application's calls that wait for a client, which may never respond."""
        for task in self._waiting - {self.task}:  # the handler's own task is cancelled already
            task.cancel()

    def without_token(self, scope: Scope, protocol: str) -> Scope:
        """Return the scope without the token in its subprotocols, and the subprotocol to accept."""
        offered = list(scope.get("subprotocols") or ())
        if protocol not in offered:
            return scope
        self._protocol = protocol
        del offered[offered.index(protocol) + 1]
        headers = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
        headers.append((b"sec-websocket-protocol", ", ".join(offered).encode("latin-1", "replace")))
        return {**scope, "headers": headers, "subprotocols": offered}

    async def end(self) -> None:
        """Close it, allowing the client a limited time."""
        over = self.over
        if over is not None:
            await in_time(lambda: self.refuse(over))

    async def refuse(self, error: TokenError | Violation) -> None:
        """Close it with 1008 or, during the handshake, refuse it with the response."""
        if self._closed:
            return
        self._closed = True
        if self._accepted:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        else:
            await self._answers.deny(error, self.scope, self._receive, self._send)
