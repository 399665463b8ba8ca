"""The recipes for other packages, run with the packages themselves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock

import fakeredis
import httpx
import pytest
from arq import ArqRedis, Worker, func
from celery import chain
from celery.contrib.testing.worker import start_worker
from dramatiq import Worker as DramatiqWorker
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from examples.recipes import (
    admin,
    arq_jobs,
    caches,
    celery_jobs,
    dramatiq_jobs,
    flask_app,
)
from tenantguard import CrossTenantError, NoTenantError, bind, bypass, current, guard
from tenantguard.testing import TokenMaker
from tests.examples.recipes.conftest import done

ACME_DONE = [("acme's nail", True), ("globex's nail", False)]


@pytest.mark.filterwarnings("ignore")  # Celery's own
def test_celery_carries_the_company(engine: Engine) -> None:
    """A task closes its own company's tasks, and no other's; without a company none is sent, none is run."""
    celery_jobs.sessions.configure(bind=engine)
    celery_jobs.app.conf.update(broker_url="memory://", result_backend="cache+memory://")
    celery_jobs.app.conf.broker_transport_options = {"polling_interval": 0.01}  # a second otherwise
    with start_worker(celery_jobs.app, perform_ping_check=False, pool="solo"):
        with bind("acme"):
            closed = [celery_jobs.close_tasks.delay(project).get(timeout=20) for project in (1, 2)]
            close = celery_jobs.close_tasks
            assert chain(close.si(1), close.si(1)).apply_async().get(timeout=20) == 1
        with pytest.raises(NoTenantError):
            celery_jobs.close_tasks.delay(2)
    with pytest.raises(NoTenantError):
        celery_jobs.close_tasks(2)
    assert closed == [1, 0]
    assert done(engine) == ACME_DONE


@pytest.fixture
def broker() -> Iterator[StubBroker]:
    """Return a broker of Dramatiq with a worker."""
    broker = StubBroker()
    yield broker
    broker.close()


def test_dramatiq_carries_the_company(engine: Engine, broker: StubBroker) -> None:
    """An actor closes its own company's tasks, and no other's; without a company none is sent."""
    dramatiq_jobs.sessions.configure(bind=engine)
    actor = dramatiq_jobs.declare(broker)
    worker = DramatiqWorker(broker, worker_timeout=50, worker_threads=1)
    worker.start()
    with bind("acme"):
        actor.send(1)
        actor.send(2)
    with pytest.raises(NoTenantError):
        actor.send(2)
    broker.join(actor.queue_name, timeout=20_000, fail_fast=True)
    worker.stop()
    assert done(engine) == ACME_DONE


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_arq_carries_the_company(
    engine: Engine, sessions: async_sessionmaker[AsyncSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job closes its own company's tasks, and no other's; without a company none is sent."""
    monkeypatch.setattr("arq.worker.log_redis_info", AsyncMock())  # INFO is what the fake does not know
    redis = ArqRedis(connection_pool=fakeredis.FakeAsyncRedis().connection_pool)
    with bind("acme"):
        for project in (1, 2):
            await arq_jobs.enqueue(redis, "close_tasks", project)
    with pytest.raises(NoTenantError):
        await arq_jobs.enqueue(redis, "close_tasks", 2)
    worker = Worker(
        [func(cast("Any", arq_jobs.close_tasks), name="close_tasks")],
        redis_pool=redis,
        burst=True,
        ctx={"sessions": sessions},
        handle_signals=False,
        poll_delay=0.01,
    )
    assert await worker.run_check() == 2
    assert done(engine) == ACME_DONE


def test_caches_keep_companies_apart() -> None:
    """dogpile.cache and Redis each give a company what it made itself, under the same key."""
    region = caches.make_company_region(backend="dogpile.cache.memory")
    client: Any = fakeredis.FakeRedis()
    for company in ("acme", "globex", "acme"):
        with bind(company):
            assert region.get_or_create("title", lambda: str(current().tenant)) == company
            assert caches.cached(client, "title", 60, lambda: str(current().tenant)) == company
    assert len(client.keys()) == 2
    with pytest.raises(NoTenantError):
        region.get("title")


def test_keys_of_two_companies_are_never_equal() -> None:
    """Not even where an id has the separator in it."""
    with bind("a:b"):
        one = caches.company_key("c")
    with bind("a"):
        assert caches.company_key("b:c") != one


