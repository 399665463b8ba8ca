"""Requirements of routes and mounts, which serve only principals that meet them."""

from __future__ import annotations

from tenantguard.asgi.admission import PRINCIPAL
from tenantguard.asgi.types import App, Receive, Scope, Send
from tenantguard.authority import Requirement


class RequiresMiddleware:
    """Middleware for a route or a mount that checks a requirement of ``tenantguard.requires``.

    Use it for endpoints that cannot be decorated, such as classes and mounted applications. It belongs inside
    ``TenantMiddleware``, which responds to its refusals. It also works on routes that need no company.

    Args:
        app: the wrapped application.
        requirement: the requirement.

    Example:
        >>> from starlette.middleware import Middleware
        >>> from starlette.routing import Mount
        >>> from tenantguard import requires
        >>> reading = Middleware(RequiresMiddleware, requirement=requires("billing:read"))
        >>> billing = Mount("/billing", routes=[], middleware=[reading])
    """

    def __init__(self, app: App, requirement: Requirement) -> None:
        self._app, self._requirement = app, requirement

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection whose principal meets the requirement.

        Raises:
            PermissionDeniedError: a permission is missing; answered with 403 and ``insufficient_scope``.
            StepUpError: the user has to sign in again, or with a stronger method; answered with 401 (RFC 9470).
            NoTenantError: nothing is bound.
        """
        if scope["type"] in ("http", "websocket"):
            without_tenant = scope.get(PRINCIPAL)  # verified, and of no company yet
            if without_tenant is None:
                self._requirement.check()
            else:
                self._requirement.check_of(without_tenant)
        await self._app(scope, receive, send)
