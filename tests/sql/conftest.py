"""Fixtures of the database side: worlds that a module shares, and fresh ones in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenantguard import guard
from tests.models import create_schema, make_tenancy, seed
from tests.servers import Database
from tests.sql.world import World, memory_world


@pytest.fixture(scope="module")
def world(module_database: Database) -> World:
    """Give a seeded world on each database in turn; its tests only read, or roll back what they do."""
    plain = module_database.create_engine()
    create_schema(plain)
    seed(plain)
    return World(module_database.backend, guard(module_database.create_engine(), make_tenancy()), plain)


@pytest.fixture
def memory() -> Iterator[World]:
    """Give a seeded world of one test, in memory."""
    world = memory_world()
    yield world
    world.engine.dispose()
    world.plain.dispose()
