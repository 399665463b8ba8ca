"""Celery: the company travels in a header of the message, and the worker binds it around the task."""

from __future__ import annotations

from typing import Any

import celery
from celery import Celery
from sqlalchemy import update
from sqlalchemy.orm import sessionmaker

from examples.recipes.models import Task
from tenantguard import NoTenantError, bind, current

HEADER = "company"


class CompanyTask(celery.Task):  # type: ignore[misc]  # Celery has no types
    """A task that is sent for a company, and runs for the company of its message."""

    abstract = True

    def apply_async(self, *args: Any, headers: dict[str, Any] | None = None, **options: Any) -> Any:
        """Send the task; NoTenantError where no company is bound."""
        return super().apply_async(*args, headers={**(headers or {}), HEADER: _company()}, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; NoTenantError where the message names no company."""
        with bind(self.request.get(HEADER)):
            return super().__call__(*args, **kwargs)


def _company() -> Any:
    """Return the company that is bound, or that of the task that has just ended: the next of a chain is sent then."""
    try:
        return current().tenant
    except NoTenantError:
        ended = celery.current_task
        if not ended or not ended.request.get(HEADER):
            raise
        return ended.request.get(HEADER)


app = Celery("recipes", task_cls=CompanyTask)
sessions = sessionmaker()  # the worker binds it to the guarded engine: sessions.configure(bind=engine)


@app.task  # type: ignore[untyped-decorator]
def close_tasks(project_id: int) -> int:
    """Close the tasks of a project; one of another company has none."""
    with sessions.begin() as session:
        closing = update(Task).where(Task.project_id == project_id).values(done=True).returning(Task.id)
        return len(session.scalars(closing).all())
