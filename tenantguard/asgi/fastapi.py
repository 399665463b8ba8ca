"""FastAPI integration: dependencies for the principal, the tenant and a session, and refusals in the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from tenantguard.asgi.admission import PRINCIPAL
from tenantguard.asgi.middleware import TenantMiddleware
from tenantguard.asgi.paths import Exactly, ExemptPaths
from tenantguard.authority import requires
from tenantguard.context import Principal, current
from tenantguard.errors import ConfigurationError, NoTenantError, TenantId
from tenantguard.identity import Verifier
from tenantguard.sql import Guard

try:
    from fastapi import Depends, FastAPI
    from starlette.requests import HTTPConnection
except ImportError as error:
    raise ConfigurationError(
        "tenantguard.asgi.fastapi needs FastAPI: pip install 'tenantguard[fastapi]'"
    ) from error

_STATE = "tenantguard_sessions"
_SCHEME = "TenantToken"
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}  # a path has other members
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
    },
}


async def _principal(connection: HTTPConnection) -> Principal:
    unbound: Principal | None = connection.scope.get(PRINCIPAL)  # verified, and of no company yet
    principal = current().principal if unbound is None else unbound
    if principal is None:
        raise NoTenantError("the binding has no principal: it was made by bind(tenant), not by a token")
    return principal


async def _tenant() -> TenantId:
    return current().tenant


async def _session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    current()  # speak before the first statement does
    async with _sessions(connection, async_sessionmaker)() as session:
        yield session


def _sync_session(connection: HTTPConnection) -> Iterator[Session]:
    current()
    with _sessions(connection, sessionmaker)() as session:
        yield session


CurrentPrincipal = Annotated[Principal, Depends(_principal)]
CurrentTenant = Annotated[TenantId, Depends(_tenant)]
GuardedSession = Annotated[AsyncSession, Depends(_session)]
GuardedSyncSession = Annotated[Session, Depends(_sync_session)]


def required(*permissions: str, **further: Any) -> Any:
    """Return a dependency that checks what ``tenantguard.requires`` states; the arguments are its own.

    It returns the principal, even on routes that need no company.

    Example:
        >>> from fastapi import APIRouter
        >>> invoices = APIRouter(dependencies=[required("billing:read")])
    """
    requirement = requires(*permissions, **further)

    async def check(principal: CurrentPrincipal) -> Principal:
        return requirement.check_of(principal)

    return Depends(check)


def protect(app: FastAPI, verifier: Verifier, *, exempt: Collection[str] = (), **settings: Any) -> None:
    """Add the middleware to an application and document it in the schema.

    The interactive documentation and the schema stay open: their exact paths are exempt, but nothing below them.

    Args:
        app: the application.
        verifier: as for ``TenantMiddleware``, and so are the further settings.
        exempt: paths that need no token.

    Raises:
        ConfigurationError: as the middleware would, but now instead of at the first request.
    """
    own = [app.docs_url, app.redoc_url, app.openapi_url, app.docs_url and app.swagger_ui_oauth2_redirect_url]
    paths = [*exempt, *(Exactly(path) for path in own if path)]
    TenantMiddleware(app, verifier, exempt=paths, **settings)  # its faults speak here
    app.add_middleware(TenantMiddleware, verifier=verifier, exempt=paths, **settings)
    document(app, exempt=paths, conceal=bool(settings.get("conceal", False)))


def use_sessions(app: FastAPI, sessions: async_sessionmaker[Any] | sessionmaker[Any]) -> None:
    """Set the session factory for ``GuardedSession`` and ``GuardedSyncSession``.

    Raises:
        ConfigurationError: its engine is not guarded.
    """
    Guard.of(sessions.kw["bind"])
    setattr(app.state, _STATE, {**getattr(app.state, _STATE, {}), type(sessions): sessions})


def document(app: FastAPI, *, exempt: Collection[str] = (), conceal: bool = False) -> None:
    """Add the bearer scheme and the 401 and 403 responses to the schema."""
    covers = ExemptPaths(exempt).covers
    original = app.openapi

    def openapi() -> dict[str, Any]:
        """Return the schema, created once."""
        if app.openapi_schema is None:
            app.openapi_schema = _documented(original(), covers, "404" if conceal else "403")
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own documentation has it


def _documented(schema: dict[str, Any], covers: Any, refused: str) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {}).setdefault("Problem", _PROBLEM)
    components.setdefault("securitySchemes", {})[_SCHEME] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    for path, item in schema.get("paths", {}).items():
        if covers({"path": path}):
            continue
        for method in item.keys() & _METHODS:
            operation = item[method]
            operation.setdefault("security", []).append({_SCHEME: []})
            responses = operation.setdefault("responses", {})
            responses.setdefault("401", _answer("The token is missing, expired or not accepted."))
            responses.setdefault(refused, _answer("What was asked for is not of this company."))
    return schema


def _answer(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _sessions(connection: HTTPConnection, kind: type) -> Any:
    held = getattr(connection.app.state, _STATE, {})
    if kind not in held:
        raise ConfigurationError(
            f"no {kind.__name__} is known here; call use_sessions(app, {kind.__name__}(engine))"
        )
    return held[kind]
