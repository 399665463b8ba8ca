"""Where an event happened: the method, the route and the client of its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 200  # characters of what a client wrote


def where(scope: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the members of an event that say by which request it came.

    Args:
        scope: the connection's, or ``None`` outside of requests.
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
    """Return the pattern of the route, where the framework has found it, or the path."""
    template: Any = scope.get("path_template") or getattr(scope.get("route"), "path", None)
    return str(template if isinstance(template, str) else scope["path"])[:_LONGEST]
