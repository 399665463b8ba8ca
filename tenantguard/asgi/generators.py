"""Unclosed asynchronous generators: each is finalised in the context in which it began.

A streamed body is dropped half-way when its client disconnects. The event loop then closes it in a new task with a
copy of the current context, which belongs to whichever request dropped the last reference or triggered the garbage
collector.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context
from typing import Any
from weakref import ref

from tenantguard.asgi.long_responses import Lasting

Generator = AsyncGenerator[Any, Any]
Hook = Callable[[Generator], Any]


class Begun(ref[Generator]):
    """A started generator and the context of its first step."""

    __slots__ = ("context", "key")

    context: Context
    key: int


class Unclosed:
    """The asynchronous generator hooks of one run of an event loop, wrapped around the loop's own.

    Args:
        first: the loop's hook for a generator's first step.
        close: the loop's hook for a generator that is dropped half-way.

    Attributes:
        loop: the asyncio loop, or ``None`` on trio.
        lasting: the requests that it is serving.
    """

    def __init__(self, first: Hook | None, close: Hook) -> None:
        self.loop = running_loop()
        self.lasting = Lasting(self.loop)
        self._first, self._close = first, close
        self._begun: dict[int, Begun] = {}
        self._dropped: dict[int, Context] = {}

    def begin(self, generator: Generator) -> None:
        """Record the context in which a generator begins."""
        if self._dropped:
            self._dropped.clear()  # of those that had come to their end, and are not closed any more
        begun = Begun(generator, self._drop)
        begun.context, begun.key = copy_context(), id(generator)
        self._begun[begun.key] = begun
        if self._first is not None:
            self._first(generator)

    def _drop(self, begun: Begun) -> None:
        """Keep the context for ``__call__``, which comes next, because weak references die before their object."""
        if self._begun.pop(begun.key, None) is not None:
            self._dropped[begun.key] = begun.context

    def __call__(self, generator: Generator) -> None:
        """Let the loop close a generator in the context in which it began, or in an empty one if that is unknown."""
        context = self._dropped.pop(id(generator), None)
        (Context() if context is None else context).run(self._close, generator)


def watch_unclosed() -> Unclosed | None:
    """Install the hooks for the rest of the running event loop, and return them."""
    first, close = sys.get_asyncgen_hooks()
    if close is None:
        return None  # no event loop
    if close.__class__ is not Unclosed:
        close = Unclosed(first, close)
        sys.set_asyncgen_hooks(close.begin, close)
    return close


def running_loop() -> AbstractEventLoop | None:
    """Return the running asyncio event loop, if there is one."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None
