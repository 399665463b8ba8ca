"""Every vector succeeds without the guard: one that fails there too would test nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenantguard.testing.vectors import VECTORS, Outcome
from tests.servers import BACKENDS, Backend
from tests.testing.attacks import Make, Run, others, runs

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

SUCCEEDED = {Outcome.LEAKED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}
NOT_HERE = {
    "query_to_xml",
    "table_to_xml_by_parameter",
}  # the PostgreSQL of these tests was built without XML


@pytest.fixture(scope="module")
def run(make_database: Make) -> Iterator[Run]:
    """Return what attacks a database in a mode, once for all tests of this module."""
    with runs(make_database) as run:
        yield run


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_vector_succeeds_unguarded(run: Run, backend: Backend) -> None:
    """Each gets through, or does not apply to the database."""
    assert others(run(backend, "off"), SUCCEEDED) == {}


def test_every_vector_is_proven_somewhere(run: Run) -> None:
    """Each vector succeeds unguarded on at least one database."""
    proven = {
        result.vector.name
        for backend in BACKENDS
        for result in run(backend, "off").results
        if result.outcome in (Outcome.LEAKED, Outcome.LIMIT)
    }
    assert {vector.name for vector in VECTORS} - proven == NOT_HERE
