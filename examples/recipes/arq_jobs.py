"""arq: the company travels as an argument that the wrapper adds and takes off again."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from arq import ArqRedis
from arq.jobs import Job
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.recipes.models import Task
from tenantguard import bind, current

Work = Callable[..., Awaitable[Any]]


async def enqueue(redis: ArqRedis, name: str, *args: Any) -> Job | None:
    """Send a job for the company that is bound; NoTenantError where none is."""
    return await redis.enqueue_job(name, *args, company=current().tenant)


def for_company(work: Work) -> Work:
    """Run a job for the company it was sent for."""

    @functools.wraps(work)
    async def bound(ctx: dict[str, Any], *args: Any, company: str) -> Any:
        with bind(company):
            return await work(ctx, *args)

    return bound


@for_company
async def close_tasks(ctx: dict[str, Any], project_id: int) -> int:
    """Close the tasks of a project; one of another company has none."""
    sessions: async_sessionmaker[AsyncSession] = ctx["sessions"]
    async with sessions.begin() as session:
        closing = update(Task).where(Task.project_id == project_id).values(done=True).returning(Task.id)
        return len((await session.scalars(closing)).all())
