"""Every vector succeeds without the guard: one that fails there too would test nothing.

``make test`` tries them on SQLite, and ``make matrix`` on each database.
"""

from __future__ import annotations

from typing import cast

import pytest

from tenantguard.testing.attack import Report, attack, laboratory
from tenantguard.testing.vectors import VECTORS, Outcome, Vector, models
from tests.servers import BACKENDS, Backend
from tests.support.shares import first
from tests.testing.attacks import Make, Shares, off, others

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

SUCCEEDED = {Outcome.LEAKED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}
NOT_HERE = {
    "query_to_xml",
    "table_to_xml_by_parameter",
}  # the PostgreSQL of these tests was built without XML


@pytest.fixture(scope="module")
def unguarded(make_database: Make) -> Shares:
    """Give the vectors on each database, with the guard off."""

    def run(backend: str, vectors: list[Vector]) -> Report:
        database = make_database(cast("Backend", backend), "vectors")
        with laboratory(models.tenancy, database.url, protect=off) as lab:
            return attack(lab, vectors)

    return Shares(BACKENDS, list(VECTORS), run, whole=True)


@pytest.mark.parametrize("backend", first(BACKENDS))
def test_every_vector_succeeds_unguarded(unguarded: Shares, backend: Backend) -> None:
    """Each gets through, or does not apply to the database."""
    assert others(unguarded.of(backend), SUCCEEDED) == {}


@pytest.mark.rest  # it takes every database
def test_every_vector_is_proven_somewhere(unguarded: Shares) -> None:
    """Each vector succeeds unguarded on at least one database."""
    assert set(others(unguarded.every(), {Outcome.LEAKED, Outcome.LIMIT})) == NOT_HERE
