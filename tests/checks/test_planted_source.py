"""Planted faults in source: each is found by its id, and what only looks like one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.findings import source_findings
from tenantguard.checks.source.pooler_files import pooler_findings
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import read_source
from tests.checks.clean import make, tenancy

CLEAN = """
import asyncio
import boto3
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker
from tenantguard import TenantMiddleware, carry, current, guard

class Call(Base):
    __tablename__ = "calls"

class Country(Base):
    __tablename__ = "countries"

def make_engine(url):
    return create_engine(url)

engine = guard(make_engine("sqlite://"), tenancy)
Sessions = sessionmaker(engine)
app = FastAPI()
app.add_middleware(TenantMiddleware, verifier=verifier, exempt=["/health"])
router = APIRouter(prefix="/calls")
pool = ThreadPoolExecutor()

def get_session():
    with Sessions() as session:
        yield session

def load(key):
    with Session(engine) as session:
        return session.scalars(select(Call)).all()

@lru_cache
def settings():
    return make_engine("sqlite://")

@lru_cache
def by_tenant(tenant, key):
    return load(key)

class Cache:
    def get(self, key):
        return load(key)

@lru_cache
def option(key):
    return os.environ.get(key)

@lru_cache
def countries():
    with Session(engine) as session:
        return session.scalars(select(Country)).all()

@router.get("/")
def calls(session=Depends(get_session)):
    session.execute(text("SELECT 1"))
    session.execute(text("SET LOCAL statement_timeout = 1000"))
    select(Country).where(text("lower(code) = :code")).order_by(text("code DESC"))
    Index("one", "code", postgresql_where=text("code IN (SELECT 1)"))
    return pool.submit(carry(load), 1).result()

@app.get("/health")
def health():
    return "well"

def planned(session: Session):
    tasks.create_task(session, title="call back")
    tasks.submit(session, 1)
    sqlite3.connect(":memory:")

async def both(a, b):
    pool.submit(print, "done")
    await asyncio.gather(a(), b())

def named(session, client):
    query = "SELECT * FROM calls"
    query = select(Call)
    return session.execute(query)

async def elsewhere(pool):
    return await pool.fetch("SELECT * FROM calls")

@event.listens_for(engine, "connect")
def prepare(driver, record):
    driver.connection.cursor().execute("PRAGMA foreign_keys = ON")
    sqlite3.connect("a new connection's own")

def in_the_cloud(session: boto3.Session):
    pool.submit(print, session)
