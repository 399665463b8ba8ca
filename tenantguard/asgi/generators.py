"""Asynchronous generators that nobody closed: each ends in the context it began in, whoever drops it.

A streamed body whose client has gone is dropped half-way. The event loop then closes it in a task of its own, with a
copy of the context of that moment, which is the context of whichever request dropped the last reference or set off the
garbage collector.
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
    """A generator that has begun, and the context of its first step."""

    __slots__ = ("context", "key")

    context: Context
    key: int


class Unclosed:
    """The hooks of one run of an event loop, around the loop's own.

    Args:
        first: what the loop does with a generator at its first step.
        close: what it does with one that is dropped half-way.

    Attributes:
        loop: asyncio's, or ``None`` on trio.
        lasting: the requests that are being answered in it.
    """

    def __init__(self, first: Hook | None, close: Hook) -> None:
        self.loop = running_loop()
        self.lasting = Lasting(self.loop)
        self._first, self._close = first, close
        self._begun: dict[int, Begun] = {}
        self._dropped: dict[int, Context] = {}

    def begin(self, generator: Generator) -> None:
        """Remember where a generator begins."""
        if self._dropped:
            self._dropped.clear()  # of those that had come to their end, and are not closed any more
        begun = Begun(generator, self._drop)
        begun.context, begun.key = copy_context(), id(generator)
        self._begun[begun.key] = begun
        if self._first is not None:
            self._first(generator)

    def _drop(self, begun: Begun) -> None:
        """Keep the context for ``__call__``, which comes next: weak references end before what they point to."""
        if self._begun.pop(begun.key, None) is not None:
            self._dropped[begun.key] = begun.context

    def __call__(self, generator: Generator) -> None:
        """Let the loop close a generator, in the context it began in, or in an empty one if that is unknown."""
        context = self._dropped.pop(id(generator), None)
        (Context() if context is None else context).run(self._close, generator)


def watch_unclosed() -> Unclosed | None:
    """Close what is dropped in its own context from here on, until the running event loop ends; return what does it."""
    first, close = sys.get_asyncgen_hooks()
    if close is None:
        return None  # no event loop
    if close.__class__ is not Unclosed:
        close = Unclosed(first, close)
        sys.set_asyncgen_hooks(close.begin, close)
    return close


def running_loop() -> AbstractEventLoop | None:
    """Return the event loop of asyncio that runs this, if one does."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None
