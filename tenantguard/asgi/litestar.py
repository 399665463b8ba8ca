"""Litestar integration: the middleware, and a hook that lets violations reach it instead of becoming server errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tenantguard.asgi.litestar_hook import let_through
from tenantguard.asgi.middleware import TenantMiddleware
from tenantguard.asgi.types import Scope
from tenantguard.errors import ConfigurationError
from tenantguard.identity import Verifier

try:
    from litestar.exceptions import NotFoundException
    from litestar.utils.scope.state import ScopeState
except ImportError as error:
    raise ConfigurationError("tenantguard.asgi.litestar needs Litestar: pip install litestar") from error


def tenant_guard(verifier: Verifier, **settings: Any) -> Callable[[Any], Any]:
    """Return a function for ``Litestar(on_app_init=[...])`` that adds the middleware, outermost, and the hook.

    Litestar turns a handler's exception into a response before any middleware sees it. The hook raises a violation
    again, over HTTP and on websockets, so that the middleware handles it.

    Args:
        verifier: as for ``TenantMiddleware``, and so are the further settings.

    Raises:
        ConfigurationError: as the middleware would, at the start.
    """
    settings = {"missing": _not_found, **settings}
    TenantMiddleware(_nothing, verifier, **settings)  # its faults speak here
    middleware = functools.partial(TenantMiddleware, verifier=verifier, **settings)

    def init(config: Any) -> Any:
        """Extend an application's configuration."""
        config.middleware.insert(0, middleware)
        config.after_exception.append(let_through)
        return config

    return init


async def _not_found(scope: Scope, receive: object, send: object) -> None:
    """Raise Litestar's own exception for a missing route, which it handles outside the middleware.

    The result of its routing is removed from the scope, because the response depends on the route.
    """
    for name in ("route_handler", "path_template"):
        scope.pop(name, None)
    scope["path_params"] = {}
    state = ScopeState.from_scope(scope)  # type: ignore[arg-type]  # Litestar's is a TypedDict
    state.exception_handlers = scope["litestar_app"].exception_handlers
    raise NotFoundException


async def _nothing(scope: Scope, receive: object, send: object) -> None:
    """An application that is never called."""