"""
FAULTS: dict[str, tuple[str, str]] = {
    "an engine without a guard": ("TG201", 'other = create_engine("sqlite://")'),
    "an asynchronous engine without a guard": (
        "TG201",
        "from sqlalchemy.ext.asyncio import create_async_engine\nother = create_async_engine(url)",
    ),
    "an engine from a configuration": (
        "TG201",
        "import sqlalchemy as sa\nother = sa.engine_from_config(settings)",
    ),
    "an engine by another name": ("TG201", 'make = create_engine\nother = make("sqlite://")'),
    "an engine of a partial": (
        "TG201",
        'from functools import partial\nother = partial(create_engine, echo=True)("sqlite://")',
    ),
    "a statement of a class": (
        "TG202",
        'class R:\n    Q = "SELECT * FROM calls"\n    def f(self, s):\n        s.execute(text(self.Q))',
    ),
    "a statement in a name": (
        "TG202",
        'def f(s):\n    q = "SELECT * "\n    q += "FROM calls"\n    s.execute(text(q))',
    ),
    "a statement in a name, made at run time": (
        "TG202",
        'def f(s, t):\n    q = "SELECT * FROM "\n    q += t\n    s.execute(text(q))',
    ),
    "a statement of several": (
        "TG202",
        'def f(s):\n    for q in ("SELECT * FROM calls", "DELETE FROM calls"):\n        s.execute(text(q))',
    ),
    "a statement of a dictionary": (
        "TG202",
        'Q = {"all": "SELECT * FROM calls"}\ndef f(s):\n    s.execute(text(Q["all"]))',
    ),
    "a statement without its indentation": (
        "TG202",
        'from textwrap import dedent\ndef f(s):\n    s.execute(text(dedent("  SELECT * FROM calls")))',
    ),
    "a statement by default": (
        "TG202",
        'def f(s, q="SELECT * FROM calls"):\n    s.execute(text(q))',
    ),
    "a table of text": ("TG202", 'def f(s):\n    s.execute(select(Call).select_from(text("calls")))'),
    "a statement that is joined": (
        "TG202",
        'def f(s):\n    s.execute(text(" ".join(["SELECT *", "FROM calls"])))',
    ),
    "a statement of its class": (
        "TG202",
        'from sqlalchemy import TextClause\ndef f(s):\n    s.execute(TextClause("SELECT * FROM calls"))',
    ),
    "a statement of text": ("TG202", 'def f(session):\n    session.execute(text("SELECT * FROM calls"))'),
    "a statement that a constant holds": (
        "TG202",
        'Q = "DELETE FROM calls"\ndef f(s):\n    s.execute(text(Q))',
    ),
    "a statement for the driver": (
        "TG202",
        'def f(c):\n    c.exec_driver_sql("UPDATE calls SET country = NULL")',
    ),
    "a statement made at run time": (
        "TG202",
        'def f(session, t):\n    session.execute(text(f"SELECT * FROM {t}"))',
    ),
    "a statement made by format": (
        "TG202",
        'def f(s, t):\n    s.execute(text("SELECT * FROM {}".format(t)))',
    ),
    "a statement in pandas": (
        "TG202",
        'import pandas as pd\nframe = pd.read_sql("SELECT id FROM calls", engine)',
    ),
    "a query inside a statement": (
        "TG202",
        'def f():\n    return select(Country).where(text("code IN (SELECT country FROM calls)"))',
    ),
    "a query in a literal column": (
        "TG202",
        "from sqlalchemy import literal_column\ndef f():\n    return select(literal_column('(SELECT 1 FROM calls)'))",
    ),
    "a setting of the connection": ("TG202", 'def f(s):\n    s.execute(text("SET search_path TO other"))'),
    "a driver": ("TG203", "import psycopg\ndef f():\n    return psycopg.connect(url)"),
    "a driver of ODBC": ("TG203", "import pyodbc\ndef f():\n    return pyodbc.connect(dsn)"),
    "a pool of a driver": (
        "TG203",
        "import asyncpg\nasync def f():\n    return await asyncpg.create_pool(url)",
    ),
    "another pool of a driver": (
        "TG203",
        "from psycopg2.pool import ThreadedConnectionPool\nmany = ThreadedConnectionPool(1, 2, url)",
    ),
    "a cursor of the session's connection": (
        "TG203",
        "def f(session):\n    return session.connection().connection.cursor()",
    ),
    "a raw connection": ("TG203", "def f():\n    return engine.raw_connection()"),
    "a bypass": (
        "TG204",
        'from tenantguard import bypass\ndef f():\n    with bypass(reason="nightly"):\n        load(1)',
    ),
    "a bypass without a reason": (
        "TG205",
        'from tenantguard import bypass\ndef f():\n    with bypass(reason=""):\n        load(1)',
    ),
    "a session of the module": ("TG206", "session = Session(engine)"),
    "a session of the module by its maker": ("TG206", "session = Sessions()"),
    "a session of a class": ("TG206", "class Repository:\n    session = Session(engine)"),
    "a session in two tasks": (
        "TG206",
        "from sqlalchemy.ext.asyncio import AsyncSession\nasync def f(session: AsyncSession):\n"
        "    await asyncio.gather(one(session), two(session))",
    ),
    "a session in tasks of a comprehension": (
        "TG206",
        "async def f(session: AsyncSession, ids):\n    await asyncio.gather(*(one(session, i) for i in ids))",
    ),
    "a session in tasks of a list": (
        "TG206",
        "async def f(session: AsyncSession, ids):\n    many = [one(session, i) for i in ids]\n"
        "    await asyncio.gather(*many)",
    ),
    "a session of the module, made at first use": (
        "TG206",
        "kept = None\ndef f():\n    global kept\n    kept = kept or Session(engine)\n    kept = Session(engine)",
    ),
    "a session of a cached function": ("TG206", "@lru_cache\ndef f():\n    return Session(engine)"),
    "a session in a task": (
        "TG206",
        "async def f():\n    with Session(engine) as session:\n        asyncio.create_task(work(session))",
    ),
    "a session without a type in a task": (
        "TG206",
        "async def f(session):\n    asyncio.create_task(work(session))",
    ),
    "a session in a thread": ("TG206", "def f(session: Session):\n    pool.submit(load, session)"),
    "a pool of processes": (
        "TG207",
        "import multiprocessing as mp\ndef f():\n    with mp.Pool() as many:\n        many.starmap(load, [(1,)])",
    ),
    "work of joblib": (
        "TG207",
        "from joblib import Parallel, delayed\ndef f():\n    Parallel(2)(delayed(load)(i) for i in [1])",
    ),
    "an executor without carry": ("TG207", "def f():\n    pool.submit(load, 1)"),
    "a map without carry": (
        "TG207",
        "def f():\n    with ThreadPoolExecutor() as many:\n        many.map(load, [1])",
    ),
    "a loop's executor without carry": (
        "TG207",
        "async def f():\n    await asyncio.get_running_loop().run_in_executor(None, load, 1)",
    ),
    "a thread without carry": (
        "TG207",
        "import threading\ndef f():\n    threading.Thread(target=load).start()",
    ),
    "a thread without carry, by position": (
        "TG207",
        "import threading\ndef f():\n    threading.Thread(None, load).start()",
    ),
    "a repository in a thread": (
        "TG207",
        "class Calls:\n    def newest(self): return load(1)\n"
        "def work(key):\n    calls = Calls()\n    return calls.newest()\ndef f():\n    pool.submit(work, 1)",
    ),
    "a lambda without carry": ("TG207", "def f():\n    pool.submit(lambda: load(1))"),
    "a cache": ("TG208", "@lru_cache\ndef newest(key):\n    return load(key)"),
    "a cache around a function": (
        "TG208",
        "recent = lru_cache(maxsize=9)(load)",
    ),
    "a cache of another package": (
        "TG208",
        "import cachetools\n@cachetools.cached({})\ndef newest(key):\n    return load(key)",
    ),
    "a cache of dogpile": ("TG208", "@region.cache_on_arguments()\ndef newest(key):\n    return load(key)"),
    "another application without the middleware": (
        "TG209",
        'admin = FastAPI()\n@admin.get("/all")\ndef every(session=Depends(get_session)):\n    return load(1)',
    ),
    "an exempt route": ("TG210", '@app.get("/health/calls")\ndef probe():\n    return load(1)'),
    "a file that is no Python": ("TG211", "def (:"),
}


def _findings(tmp_path: Path, code: str) -> list[Finding]:
    (tmp_path / "app.py").write_text(code)
    return list(source_findings(Project(read_source([tmp_path]), tenancy(make()), tmp_path)))


def test_clean_source_has_no_finding(tmp_path: Path) -> None:
    """Nothing is reported where there is nothing."""
    assert _findings(tmp_path, CLEAN) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_source_is_found(tmp_path: Path, fault: str) -> None:
    """Each by its id, at a line of the source, and nothing else with it."""
    id_, code = FAULTS[fault]
    findings = _findings(tmp_path, f"{CLEAN}\n{code}\n")
    assert id_ in {one.rule.id for one in findings}
    assert {one.rule.id for one in findings} <= {id_, "TG207"}, findings
    assert all(one.file == "app.py" and one.line for one in findings)


def test_an_application_without_the_middleware_is_found(tmp_path: Path) -> None:
    """Its routes are named."""
    (finding,) = _findings(tmp_path, CLEAN.replace("app.add_middleware", "unrelated"))
    assert (finding.rule.id, "/ (calls)" in finding.detail) == ("TG209", True)


@pytest.mark.parametrize(
    "routes",
    [
        # a repository that a framework hands over, in another file, whose base does the work
        "class Base:\n    def all(self): return self.session.scalars(select(self.model)).all()\n"
        "class Calls(Base):\n    model = Call\n"
        "def repository(): return Calls()\n"
        "@app.get('/all')\ndef every(calls=Depends(repository)): return calls.all()",
        "class Calls:\n    def all(self): return load(1)\n"
        "@app.get('/all')\ndef every(calls: Calls = Depends()): return calls.all()",
        # classes of methods, as those of Starlette, of FastAPI's class-based views and of Litestar
        "from starlette.endpoints import HTTPEndpoint\nfrom starlette.routing import Route\n"
        "class Every(HTTPEndpoint):\n    async def get(self, request): return load(1)\n"
        "routes = [Route('/all', Every)]",
        "from starlette.routing import Route\ndef every(request): return load(1)\n"
        "app.routes.append(Route('/all', endpoint=every, methods=['GET']))",
        "def every(): return load(1)\napp.add_api_route('/all', every)",
        "from fastapi_utils.cbv import cbv\n@cbv(router)\nclass Views:\n    calls: Calls = Depends()\n"
        "    @router.get('/all')\n    def every(self): return self.calls.all()\n"
        "class Calls:\n    def all(self): return load(1)",
        "from litestar import Controller, get\nclass Views(Controller):\n    path = '/all'\n"
        "    @get()\n    async def every(self, session): return load(1)",
    ],
)
def test_a_route_is_followed_to_the_models_that_it_reaches(tmp_path: Path, routes: str) -> None:
    """Through repositories, what a framework hands over, and classes of methods."""
    code = CLEAN.replace("app.add_middleware", "unrelated").replace("return pool.submit", "# ")
    assert _findings(tmp_path, code) == []
    findings = _findings(tmp_path, f"{code}\n{routes}\n")
    (finding,) = findings
    assert (finding.rule.id, "every" in finding.detail.lower()) == ("TG209", True)


def test_applications_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Each module has its own app and router; a router is followed to where it was made."""
    (tmp_path / "routers").mkdir()
    (tmp_path / "routers" / "__init__.py").write_text("from .calls import router")
    (tmp_path / "routers" / "calls.py").write_text(
        "from fastapi import APIRouter\nfrom app import load\nrouter = APIRouter()\n"
        "@router.get('/')\ndef every(): return load(1)"
    )
    (tmp_path / "probe.py").write_text(
        "from fastapi import FastAPI, APIRouter\napp = FastAPI()\nrouter = APIRouter()\napp.include_router(router)\n"
        "@router.get('/well')\ndef well(): return 'well'"
    )
    code = CLEAN.replace("app.add_middleware", "unrelated").replace("return pool.submit", "# ")
    findings = _findings(tmp_path, code + "from routers import router as calls\napp.include_router(calls)\n")
    assert [(one.rule.id, one.file, "every" in one.detail) for one in findings] == [("TG209", "app.py", True)]


