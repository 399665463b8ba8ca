"""The recipes that need nothing but SQLAlchemy and FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from examples.recipes import prefixes, replicas, seeding, several_companies
from examples.recipes.fixtures import connection, project_of, session
from examples.recipes.models import Member, Project, Task, User
from tenantguard import NoTenantError, bind, bypass
from tenantguard.testing import TokenMaker

__all__ = ["connection", "project_of", "session"]  # fixtures


def names(engine: Engine, company: str) -> list[str]:
    """Return a company's projects."""
    with bind(company), Session(engine) as session:
        return list(session.scalars(select(Project.name).order_by(Project.id)))


def test_a_user_sees_the_projects_of_both_companies_and_no_third(engine: Engine) -> None:
    """The dashboard reads exactly the companies that the user is in."""
    with bypass(reason="a user of two companies"), engine.begin() as connection:
        connection.execute(insert(User).values(id=1, name="Ada"))
        connection.execute(insert(User).values(id=2, name="Bob"))
        connection.execute(insert(Member), [{"company_id": c, "user_id": 1} for c in ("acme", "initech")])
    with Session(engine) as session:
        companies = several_companies.companies_of(session, 1)
    with Session(engine) as session:
        assert several_companies.dashboard(session, 1, companies) == ["acme's roof"]
    with bind("acme"), Session(engine) as session:
        assert [user.name for user in session.scalars(select(User))] == ["Ada"]


async def test_a_prefix_opens_what_is_below_it(
    sessions: async_sessionmaker[AsyncSession], tokens: TokenMaker
) -> None:
    """Public pages need no token and read nothing of a company; the back office needs the permission."""
    app = prefixes.create_app(sessions, tokens.verifier)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app.example") as client:
        staff = {"authorization": f"Bearer {tokens('acme', permissions=['back-office'])}"}
        plain = {"authorization": f"Bearer {tokens('acme')}"}
        assert (await client.get("/public/prices")).status_code == 200
        assert (await client.get("/back-office/projects")).status_code == 401
        assert (await client.get("/back-office/projects", headers=plain)).status_code == 403
        assert (await client.get("/back-office/projects", headers=staff)).json() == {"acme": 1, "globex": 1}
        with pytest.raises(NoTenantError):
            await client.get("/public/projects")


@pytest.mark.parametrize("turn", [1, 2])
def test_fixtures_roll_back(
    turn: int, engine: Engine, session: Session, project_of: Callable[[str, str], int]
) -> None:
    """Each test finds the rows that it made itself, for each company, and no others."""
    acme, globex = project_of("acme", "made"), project_of("globex", "made")
    with bind("acme"):
        assert [row.id for row in session.scalars(select(Project).where(Project.name == "made"))] == [acme]
        assert session.get(Project, globex) is None


def _upgrade(connection: Connection) -> None:
    connection.execute(text("create table extra (id int)"))


def test_seeds_and_migrations(engine: Engine) -> None:
    """Seeds belong to their company; a migration changes the schema, a backfill one company's rows."""
    seeding.seed(engine, ["initech"])
    seeding.seed_users(engine, ["Ada"])
    seeding.migrate(engine, _upgrade)
    seeding.backfill(engine, ["initech"])
    assert names(engine, "initech") == ["Getting started (archived)"]
    assert names(engine, "acme") == ["acme's roof"]


def test_replicas_are_guarded_too(path: Path, tmp_path: Path) -> None:
    """What is read comes from the replica, of one company; what is written goes to the primary."""
    copy = tmp_path / "replica.sqlite"
    copy.write_bytes(path.read_bytes())
    engines = replicas.make_engines(f"sqlite:///{path}", f"sqlite:///{copy}", several_companies.tenancy)
    with bind("acme"), replicas.RoutingSession(info={"engines": engines}) as session:
        session.add(Project(name="new"))
        session.commit()
        (project,) = session.scalars(select(Project))
        project.tasks.append(Task(title="new"))
        project.name = "changed"
        session.commit()
    assert names(engines[0], "acme") == ["changed", "new"]
    for engine in engines:
        engine.dispose()
