"""The worker: takes jobs from a queue, each for the company that the job names."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.saas_app.models import Task
from tenantguard import bind


@dataclass(frozen=True)
class Job:
    """What a queue carries: plain values, the company among them."""

    company: str
    project: str


async def work(jobs: asyncio.Queue[Job], sessions: async_sessionmaker[AsyncSession]) -> None:
    """Do one job after the other, until cancelled."""
    while True:
        job = await jobs.get()
        try:
            await do(job, sessions)
        finally:
            jobs.task_done()


async def do(job: Job, sessions: async_sessionmaker[AsyncSession]) -> None:
    """Close the tasks of a project; a project of another company has none to close."""
    with bind(uuid.UUID(job.company)):
        async with sessions.begin() as session:
            closing = update(Task).where(Task.project_id == uuid.UUID(job.project)).values(done=True)
            await session.execute(closing)
