"""Fixtures: one connection per test, everything rolled back, rows made for a named company."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from examples.recipes.models import Project
from tenantguard import bind


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose transaction is rolled back after the test."""
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    """Yield a session whose commits are savepoints of that transaction."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session


@pytest.fixture
def project_of(connection: Connection) -> Callable[[str, str], int]:
    """Return a factory: `project_of("acme", "Roof")` makes a project, in a session of its own, and returns its id."""

    def make(company: str, name: str) -> int:
        with bind(company), Session(connection, join_transaction_mode="create_savepoint") as session:
            project = Project(name=name)
            session.add(project)
            session.commit()
            return project.id

    return make
