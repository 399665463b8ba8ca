"""A subscription: how a process hears at once that another one has put a cut-off into Redis."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Any
from weakref import WeakMethod

from tenantguard.identity.flights import in_asyncio

_log = logging.getLogger("tenantguard")
_LOOK = 1.0  # seconds, after which it is seen whether anybody still listens
_SILENCE = 5  # looks without a message, after which the server is asked whether it is there
_REST = 0.05  # seconds, in which all messages are one: a thousand revocations are no thousand readings
_BURST = 1_000  # messages that are taken together
_AGAIN = 1.0  # seconds, after which a subscription that was lost is tried again
Ring = Callable[[], None]
Pause = Callable[[float], Awaitable[None] | None]


class Subscription:
    """A subscription that lasts for as long as somebody listens, and comes back when it is lost.

    It carries no news, but only that there is some: whoever listens reads the store. So each subscription, the first
    and those after a loss, rings once as soon as the server has confirmed it, and nothing is missed that came before.

    It runs in a daemon thread of its own, or in a task where the client is asynchronous.

    Args:
        client: a client of Redis.
        channel: where messages are published.

    Attributes:
        losses: how often the subscription was lost, or could not be had.
    """

    def __init__(self, client: Any, channel: str) -> None:
        self._client, self._channel = client, channel
        self._rings: tuple[WeakMethod[Ring], ...] = ()
        self._running: threading.Thread | asyncio.Task[None] | None = None
        self._starting = threading.Lock()
        self._lost = False
        self.losses = 0

    def keep_up(self, ring: Ring) -> None:
        """See that somebody listens, and calls this method of an object for as long as that lives."""
        if not any(held() == ring for held in self._rings):
            self._rings = (*(held for held in self._rings if held() is not None), WeakMethod(ring))
        if not self._goes_on() and self._starting.acquire(blocking=False):
            try:
                self._start()
            except RuntimeError as error:  # no thread is to be had
                self._note(error)
            finally:
                self._starting.release()

    def _goes_on(self) -> bool:
        """Tell whether it runs: not in the child of a process that has forked, nor in a loop that is closed."""
        if isinstance(self._running, asyncio.Task):
            return not self._running.done() and not self._running.get_loop().is_closed()
        return self._running is not None and self._running.is_alive()

    def _start(self) -> None:
        """Begin to listen, with nothing of the request that happens to be the first."""
        if not inspect.iscoroutinefunction(self._client.execute_command):
            self._running = threading.Thread(
                target=Context().run, args=(self._drive,), name="tenantguard-revocations", daemon=True
            )
            self._running.start()
        elif in_asyncio():
            loop = asyncio.get_running_loop()
            self._running = loop.create_task(self._listen(asyncio.sleep), context=Context())

    def _drive(self) -> None:
        """Listen in a thread: there the client blocks, and nothing is ever waited for."""
        with suppress(StopIteration):
            self._listen(time.sleep).send(None)

    async def _listen(self, pause: Pause) -> None:
        while self._is_wanted():
            try:
                await self._hear(pause)
            except Exception as error:  # whatever the driver raises: readings of the store go on meanwhile
                self._note(error)
                await _done(pause(_AGAIN))

    async def _hear(self, pause: Pause) -> None:
        """Subscribe, and ring until nobody listens any more.

        Raises:
            Exception: the subscription is lost.
        """
        messages = self._client.pubsub()
        if messages.connection_pool is not None:  # it is a cluster's own otherwise
            messages.connection_pool = _pool_beside(messages.connection_pool)
        silent = 0
        try:
            await _done(messages.subscribe(self._channel))
            while self._is_wanted():
                kinds = await _kinds(messages)
                silent = 0 if kinds else silent + 1
                if kinds - {"pong"}:
                    self._lost = False
                    self._ring()
                    await _done(pause(_REST))
                elif silent == _SILENCE:
                    await _done(messages.ping())
                elif silent > 2 * _SILENCE:
                    raise ConnectionError("the server has stopped answering")
        finally:
            await _done((getattr(messages, "aclose", None) or messages.close)())

    def _ring(self) -> None:
        for held in self._rings:
            ring = held()
            if ring is not None:
                ring()

    def _is_wanted(self) -> bool:
        return any(held() is not None for held in self._rings)

    def _note(self, error: Exception) -> None:
        self.losses += 1
        if not self._lost:
            self._lost = True
            _log.warning("revocations arrive with the next reading instead of at once: %r", error)


async def _kinds(messages: Any) -> set[str]:
    """Return which kinds of messages have come within a look."""
    kinds = set[str]()
    timeout = _LOOK
    for _ in range(_BURST):
        message = await _done(messages.get_message(timeout=timeout))
        if message is None:
            break
        kinds.add(message["type"])
        timeout = 0.001
    return kinds


def _pool_beside(pool: Any) -> Any:
    """Return a pool of the same server: the client's may have one connection, which a subscription would hold."""
    kind = next(base for base in type(pool).__mro__ if base.__name__ == "ConnectionPool")
    return kind(connection_class=pool.connection_class, **pool.connection_kwargs)


async def _done(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
