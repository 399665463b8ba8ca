"""Fixtures that run the example: a signer of tokens, and clients that speak for a company."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI

from examples.fastapi_app.app import create_app
from examples.fastapi_app.database import make_engine
from examples.fastapi_app.seed import create_and_seed
from examples.fastapi_app.tokens import Issuer
from tenantguard import bypass
from tests.servers import Database

CALLS = {"acme": 30, "globex": 20}

Client = Callable[[str], httpx.AsyncClient]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Give one key to every test; making one takes a while."""
    return Issuer()


@pytest.fixture
async def app(async_database: Database, issuer: Issuer) -> AsyncIterator[FastAPI]:
    """Give the guarded call centre, with a handful of calls, on each asynchronous driver."""
    engine = make_engine(async_database.async_url)
    app = create_app(engine, issuer.verifier())
    with bypass(reason="seeding a test"):
        await create_and_seed(engine, CALLS)
    yield app
    await engine.dispose()


@pytest.fixture
async def client(app: FastAPI, issuer: Issuer) -> AsyncIterator[Client]:
    """Return a function that gives the client of a company."""
    async with AsyncExitStack() as stack:
        clients = {
            company: await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app=app),
                    base_url="http://calls.example",
                    headers={"Authorization": f"Bearer {issuer.sign(f'ada@{company}.example', company)}"},
                )
            )
            for company in CALLS
        }
        yield clients.__getitem__
