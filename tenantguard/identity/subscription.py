"""A subscription: how a process learns immediately that another one has stored a cut-off in Redis."""

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
    """A subscription that lasts while there is a listener, and reconnects when it is lost.

    Its messages contain no data; they only make listeners read the store. Every subscription, the first and each one
    after a loss, rings once when the server has confirmed it, so that no earlier cut-off is missed.

    It runs in a daemon thread, or in a task if the client is asynchronous.

    Args:
        client: a Redis client.
        channel: the channel of the messages.

    Attributes:
        losses: how often the subscription was lost or failed.
    """

    def __init__(self, client: Any, channel: str) -> None:
        self._client, self._channel = client, channel
        self._rings: tuple[WeakMethod[Ring], ...] = ()
        self._running: threading.Thread | asyncio.Task[None] | None = None
        self._starting = threading.Lock()
        self._lost = False
        self.losses = 0

    def keep_up(self, ring: Ring) -> None:
        """Keep the subscription running, and call this method of an object for as long as it lives."""
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
        """Return whether it runs; it does not in a forked child or a closed loop."""
        if isinstance(self._running, asyncio.Task):
            return not self._running.done() and not self._running.get_loop().is_closed()
        return self._running is not None and self._running.is_alive()

    def _start(self) -> None:
        """Start listening, in a context without the current request."""
        if not inspect.iscoroutinefunction(self._client.execute_command):
            self._running = threading.Thread(
                target=Context().run, args=(self._drive,), name="tenantguard-revocations", daemon=True
            )
            self._running.start()
        elif in_asyncio():
            loop = asyncio.get_running_loop()
            self._running = loop.create_task(self._listen(asyncio.sleep), context=Context())

    def _drive(self) -> None:
        """Listen in a thread, where the client blocks."""
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
        """Subscribe, and ring until there are no listeners.

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
    """Return the kinds of messages that have arrived."""
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
    """Return a separate pool to the same server, because the client's pool may have only one connection."""
    kind = next(base for base in type(pool).__mro__ if base.__name__ == "ConnectionPool")
    return kind(connection_class=pool.connection_class, **pool.connection_kwargs)


async def _done(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
