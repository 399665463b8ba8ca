"""The layers inside the middleware: the application's CORS and 404 handling, so that refusals look like its own.

Nothing here imports a framework. Layers are found by the attributes in which Starlette, FastAPI and Litestar keep
them, and are copied, never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from tenantguard.asgi.types import App, Receive, Scope, Send

_MOST = 100  # layers; an application that is its own inner one ends here
_INNER = ("app", "middleware_stack", "asgi_handler")


def is_preflight(scope: Scope) -> bool:
    """Return whether the request is a browser's CORS preflight, which cannot carry a token."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"access-control-request-method" in names


class Layers:
    """The layers of an application, starting with the outermost.

    Args:
        app: the wrapped application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    def cors(self, answer: App) -> App | None:
        """Return the application's CORS middleware, if it has one, around another application.

        It answers preflights itself, and adds the headers that let scripts read the response.
        """
        outer: Any = None
        for layer in self.all():
            if type(layer).__name__ == "CORSMiddleware" and hasattr(layer, "app"):
                made: App = _around(layer, "app", answer)
                if hasattr(outer, "asgi_handler"):  # Litestar's looks for its application in the scope
                    made = _around(outer, "asgi_handler", made)
                return made
            for entry in getattr(
                layer, "user_middleware", ()
            ):  # of Starlette, which is built at the first request
                if getattr(entry.cls, "__name__", "") == "CORSMiddleware":
                    built: App = entry.cls(answer, *entry.args, **entry.kwargs)
                    return built
            outer = layer
        return None

    def missing(self) -> App | None:
        """Return an application that responds like a missing route, or ``None`` if that is unknown."""
        layers = list(self.all())
        router: Any = layers[-1]
        if not _is_router(router):
            return None

        async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
            """A router without a matching route."""
            scope.setdefault("router", router)
            await router.default(scope, receive, send)

        made: App = nowhere
        for layer in reversed(layers[:-1]):
            made = _around(layer, _inner(layer), made)
        return made

    def all(self) -> Iterator[Any]:
        """Yield the layers."""
        layer: Any = self._app
        for _ in range(_MOST):
            yield layer
            name = _inner(layer)
            if not name:
                return
            layer = getattr(layer, name)


def _inner(layer: Any) -> str:
    """Return the name of the attribute with the next layer; a router has none."""
    if _is_router(layer):
        return ""
    return next((name for name in _INNER if callable(getattr(layer, name, None))), "")


def _is_router(layer: Any) -> bool:
    return callable(getattr(layer, "default", None)) and hasattr(layer, "routes")


def _around(layer: Any, name: str, inner: App) -> Any:
    made = copy.copy(layer)
    setattr(made, name, inner)
    return made
