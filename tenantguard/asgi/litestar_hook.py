"""The Litestar hook: raises violations again, which Litestar would otherwise handle before any middleware sees them."""

from __future__ import annotations

from typing import Any

from tenantguard.asgi.layers import Layers
from tenantguard.asgi.responses import refusal_in
from tenantguard.asgi.types import App, Receive, Scope, Send


async def let_through(error: Exception, _scope: Scope) -> None:
    """Raise a violation, or a refused token, again; leave everything else to Litestar."""
    if refusal_in(error) is not None:
        raise error


def reraising(app: App) -> App:
    """Return an application that lets violations reach the middleware around it; most are returned unchanged.

    Litestar gets the same hook as from ``tenant_guard``, so that ``DefineMiddleware(TenantMiddleware, ...)`` and
    ``TenantMiddleware(Litestar(...), ...)`` handle violations the same way. So does a Litestar mounted in Starlette.

    Args:
        app: the wrapped application.
    """
    for layer in Layers(app).everywhere():
        if _is_litestars(layer):
            _hook(layer)
    if not _is_litestars(app) or hasattr(app, "after_exception"):
        return app

    async def hooked(scope: Scope, receive: Receive, send: Send) -> None:
        _hook(scope.get("litestar_app"))
        await app(scope, receive, send)

    return hooked


def _is_litestars(layer: object) -> bool:
    return any(kind.__module__.partition(".")[0] == "litestar" for kind in type(layer).__mro__)


def _hook(owner: Any) -> None:
    hooks = getattr(owner, "after_exception", None)
    if isinstance(hooks, list) and let_through not in hooks:
        hooks.append(let_through)
