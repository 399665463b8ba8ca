"""The signal that something new is in the database: it carries no data, so there is nothing in it to leak."""

from __future__ import annotations

import asyncio


class Live:
    """Wake everybody who waits; each then reads from the database what is theirs to see."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def announce(self) -> None:
        """Say that there is something new."""
        for event in self._waiting:
            event.set()

    def subscribe(self) -> asyncio.Event:
        """Return an event that each announcement sets; whoever waits on it clears it."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        """Forget an event."""
        self._waiting.discard(event)
