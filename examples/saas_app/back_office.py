"""The back office: routes for our own staff, across all companies, bypassed as one by their prefix."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy import func, select

from examples.saas_app.database import Db
from examples.saas_app.models import Company, Member
from tenantguard import bypass
from tenantguard.asgi.fastapi import CurrentPrincipal


async def for_staff(principal: CurrentPrincipal) -> AsyncIterator[None]:
    """Let our own staff work across companies; everybody else is refused."""
    if "back-office" not in principal.permissions:
        raise HTTPException(403, "this is for staff")
    with bypass(reason=f"back office: {principal.subject}"):
        yield


router = APIRouter(prefix="/back-office", dependencies=[Depends(for_staff)])


class CompanyLine(BaseModel):
    """A company as staff see it."""

    id: uuid.UUID
    name: str
    members: int


@router.get("/companies")
async def companies(db: Db) -> list[CompanyLine]:
    """Return every company with its size."""
    wanted = (
        select(Company.id, Company.name, func.count(Member.id).label("members"))
        .outerjoin(Member)
        .group_by(Company.id, Company.name)
        .order_by(Company.name)
    )
    return [CompanyLine(**row) for row in (await db.execute(wanted)).mappings()]
