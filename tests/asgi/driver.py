"""A server of our own for tests: it speaks ASGI in process and leaves every moment to the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Reply:
    """Hold what an application answered to one request.

    Attributes:
        error: what it raised into the server, which then breaks the connection.
        complete: whether the answer was ended.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    error: BaseException | None = None

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    async def take(self, message: Message) -> None:
        """Be the server's ``send``."""
        if message["type"] == "http.response.start":
            assert self.status is None, "the response was started twice"
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message.get("headers", ())}
        elif message["type"] == "http.response.trailers":
            assert self.complete, "the trailers came before the end of the body"
        else:
            assert self.status is not None, "the body came before the start"
            assert not self.complete, "the body went on after its end"
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    """Return the header that carries a token."""
    return [(b"authorization", b"Bearer " + token.encode())]


def scope(path: str, headers: Headers = (), kind: str = "http", **more: Any) -> dict[str, Any]:
    """Return the scope of one connection, as uvicorn makes it."""
    made: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 50000),
        "state": {},
    }
    if kind == "http":
        made["method"] = "GET"
    else:
        made["subprotocols"] = []
    return made | more


async def request(
    app: App, path: str = "/", headers: Headers = (), *, body: bytes = b"", **more: Any
) -> Reply:
    """Send one request and return the whole answer; the client stays until it has it."""
    reply, answered = Reply(), anyio.Event()
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await reply.take(message)
        if reply.complete:
            answered.set()

    try:
        await app(scope(path, headers, **more), receive, send)
    except Exception as error:
        reply.error = error
    return reply


class Socket:
    """Hold one websocket from the client's side; its messages are kept in order.

    Use it as an asynchronous context manager: the application runs in a task meanwhile.
    """

    def __init__(self, app: App, path: str = "/ws", headers: Headers = (), **more: Any) -> None:
        self._app = app
        self._scope = scope(path, headers, "websocket", **more)
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})

    async def __aenter__(self) -> Socket:
        self.task = asyncio.ensure_future(self._app(self._scope, self._to_app.get, self._from_app.put))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self.task.done():
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(self.task, return_exceptions=True)

    async def next(self) -> Message:
        """Return the application's next message."""
        return await self._from_app.get()

    async def text(self) -> str:
        """Return the next message, which is text."""
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    def say(self, text: str) -> None:
        """Send a text to the application."""
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})
