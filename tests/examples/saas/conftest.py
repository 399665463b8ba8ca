"""The fixtures of a service's own tests: one connection per test, everything rolled back, and people who log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker

from examples.saas_app.app import create_app
from examples.saas_app.database import make_engine
from examples.saas_app.migrations import upgrade


@dataclass
class Person:
    """Somebody with a client that carries their token."""

    http: httpx.AsyncClient
    email: str

    async def get(self, path: str) -> Any:
        """Return what a route shows."""
        response = await self.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, expected: int = 201, **body: Any) -> Any:
        """Return what a route answers."""
        response = await self.http.post(path, json=body)
        assert response.status_code == expected, response.text
        return response.json() if response.content else None

    def carry(self, token: str) -> None:
        """Use another token from now on."""
        self.http.headers["authorization"] = f"Bearer {token}"


class People:
    """Makes people: by signing up, or by logging in."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.made: list[Person] = []

    async def sign_up(self, company: str) -> Person:
        """Return the owner of a new company."""
        person = self.stranger(f"owner@{company}.example")
        body: dict[str, Any] = {
            "company": company,
            "email": person.email,
            "name": company.title(),
            "password": "a secret",
        }
        person.carry((await person.post("/sign-up", **body))["token"])
        return person

    async def login(self, email: str) -> Person:
        """Return somebody who has logged in, and chosen no company yet."""
        person = self.stranger(email)
        person.carry((await person.post("/login", 200, email=email, password="a secret"))["token"])
        return person

    def stranger(self, email: str) -> Person:
        """Return somebody without a token."""
        transport = httpx.ASGITransport(app=self._app)
        self.made.append(
            Person(httpx.AsyncClient(transport=transport, base_url="http://saas.example"), email)
        )
        return self.made[-1]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Give a database at the newest revision, migrated before anybody guards the engine."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'saas.db'}"
    migrating = make_engine(url)
    async with migrating.begin() as connection:
        await connection.run_sync(upgrade)
    await migrating.dispose()
    engine = make_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def app(engine: AsyncEngine) -> AsyncIterator[FastAPI]:
    """Give the service on one connection, which is rolled back: the usual fixture of a suite."""
    app = create_app(engine)
    async with engine.connect() as connection:
        outer = await connection.begin()
        app.state.sessions = sessions_on(connection)
        yield app
        await outer.rollback()


def sessions_on(connection: AsyncConnection) -> async_sessionmaker[Any]:
    """Return what makes sessions inside a transaction that somebody else ends."""
    return async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")


@pytest.fixture
async def people(app: FastAPI) -> AsyncIterator[People]:
    """Give what makes people."""
    people = People(app)
    yield people
    for person in people.made:
        await person.http.aclose()
