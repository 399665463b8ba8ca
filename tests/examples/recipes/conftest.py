"""What the recipes' tests share: two companies with a project each, and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from examples.recipes.models import Base, Project, Task
from examples.recipes.several_companies import tenancy
from tenantguard import bind, bypass, guard
from tenantguard.testing import TokenMaker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the database's file, in which acme has project 1 and task 1, globex project 2 and task 2."""
    path = tmp_path / "recipes.sqlite"
    engine = guard(create_engine(f"sqlite:///{path}"), tenancy)
    with bypass(reason="tables of a test"), engine.begin() as connection:
        Base.metadata.create_all(connection)
    for company in ("acme", "globex"):
        with bind(company), Session(engine) as session:
            session.add(Project(name=f"{company}'s roof", tasks=[Task(title=f"{company}'s nail")]))
            session.commit()
    engine.dispose()
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """Return the guarded engine."""
    engine = guard(create_engine(f"sqlite:///{path}"), tenancy)
    yield engine
    engine.dispose()


@pytest.fixture
async def async_engine(path: Path) -> AsyncIterator[AsyncEngine]:
    """Return the same, asynchronous."""
    engine = guard(create_async_engine(f"sqlite+aiosqlite:///{path}"), tenancy)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(async_engine: AsyncEngine) -> async_sessionmaker:  # type: ignore[type-arg]
    """Return what makes asynchronous sessions."""
    return async_sessionmaker(async_engine, expire_on_commit=False)


@pytest.fixture(scope="session")
def tokens() -> TokenMaker:
    """Return what makes tokens, and verifies them."""
    return TokenMaker()


def done(engine: Engine) -> list[tuple[str, bool]]:
    """Return which tasks are done, of all companies."""
    with bypass(reason="looking at a test's rows"), Session(engine) as session:
        return [
            (title, done) for title, done in session.execute(select(Task.title, Task.done).order_by(Task.id))
        ]
