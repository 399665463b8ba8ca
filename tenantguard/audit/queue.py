"""The queue in front of a slow sink, which delivers events later so that no request waits."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any
from weakref import WeakMethod

from tenantguard.audit.events import Event
from tenantguard.audit.sinks import AsyncSink, Sink, called_by
from tenantguard.errors import ConfigurationError

_log = logging.getLogger("tenantguard")
# What may be left out where a sink cannot keep up; each is counted. Violations always wait.
_DROPPABLE = frozenset({"token_refused", "bypass_opened", "bypass_closed"})


class QueuedSink:
    """A sink that delivers its events to another sink in the background, in order.

    An asynchronous sink runs on the event loop that recorded first or, without one, in its own thread; a plain sink
    runs in a thread. Failures are logged and counted, and do not stop the action.

    Args:
        sink: a function of one event, asynchronous or not.
        size: how many events may wait. Beyond it, refused tokens and bypasses are dropped; violations are not.

    Attributes:
        dropped: the number of dropped events.
        failed: the number of events on which the sink failed.

    Raises:
        ConfigurationError: the size is not a positive number.

    Example:
        >>> kept = []
        >>> queued = QueuedSink(kept.append, size=100)
        >>> queued.dropped
        0
    """

    def __init__(self, sink: Sink | AsyncSink, size: int = 10_000) -> None:
        if size < 1:
            raise ConfigurationError(f"size={size}: a queue needs room for at least one event")
        self.sink = sink
        self.dropped = self.failed = 0
        self._asynchronous = is_asynchronous(sink)
        self._size = size
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._begin()
        last = WeakMethod(self._hand_over_the_rest)
        atexit.register(lambda: (call := last()) and call())

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._droppable = 0  # of those that wait
        self._working = False
        self._idle = threading.Event()
        self._idle.set()

    def __call__(self, event: Event) -> None:
        """Add the event to the queue."""
        if self._process != os.getpid():  # a fork: what waits is for the parent to hand over
            self._begin()
        with self._lock:
            if not self._has_room(event):
                self.dropped += 1
                return
            self._waiting.append(event)
            self._droppable += event.kind in _DROPPABLE
            lost = self._loop is not None and self._loop.is_closed()  # and whoever worked on it
            if self._working and not lost:
                return
            self._working = True
            self._idle.clear()
        self._start()

    async def flushed(self) -> None:
        """Wait until every event has been delivered."""
        await asyncio.get_running_loop().run_in_executor(None, self._idle.wait)

    def _has_room(self, event: Event) -> bool:
        if len(self._waiting) < self._size:
            return True
        if event.kind in _DROPPABLE:
            return False
        if self._droppable:  # or every violation would look through all that wait
            self._waiting.remove(next(older for older in self._waiting if older.kind in _DROPPABLE))
            self._droppable -= 1
            self.dropped += 1
        return True

    def _start(self) -> None:
        """Start delivery on the loop or in a thread."""
        if not self._asynchronous:
            self._in_a_thread()
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None or not self._loop.is_running():
                self._in_a_thread()
            else:
                self._loop.call_soon_threadsafe(self._on_the_loop, context=Context())
        else:
            self._on_the_loop()

    def _on_the_loop(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), context=Context())

    def _in_a_thread(self) -> None:
        self._loop = None
        try:
            threading.Thread(target=self._hand_over, name="tenantguard.audit").start()
        except RuntimeError:  # the interpreter is about to end
            self._hand_over()

    def _hand_over(self) -> None:
        Context().run(asyncio.run, self._work())

    def _hand_over_the_rest(self) -> None:
        """Deliver the remaining events if an event loop closes, or the interpreter exits, before the queue is empty."""
        if self._waiting and self._process == os.getpid():
            self._hand_over()

    async def _work(self) -> None:
        called_by.set((self,))  # what the sink itself does is recorded by the others
        while (event := self._next()) is not None:
            try:
                made: Any = self.sink(event)
                if self._asynchronous:
                    await made
            except (
                asyncio.CancelledError
            ):  # the loop ends; what it began may be told twice, and never not at all
                with self._lock:
                    self._waiting.appendleft(event)
                    self._droppable += event.kind in _DROPPABLE
                self._in_a_thread()
                raise
            except Exception:
                self.failed += 1
                _log.exception("an audit sink failed on a %s event", event.kind)

    def _next(self) -> Event | None:
        with self._lock:
            if self._waiting:
                event = self._waiting.popleft()
                self._droppable -= event.kind in _DROPPABLE
                return event
            self._working = False
            self._idle.set()
            return None


def is_asynchronous(sink: Callable[[Event], Awaitable[None] | None]) -> bool:
    """Return whether calling a sink returns an awaitable."""
    return inspect.iscoroutinefunction(sink) or inspect.iscoroutinefunction(type(sink).__call__)
