"""Fixtures of row security: a database whose policies come from the tenancy, and its roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.postgres.world import Secured
from tests.servers import Backend, Database


@pytest.fixture(scope="session")
def sealed(make_database: Callable[[Backend, str], Database], worker_name: str) -> Iterator[Secured]:
    """Give the test models with sealed policies; tests roll back what they do."""
    world = Secured(make_database("postgresql", "sealed"), worker_name)
    world.fill(sealed=True)
    yield world
    world.close()


@pytest.fixture(scope="session")
def plain(make_database: Callable[[Backend, str], Database], worker_name: str) -> Iterator[Secured]:
    """Give the test models with policies and no seal; tests roll back what they do."""
    world = Secured(make_database("postgresql", "secured_plain"), worker_name)
    world.fill(sealed=False)
    yield world
    world.close()


@pytest.fixture
def empty(make_database: Callable[[Backend, str], Database], worker_name: str) -> Iterator[Secured]:
    """Give an empty database for one test."""
    world = Secured(make_database("postgresql", "secured_empty"), worker_name)
    yield world
    world.close()


@pytest.fixture(scope="session")
def worker_name(pytestconfig: pytest.Config) -> str:
    """Return what tells this process's roles from those of others on the same server."""
    return str(getattr(pytestconfig, "workerinput", {}).get("workerid", "main"))
