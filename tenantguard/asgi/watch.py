"""The watch over a connection, which cancels its handler when its token ends, on asyncio and trio."""

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
    """A watch that cancels one handler when a condition ends.

    Args:
        over: a coroutine function that returns at the end, or false if nothing is left to cancel; it receives the
            event loop's ``sleep``.
        late: called if the application ignores its cancellation.
        running: the handler to cancel.

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
        """Stop watching; return whether this alone ended the handler that raised the error."""
        watching = None if self._stop is None else self._stop()
        if watching is not None and not isinstance(
            error, GeneratorExit
        ):  # who drops a handler waits for nothing
            with suppress(asyncio.CancelledError):
                await watching
        return self.ended and self._running.was_ended_by_us(error)


class Running:
    """A running handler, in an asyncio task or a trio cancel scope."""

    __slots__ = ("_scope", "_task")

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self._scope: Any = None

    def within(self, app: App) -> App:
        """Return the application in a form that can be cancelled: unchanged on asyncio, in a cancel scope on trio."""
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
        """Return whether it was cancelled here, and by nobody else."""
        if self._task is None:
            return error is None or isinstance(error, Exception)
        others = self._task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            return others == 0
        return error is None or isinstance(error, Exception)


async def in_time(call: Run) -> None:
    """Send a last message to a client that may be gone, without raising errors or waiting long."""
    with suppress(Exception):
        if on_trio():
            with _trio().move_on_after(LIMIT):
                await call()
        else:
            async with asyncio.timeout(LIMIT):
                await call()


def on_trio() -> bool:
    """Return whether this runs under trio."""
    return "trio" in sys.modules and bool(_trio().lowlevel.in_trio_run())


def _trio() -> Any:
    import trio

    return trio


def current_task() -> asyncio.Task[Any] | None:
    """Return the current asyncio task, or ``None`` on trio."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _spawned(watch: Callable[[Sleep], Coroutine[Any, Any, None]]) -> Stop:
    """Start watching in a separate task, and return the function that stops it."""
    if on_trio():
        return spawn_on_trio(watch)
    task = asyncio.create_task(watch(asyncio.sleep))

    def stop() -> asyncio.Task[None]:
        task.cancel()
        return task

    return stop


def spawn_on_trio(watch: Callable[[Sleep], Coroutine[Any, Any, None]]) -> Stop:
    """Start a function in a trio system task with an empty context, and return the function that stops it."""
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
