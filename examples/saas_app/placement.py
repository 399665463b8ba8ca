"""How every table belongs: the one thing about companies that the service declares."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, exists

from examples.saas_app.models import Base, Member
from tenantguard import Tenancy


def members_only(users: Any, company: Any) -> ColumnElement[bool]:
    """Show a company its members: users belong to nobody, and a company is shown those who are in it."""
    return exists().where(Member.user_id == users.c.id, Member.company_id == company)


tenancy = Tenancy(
    Base.metadata,
    column="company_id",
    columns={"companies": "id"},
    through={"tasks": "project_id"},
    shared={"plans"},
    visible={"users": members_only},
)
