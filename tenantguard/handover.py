"""Carrying: how a binding is passed on deliberately, and never by accident."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable
from threading import get_ident
from typing import Any, NoReturn, ParamSpec, TypeVar

from tenantguard.binding import ASIDE, Binding, Mode, collecting, copied, put_mode
from tenantguard.context import Request, peek, peek_request, put, put_request
from tenantguard.stepwise import Plain, stepwise

P = ParamSpec("P")
R = TypeVar("R")


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs under the current binding, wherever it is called.

    It can outlive its request, because the carried binding does not end with it; a bypass still ends with its block.
    The function cannot be sent to another process.

    Args:
        function: a function, a coroutine function, or a generator function of either kind. Each step of a
            generator runs under the binding; the code between the steps does not.

    Returns:
        A callable of the same kind.

    Example:
        >>> from tenantguard import bind, current
        >>> with bind("acme"):
        ...     work = carry(lambda: current().tenant)
        >>> work()
        'acme'
    """
    binding, request = copied(peek()), peek_request()
    named = None if request is None or request.id is None else Request(request.id)
    return stepwise(function, lambda: _Inside(binding, named).step, plain=_Carried)


class _Carried(Plain):
    """A carried function; it raises an error when it is sent to another process."""

    def __reduce__(self) -> NoReturn:
        name = getattr(self, "__qualname__", "function")
        raise pickle.PicklingError(
            f"carry({name}) was sent to another process, but a binding does not cross processes. Send "
            "the function itself and the tenant's id, and use `with bind(tenant):` in it."
        )


class _Inside:
    """The binding inside one call of a carried function, entered and left at each step.

    Each step begins and ends in order in one context, so nothing is left behind if a generator or a coroutine is
    dropped half-way, closed by another task, or moved between threads.
    """

    __slots__ = ("_binding", "_request")

    def __init__(self, binding: Binding | None, request: Request | None) -> None:
        self._binding = binding
        self._request = request

    def step(self, call: Callable[[], Any]) -> Any:
        """Run one step, and keep the binding that it leaves for the next one."""
        binding, request = peek(), peek_request()
        put(self._binding)
        if self._request is not None:
            put_request(self._request)
        try:
            return call()
        finally:
            self._binding = peek()
            put(binding)
            put_request(request)


_set_aside: list[tuple[Binding, Mode]] = []  # at most one: a collection does not begin inside another


def _collecting(phase: str, _info: object) -> None:
    """Close the current binding while the garbage collector runs finalizers.

    A generator that was never closed, or a ``__del__``, is finalised during whichever request allocates next, and
    would read and write as that request's company. The binding is closed in place: before Python 3.12, a collection
    can begin at any allocation, even while a context variable is being set, and setting one then breaks the
    interpreter.
    """
    if phase == "start":
        collecting.append(get_ident())
        binding = peek()
        mode: Mode = "closed" if binding is None else binding.mode
        if binding is not None and mode != "closed":
            put_mode(binding, ASIDE)  # at once: a call in between would let another thread end it unseen
            _set_aside.append((binding, mode))
        return
    collecting.clear()
    for binding, mode in _set_aside:
        if binding.mode is ASIDE:  # and has not ended meanwhile, in another thread
            put_mode(binding, mode)
    _set_aside.clear()


def _forked() -> None:
    """Drop the parent's bindings after a fork: a worker serves its own requests, not the parent's."""
    binding = peek()
    while binding is not None:
        put_mode(binding, "closed")
        binding = binding.outer
    put(None)
    put_request(None)


gc.callbacks.append(_collecting)
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forked)
