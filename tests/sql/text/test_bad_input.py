"""Bad input as SQL text: a clear refusal, and the connection is usable afterwards."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tenantguard import bind, guard
from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.text import rewrite
from tests.servers import BACKENDS, Backend, Database
from tests.sql.text.world import MINE, fill, tenancy

# what is sent, and how the refusal tells it
BAD = {
    "a megabyte": ("SELECT id FROM calls WHERE status = '" + "x" * 1_000_000 + "'", "longer than 100,000"),
    "a megabyte of spaces": ("SELECT 1" + " " * 1_000_000, "longer than 100,000"),
    "a megabyte of quotes": ("'" * 1_000_000, "longer than 100,000"),
    "a thousand levels": ("SELECT " + "(" * 1000 + "1" + ")" * 1000, "nest deeper than 60"),
    "a thousand queries": ("SELECT (" * 1000 + "1" + ")" * 1000, "nest deeper than 60"),
    "100,000 tokens": ("SELECT " + "1+" * 49_900 + "1", "more than 30,000 words"),
    "100,000 parentheses": ("(" * 99_999, "nest deeper than 60"),
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
    """A thousand texts are kept; a long one, and one that is refused, is read each time and leaves nothing."""
    reading: Any = importlib.import_module("tenantguard.sql.text.rewrite")
    assert reading._rewrite.cache_info().maxsize == 1024
    kept = reading._rewrite.cache_info().currsize
    long = "SELECT id FROM calls WHERE id = 1" + " " * 30_000
    assert rewrite(long, tenancy=tenancy, dialect="sqlite", style="qmark").tenanted
    with pytest.raises(Violation, match="refused"):
        rewrite("SELECT id FROM calls)", tenancy=tenancy, dialect="sqlite", style="qmark")
    assert reading._rewrite.cache_info().currsize == kept
