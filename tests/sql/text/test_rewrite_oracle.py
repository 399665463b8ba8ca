"""SQL text, rewritten, does on a database of two companies what it does on a database of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from tenantguard.sql.text import rewrite
from tests.servers import Backend, Database
from tests.sql.text.statements import READS, WRITES
from tests.sql.text.world import MINE, THEIRS, belongs, fill, tenancy

Worlds = Callable[[Backend], tuple[Engine, Engine]]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql", "mariadb")


@pytest.fixture(scope="module")
def worlds(make_database: Callable[[Backend, str], Database]) -> Iterator[Worlds]:
    """Give what returns, for a backend, an engine on two companies' rows and one on the slice: made once, as slow."""
    opened: list[Database] = []

    @cache
    def of(backend: Backend) -> tuple[Engine, Engine]:
        whole, slice_ = make_database(backend, "text_whole"), make_database(backend, "text_slice")
        opened.extend((whole, slice_))
        pair = whole.create_engine(), slice_.create_engine()
        fill(pair[0], MINE, THEIRS)
        fill(pair[1], MINE)
        return pair

    yield of
    for database in opened:
        database.close()


def _forms(forms: Iterable[tuple[str, *tuple[Any, ...]]]) -> list[Any]:
    """Return each form with each database that has it."""
    return [
        (backend, *form)
        for backend in BACKENDS
        for backends, *form in forms
        if not backends or backend in backends.split()
    ]


def _rewritten(engine: Engine, sql: str) -> Any:
    return rewrite(
        sql,
        tenancy=tenancy,
        dialect=engine.dialect.name,
        style="named",
        default_schema=engine.dialect.default_schema_name,
    )


@pytest.mark.parametrize(("backend", "sql"), _forms(READS))
def test_a_query_returns_what_the_slice_returns(worlds: Worlds, backend: Backend, sql: str) -> None:
    """The rows are those of a database that holds nothing but the tenant's rows and the shared ones."""
    whole, slice_ = worlds(backend)
    rewritten = _rewritten(whole, sql)
    parameters = {"low": 2, "state": "open"}
    with whole.connect() as connection, slice_.connect() as alone:
        found = connection.execute(text(rewritten.text), rewritten.bind(parameters, MINE))
        expected = alone.execute(text(sql), parameters)
        assert list(found.keys()) == list(expected.keys())
        assert Counter(map(repr, found)) == Counter(map(repr, expected))


@pytest.mark.parametrize(("backend", "sql", "alone_sql"), _forms(WRITES))
def test_a_write_does_what_it_does_in_the_slice(
    worlds: Worlds, backend: Backend, sql: str, alone_sql: str | None
) -> None:
    """The tenant's rows are afterwards those of the slice, and the other tenant's are untouched."""
    whole, slice_ = worlds(backend)
    rewritten = _rewritten(whole, sql)
    parameters = {"low": 2, "state": "open", "mine": MINE, "call": 2}
    with _undone(whole) as connection, _undone(slice_) as alone:
        theirs = belongs(connection, THEIRS)
        found = connection.execute(text(rewritten.text), rewritten.bind(parameters, MINE))
        expected = alone.execute(text(alone_sql or sql), parameters)
        if expected.returns_rows:
            assert Counter(map(repr, found)) == Counter(map(repr, expected))
        else:
            assert found.rowcount == expected.rowcount
        assert belongs(connection, MINE) == belongs(alone, MINE)
        assert belongs(connection, THEIRS) == theirs


@contextmanager
def _undone(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is rolled back."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver does not begin one before WITH ... UPDATE
        yield connection
        connection.rollback()