def test_a_migration_is_left_out_wherever_it_lies(tmp_path: Path) -> None:
    """It runs before the application serves."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "0001.py").write_text("from alembic import op\nop.execute('DELETE FROM calls')")
    assert _findings(tmp_path, CLEAN) == []


def test_text_that_the_guard_rewrites_is_none(tmp_path: Path) -> None:
    """Under raw_sql='rewrite' only what the guard refuses is told, in its own words."""
    clean = CLEAN.replace("tenancy)\nSessions", 'tenancy, raw_sql="rewrite")\nSessions')
    good = 'def f(s, t):\n    s.execute(text("SELECT id FROM calls"))\n    s.execute(text(f"SELECT {t}"))\n'
    assert _findings(tmp_path, clean + good) == []
    (finding,) = _findings(tmp_path, clean + 'def f(s):\n    s.execute(text("SELECT * FROM elsewhere"))\n')
    assert (finding.rule.id, "elsewhere" in finding.detail) == ("TG202", True)


@pytest.mark.parametrize(
    ("name", "line"),
    [("pgbouncer.ini", "pool_mode = statement"), ("deploy/compose.yml", "      POOL_MODE: statement")],
)
def test_a_pooler_in_statement_mode_is_found(tmp_path: Path, name: str, line: str) -> None:
    """The configuration beside the source is read."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# pool_mode = statement\n{line}\npool_mode = transaction\n")
    (finding,) = pooler_findings(tmp_path)
    assert (finding.rule.id, finding.place) == ("TG419", f"{name}:2")
