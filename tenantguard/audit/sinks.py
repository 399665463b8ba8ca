"""Sinks: where events go."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from typing import Protocol

from tenantguard.audit.events import Event


class Sink(Protocol):
    """Take one event; raising keeps the action from going through."""

    def __call__(self, event: Event, /) -> None: ...


class AsyncSink(Protocol):
    """Take one event, later and in order; an error is logged."""

    async def __call__(self, event: Event, /) -> None: ...


# The sinks that are at work in this context: what one of them does itself is recorded by the others alone, or a sink
# that stores its events through a guarded engine would call itself for ever.
called_by: ContextVar[tuple[object, ...]] = ContextVar("tenantguard_audit", default=())


class LoggingSink:
    """Write one JSON line per event to a logger: bypasses at INFO, refusals at WARNING, broken glass at CRITICAL.

    Args:
        logger: the logger's name.
    """

    def __init__(self, logger: str = "tenantguard.audit") -> None:
        self._logger = logging.getLogger(logger)

    def __call__(self, event: Event) -> None:
        """Write the event."""
        level = logging.INFO if event.kind.startswith("bypass") else logging.WARNING
        level = logging.CRITICAL if event.kind.startswith("break_glass") else level
        self._logger.log(level, json.dumps(event.as_dict(), default=str, sort_keys=True))


class MemorySink:
    """Keep events in a list, for tests and demonstrations."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)
