"""Every vector holds under the guard, on each database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tenantguard.testing.attack import laboratory
from tenantguard.testing.vectors import LEGITIMATE, VECTORS, Outcome, models
from tests.servers import BACKENDS, Backend
from tests.testing.attacks import HELD, Everywhere, Make, on, others

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

MODES = ("on", "rewrite")
WORKS = {Outcome.HELD, Outcome.NOT_APPLICABLE}


@pytest.fixture(scope="module")
def everywhere(make_database: Make, whole: bool) -> Everywhere:
    """Give the vectors on each database, once for all tests of this module."""
    return Everywhere(make_database, whole=whole)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_vector_holds(everywhere: Everywhere, backend: Backend) -> None:
    """Nothing of the victim is read, changed or learned under the guard."""
    assert others(everywhere.on(backend, "on"), HELD) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_legitimate_operation_works(everywhere: Everywhere, backend: Backend) -> None:
    """The same forms on the tenant's own rows give exactly those."""
    assert others(everywhere.on(backend, "on"), WORKS, legitimate=True) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_sql_text_holds_when_it_is_rewritten(everywhere: Everywhere, backend: Backend) -> None:
    """The vectors of SQL text hold in the mode that lets text through."""
    assert others(everywhere.on(backend, "rewrite"), HELD) == {}


@pytest.mark.rest  # it takes every server
@pytest.mark.parametrize("mode", MODES)
def test_every_vector_holds_on_a_server(everywhere: Everywhere, mode: str) -> None:
    """Also what fits one of them alone."""
    report = everywhere.servers(mode).every()
    assert others(report, HELD) == {}
    assert others(report, WORKS, legitimate=True) == {}


def test_known_limits_are_still_limits(everywhere: Everywhere) -> None:
    """A limit that the guard has come to hold leaves the table of limits and the page."""
    limits = {vector.name for vector in VECTORS if vector.limit is not None}
    found = {r.vector.name for r in everywhere.sqlite("on").results if r.outcome is Outcome.LIMIT}
    assert found == limits


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
    with laboratory(models.tenancy, database.url, protect=on) as lab:
        left: list[Any] = [lab.admin.connect()]
        left[0].execute(select(lab.owned.table)).all()
        left.append(left)  # what a count of references never frees
        del left
        lab.seeded.reset()
        assert lab.seeded.snapshot().rows == lab.before.rows
