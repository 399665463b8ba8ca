"""Outside: keeps the server, and everything it starts, out of the binding of a request.

Inside its ``receive`` and ``send``, a server registers readers, starts the next request's task and sets timers, each
with a copy of the current context. So these functions run under the context from before the request.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from contextvars import Token
from typing import Any

from tenantguard.asgi.types import Message, Receive, Scope, Send
from tenantguard.asgi.watch import Watch
from tenantguard.binding import Binding, Life, end_life
from tenantguard.context import (
    Request,
    peek,
    peek_request,
    put,
    put_request,
    request_id,
    reset,
    reset_request,
)
from tenantguard.errors import TokenError, Violation

_MORE = {
    "http.response.body": "more_body",
    "http.response.trailers": "more_trailers",
}  # messages that can be the last
_HANDED_OVER = {"http.response.pathsend", "http.response.zerocopysend"}


class Exchange:
    """A server's two callables for one connection, which always run under the context from before it.

    Attributes:
        begun: whether a response has begun.
        over: why the token has ended, once it has; the server is then no longer called.
        watch: the watch that ends the handler of a long response.
    """

    __slots__ = ("_before", "_earlier", "_last", "_receive", "_send", "begun", "over", "watch")

    _last: Message  # what was handed to the server last, once something was
    over: TokenError | Violation | None
    watch: Watch | None

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._before, self._earlier = peek(), peek_request()
        self.over = self.watch = None
        self.begun = False

    @property
    def is_complete(self) -> bool:
        """Return whether the whole response has been sent to the server."""
        last: Any = getattr(self, "_last", None)
        more = None if last is None else _MORE.get(last["type"])
        return more is not None and not last.get(more, False)

    async def break_off(self) -> None:
        """Make sure that the client sees that the response was broken off.

        A ``BaseHTTPMiddleware`` around this ends the response normally, whatever is raised inside it, unless it
        receives an unknown message.
        """
        if "BaseHTTPMiddleware" in getattr(self._send, "__qualname__", ""):
            await self._send({"type": "tenantguard.broken_off", "more_body": True})

    async def was_ended(self, error: BaseException | None) -> bool:
        """Stop watching; return whether the watch alone ended the handler that raised the error."""
        watch, self.watch = self.watch, None
        return watch is not None and await watch.ends(error)

    async def receive(self) -> Message:
        """Call the server's ``receive`` outside the binding."""
        if self.over is not None:
            return {"type": "http.disconnect"}
        request = peek_request()
        token = put(self._before)
        other = (
            None if request is self._earlier else put_request(self._earlier)
        )  # the same, for most requests
        try:
            message = await self._receive()
        except BaseException as error:
            _put_back(error, token, other, request)
            raise
        _put_back(None, token, other, request)
        return message

    async def send(self, message: Message) -> None:
        """Call the server's ``send`` outside the binding.

        Raises:
            ConnectionError: the token has ended.
        """
        if self.over is not None:
            raise ConnectionError("the answer was cut: its token has ended")
        if message["type"] == "http.response.start":
            self.begun = True
        request = peek_request()
        token = put(self._before)
        other = None if request is self._earlier else put_request(self._earlier)
        try:
            await self._send(message)
        except BaseException as error:
            _put_back(error, token, other, request)
            raise
        self._last = message
        try:  # as _put_back(), without a call on the path that every request takes
            reset(token)
        except ValueError:
            put(_replaced(token))
        if other is not None:
            put_request(request)


def hand_nothing_over(scope: Scope) -> None:
    """Remove the extension that passes a file to the server, because such a response could not be cut."""
    extensions = scope["extensions"]
    if extensions and not _HANDED_OVER.isdisjoint(extensions):
        kept = {name: value for name, value in extensions.items() if name not in _HANDED_OVER}
        scope["extensions"] = kept


def _put_back(
    error: BaseException | None,
    token: Token[Any],
    other: Token[Any] | None,
    request: Request | None,
) -> None:
    """Restore the context, unless the call was dropped, perhaps in another context."""
    if isinstance(error, GeneratorExit):
        undo(token, other)
        return
    try:
        reset(token)
    except ValueError:  # carried on in another context
        put(_replaced(token))
    if other is not None:
        put_request(request)


def _replaced(token: Token[Any]) -> Binding | None:
    """Return the value that a context variable token replaced."""
    return None if token.old_value is Token.MISSING else token.old_value


class Unbound:
    """The duration of a request that is served with nothing bound; blocks entered in it end with it."""

    __slots__ = ("_life", "_request", "_token")

    def __init__(self, scope: Scope) -> None:
        self._life: Life = []
        self._token = put(None)
        self._request = put_request(Request(request_id(), self._life, scope))

    def end(self) -> None:
        """Restore the context from before the request, and close the blocks entered in it."""
        undo(self._token, self._request)
        end_life(self._life)


async def unbound(call: Awaitable[Any]) -> Any:
    """Wait with nothing bound, because the token is not verified yet."""
    token = put(None)
    try:
        return await call
    finally:
        undo(token)


def undo(token: Token[Binding | None], request: Token[Request | None] | None = None) -> None:
    """Reset the variables, if this is the context in which they were set."""
    with suppress(ValueError):
        reset(token)
        if request is not None:
            reset_request(request)
