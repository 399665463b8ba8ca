"""Reading source: which places are found, by which names, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantguard.checks.source.reader import read_file
from tenantguard.checks.source.sites import Site, read_source, sites


def _sites(tmp_path: Path, code: str) -> list[Site]:
    path = tmp_path / "app.py"
    path.write_text(code)
    return list(sites(read_file(path)))


@pytest.mark.parametrize(
    ("code", "kind", "detail"),
    [
        ("from sqlalchemy import create_engine as make\nx = make('sqlite://')", "engine", None),
        ("import sqlalchemy as sa\nx = sa.create_engine('sqlite://')", "engine", None),
        ("from sqlalchemy.ext import asyncio as a\nx = a.create_async_engine(url)", "engine", None),
        ("from sqlalchemy import orm\ns = orm.sessionmaker(e)", "session", None),
        ("import tenantguard\ntenantguard.guard(e, t)", "guard", None),
        ("from tenantguard import bypass\nwith bypass(reason='nightly'):\n    pass", "bypass", "nightly"),
        ("from sqlalchemy import text\nc.execute(text('SELECT 1'))", "sql", "SELECT 1"),
        ("QUERY = 'SELECT ' '1'\nc.exec_driver_sql(QUERY)", "sql", "SELECT 1"),
        ("c.execute(f'SELECT {x}')", "sql", "f'SELECT {x}'"),
        ("import psycopg\nc = psycopg.connect(url)", "driver", None),
        ("raw = engine.raw_connection()", "driver", None),
        ("import threading\nthreading.Thread(target=work).start()", "thread", None),
        ("pool.submit(work)", "thread", None),
        ("import functools\n@functools.lru_cache\ndef f(): ...", "cache", None),
        ("from fastapi import FastAPI\napp = FastAPI()", "app", None),
        ("@router.get('/calls')\ndef calls(): ...", "route", "/calls"),
        ("from celery import shared_task\n@shared_task\ndef nightly(): ...", "entry point", None),
    ],
)
def test_a_site_is_found(tmp_path: Path, code: str, kind: str, detail: str | None) -> None:
    """Each kind of site is found by the name that it was imported by."""
    assert (kind, detail) in {(site.kind, site.detail) for site in _sites(tmp_path, code)}


@pytest.mark.parametrize(
    "code",
    [
        "def create_engine(): ...\nx = create_engine()",  # the application's own
        "import requests\nrequests.get('/calls')\n# a session",
        "session.execute(select(Call))",
        "client.stream('DELETE', url)",  # of HTTP
        "import sqlite3\nclass Session: ...\ns = Session()",
    ],
)
def test_what_only_looks_like_one_is_none(tmp_path: Path, code: str) -> None:
    """A name alone is no site."""
    assert _sites(tmp_path, code) == []


def test_a_site_says_where_it_stands(tmp_path: Path) -> None:
    """Line and function are those of the source."""
    code = "from sqlalchemy import create_engine\n\nclass A:\n    def make(self):\n        return create_engine(u)\n"
    (site,) = _sites(tmp_path, code)
    assert (site.line, site.function, site.code) == (5, "A.make", "return create_engine(u)")


def test_a_relative_import_is_followed(tmp_path: Path) -> None:
    """A name that comes from the package's own modules has its whole name."""
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "db.py").write_text("from .models import engine\nwork(engine)\n")
    (source,) = [one for one in read_source([package]) if one.module == "app.db"]
    assert source.imports == {"engine": "app.models.engine"}


@pytest.mark.parametrize(("name", "module"), [("app", "app.db"), ("src", "db")])
def test_a_package_needs_no_file_of_its_own(tmp_path: Path, name: str, module: str) -> None:
    """A directory whose modules are imported by its name is one."""
    package = tmp_path / name
    package.mkdir()
    (package / "db.py").write_text("from app.models import engine\n")
    (source,) = read_source([package])
    assert source.module == module


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (b"import sqlalchemy\x00\n", "null bytes"),
        (b'import sqlalchemy\nx = "\xe9\xff"\n', "codec"),
        (b"import sqlalchemy\nx = " + b"(" * 300 + b"1" + b")" * 300, "brackets"),
        (b"import sqlalchemy\nx = " + b"+".join([b"1"] * 20_000), "line 2 has 40,003 characters"),
        (b"import sqlalchemy\n" + b"x = 1\n" * 400_000, "2,400,018 bytes"),
        (b"import sqlalchemy\n" + b"x = ':('\n" * 300, None),
        (b"import sqlalchemy\nx = (1\n" + b"+1\n" * 20_000 + b")", "nested deeper"),
        (b"import sqlalchemy\nx = '\\d' is 1\n", None),
        (b'# -*- coding: latin-1 -*-\nimport sqlalchemy\nx = "\xe9"\n', None),
        (b"\xef\xbb\xbfimport sqlalchemy\r\nx = 1\r\n", None),
    ],
)
def test_an_odd_file_is_read_or_says_why_not(tmp_path: Path, code: bytes, fault: str | None) -> None:
    """Whatever is in it, nothing ends the process or takes minutes, and nothing is silent."""
    path = tmp_path / "app.py"
    path.write_bytes(code)
    told = read_file(path).fault
    assert told is None if fault is None else (told is not None and fault in told)


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    """A file that is no Python has a fault and no sites."""
    path = tmp_path / "app.py"
    path.write_text("import sqlalchemy\ndef (:\n")
    source = read_file(path)
    assert source.fault is not None
    assert list(sites(source)) == []


def test_a_class_is_known_by_its_table(tmp_path: Path) -> None:
    """With methods and decorators around what says it."""
    path = tmp_path / "models.py"
    path.write_text(
        "import sqlalchemy\nclass Call(Base):\n    def f(self):\n        return 1\n    if True:\n        a = 1\n"
        "    __tablename__: str = 'calls'\nclass Item(SQLModel, table=True): ...\nclass Other: x = 1\n"
    )
    assert read_file(path).tables == {"Call": "calls", "Item": "item"}


def test_other_peoples_code_is_left_out(tmp_path: Path) -> None:
    """Environments, tests and migrations are no part of the application."""
    for name in (
        "a.py",
        "venv/b.py",
        "tests/c.py",
        "migrations/versions/d.py",
        "alembic/env.py",
        "schema/env.py",
        "schema/versions/e.py",
        "schema/helpers/f.py",
        "test_e.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import sqlalchemy\n")
    assert [one.path.name for one in read_source([tmp_path])] == ["a.py"]
