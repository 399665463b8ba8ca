"""Sinks: where events go."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from typing import Protocol

from tenantguard.audit.events import Event


class Sink(Protocol):
    """A function of one event; raising an exception stops the action."""

    def __call__(self, event: Event, /) -> None: ...


class AsyncSink(Protocol):
    """An asynchronous function of one event, called later and in order; errors are logged."""

    async def __call__(self, event: Event, /) -> None: ...


# The sinks that are at work in this context: what one of them does itself is recorded by the others alone, or a sink
# that stores its events through a guarded engine would call itself for ever.
called_by: ContextVar[tuple[object, ...]] = ContextVar("tenantguard_audit", default=())


class LoggingSink:
    """A sink that logs one JSON line per event: bypasses at INFO, refusals at WARNING, broken glass at CRITICAL.

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
    """A sink that keeps events in a list, for tests and demonstrations."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)
