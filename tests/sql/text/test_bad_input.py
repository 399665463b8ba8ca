"""Bad input as SQL text: a clear refusal, and the connection is usable afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from cProfile import Profile
from functools import partial

import pytest
from sqlalchemy import Connection, text

from tenantguard import bind, guard
from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.text import Texts, rewrite
from tenantguard.sql.text.texts import Kept
from tests.servers import BACKENDS, Backend, Database
from tests.sql.text.world import MINE, fill, tenancy

# what is sent, and how the refusal tells it
BAD = {
    "a megabyte": ("SELECT id FROM calls WHERE status = '" + "x" * 1_000_000 + "'", "longer than 100,000"),
    "a megabyte of spaces": ("SELECT 1" + " " * 1_000_000, "longer than 100,000"),
    "a megabyte of quotes": ("'" * 1_000_000, "longer than 100,000"),
    "a thousand levels": ("SELECT " + "(" * 1000 + "1" + ")" * 1000, "nest deeper than 100"),
    "a thousand queries": ("SELECT (" * 1000 + "1" + ")" * 1000, "nest deeper than 40"),
    "100,000 tokens": ("SELECT " + "1+" * 49_900 + "1", "more than 30,000 words"),
    "100,000 parentheses": ("(" * 99_999, "more than 30,000 words"),
    "thousands of tables": ("SELECT 1 FROM " + ",".join(f"calls a{n}" for n in range(5000)), "refused"),
    "thousands of CASE": ("SELECT " + "CASE WHEN 1 THEN " * 3000 + "1" + " END" * 3000, "refused"),
    "comments not closed": ("/*" * 40_000, "a comment"),
    "NUL": ("SELECT id FROM calls WHERE status = 'a\x00b'", "a control character"),
    "escape": ("SELECT id FROM calls \x1b", "a control character"),
    "a lone surrogate": ("SELECT id AS x\ud800 FROM calls", "a surrogate pair"),
    "a lone surrogate in quotes": ("SELECT '\udfff' FROM calls", "a surrogate pair"),
    "nothing": ("", "empty"),
}


@pytest.fixture(scope="module", params=BACKENDS)
def connection(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Connection]:
    """Give a connection, guarded in rewrite mode."""
    database = make_database(request.param, "text_bad")
    fill(database.create_engine(), MINE)
    engine = guard(database.create_engine(), tenancy, raw_sql="rewrite")
    with engine.connect() as opened:
        yield opened
    database.close()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_the_connection_lives(connection: Connection, name: str) -> None:
    """As a text and as SQL for the driver, by a refusal that says why; the next statement runs."""
    sql, told = BAD[name]
    with bind(MINE):
        with pytest.raises(RawSQLError, match=told):
            connection.execute(text(sql))
        with pytest.raises(RawSQLError, match=told):
            connection.exec_driver_sql(sql)
        assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 5
        connection.rollback()


def test_what_is_remembered_is_bounded() -> None:
    """Texts are kept up to so many bytes; a long one, and one that is refused, is read each time and leaves nothing."""
    texts = Texts(tenancy)
    long = "SELECT id FROM calls WHERE id = 1" + " " * 30_000
    assert texts.rewrite(long, dialect="sqlite", style="qmark").tenanted
    assert texts.fragment(long, "sqlite").fault is not None
    with pytest.raises(Violation, match="refused"):
        texts.rewrite("SELECT id FROM calls)", dialect="sqlite", style="qmark")
    assert (len(texts.kept), texts.kept.bytes) == (0, 0)


def test_the_oldest_answers_go() -> None:
    """What is kept never takes more than its bytes."""
    kept = Kept(most_bytes=100_000)
    for number in range(200):
        assert kept.get(number, "x" * 100, partial(int, number)) == number
        assert kept.bytes <= 100_000
    assert 0 < len(kept) < 100
    assert kept.get(199, "", lambda: -1) == 199
    assert kept.get(0, "", lambda: -1) == -1


def _hostile(name: str, size: int) -> str:
    """Return a text of a kind, as long as a size says."""
    return {
        "megabyte": "SELECT '" + "x" * 1_000 * size + "'",
        "calls of set_config": "SELECT " + ", ".join(["set_config('work_mem', '1', true)"] * 29 * size),
        "nested WITHs": "WITH a AS (" * 9 * size + "SELECT 1" + ") SELECT 1" * 9 * size,
        "arrays": "SELECT " + "ARRAY[" * (size // 2) + "1" + "]" * (size // 2),
        "joins": "SELECT 1 FROM calls "
        + " ".join(f"LEFT JOIN calls a{n} ON rowid = 1" for n in range(4 * size)),
        "strings": "SELECT " + ",".join(["'a''b'"] * 140 * size),
        "joins in parentheses": "SELECT 1 FROM "
        + "(" * (size // 4)
        + f"SELECT 1{'+1' * 40 * size})"
        + ", calls)" * (size // 4 - 1),
    }[name]


def _calls(sql: str, dialect: str) -> int:
    """Return how many functions are called to read a text."""
    profile = Profile()
    # what earlier tests left behind is not finalised, and counted, in between
    gc.collect()
    gc.disable()
    try:
        with suppress(Violation), profile:
            rewrite(sql, tenancy=tenancy, dialect=dialect, style="named")
    finally:
        gc.enable()
    return sum(function.callcount for function in profile.getstats())


@pytest.mark.parametrize(
    "name",
    ["megabyte", "calls of set_config", "nested WITHs", "arrays", "joins", "strings", "joins in parentheses"],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
def test_a_hostile_text_costs_little(name: str, dialect: str, whole: bool) -> None:
    """Work grows with the length of a text alone: a text of twice the length takes at most twice the calls."""
    _calls(_hostile(name, 2), dialect)  # what is made once
    half = 49 if whole else 10
    short, long = (_calls(_hostile(name, size), dialect) for size in (half, 2 * half))
    assert long <= 2.1 * short + 250
