"""The edges of a request under real servers: what comes after it, beside it and instead of its end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tenantguard import NoTenantError, TenantMiddleware, current
from tests.asgi.servers import SERVERS, run
from tests.identity.tokens import clock, token, verifier

pytestmark = pytest.mark.parametrize("server", SERVERS)
ACME = f"Authorization: Bearer {token()}"
GLOBEX = f"Authorization: Bearer {token(company_id='globex')}"


def bound() -> str:
    """Return the company that is bound, or a dash."""
    try:
        return str(current().tenant)
    except NoTenantError:
        return "-"


async def whoami(_: Request) -> Response:
    """Answer with the company."""
    return PlainTextResponse(bound())


def application(*routes: Route) -> Starlette:
    """Return an application whose /api is guarded and whose /public is not."""
    api = Starlette(routes=[Route("/whoami", whoami), *routes])
    api.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return Starlette(routes=[Route("/public", whoami), Mount("/api", api)])


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.close()

    def send(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> None:
        """Send one request."""
        length = [f"Content-Length: {len(body)}"] if body else []
        head = [f"{method} {path} HTTP/1.1", "Host: testserver", *length, *lines, "", ""]
        self.writer.write("\r\n".join(head).encode() + body)

    async def answer(self) -> str:
        """Return the body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        return (await self.reader.readexactly(int(length.split(b":")[1]))).decode()

    async def ask(self, path: str, *lines: str, **more: Any) -> str:
        """Send one request and return the body of its answer."""
        self.send(path, *lines, **more)
        return await self.answer()


def test_a_connection_keeps_nothing_of_its_requests(server: str) -> None:
    """After an upload that fills the server's buffers, whoever is next on the connection is bound to nothing."""

    async def upload(request: Request) -> Response:
        await asyncio.sleep(0.05)  # the server reads until its buffers are full, and pauses
        return PlainTextResponse(str(len(await request.body())))

    async def client(port: int) -> None:
        async with Client(port) as one:
            told = [await one.ask("/api/upload", ACME, method="POST", body=b"x" * 300_000)]
            told += [await one.ask("/public"), await one.ask("/api/whoami", GLOBEX), await one.ask("/public")]
        assert told == ["300000", "-", "globex", "-"]

    run(server, application(Route("/upload", upload, methods=["POST"])), client)


def test_pipelined_requests_are_bound_one_by_one(server: str) -> None:
    """The next request's task is started while the one before it sends the end of its answer."""

    async def client(port: int) -> None:
        async with Client(port) as one:
            for _ in range(20):
                for line in ((ACME,), (), (GLOBEX,), ()):
                    one.send("/api/whoami" if line else "/public", *line)
            told = [await one.answer() for _ in range(80)]
        assert told == ["acme", "-", "globex", "-"] * 20

    run(server, application(), client)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_whose_client_hangs_up_ends_as_its_own_company_or_as_nobody(server: str, kind: str) -> None:
    """Whoever is served when its generator is finalised."""
    ended: list[str] = []

    def lines() -> Iterator[str]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            ended.append(bound())

    async def lines_async() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 10_000
                await asyncio.sleep(0)
        finally:
            ended.append(bound())

    async def export(_: Request) -> Response:
        return StreamingResponse(lines() if kind == "sync" else lines_async())

    async def collect(_: Request) -> Response:
        gc.collect()
        await asyncio.sleep(0)
        return PlainTextResponse(bound())

    async def client(port: int) -> None:
        async with Client(port) as gone:
            gone.send("/api/export", ACME)
            await gone.reader.readexactly(50_000)
        async with Client(port) as other:
            while not ended:  # by the server's time, at the latest by that of run()
                assert await other.ask("/api/collect", GLOBEX) == "globex"

    run(server, application(Route("/export", export), Route("/collect", collect)), client)
    assert ended in (["acme"], ["-"])


def test_a_task_that_outlives_its_request_is_bound_to_nobody(server: str) -> None:
    """A background task of the framework is part of the request, and one of one's own is not."""
    told: dict[str, str] = {}
    over, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    kept: list[asyncio.Task[None]] = []

    async def work() -> None:
        told["at once"] = bound()
        await go.wait()
        told["later"] = bound()
        done.set()

    async def start(_: Request) -> Response:
        kept.append(asyncio.create_task(work()))
        await asyncio.sleep(0)
        return PlainTextResponse("", background=BackgroundTask(lambda: told.update(background=bound())))

    async def client(port: int) -> None:
        async with Client(port) as one:
            await one.ask("/api/start", ACME)
            await over.wait()
            go.set()
            await done.wait()
            assert await one.ask("/api/whoami", GLOBEX) == "globex"

    app = application(Route("/start", start))

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        over.set()

    run(server, served, client)
    assert told == {"at once": "acme", "background": "acme", "later": "-"}


def test_an_upload_that_is_broken_off_leaves_nothing_bound(server: str) -> None:
    """The client goes away in the middle of its body."""
    told: list[str] = []
    seen, over = asyncio.Event(), asyncio.Event()

    async def upload(request: Request) -> Response:
        try:
            async for _ in request.stream():
                seen.set()
        except ClientDisconnect:
            told.append(bound())
        finally:
            over.set()
        return PlainTextResponse("")

    async def client(port: int) -> None:
        async with Client(port) as gone:
            gone.writer.write(
                f"POST /api/upload HTTP/1.1\r\nHost: x\r\n{ACME}\r\nContent-Length: 100\r\n\r\nhalf".encode()
            )
            await seen.wait()
        async with Client(port) as other:
            assert await other.ask("/public") == "-"
            await over.wait()
            assert await other.ask("/public") == "-"

    run(server, application(Route("/upload", upload, methods=["POST"])), client)
    assert set(told) <= {"acme"}
