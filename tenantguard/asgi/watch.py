"""Watching a websocket: its application runs until the token ends, on asyncio and on trio alike."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tenantguard.context import put, put_request

GRACE = 5.0  # seconds that a handler has for its clean-up before its binding ends
LIMIT = 1.0  # seconds that a closing frame may take: a client that does not read must not keep anything alive
Sleep = Callable[[float], Awaitable[object]]
Until = Callable[[Sleep], Awaitable[None]]
Run = Callable[[], Awaitable[None]]


async def run_until(app: Run, over: Until, late: Run) -> bool:
    """Run an application until it ends, or until something is over; tell which.

    Args:
        app: what is cancelled when it is over.
        over: returns when it is over; is given the event loop's sleep.
        late: called where the application ignores its cancellation.
    """
    if _on_asyncio():
        return await _on_asyncio_until(app, over, late)
    return await _on_trio_until(app, over, late)


async def in_time(call: Run) -> None:
    """Send a last message to somebody who may be gone, or may not read; no error and no delay comes of it."""
    with suppress(Exception):
        if _on_asyncio():
            async with asyncio.timeout(LIMIT):
                await call()
        else:
            with _trio().move_on_after(LIMIT):
                await call()


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _trio() -> Any:
    if "trio" not in sys.modules:
        raise RuntimeError("websockets with a token that ends are served on asyncio or trio")
    import trio

    return trio


async def _on_asyncio_until(app: Run, over: Until, late: Run) -> bool:
    task: Any = asyncio.current_task()
    ended = False

    async def watch() -> None:
        nonlocal ended
        _leave_behind()
        await over(asyncio.sleep)
        ended = True
        task.cancel()
        await asyncio.sleep(GRACE)
        await late()

    watching = asyncio.create_task(watch())
    try:
        await app()
    except asyncio.CancelledError:
        if not ended or task.uncancel() > 0:
            raise
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return ended


async def _on_trio_until(app: Run, over: Until, late: Run) -> bool:
    trio = _trio()
    failed: BaseException | None = None

    async def watch(running: Any) -> None:
        _leave_behind()
        await over(trio.sleep)
        running.cancel()
        await trio.sleep(GRACE)
        await late()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as running:
            nursery.start_soon(watch, running)
            try:
                await app()
            except Exception as error:  # a nursery would wrap it
                failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return bool(running.cancelled_caught)


def _leave_behind() -> None:
    """Take nothing of the request along: what watches it asks verifiers, for whom nobody is bound."""
    put(None)
    put_request(None)
