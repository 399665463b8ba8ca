"""The service keeps companies apart on each of its ways: accounts, projects, back office, worker, feed, migrations."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi import FastAPI
from sqlalchemy import Connection, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.saas_app.app import create_app
from examples.saas_app.database import make_engine
from examples.saas_app.models import Base, Company, Project, Task, User
from examples.saas_app.placement import tenancy
from examples.saas_app.worker import Job, do
from tenantguard import bypass
from tenantguard.testing import assert_isolated
from tests.examples.saas.conftest import People, Person


async def with_task(person: Person, name: str, minutes: int = 5) -> str:
    """Add a project with one task, both of a name, and return the project's id."""
    project = await person.post("/projects", name=name)
    await person.post(f"/projects/{project['id']}/tasks", title=f"{name} task", minutes=minutes)
    return str(project["id"])


async def test_sign_up_creates_a_company_with_its_first_rows(people: People) -> None:
    """Company, user, membership and project are there, and a second company starts at number one too."""
    for company in ("acme", "globex"):
        owner = await people.sign_up(company)
        assert [(p["number"], p["name"]) for p in await owner.get("/projects")] == [(1, "Getting started")]


async def test_a_sign_up_that_fails_leaves_nothing(people: People, app: FastAPI) -> None:
    """A name that is taken fails the whole of it: no user stays behind."""
    await people.sign_up("acme")
    stranger = people.stranger("late@acme.example")
    body = {"company": "acme", "email": stranger.email, "name": "Late", "password": "a secret"}
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: companies\.name"):
        await stranger.http.post("/sign-up", json=body)
    with bypass(reason="a look from outside"):
        async with app.state.sessions() as session:
            assert await session.scalar(select(func.count()).select_from(User)) == 1


async def test_login_knows_no_company_until_one_is_chosen(people: People) -> None:
    """The token of a login shows one's companies and nothing of theirs."""
    await people.sign_up("acme")
    person = await people.login("owner@acme.example")
    assert (await person.http.get("/projects")).status_code == 403
    (company,) = await person.get("/me/companies")
    assert company["name"] == "acme"
    person.carry((await person.post("/me/company", 200, company_id=company["id"]))["token"])
    assert len(await person.get("/projects")) == 1


async def test_somebody_in_two_companies_switches(people: People) -> None:
    """An invite brings a user into a second company; what each token shows is that company's."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    await with_task(globex, "secret of globex")
    code = (await globex.post("/invites", email=acme.email))["code"]
    inside = await people.login(acme.email)
    inside.carry((await inside.post("/invites/accept", 200, code=code))["token"])
    assert "secret of globex" in [p["name"] for p in await inside.get("/projects")]
    assert [c["name"] for c in await inside.get("/me/companies")] == ["acme", "globex"]
    assert "secret of globex" not in [p["name"] for p in await acme.get("/projects")]


async def test_an_invite_is_for_one_person(people: People) -> None:
    """Somebody else with the code is told that there is none."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    code = (await acme.post("/invites", email="friend@acme.example"))["code"]
    assert (await globex.http.post("/invites/accept", json={"code": code})).status_code == 404


