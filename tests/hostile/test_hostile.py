"""A few of the hostile writes; ``make hostile`` runs many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from tests.hostile.judge import Judge, programs
from tests.servers import BACKENDS, Backend, Database

_PROGRAMS = 75


@pytest.fixture(params=BACKENDS)
def judge(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Judge]:
    """Give the two worlds on each kind of database; what is refused in them is recorded quietly."""
    made = Judge(make_database(request.param, "hostile_alone"), make_database(request.param, "hostile"))
    logging.disable(logging.CRITICAL)
    yield made
    logging.disable(logging.NOTSET)
    made.close()


def test_a_write_does_what_it_does_alone(judge: Judge) -> None:
    """In every spelling, form and state: the same rows or an error, and nothing of globex's."""
    faults = [fault for program in programs(0, _PROGRAMS) if (fault := judge.fault(program)) is not None]
    assert faults == []
    assert judge.counts["written alone, written beside globex"] > _PROGRAMS / 10
