"""Through a real server: what a client sees on the wire when it is refused, cut off, or closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tenantguard import CrossTenantError, TenantMiddleware, current
from tests.identity.tokens import clock, token, verifier

BEARER = {"Authorization": f"Bearer {token()}"}


async def whoami(_: Request) -> Response:
    """Answer with the tenant."""
    return PlainTextResponse(str(current().tenant))


async def violation(_: Request) -> Response:
    """Reach for another company."""
    raise CrossTenantError("x")


async def stream(_: Request) -> Response:
    """Reach for another company in the middle of a body."""

    async def body() -> AsyncIterator[str]:
        yield "half"
        raise CrossTenantError("x")

    return StreamingResponse(body())


async def live(socket: WebSocket) -> None:
    """Say the tenant, and reach for another company when told to."""
    await socket.accept()
    await socket.send_text(str(current().tenant))
    await socket.receive_text()
    raise CrossTenantError("x")


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Yield the address of a guarded application on uvicorn."""
    routes = [
        Route("/", whoami),
        Route("/violation", violation),
        Route("/stream", stream),
        WebSocketRoute("/ws", live),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(
        TenantMiddleware, verifier=verifier(), clock=clock, exempt=["/docs"], websocket_subprotocol="bearer"
    )
    config = uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio", lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


async def raw(address: str, *lines: str, path: str = "/") -> bytes:
    """Return all that the server answers to a request that is written by hand."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"GET {path} HTTP/1.1", "Host: testserver", "Connection: close", *lines]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    return answer


GOOD = f"Authorization: Bearer {token()}"


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/", [GOOD], b"200"),
        ("/", ["authorization: bearer " + token()], b"200"),
        ("/", [], b"401"),
        ("/", [GOOD, GOOD], b"401"),
        ("/", [GOOD, "AUTHORIZATION: Basic eDp5"], b"401"),
        ("/", ["Authorization : Bearer x"], b"400"),
        ("/", [f"Authorization: Bearer {token()}, Bearer {token()}"], b"401"),
        ("/", ["Authorization: Bearer " + "A" * 20_000], b"401"),
        ("/?access_token=" + token(), [], b"401"),
        ("/violation", [GOOD], b"403"),
        ("/docs/../violation", [], b"401"),
        ("/docs/%2e%2e/violation", [], b"401"),
        ("/docs/%2E%2E%2Fviolation", [], b"401"),
        ("/docs%2f..%2fviolation", [], b"401"),
        ("//docs", [], b"401"),
        ("/docs;/violation", [], b"401"),
        ("/%64ocs", [], b"404"),
        ("/docs%00", [], b"401"),
        ("/docs/%00", [], b"401"),
        ("/docs/%252e%252e/violation", [], b"401"),
        ("/docs\\..\\violation", [], b"401"),
        ("http://testserver/violation", [], b"401"),
    ],
)
async def test_the_wire(path: str, lines: list[str], status: bytes) -> None:
    """Whatever a client writes, it is refused, or it has a token."""
    async with serving() as address:
        answer = await raw(address, *lines, path=path)
    assert answer.split(b" ")[1] == status


async def test_a_body_that_is_cut_off_looks_cut_off() -> None:
    """The last chunk is missing, so no client takes it for the whole."""
    async with serving() as address:
        answer = await raw(address, GOOD, path="/stream")
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_refused_handshake_is_401() -> None:
    """With the challenge."""
    async with serving() as address:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://{address}/ws")
    response = caught.value.response
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_violation_closes_with_1008() -> None:
    """The client sees why it was closed, and nothing else."""
    async with serving() as address, connect(f"ws://{address}/ws", additional_headers=BEARER) as socket:
        assert await socket.recv() == "acme"
        await socket.send("go on")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "")


async def test_a_browser_comes_in_by_a_subprotocol() -> None:
    """And is told which one was chosen, as browsers demand."""
    offered = [Subprotocol("bearer"), Subprotocol(token())]
    async with serving() as address, connect(f"ws://{address}/ws", subprotocols=offered) as socket:
        assert (socket.subprotocol, await socket.recv()) == ("bearer", "acme")
