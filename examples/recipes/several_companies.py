"""Users who belong to several companies: who sees whom, and a page across the companies of one user."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from examples.recipes.models import Base, Member, Project
from tenantguard import Principal, Tenancy, bind, bypass


def members_only(users: Any, company: Any) -> ColumnElement[bool]:
    """Show a company its own members."""
    return exists().where(Member.user_id == users.c.id, Member.company_id == company)


tenancy = Tenancy(
    Base.metadata,
    column="company_id",
    through={"tasks": "project_id"},
    visible={"users": members_only},
)


def companies_of(session: Session, user_id: int) -> tuple[str, ...]:
    """Return a user's companies; no single company is bound while they are looked up."""
    with bypass(reason="the companies of one user"):
        return tuple(session.scalars(select(Member.company_id).where(Member.user_id == user_id)))


def dashboard(session: Session, user_id: int, companies: tuple[str, ...]) -> list[str]:
    """Return the projects of all of a user's companies."""
    with bind(Principal(subject=str(user_id), tenants=companies)):
        return list(session.scalars(select(Project.name).order_by(Project.name)))
