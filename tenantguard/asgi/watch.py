"""Watching a connection: its handler is cancelled when its token ends, on asyncio and on trio alike."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from tenantguard.asgi.types import App, Receive, Scope, Send
from tenantguard.context import put, put_request

GRACE = 5.0  # seconds that a handler has for its clean-up before its binding ends
LIMIT = 1.0  # seconds that a last message may take: a client that does not read must not keep anything alive
Sleep = Callable[[float], Awaitable[object]]
Until = Callable[[Sleep], Awaitable[bool]]
Run = Callable[[], Awaitable[None]]
Stop = Callable[[], "asyncio.Task[None] | None"]
_log = logging.getLogger("tenantguard")


class Watch:
    """What ends one handler from outside, once something is over.

    Args:
        over: returns when it is over, or false where nothing is left to end; is given the event loop's sleep.
        late: called where the application ignores its cancellation.
        running: cancels the handler.

    Attributes:
        ended: whether the handler was cancelled.
    """

    __slots__ = ("_late", "_over", "_running", "_stop", "ended")

    def __init__(self, over: Until, late: Run, running: Running) -> None:
        self._over, self._late, self._running = over, late, running
        self._stop: Stop | None = None
        self.ended = False

    def start(self) -> None:
        """Begin to watch."""
        self._stop = _spawned(self._watch)

    async def _watch(self, sleep: Sleep) -> None:
        put(None)  # what watches a request asks verifiers, for whom nobody is bound
        put_request(None)
        if not await self._over(sleep):
            return
        self.ended = True
        self._running.cancel()
        await sleep(GRACE)
        await self._late()

    async def ends(self, error: BaseException | None) -> bool:
        """Stop watching; tell whether this, and nobody else, has ended the handler, which raised the error."""
        watching = None if self._stop is None else self._stop()
        if watching is not None and not isinstance(
            error, GeneratorExit
        ):  # who drops a handler waits for nothing
            with suppress(asyncio.CancelledError):
                await watching
        return self.ended and self._running.was_ended_by_us(error)


class Running:
    """A handler that runs, in a task of asyncio or in a scope of trio."""

    __slots__ = ("_scope", "_task")

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self._scope: Any = None

    def within(self, app: App) -> App:
        """Return the application so that it can be cancelled: as it is on asyncio, in a scope on trio."""
        if self._task is not None or not on_trio():
            return app
        self._scope = scope = _trio().CancelScope()

        async def scoped(connection: Scope, receive: Receive, send: Send) -> None:
            with scope:
                await app(connection, receive, send)

        return scoped

    def cancel(self) -> None:
        """Cancel it."""
        (self._task or self._scope).cancel()

    def was_ended_by_us(self, error: BaseException | None) -> bool:
        """Tell whether nobody else has cancelled it, once it was cancelled here."""
        if self._task is None:
            return error is None or isinstance(error, Exception)
        others = self._task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            return others == 0
        return error is None or isinstance(error, Exception)


async def in_time(call: Run) -> None:
    """Send a last message to somebody who may be gone, or may not read; no error and no delay comes of it."""
    with suppress(Exception):
        if on_trio():
            with _trio().move_on_after(LIMIT):
                await call()
        else:
            async with asyncio.timeout(LIMIT):
                await call()


def on_trio() -> bool:
    """Tell whether trio runs this."""
    return "trio" in sys.modules and bool(_trio().lowlevel.in_trio_run())


def _trio() -> Any:
    import trio

    return trio


def current_task() -> asyncio.Task[Any] | None:
    """Return the task of asyncio that runs this, or ``None`` on trio."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _spawned(watch: Callable[[Sleep], Coroutine[Any, Any, None]]) -> Stop:
    """Start what watches, in a task of its own, and return what stops it."""
    if on_trio():
        return spawn_on_trio(watch)
    task = asyncio.create_task(watch(asyncio.sleep))

    def stop() -> asyncio.Task[None]:
        task.cancel()
        return task

    return stop


def spawn_on_trio(watch: Callable[[Sleep], Coroutine[Any, Any, None]]) -> Stop:
    """Start something in a system task of trio, whose context is nobody's, and return what stops it."""
    trio = _trio()
    scope = trio.CancelScope()

    async def run() -> None:
        try:
            with scope:
                await watch(trio.sleep)
        except Exception:  # trio ends with a system task that fails
            _log.exception("a connection is no longer watched")

    def stop() -> None:
        scope.cancel()

    trio.lowlevel.spawn_system_task(run)
    return stop
