"""The websocket of live calls, over a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from examples.fastapi_app.app import create_app
from examples.fastapi_app.database import make_engine
from examples.fastapi_app.seed import create_and_seed
from examples.fastapi_app.server import Server
from examples.fastapi_app.tokens import Issuer
from tenantguard import bypass
from tests.examples.conftest import CALLS
from tests.servers import Database

PATIENCE = 20


@pytest.fixture
def server(sqlite_database: Database, issuer: Issuer) -> Iterator[Server]:
    """Give the guarded call centre on a port of its own."""
    engine = make_engine(sqlite_database.async_url)
    app = create_app(engine, issuer.verifier())

    async def prepare() -> None:
        with bypass(reason="seeding a test"):
            await create_and_seed(engine, CALLS)
        await engine.dispose()

    asyncio.run(prepare())
    with Server(app) as running:
        yield running


def _watch(server: Server, token: str | None) -> ClientConnection:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return connect(
        f"{server.url.replace('http', 'ws', 1)}/live", additional_headers=headers, open_timeout=PATIENCE
    )


def _record_call(server: Server, token: str) -> int:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
        number = client.get("/numbers").json()[0]["id"]
        return int(client.post("/calls", json={"number_id": number, "caller": "+43123456789"}).json()["id"])


def test_each_company_hears_of_its_own(server: Server, issuer: Issuer) -> None:
    """The first call that a watcher hears of is its own, although the other's was recorded before."""
    acme, globex = issuer.sign("ada", "acme"), issuer.sign("gus", "globex")
    with _watch(server, globex) as socket:
        socket.recv(timeout=PATIENCE)
        _record_call(server, acme)
        own = _record_call(server, globex)
        assert json.loads(socket.recv(timeout=PATIENCE))["id"] == own


def test_watch_begins_at_the_companys_own_latest_call(server: Server, issuer: Issuer) -> None:
    """Where the watch begins tells nothing of how many calls the other has."""
    begins = []
    for company in CALLS:
        with _watch(server, issuer.sign("ada", company)) as socket:
            begins.append(json.loads(socket.recv(timeout=PATIENCE))["watching_from"])
    assert len(set(begins)) == len(CALLS)


@pytest.mark.parametrize("what", ["none", "forged", "expired"])
def test_bad_token_is_refused_at_the_handshake(server: Server, issuer: Issuer, what: str) -> None:
    """Without a good token there is no websocket."""
    tokens = {
        "none": None,
        "forged": Issuer().sign("mallory", "acme"),
        "expired": issuer.sign("ada", "acme", lifetime=timedelta(minutes=-5)),
    }
    with pytest.raises(InvalidStatus) as raised:
        _watch(server, tokens[what])
    assert raised.value.response.status_code in (401, 403)
