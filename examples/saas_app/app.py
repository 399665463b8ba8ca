"""The application, and the few lines that guard it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from examples.saas_app import accounts, back_office, feed, projects
from examples.saas_app.placement import tenancy
from examples.saas_app.tokens import verifier
from examples.saas_app.worker import work
from tenantguard import TenantMiddleware, guard

OPEN = ["/sign-up", "/login", "/docs", "/openapi.json"]
BEFORE_A_COMPANY = ["/me/*", "/invites/accept", "/back-office/*"]


def create_app(engine: AsyncEngine) -> FastAPI:
    """Return the service, each company seeing its own."""
    guard(engine, tenancy, raw_sql="rewrite")
    app = create_service(engine)
    app.add_middleware(TenantMiddleware, verifier=verifier(), exempt=OPEN, without_tenant_on=BEFORE_A_COMPANY)
    return app


def create_service(engine: AsyncEngine) -> FastAPI:
    """Return the service as it is written; `create_app` keeps companies apart."""
    app = FastAPI(title="Projects", lifespan=_lifespan)
    app.state.engine = engine
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.feed = feed.Feed()
    app.state.jobs = asyncio.Queue()
    for module in (accounts, projects, back_office, feed):
        app.include_router(module.router)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    worker = asyncio.create_task(work(app.state.jobs, app.state.sessions))
    yield
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    await app.state.engine.dispose()