async def test_a_company_of_others_cannot_be_chosen(people: People) -> None:
    """The rule of the users table shows a company its members only."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    (theirs,) = await globex.get("/me/companies")
    assert (await acme.http.post("/me/company", json={"company_id": theirs["id"]})).status_code == 403


@pytest.mark.parametrize("path", ["/projects", "/projects.csv", "/report"])
async def test_lists_hold_one_company(people: People, path: str) -> None:
    """A list by the ORM, an export, and a report in SQL text that no query was changed for."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    await with_task(acme, "amber")
    await with_task(globex, "green")
    for person, mine, theirs in ((acme, "amber", "green"), (globex, "green", "amber")):
        shown = (await person.http.get(path)).text
        assert mine in shown
        assert theirs not in shown


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/tasks"), ("POST", "/tasks"), ("POST", "/close"), ("DELETE", "")],
)
async def test_a_project_of_others_is_not_there(people: People, method: str, path: str) -> None:
    """By its id it is read, changed and deleted as if it did not exist."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    theirs = await with_task(globex, "green")
    response = await acme.http.request(method, f"/projects/{theirs}{path}", json={"title": "planted"})
    assert response.status_code in (403, 404, 409), response.text
    assert [task["title"] for task in await globex.get(f"/projects/{theirs}/tasks")] == ["green task"]


async def test_the_back_office_is_for_staff(people: People, app: FastAPI) -> None:
    """Staff see every company, by a bypass that is recorded; an owner is refused."""
    owner = await people.sign_up("acme")
    await people.sign_up("globex")
    assert (await owner.http.get("/back-office/companies")).status_code == 403
    with bypass(reason="make somebody staff"):
        async with app.state.sessions() as session:
            await session.execute(update(User).where(User.email == owner.email).values(is_staff=True))
            await session.commit()
    staff = await people.login(owner.email)
    assert [line["name"] for line in await staff.get("/back-office/companies")] == ["acme", "globex"]


async def test_the_worker_works_for_the_company_of_the_job(people: People, app: FastAPI) -> None:
    """A job closes tasks of its own company; one that names another company's project closes none."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    project = await with_task(globex, "green")
    ids = {}
    for person in (acme, globex):
        (company,) = await person.get("/me/companies")
        ids[company["name"]] = company["id"]
    await do(Job(ids["acme"], project), app.state.sessions)
    assert [task["done"] for task in await globex.get(f"/projects/{project}/tasks")] == [False]
    await do(Job(ids["globex"], project), app.state.sessions)
    assert [task["done"] for task in await globex.get(f"/projects/{project}/tasks")] == [True]


async def test_a_route_queues_a_job_that_names_its_company(people: People, app: FastAPI) -> None:
    """The job carries plain values, which any queue takes."""
    owner = await people.sign_up("acme")
    project = await with_task(owner, "amber")
    await owner.post(f"/projects/{project}/close", 202)
    (company,) = await owner.get("/me/companies")
    assert app.state.jobs.get_nowait() == Job(company["id"], project)


async def test_the_feed_counts_one_company_s_tasks(people: People, app: FastAPI) -> None:
    """A websocket is bound to the company of its token, and is told of changes."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    await with_task(acme, "amber")
    await with_task(globex, "green")
    sent: asyncio.Queue[Any] = asyncio.Queue()
    received: asyncio.Queue[Any] = asyncio.Queue()
    scope = {
        "type": "websocket", "path": "/feed", "raw_path": b"/feed", "query_string": b"", "scheme": "ws",
        "headers": [(b"authorization", acme.http.headers["authorization"].encode())], "subprotocols": [],
        "client": ("127.0.0.1", 1), "server": ("saas.example", 80), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    received.put_nowait({"type": "websocket.connect"})
    running = asyncio.create_task(app(scope, received.get, sent.put))
    assert (await sent.get())["type"] == "websocket.accept"
    assert (await sent.get())["text"] == '{"open":1}'
    await with_task(acme, "azure")
    assert (await sent.get())["text"] == '{"open":2}'
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_migration_makes_the_models(engine: AsyncEngine) -> None:
    """Nothing is missing in the revisions."""

    def differences(connection: Connection) -> Any:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def test_every_table_is_placed() -> None:
    """Companies, members, invites and projects are owned; users are shown by a rule; plans are shared."""
    assert tenancy.faults() == []
    assert {str(tenancy.of(model.__table__)) for model in (Company, Project)} == {
        "owned by id",
        "owned by company_id",
    }
    assert tenancy.of(Task.__table__).kind == "through"
    assert uuid.UUID in {placed.python_type for placed in tenancy}


@pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not
def test_the_kit_finds_no_hole() -> None:
    """The vectors that go round an engine hold on these models, under a guard like the service's."""
    engine = make_engine("sqlite+aiosqlite://")
    create_app(engine)
    assert_isolated(tenancy, engine, groups=["pool", "legitimate"])
