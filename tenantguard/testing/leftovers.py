"""Bindings that a test or a fixture leaves behind: taken out, and told as its failure.

Loaded in every run of pytest, so it does not load the context; while nobody else has, nothing can be bound.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenantguard.context import Binding

_CONTEXT = "tenantguard.context"
Function = Callable[..., Any]
Enter = Callable[[], AbstractContextManager[Any]]


def now() -> Binding | None:
    """Return the binding in force."""
    context = sys.modules.get(_CONTEXT)
    return context.peek() if context is not None else None


def nothing_new(name: str, before: Binding | None) -> None:
    """Take out what was bound since, and fail whoever left it.

    Args:
        name: whose failure it is.
        before: the binding that was in force when it began.
    """
    left = _taken_out(before)
    if left is not None:
        pytest.fail(
            f"{name} left {left!r} behind: what runs next would run under it. Bind with a `with` block, or "
            "yield inside one",
            pytrace=False,
        )


def _taken_out(before: Binding | None) -> Binding | None:
    """Restore the binding of before; return the one that was left, if there is any."""
    left = found = now()
    while found is not None and found is not before:
        sys.modules[_CONTEXT].leave(found)
        found = now()
    return left if left is not before else None


def watched(function: Function, name: str, enter: Enter = nullcontext) -> Function:
    """Return the function so that it fails if it leaves a binding behind, in whichever task it runs.

    Args:
        function: plain or a coroutine function, a generator function of either kind, or a method that is one.
        name: whose failure it is.
        enter: gives what the function runs inside of.
    """
    if inspect.ismethod(function):  # pytest binds it anew, to the instance of the test
        return types.MethodType(watched(function.__func__, name, enter), function.__self__)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, name)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, name, enter)
    return (_generator if inspect.isgeneratorfunction(function) else _plain)(function, name)


@contextmanager
def _answering(name: str) -> Iterator[None]:
    """Compare what is bound before and after; an error of the function's own comes first."""
    before = now()
    try:
        yield
    except BaseException:
        _taken_out(before)
        raise
    nothing_new(name, before)


def _plain(function: Function, name: str) -> Function:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _answering(name):
            return function(*args, **kwargs)

    return run


def _generator(function: Function, name: str) -> Function:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
        __tracebackhide__ = True
        with _answering(name):
            yield from function(*args, **kwargs)

    return run


def _coroutine(function: Function, name: str, enter: Enter) -> Function:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _answering(name), enter():
            return await function(*args, **kwargs)

    return run


def _async_generator(function: Function, name: str) -> Function:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        __tracebackhide__ = True
        values = function(*args, **kwargs)
        with _answering(name):
            try:
                async for value in values:
                    yield value
            finally:
                await values.aclose()

    return run
