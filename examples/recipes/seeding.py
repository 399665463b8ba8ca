"""Seeding and migrations: rows for a company are written under it, and schema changes run in a bypass."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.orm import Session

from examples.recipes.models import Project, User
from tenantguard import bind, bypass


def seed(engine: Engine, companies: Iterable[str]) -> None:
    """Give every company its first project; the guard fills in company_id."""
    for company in companies:
        with bind(company), Session(engine) as session:
            session.add(Project(name="Getting started"))
            session.commit()


def seed_users(engine: Engine, names: Iterable[str]) -> None:
    """Write what belongs to no company, or to several, in a bypass."""
    with bypass(reason="seeding users"), engine.begin() as connection:
        connection.execute(insert(User), [{"name": name} for name in names])


def migrate(engine: Engine, upgrade: Callable[[Connection], None]) -> None:
    """Run a migration on the guarded engine, as Alembic's env.py does with its own connection."""
    with bypass(reason="migration"), engine.begin() as connection:
        upgrade(connection)


def backfill(engine: Engine, companies: Iterable[str]) -> None:
    """Change the rows of one company after the other, so that a mistake stays inside one."""
    for company in companies:
        with bind(company), engine.begin() as connection:
            connection.execute(update(Project).values(name=Project.name + " (archived)"))