def test_flask_serves_each_company_its_own(engine: Engine) -> None:
    """In the request and in a thread that it starts; a request without a company is answered 401."""
    app = flask_app.create_app(engine, lambda environ: environ.get("HTTP_X_TEST_COMPANY"))
    client = app.test_client()
    acme = {"X-Test-Company": "acme"}
    assert client.get("/projects/1", headers=acme).get_json()["name"] == "acme's roof"
    assert client.get("/projects/2", headers=acme).status_code == 404
    assert client.get("/report", headers=acme).get_json() == ["acme's roof"]
    assert [client.get(path).status_code for path in ("/report", "/health")] == [401, 200]


def test_frames_hold_one_companys_rows(engine: Engine) -> None:
    """pandas and polars read the same rows, and append under the company that is bound."""
    import pandas  # here, since every worker would spend three seconds on both

    from examples.recipes import frames

    assert frames.with_pandas(engine, "acme").to_dict("records") == [{"id": 1, "name": "acme's roof"}]
    assert frames.with_polars(engine, "acme").to_dicts() == [{"id": 1, "name": "acme's roof"}]
    assert frames.append(engine, "acme", pandas.DataFrame({"name": ["new"]})) == 1
    assert list(frames.with_pandas(engine, "acme")["name"]) == ["acme's roof", "new"]
    foreign = pandas.DataFrame({"name": ["new"], "company_id": ["globex"]})
    with bind("acme"), engine.begin() as connection, pytest.raises(CrossTenantError):
        foreign.to_sql("projects", connection, if_exists="append", index=False)


def test_versions_are_the_companys() -> None:
    """Each company reads the versions of its own rows, and can go back to them.

    In a process of its own: Continuum listens to every session and engine from the moment that the recipe is imported.
    """
    program = Path(__file__).with_name("versions_program.py")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


async def test_the_admin_area_shows_one_company(async_engine: AsyncEngine, tokens: TokenMaker) -> None:
    """Lists, forms, details and exports of sqladmin hold acme's rows; a foreign key to globex's is refused."""
    app = admin.create_app(async_engine, tokens.verifier)
    transport = httpx.ASGITransport(app=app)
    cookies = {"session": tokens("acme")}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://app.example", cookies=cookies
    ) as client:
        for page in ("project/list", "project/export/csv", "task/create"):
            shown = (await client.get(f"/admin/{page}")).text
            assert ("acme" in shown or page == "task/create", "globex" in shown) == (True, False)
        assert (await client.get("/admin/project/details/2")).status_code == 404
        made = await client.post("/admin/project/create", data={"name": "new"})
        assert made.status_code == 302
        foreign = await client.post("/admin/task/create", data={"title": "new", "project": "2"})
        assert foreign.status_code == 400


@pytest.mark.filterwarnings(
    "ignore:The declarative_mixin decorator"
)  # as it is imported, under SQLAlchemy 2.1
async def test_the_cache_of_advanced_alchemy_keeps_companies_apart(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    """Under the same key, in lists, and while two look-ups are under way at the same time."""
    from examples.recipes import services

    cache = services.make_cache(backend="dogpile.cache.memory")

    async def seen(company: str) -> list[str]:
        with bind(company):
            async with sessions() as session:
                session.info["cache_manager"] = cache
                return [project.name for project in await services.Projects(session=session).get_many()]

    for _ in range(2):
        both = await asyncio.gather(seen("acme"), seen("globex"))
        assert list(both) == [["acme's roof"], ["globex's roof"]]


async def test_a_login_of_fastapi_users_names_the_company(tmp_path: Any) -> None:
    """It finds the user among all companies, and the token reaches its own company's rows only."""
    pytest.importorskip(
        "fastapi_users_db_sqlalchemy", reason="make test SQLALCHEMY=2.0 has it: it needs SQLAlchemy 2.0"
    )
    from examples.recipes import users

    engine = guard(create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'users.sqlite'}"), users.tenancy)
    with bypass(reason="tables of a test"):
        async with engine.begin() as connection:
            await connection.run_sync(users.Base.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    for company in ("acme", "globex"):
        with bind(company):
            async with sessions.begin() as session:
                password = users.Manager(None).password_helper.hash("a password")  # type: ignore[arg-type]
                session.add(users.Account(email=f"ada@{company}.example", hashed_password=password))
    transport = httpx.ASGITransport(app=users.create_app(sessions))
    async with httpx.AsyncClient(transport=transport, base_url="http://app.example") as client:
        login = await client.post("/login", data={"username": "ada@globex.example", "password": "a password"})
        headers = {"authorization": f"Bearer {login.json()['access_token']}"}
        assert (await client.get("/me", headers=headers)).json()["company"] == "globex"
        assert (await client.get("/me")).status_code == 401
    await engine.dispose()
