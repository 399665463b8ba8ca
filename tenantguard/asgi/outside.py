"""Outside: what keeps the server, and everything that it starts, out of the binding of a request.

A server registers readers, starts the next request's task and sets timers inside of its ``receive`` and ``send``, each
with a copy of the context of that moment. What was in force before the request is in force there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Token
from typing import Any

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


def outside(*calls: Callable[..., Awaitable[Any]]) -> list[Callable[..., Awaitable[Any]]]:
    """Return what calls a server's callables under what is in force now, whatever is in force then."""
    before, earlier = peek(), peek_request()
    return [_outside(call, before, earlier) for call in calls]


def _outside(
    call: Callable[..., Awaitable[Any]], before: Binding | None, earlier: Request | None
) -> Callable[..., Awaitable[Any]]:
    async def called(*message: Any) -> Any:
        """Call it, and put back in force what was."""
        binding, request = peek(), peek_request()
        token = put(before)
        other = None if request is earlier else put_request(earlier)  # the same, for most requests
        try:
            result = await call(*message)
        except (
            GeneratorExit
        ):  # dropped half-way, and perhaps in another context, where nothing is ours to set
            undo(token, other)
            raise
        except BaseException:
            _put_back(binding, other, request)
            raise
        put(binding)
        if other is not None:
            put_request(request)
        return result

    return called


def _put_back(binding: Binding | None, other: object, request: Request | None) -> None:
    put(binding)
    if other is not None:
        put_request(request)


class Unbound:
    """The time of a request that is served with nothing bound; the blocks that it enters end with it."""

    __slots__ = ("_life", "_request", "_token")

    def __init__(self) -> None:
        self._life: Life = []
        self._token = put(None)
        self._request = put_request(Request(request_id(), self._life))

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
