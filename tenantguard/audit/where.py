"""Where an event happened: the method, route and client of its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 200


def readable(text: object) -> str:
    """Return the start of a text that a client wrote, with characters replaced that a sink could fail on.

    Databases and files refuse a zero character and half of a surrogate pair, and a line break would forge a line.
    """
    return "".join(one if one.isprintable() else "\ufffd" for one in str(text)[:_LONGEST])


def where(scope: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the members of an event that describe its request.

    Args:
        scope: the connection's scope, or ``None`` outside requests.
    """
    if scope is None:
        return {}
    client: Any = scope.get("client")
    return {
        "method": readable(scope.get("method", "WEBSOCKET")),
        "route": readable(_route(scope)),
        "client": readable(client[0]) if client else None,
    }


def _route(scope: Mapping[str, Any]) -> str:
    """Return the pattern of the route if the framework has set it, or the path."""
    template: Any = scope.get("path_template") or getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else str(scope["path"])
