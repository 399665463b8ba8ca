"""Outside: what keeps the server, and everything that it starts, out of the binding of a request.

A server registers readers, starts the next request's task and sets timers inside of its ``receive`` and ``send``, each
with a copy of the context of that moment. What was in force before the request is in force there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from contextvars import Token
from typing import Any

from tenantguard.asgi.types import Message, Receive, Scope, Send
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


def outside(receive: Receive, send: Send) -> tuple[Receive, Send, list[str]]:
    """Return a server's two callables, called under what is in force now, whatever is in force then.

    The third member is empty until a response has begun.
    """
    before, earlier = peek(), peek_request()
    begun: list[str] = []

    async def received() -> Message:
        """Call ``receive``, and put back in force what was."""
        request = peek_request()
        token = put(before)
        other = None if request is earlier else put_request(earlier)  # the same, for most requests
        try:
            message = await receive()
        except BaseException as error:
            _put_back(error, token, other, request)
            raise
        _put_back(None, token, other, request)
        return message

    async def sent(message: Message) -> None:
        """Call ``send``, and put back in force what was."""
        if message["type"] == "http.response.start":
            begun.append("begun")
        request = peek_request()
        token = put(before)
        other = None if request is earlier else put_request(earlier)
        try:
            await send(message)
        except BaseException as error:
            _put_back(error, token, other, request)
            raise
        if other is None:
            try:  # as _put_back(), without a call on the path that every request takes
                reset(token)
            except ValueError:
                put(_replaced(token))
        else:
            _put_back(None, token, other, request)

    return received, sent, begun


def _put_back(
    error: BaseException | None,
    token: Token[Any],
    other: Token[Any] | None,
    request: Request | None,
) -> None:
    """Put in force what was; nothing where the call was dropped, perhaps in another context."""
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
    """Return what was in force before something was put in its place."""
    return None if token.old_value is Token.MISSING else token.old_value


class Unbound:
    """The time of a request that is served with nothing bound; the blocks that it enters end with it."""

    __slots__ = ("_life", "_request", "_token")

    def __init__(self, scope: Scope) -> None:
        self._life: Life = []
        self._token = put(None)
        self._request = put_request(Request(request_id(), self._life, scope))

    def end(self) -> None:
        """Put in force what was before the request, and close what was entered in it."""
        undo(self._token, self._request)
        end_life(self._life)


async def unbound(call: Awaitable[Any]) -> Any:
    """Wait for something with nothing bound: a token that is not verified yet speaks for nobody."""
    token = put(None)
    try:
        return await call
    finally:
        undo(token)


def undo(token: Token[Binding | None], request: Token[Request | None] | None = None) -> None:
    """Set the variables back, where this is the context in which they were set."""
    with suppress(ValueError):
        reset(token)
        if request is not None:
            reset_request(request)
