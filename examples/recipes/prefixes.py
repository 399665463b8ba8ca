"""A back office and public pages: thirty routes of a kind are named by their prefix, once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.recipes.models import Project
from tenantguard import TenantMiddleware, bypass
from tenantguard.asgi.fastapi import CurrentPrincipal
from tenantguard.identity import Verifier

PUBLIC = ["/public"]  # no token; nothing is bound, so nothing of a company can be read
STAFF = ["/back-office/*"]  # a token that need not name a company


async def for_staff(principal: CurrentPrincipal) -> AsyncIterator[None]:
    """Lift the guard for our own staff, for the request; everybody else is refused."""
    if "back-office" not in principal.permissions:
        raise HTTPException(403)
    with bypass(reason=f"back office: {principal.subject}"):
        yield


def create_app(sessions: async_sessionmaker[AsyncSession], verifier: Verifier) -> FastAPI:
    """Return an application with public pages, a back office, and everything else."""
    public = APIRouter(prefix="/public")
    back_office = APIRouter(prefix="/back-office", dependencies=[Depends(for_staff)])

    @public.get("/prices")
    async def prices() -> dict[str, int]:
        return {"small": 10, "large": 90}

    @back_office.get("/projects")
    async def all_projects() -> dict[str, int]:
        async with sessions() as session:
            counted = select(Project.company_id, func.count()).group_by(Project.company_id)
            return {row[0]: row[1] for row in await session.execute(counted)}

    @public.get("/projects")
    async def forgotten() -> int:
        async with sessions() as session:  # nothing is bound here: NoTenantError, and a 500
            return await session.scalar(select(func.count()).select_from(Project)) or 0

    app = FastAPI()
    app.include_router(public)
    app.include_router(back_office)
    app.add_middleware(TenantMiddleware, verifier=verifier, exempt=PUBLIC, without_tenant_on=STAFF)
    return app
