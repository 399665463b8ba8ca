"""Work under way: one piece for each key and event loop, which everybody there waits for who needs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


class Flight(Generic[T]):
    """One piece of work in the event loop of whoever began it.

    Attributes:
        task: the work itself.
        waiting: how many wait for it.
    """

    def __init__(self, work: Work[T]) -> None:
        self.task = asyncio.create_task(work())
        self.task.add_done_callback(_retrieve)
        self.waiting = 0

    def is_here(self) -> bool:
        """Tell whether it goes on in the event loop that runs now."""
        return not self.task.done() and self.task.get_loop() is asyncio.get_running_loop()


class Flights(threading.local, Generic[T]):
    """Keep the work under way in this thread's event loop, by key.

    Event loops do not wait for each other: one that was stopped or closed half-way would hold up the others.
    Where no event loop of asyncio runs, under trio, each does the work itself.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[T]] = {}

    async def join(self, key: Hashable, work: Work[T]) -> T:
        """Return what the work of that key comes to; it ends when nobody waits for it any more.

        Whoever gives up does not end it for the others.
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
    """Tell whether an event loop of asyncio runs here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take note of an error: whoever waited was told; when all of them went away, nobody need be."""
    if not task.cancelled():
        task.exception()
