"""The pages to look at: they fetch nothing from elsewhere, and open nothing but themselves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from examples.fastapi_app.app import OPEN_PATHS, create_app
from examples.fastapi_app.database import make_engine
from examples.fastapi_app.pages import add_demo_page
from examples.fastapi_app.tokens import Issuer
from examples.fastapi_app.walk import tokens_of


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the call centre with the demo's page, whose record holds one event."""
    issuer, engine = Issuer(), make_engine("sqlite+aiosqlite://")
    app = create_app(engine, issuer.verifier(), [*OPEN_PATHS, "/", "/demo"])
    add_demo_page(app, lambda: tokens_of(issuer), ['{"kind": "raw_sql"}'])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app.example") as client:
        yield client
    await engine.dispose()


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_fetches_its_own_assets_only(client: httpx.AsyncClient, path: str) -> None:
    """Every script, style and icon is there, on this server."""
    page = (await client.get(path)).text
    assets = [
        asset for asset in re.findall(r'(?:src|href)="([^"]+)"', page) if asset not in ("data:,", "/docs")
    ]
    assert [asset for asset in assets if not asset.startswith("/")] == []
    assert [asset for asset in assets if (await client.get(asset)).status_code != 200] == []


async def test_the_demos_page_has_two_tokens_and_the_record(client: httpx.AsyncClient) -> None:
    """The tokens stand in it; the events come after the last one seen."""
    page = (await client.get("/")).text
    # A signature may hold "eyJ" too, so only the beginning of a JWT counts.
    assert (len(re.findall(r'"eyJ[\w-]+\.[\w-]+\.[\w-]+"', page)), "__TOKENS__" in page) == (2, False)
    assert (await client.get("/demo/events")).json() == {"seen": 1, "events": [{"kind": "raw_sql"}]}
    assert (await client.get("/demo/events?after=1")).json() == {"seen": 1, "events": []}


async def test_nothing_else_is_open(client: httpx.AsyncClient) -> None:
    """The root path opens itself, and not what is below it."""
    assert [(await client.get(path)).status_code for path in ("/calls", "/other")] == [401, 401]


async def test_the_api_page_asks_for_a_token(client: httpx.AsyncClient) -> None:
    """The schema says so, although a route was added after the application was made."""
    schema = (await client.get("/openapi.json")).json()
    assert schema["security"] == [{"token": []}]
