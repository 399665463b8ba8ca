"""Projects and their tasks: the everyday routes, which know nothing of companies."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func, select, text
from starlette.responses import PlainTextResponse

from examples.saas_app.database import Db
from examples.saas_app.models import Project, Task
from examples.saas_app.worker import Job
from tenantguard.asgi.fastapi import CurrentTenant

router = APIRouter()
Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
REPORT = text(
    """
    SELECT p.number, p.name, count(t.id) AS tasks, coalesce(sum(t.minutes), 0) AS minutes
    FROM projects AS p LEFT JOIN tasks AS t ON t.project_id = p.id
    GROUP BY p.number, p.name
    ORDER BY p.number
    """
)


class ProjectIn(BaseModel):
    """A project as it is created."""

    name: Name


class ProjectOut(BaseModel):
    """A project as it is shown."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    number: int
    name: str


class TaskIn(BaseModel):
    """A task as it is created."""

    title: Name
    minutes: int = Field(default=0, ge=0)
    assignee_id: uuid.UUID | None = None


class TaskOut(TaskIn):
    """A task as it is shown."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    done: bool


class Line(BaseModel):
    """A line of the report."""

    number: int
    name: str
    tasks: int
    minutes: int


@router.get("/projects")
async def projects(db: Db) -> list[ProjectOut]:
    """Return every project."""
    found = await db.scalars(select(Project).order_by(Project.number))
    return [ProjectOut.model_validate(project) for project in found]


@router.post("/projects", status_code=201)
async def add_project(wanted: ProjectIn, db: Db) -> ProjectOut:
    """Create a project with the next number."""
    last = await db.scalar(select(func.max(Project.number)))
    project = Project(id=uuid.uuid4(), number=(last or 0) + 1, name=wanted.name)
    shown = ProjectOut.model_validate(project)
    db.add(project)
    await db.commit()
    return shown


@router.get("/projects.csv")
async def export(db: Db) -> PlainTextResponse:
    """Return every task as CSV."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["project", "task", "minutes"])
    wanted = select(Project.name, Task.title, Task.minutes).join(Task).order_by(Project.number, Task.title)
    rows.writerows(map(tuple, await db.execute(wanted)))
    return PlainTextResponse(out.getvalue(), media_type="text/csv")


@router.get("/report")
async def report(db: Db) -> list[Line]:
    """Return how much is to do in each project, by SQL text."""
    return [Line(**row) for row in (await db.execute(REPORT)).mappings()]


@router.get("/projects/{project_id}")
async def project(project_id: uuid.UUID, db: Db) -> ProjectOut:
    """Return one project."""
    return ProjectOut.model_validate(await _project(project_id, db))


@router.delete("/projects/{project_id}", status_code=204)
async def delete_project(project_id: uuid.UUID, db: Db) -> None:
    """Delete a project with its tasks."""
    await db.delete(await _project(project_id, db))
    await db.commit()


@router.get("/projects/{project_id}/tasks")
async def tasks(project_id: uuid.UUID, db: Db) -> list[TaskOut]:
    """Return the tasks of a project."""
    await _project(project_id, db)
    found = await db.scalars(select(Task).where(Task.project_id == project_id).order_by(Task.title))
    return [TaskOut.model_validate(task) for task in found]


@router.post("/projects/{project_id}/tasks", status_code=201)
async def add_task(project_id: uuid.UUID, wanted: TaskIn, db: Db, request: Request) -> TaskOut:
    """Add a task to a project, and tell those who watch."""
    task = Task(id=uuid.uuid4(), project_id=project_id, done=False, **wanted.model_dump())
    shown = TaskOut.model_validate(task)
    db.add(task)
    await db.commit()
    request.app.state.feed.announce()
    return shown


@router.post("/projects/{project_id}/close", status_code=202)
async def close(project_id: uuid.UUID, db: Db, company: CurrentTenant, request: Request) -> None:
    """Close every task of a project, by and by."""
    await _project(project_id, db)
    await request.app.state.jobs.put(Job(str(company), str(project_id)))


async def _project(project_id: uuid.UUID, db: Db) -> Project:
    found = await db.get(Project, project_id)
    if found is None:
        raise HTTPException(404, "no such project")
    return found
