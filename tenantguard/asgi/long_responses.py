"""Long responses: shortly after they begin, they are watched like websockets.

Most requests are over before that, and cost one dictionary entry.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import Context
from typing import Any

from tenantguard.asgi.outside import Exchange
from tenantguard.asgi.watch import Sleep, on_trio, spawn_on_trio
from tenantguard.identity.cache import Warm

TICK = 0.2  # seconds: an answer that takes twice as long is watched
# What watches a request, and what it is told beside the exchange: Ending.watch() and its arguments. Every request makes
# one, so it is a plain tuple.
Facts = tuple[Callable[..., None], *tuple[Any, ...]]


class Lasting:
    """The requests being served in one run of an event loop.

    Args:
        loop: the asyncio loop, or ``None`` on trio.

    Attributes:
        young: requests that began since the last tick.
        ticks: whether a tick is scheduled.
    """

    __slots__ = ("_loop", "_old", "ticks", "young")

    def __init__(self, loop: AbstractEventLoop | None) -> None:
        self._loop = loop
        self.young: dict[Exchange, Facts] = {}
        self._old: dict[Exchange, Facts] = {}
        self.ticks = False

    def start(self) -> None:
        """Start ticking."""
        self.ticks = True
        if self._tick_later():
            Warm.cool(again_within=2 * TICK)

    def drop(self, exchange: Exchange) -> None:
        """Forget a request that is over."""
        if self.young.pop(exchange, None) is None:
            self._old.pop(exchange, None)

    def _tick(self) -> bool:
        """Watch the requests that began before the last tick; return whether there are others."""
        lasting, self._old, self.young = self._old, self.young, {}
        for exchange, (watch, *facts) in lasting.items():
            watch(exchange, *facts)
        self.ticks = bool(self._old)
        Warm.cool(again_within=2 * TICK if self.ticks else 0.0)
        return self.ticks

    def _tick_later(self) -> bool:
        """Schedule the next tick; return whether it is scheduled."""
        if self._loop is not None:
            self._loop.call_later(TICK, self._on_asyncio, context=Context())
        elif on_trio():
            spawn_on_trio(self._on_trio)
        else:
            return False
        return True

    def _on_asyncio(self) -> None:
        if self._tick():
            self._tick_later()

    async def _on_trio(self, sleep: Sleep) -> None:
        await sleep(TICK)
        while self._tick():
            await sleep(TICK)
