"""sqladmin: behind the middleware, so that the admin area of a company shows that company's rows."""

from __future__ import annotations

from fastapi import FastAPI
from sqladmin import Admin, ModelView
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.recipes.models import Project, Task
from tenantguard import TenantMiddleware
from tenantguard.identity import Verifier


class ProjectAdmin(ModelView, model=Project):
    """The projects; the guard fills in company_id, so the form leaves it out."""

    column_list = [Project.id, Project.name]
    form_columns = [Project.name]


class TaskAdmin(ModelView, model=Task):
    """The tasks; the form offers the company's own projects."""

    column_list = [Task.id, Task.title]
    form_columns = [Task.title, Task.done, Task.project]


def create_app(engine: AsyncEngine, verifier: Verifier) -> FastAPI:
    """Return an application with an admin area; the token comes in a cookie, since a browser asks."""
    app = FastAPI()
    admin = Admin(app, engine)
    for view in (ProjectAdmin, TaskAdmin):
        admin.add_view(view)
    app.add_middleware(TenantMiddleware, verifier=verifier, cookie="session", exempt=["/admin/statics"])
    return app
