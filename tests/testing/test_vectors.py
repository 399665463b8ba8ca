"""Every vector holds under the guard and succeeds without it, on each database and each kind of driver."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tenantguard import guard
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.vectors import LEGITIMATE, VECTORS, Outcome, models
from tests.servers import ASYNC_DRIVERS, BACKENDS, Backend, Database

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

Make = Callable[[Backend, str], Database]
Run = Callable[[str, str], Report]

HELD = {Outcome.HELD, Outcome.REFUSED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}
SUCCEEDED = {Outcome.LEAKED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}
NOT_HERE = {
    "query_to_xml",
    "table_to_xml_by_parameter",
}  # the PostgreSQL of these tests was built without XML
BRIEF = ("writes", "identity map", "raw SQL", "pool", "legitimate")  # what a driver of its own can change


def _off(engine: Any) -> Any:
    return engine


def _on(engine: Any) -> Any:
    return guard(engine, models.tenancy)


def _rewriting(engine: Any) -> Any:
    return guard(engine, models.tenancy, raw_sql="rewrite")


MODES: dict[str, Callable[[Engine], Engine]] = {"off": _off, "on": _on, "rewrite": _rewriting}


@pytest.fixture(scope="module")
def run(make_database: Make) -> Iterator[Run]:
    """Return what runs every vector on a database in a mode, once for all tests of this module."""

    @cache
    def made(backend: str, mode: str) -> Report:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            database = make_database(backend, "vectors")  # type: ignore[arg-type]  # one of the three
            groups = ("raw SQL",) if mode == "rewrite" else ()
            with laboratory(models.tenancy, database.url, protect=MODES[mode]) as lab:
                return attack(lab, chosen(groups))

    yield made
    made.cache_clear()


def _others(report: Report, wanted: set[Outcome], *, legitimate: bool = False) -> dict[str, str]:
    """Return what ended otherwise, with the detail."""
    return {
        found.vector.name: f"{found.outcome}: {found.detail}"
        for found in report.results
        if found.vector.legitimate == legitimate and found.outcome not in wanted
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_vector_holds(run: Run, backend: Backend) -> None:
    """Nothing of the victim is read, changed or learned under the guard."""
    assert _others(run(backend, "on"), HELD) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_vector_succeeds_unguarded(run: Run, backend: Backend) -> None:
    """A vector that fails without the guard too would test nothing."""
    assert _others(run(backend, "off"), SUCCEEDED) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_legitimate_operation_works(run: Run, backend: Backend) -> None:
    """The same forms on the tenant's own rows give exactly those."""
    wanted = {Outcome.HELD, Outcome.NOT_APPLICABLE}
    assert _others(run(backend, "on"), wanted, legitimate=True) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_sql_text_holds_when_it_is_rewritten(run: Run, backend: Backend) -> None:
    """The vectors of SQL text hold in the mode that lets text through."""
    assert _others(run(backend, "rewrite"), HELD) == {}


def test_every_vector_is_proven_somewhere(run: Run) -> None:
    """Each vector succeeds unguarded on at least one database."""
    proven = {
        found.vector.name
        for backend in BACKENDS
        for found in run(backend, "off").results
        if found.outcome in (Outcome.LEAKED, Outcome.LIMIT)
    }
    assert {vector.name for vector in VECTORS} - proven == NOT_HERE


def test_known_limits_are_still_limits(run: Run) -> None:
    """A limit that the guard has come to hold leaves the table of limits and the page."""
    limits = {vector.name for vector in VECTORS if vector.limit is not None}
    found = {r.vector.name for r in run("sqlite", "on").results if r.outcome is Outcome.LIMIT}
    assert found == limits


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_every_vector_holds_through_an_asynchronous_driver(make_database: Make, driver: str) -> None:
    """The same vectors hold in a greenlet over each asynchronous driver, and the operations work."""
    database = make_database(ASYNC_DRIVERS[driver], "vectors")
    url = next(url for url in database.async_urls if url.startswith(f"{driver}:"))
    with laboratory(models.tenancy, url, protect=_on, asynchronous=True) as lab:
        report = attack(lab, chosen(BRIEF))
    assert _others(report, HELD) == {}
    assert _others(report, {Outcome.HELD, Outcome.NOT_APPLICABLE}, legitimate=True) == {}


def test_there_are_as_many_as_promised() -> None:
    """The table keeps its size: a vector is never dropped without a word."""
    assert len(VECTORS) >= 580
    assert len(LEGITIMATE) >= 58


def test_names_and_sentences_are_in_order() -> None:
    """Each vector has a name of its own and one sentence."""
    every = [*VECTORS, *LEGITIMATE]
    assert len({vector.name for vector in every}) == len(every)
    assert [vector.name for vector in every if not vector.tries.endswith(".")] == []


def test_rows_are_put_back_though_a_connection_was_left_open(make_database: Make) -> None:
    """A vector may leave a transaction behind that only the garbage collector ends."""
    database = make_database("postgresql", "vectors")
    with laboratory(models.tenancy, database.url, protect=_on) as lab:
        left: list[Any] = [lab.admin.connect()]
        left[0].execute(select(lab.owned.table)).all()
        left.append(left)  # what a count of references never frees
        del left
        lab.reset()
        assert lab.snapshot().rows == lab.before.rows
