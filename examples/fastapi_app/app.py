"""The application: once as it would be for a single company, and once made safe for many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from examples.fastapi_app.feed import feed_router
from examples.fastapi_app.live import Live
from examples.fastapi_app.models import Base
from examples.fastapi_app.pages import add_api_page
from examples.fastapi_app.routes import router
from tenantguard import Tenancy, TenantMiddleware, TokenVerifier, guard

OPEN_PATHS = ["/health", "/docs", "/openapi.json"]

tenancy = Tenancy(
    Base.metadata,
    column="company_id",
    columns={"companies": "id"},
    through={"call_tags": "call_id"},
    shared={"countries"},
)


def create_app(
    engine: AsyncEngine, verifier: TokenVerifier, open_paths: Sequence[str] = OPEN_PATHS
) -> FastAPI:
    """Return the call centre for many companies, each seeing only what is its own."""
    app = create_unguarded_app(guard(engine, tenancy))
    app.add_middleware(TenantMiddleware, verifier=verifier, exempt=open_paths)
    _describe_tokens(app)
    return app


def create_unguarded_app(engine: AsyncEngine) -> FastAPI:
    """Return the call centre as it is written, with nothing that tells companies apart.

    Guarding the engine and adding the middleware, as :func:`create_app` does, is all that lies between.
    """
    app = FastAPI(title="Call centre", version="1.0.0", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.engine = engine
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.live = Live()
    app.include_router(router)
    app.include_router(feed_router)
    add_api_page(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.engine.dispose()


def _describe_tokens(app: FastAPI) -> None:
    """Put the Authorize button on the page of the API; the middleware is what checks."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()  # anew whenever a route was added
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        schema.setdefault("components", {})["securitySchemes"] = {"token": scheme}
        schema["security"] = [{"token": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it
