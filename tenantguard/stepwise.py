"""Run a function, a coroutine or a generator so that a hook wraps each of its steps.

The hook's state exists during a step and never between two. It is set up and undone in order, in the same context,
so nothing is left behind if a generator or a coroutine is dropped half-way, closed by another task, or moved
between threads.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
Step = Callable[[Callable[[], Any]], Any]  # calls what it is given, and returns what that returns
Start = Callable[[], Step]  # returns the hook of one call


class Plain:
    """A plain function whose call runs inside a hook."""

    def __init__(self, function: Callable[..., Any], start: Start) -> None:
        self._function, self._start = function, start

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function inside the hook, and wrap a coroutine or generator that it returns."""
        step = self._start()
        result = step(functools.partial(self._function, *args, **kwargs))
        wrap = next((wrap for kind, wrap in _LATER.items() if isinstance(result, kind)), None)
        return result if wrap is None else wrap(lambda: result, lambda: step)()


def stepwise(function: Callable[P, R], start: Start, *, plain: type[Plain] = Plain) -> Callable[P, R]:
    """Return a callable of the same kind whose steps run inside a hook.

    Args:
        function: a function, a coroutine function, or a generator function of either kind. If a plain function
            returns a coroutine or a generator, its steps are wrapped too.
        start: called at each call; returns the hook of that call.
        plain: the wrapper class for a plain function.
    """
    target: Any = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = type(target).__call__
    wrap: Callable[[Callable[..., Any], Start], Callable[..., Any]] = plain
    if inspect.isasyncgenfunction(target):
        wrap = _async_generator
    elif inspect.iscoroutinefunction(target):
        wrap = _coroutine
    elif inspect.isgeneratorfunction(target):
        wrap = _generator
    return cast("Callable[P, R]", functools.update_wrapper(wrap(function, start), function))


def _steps(inner: Any, step: Step) -> Generator[Any, Any, Any]:
    """Run a generator, or the awaitable of a coroutine, to its end."""
    call = functools.partial(inner.send, None)
    try:
        while True:
            try:
                item = step(call)
            except StopIteration as stop:
                return stop.value
            try:
                call = functools.partial(inner.send, (yield item))
            except GeneratorExit:
                raise
            except BaseException as error:
                call = functools.partial(inner.throw, error)
    finally:
        step(inner.close)


@types.coroutine
def _wait(inner: Any, step: Step) -> Generator[Any, Any, Any]:
    return (yield from _steps(inner, step))


def _coroutine(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        step = start()
        return await _wait(step(functools.partial(function, *args, **kwargs)), step)

    return call


def _generator(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        step = start()
        return (yield from _steps(step(functools.partial(function, *args, **kwargs)), step))

    return call


def _async_generator(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        step = start()
        inner = step(functools.partial(function, *args, **kwargs))
        waited = inner.asend(None)
        try:
            while True:
                try:
                    item = await _wait(waited, step)
                except StopAsyncIteration:
                    return
                try:
                    waited = inner.asend((yield item))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    waited = inner.athrow(error)
        finally:
            await _wait(inner.aclose(), step)

    return call


# What a plain function may return that does its work later; a lambda around a coroutine function does.
_LATER: dict[type, Callable[[Callable[..., Any], Start], Callable[..., Any]]] = {
    types.CoroutineType: _coroutine,
    types.GeneratorType: _generator,
    types.AsyncGeneratorType: _async_generator,
}
