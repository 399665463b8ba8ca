"""Single flight: one running task per key and event loop, which all interested callers share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


class Flight(Generic[T]):
    """One running task, in the event loop of its first caller.

    Attributes:
        task: the task.
        waiting: the number of callers that wait for it.
    """

    def __init__(self, work: Work[T]) -> None:
        self.task = asyncio.create_task(work())
        self.task.add_done_callback(_retrieve)
        self.waiting = 0

    def is_here(self) -> bool:
        """Return whether it runs in the current event loop."""
        return not self.task.done() and self.task.get_loop() is asyncio.get_running_loop()


class Flights(threading.local, Generic[T]):
    """The running tasks of this thread's event loop, by key.

    Event loops do not wait for each other, because one that was stopped or closed would block the others.
    Without an asyncio event loop, as under trio, each caller does the work itself.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[T]] = {}

    async def join(self, key: Hashable, work: Work[T]) -> T:
        """Return the result of the task for a key; the task is cancelled when nobody waits for it any more.

        A caller that gives up does not cancel it for the others.
        """
        if not in_asyncio():
            return await work()
        flight = self._flights.get(key)
        if flight is None or not flight.is_here():
            flight = self._flights[key] = Flight(work)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # does nothing to one that is done
                if self._flights.get(key) is flight:
                    del self._flights[key]


def in_asyncio() -> bool:
    """Return whether an asyncio event loop is running here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark a task's error as retrieved; the callers that still waited have received it."""
    if not task.cancelled():
        task.exception()
