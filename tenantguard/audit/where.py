"""Where an event happened: the method, route and client of its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 200  # characters of what a client wrote


def where(scope: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the members of an event that describe its request.

    Args:
        scope: the connection's scope, or ``None`` outside requests.
    """
    if scope is None:
        return {}
    client: Any = scope.get("client")
    return {
        "method": scope.get("method", "WEBSOCKET"),
        "route": _route(scope),
        "client": client[0] if client else None,
    }


def _route(scope: Mapping[str, Any]) -> str:
    """Return the pattern of the route if the framework has set it, or the path."""
    template: Any = scope.get("path_template") or getattr(scope.get("route"), "path", None)
    return str(template if isinstance(template, str) else scope["path"])[:_LONGEST]
