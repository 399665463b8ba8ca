"""``tenantguard explain``: a statement's tables, what is sent or refused and why, its plans, and hidden rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

from tenantguard.cli.app import app
from tests.models import create_schema, seed
from tests.servers import Database

numbers = itertools.count()

SHOP = """
from sqlalchemy import insert, select
from tests.models import Call, CallTag, Country, make_tenancy

tenancy = make_tenancy()
number = 7
listed = select(Call).where(Call.id == 1)


def tags():
    return select(CallTag)


def named(session):
    return session.scalars(select(Call.note)).all()


async def awaited(session):
    return (await session.scalars(select(Call.note))).all()


async def coming():
    return select(Call.note)


def leaving():
    raise SystemExit(0)


def failing():
    raise KeyError("no luck")


def country():
    return insert(Country).values(code="XX", name="X")


def broken(session):
    raise ValueError("no luck")
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module in the current directory, beside a database of three tenants."""
    name = f"explained_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    engine = create_engine("sqlite:///shop.db")
    create_schema(engine)
    seed(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO call_tags (id, call_id, tag) VALUES (7, 101, 'x')")
    engine.dispose()
    return name


def run(shop: str, *arguments: str) -> Result:
    """Run the command on the module's tenancy."""
    return CliRunner().invoke(app, ["explain", f"{shop}:tenancy", *arguments])


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("listed", ["calls: owned by company_id", "the guard filters calls by company_id"]),
        ("tags", ["call_tags: through call_id to calls", "WHERE EXISTS (SELECT 1 FROM calls"]),
        ("named", ["SELECT calls.note FROM calls WHERE calls.company_id ="]),
        ("awaited", ["SELECT calls.note FROM calls WHERE calls.company_id ="]),
        ("coming", ["SELECT calls.note FROM calls WHERE calls.company_id ="]),
    ],
)
def test_what_is_sent_is_shown(shop: str, statement: str, told: list[str]) -> None:
    """Of a statement, of a function that returns one, and of a function of a session."""
    done = run(shop, f"{shop}:{statement}")
    assert done.exit_code == 0, done.output
    assert [line for line in told if line not in done.output] == []


def test_what_is_refused_is_shown_with_what_to_do(shop: str) -> None:
    """The exit code is 1."""
    done = run(shop, f"{shop}:country")
    assert done.exit_code == 1
    assert "refused (shared_write)" in done.output
    assert 'do\n    write such rows inside `with bypass(reason="..."):`' in done.output


def test_text_is_shown_as_it_would_be_rewritten(shop: str) -> None:
    """Where it is refused unread too."""
    done = run(shop, "SELECT id FROM calls WHERE id = :id")
    assert done.exit_code == 1
    assert "calls: owned by company_id" in done.output
    assert (
        'raw_sql="rewrite" would send: SELECT id FROM calls WHERE (id = :id) AND calls."company_id"'
        in done.output
    )
    assert run(shop, "SELECT id FROM calls WHERE id = :id", "--raw-sql", "rewrite").exit_code == 0
    assert "calls: owned by company_id" in run(shop, "VACUUM calls; SELECT id FROM calls").output


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("calls:1", "the row calls:1 is visible to acme"),
        ("calls:101", "is not visible to acme: calls.company_id names another company"),
        (
            "call_tags:7",
            "it belongs through call_id to a row of calls; calls.company_id names another company",
        ),
        ("calls:9999", "there is no row calls:9999 in the database"),
    ],
)
def test_why_a_row_is_hidden_is_told_without_whose_it_is(shop: str, row: str, told: str) -> None:
    """The way to the company is followed to where it ends."""
    done = run(shop, "--row", row, "--tenant", "acme", "--url", "sqlite:///shop.db")
    assert (done.exit_code, told in done.output) == (0, True), done.output
    assert "globex" not in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a statement, or a row with --row table:key"),
        (["{shop}:number"], "is neither a statement nor a function (int)"),
        (["{shop}:broken"], "(session) failed: ValueError: no luck"),
        (["{shop}:failing"], ":failing() failed: KeyError: 'no luck'"),
        (["{shop}:leaving"], "the application's own code ended the program (SystemExit: 0)"),
        ([""], "the statement is empty"),
        (["{shop}:listed", "--dialect", "oracl"], "there is no dialect 'oracl'"),
        (["{shop}:listed", "--url", "sqlite:///none.db"], "there is no database file"),
        (["--row", "calls:1"], "pass --url"),
        (["--row", "calls:1", "--url", "sqlite:///shop.db"], "pass --tenant"),
        (["--row", "calls", "--tenant", "a", "--url", "sqlite:///shop.db"], "does not name a row"),
        (
            ["--row", "calls:x", "--tenant", "a", "--url", "sqlite:///shop.db"],
            "'x' is not a value of calls.id",
        ),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(shop: str, arguments: list[str], told: str) -> None:
    """No traceback, and exit code 2."""
    done = run(shop, *[one.replace("{shop}", shop) for one in arguments])
    assert (done.exit_code, told in done.output, "Traceback" in done.output) == (2, True, False), done.output


def test_plans_are_those_of_the_live_database(shop: str, database: Database) -> None:
    """Without the guard and with it; nothing is executed."""
    engine = database.create_engine()
    create_schema(engine)
    seed(engine)
    url = (
        database.url if isinstance(database.url, str) else database.url.render_as_string(hide_password=False)
    )
    done = run(shop, f"{shop}:listed", "--url", url)
    assert done.exit_code == 0, done.output
    without, _, within = done.output.partition("plan with the guard\n")
    assert "calls" in without.partition("plan without the guard\n")[2]
    assert "calls" in within
