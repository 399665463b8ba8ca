"""The two context variables: the binding in force, and what is known of the request.

Only this module knows ``contextvars-extras``; everything else reads the variables through the functions here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any

from contextvars_extras import ContextVarsRegistry  # type: ignore[import-untyped]  # it has no types

from tenantguard.binding import Binding, Life


class Request:
    """The request apart from its binding; ``life`` and ``scope`` are set if nothing is bound."""

    __slots__ = ("id", "life", "scope")

    def __init__(
        self, id: str | None, life: Life | None = None, scope: Mapping[str, Any] | None = None
    ) -> None:
        self.id = id
        self.life = life
        self.scope = scope


class _Vars(ContextVarsRegistry):  # type: ignore[misc]  # the same
    """The two context variables; a misspelt name must not create a third."""

    _registry_allocate_on_setattr = False

    binding: Any = None  # a Binding
    request: Any = None  # a Request


# The native methods of the variables: no Python frame on the path that every statement takes.
peek: Callable[[], Binding | None] = _Vars.binding.get_raw
peek_request: Callable[[], Request | None] = _Vars.request.get_raw
put: Callable[[Binding | None], Token[Any]] = _Vars.binding.set
put_request: Callable[[Request | None], Token[Any]] = _Vars.request.set
reset: Callable[[Token[Any]], None] = _Vars.binding.reset
reset_request: Callable[[Token[Any]], None] = _Vars.request.reset


def request_id() -> str | None:
    """Return the id of the request, if it has one."""
    request = peek_request()
    return None if request is None else request.id


def set_request_id(value: str | None) -> Token[Any]:
    """Set or remove the id of the request; return the token for ``reset_request``."""
    request = peek_request()
    if request is None or request.life is None:
        return put_request(None if value is None else Request(value))
    return put_request(Request(value, request.life, request.scope))


def served() -> Mapping[str, Any] | None:
    """Return the ASGI scope of the current request, or of the request that started this code, if there is one."""
    binding = peek()
    while binding is not None:
        if binding.scope is not None:
            return binding.scope
        binding = binding.outer
    request = peek_request()
    return None if request is None else request.scope
