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
_PLACE = ("root_path", "app_root_path", "path_params")  # in a scope: where a mounted application stands


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

    def cors(self, answer: App, scope: Scope) -> App | None:
        """Return the application's CORS middleware, if it has one, around another application.

        It answers preflights itself, and adds the headers that let scripts read the response.

        Args:
            answer: the application to put inside it.
            scope: the connection, which selects among mounted applications.
        """
        outer: Any = None
        for layer in self.all(_unrouted(scope)):
            if _is_cors(type(layer)) and hasattr(layer, "app"):
                made: App = _around(layer, "app", answer)
                if hasattr(outer, "asgi_handler"):  # Litestar's looks for its application in the scope
                    made = _around(outer, "asgi_handler", made)
                return made
            for entry in getattr(
                layer, "user_middleware", ()
            ):  # of Starlette, which is built at the first request
                if _is_cors(entry.cls):
                    built: App = entry.cls(answer, *entry.args, **entry.kwargs)
                    return built
            outer = layer
        return None

    def missing(self, scope: Scope) -> App | None:
        """Return an application that responds like a missing route, or ``None`` if that is unknown.

        Args:
            scope: the connection, which selects among mounted applications.
        """
        mounted = _unrouted(scope)
        layers = list(self.all(mounted))
        router: Any = layers[-1]
        if not is_router(router):
            return None

        async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
            """A router without a matching route."""
            scope.update({name: mounted[name] for name in _PLACE if name in mounted})
            scope.setdefault("router", router)
            await router.default(scope, receive, send)

        made: App = nowhere
        for layer in reversed(layers[:-1]):
            if not is_router(layer):  # a mounted application is already wrapped by the router's outer layers
                made = _around(layer, inner_of(layer), made)
        return made

    def all(self, scope: Scope | None = None) -> Iterator[Any]:
        """Yield the layers. With a scope, follow the mounts it is routed to, and update it as Starlette would."""
        layer: Any = self._app
        for _ in range(_MOST):
            yield layer
            name = inner_of(layer)
            if name:
                layer = getattr(layer, name)
                continue
            layer = None if scope is None else _mounted(layer, scope)
            if layer is None:
                return

    def everywhere(self) -> Iterator[Any]:
        """Yield the layers, including those of every application mounted in Starlette's router."""
        apps = [self._app]
        for app in apps:  # which grows; an application may be mounted in itself
            layer: Any = None
            for layer in Layers(app).all():
                yield layer
            mounts = [route for route in whole_routes(layer) if hasattr(route, "routes")]
            apps += [route.app for route in mounts if hasattr(route, "app") and route.app not in apps]


def _is_cors(made_by: Any) -> bool:
    """Return whether a class is a framework's CORS middleware, or an application's subclass of it."""
    return any(kind.__name__ == "CORSMiddleware" for kind in getattr(made_by, "__mro__", ()))


def _unrouted(scope: Scope) -> Scope:
    """Return a copy of a scope with the root path from before Starlette routed it."""
    return {**scope, "root_path": scope.get("app_root_path", scope.get("root_path", ""))}


def inner_of(layer: Any) -> str:
    """Return the name of the attribute with the next layer; a router has none."""
    if is_router(layer):
        return ""
    return next((name for name in _INNER if callable(getattr(layer, name, None))), "")


def is_router(layer: Any) -> bool:
    """Return whether a layer is a router of Starlette."""
    return callable(getattr(layer, "default", None)) and hasattr(layer, "routes")


def whole_routes(router: Any) -> Iterator[Any]:
    """Yield the routes of a router with their whole paths; FastAPI keeps an included router as one route of its own."""
    for route in getattr(router, "routes", ()):
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            yield from (context.starlette_route or context for context in contexts())


def _mounted(router: Any, scope: Scope) -> App | None:
    """Return the application that a Starlette router has mounted for a connection, and update the scope."""
    for route in whole_routes(router):
        if not hasattr(route, "matches"):
            return None  # another framework's
        match, below = route.matches(scope)
        if match.name == "FULL":
            if not hasattr(route, "routes"):
                return None  # an endpoint
            scope.update(below)
            mounted: App = route.app
            return mounted
    return None


def _around(layer: Any, name: str, inner: App) -> Any:
    made = copy.copy(layer)
    setattr(made, name, inner)
    return made
