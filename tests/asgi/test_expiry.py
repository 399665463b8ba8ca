"""Answers that take long end with their token, and a client sees that a stream was broken off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tenantguard import CrossTenantError, NoTenantError, TenantMiddleware, current
from tenantguard.asgi.outside import hand_nothing_over
from tenantguard.identity import MemoryCutOffs, Revocation
from tests.asgi.driver import App, Message, Reply, Socket, bearer, request, scope
from tests.asgi.servers import SERVERS, run
from tests.asgi.test_websocket import timed
from tests.identity.tokens import NOW, clock, token, verifier
from tests.support.shares import first

FOREVER: float = 1e9
ACME = bearer(token(iat=NOW - 60))


def streaming(wait: Callable[[], Awaitable[object]], told: list[str]) -> App:
    """Return an application that begins an answer and waits."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            await wait()
            await send({"type": "http.response.body", "body": b"whole"})
        finally:
            told.append(str(current().tenant))

    return app


class Asleep:
    """Be a clock, and a sleep that the test ends."""

    def __init__(self) -> None:
        self.now, self.asleep, self._wake = NOW, asyncio.Event(), asyncio.Event()

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, _seconds: float) -> None:
        """Wait for the test."""
        self.asleep.set()
        await self._wake.wait()
        self._wake.clear()

    def wake(self, later: float = 0) -> None:
        """Let time pass."""
        self.now += later
        self.asleep.clear()
        self._wake.set()


def guarded(app: App, at: Asleep, **settings: Any) -> tuple[TenantMiddleware, Revocation]:
    """Return an application whose tokens can be revoked, and what revokes them."""
    revocation = Revocation(MemoryCutOffs(), clock=at.clock)
    kept = verifier(revocation=revocation, clock=at.clock)
    return TenantMiddleware(app, kept, clock=at.clock, sleep=at.sleep, **settings), revocation


async def test_a_stream_is_cut_when_its_token_expires() -> None:
    """Its handler is cancelled and ends under its own binding; the server hears of an error, and sends no end."""
    at, told = Asleep(), list[str]()
    app, _ = guarded(streaming(asyncio.Event().wait, told), at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    at.wake(later=700)
    reply = await asked
    assert (reply.body, reply.complete, str(reply.error), told) == (
        b"half",
        False,
        "the token has expired",
        ["acme"],
    )


async def test_a_stream_may_go_on_after_its_token_but_not_after_a_revocation() -> None:
    """With ``finish_answers``: a long download is finished, unless somebody ends it."""
    at, told = Asleep(), list[str]()
    app, revocation = guarded(streaming(asyncio.Event().wait, told), at, finish_answers=True)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    at.wake(later=700)
    await at.asleep.wait()
    assert not asked.done()
    await revocation.revoke(subject="ada")
    at.wake()
    reply = await asked
    assert (reply.complete, reply.error is not None, told) == (False, True, ["acme"])


async def test_an_answer_that_has_not_begun_is_given_after_its_token() -> None:
    """What was asked in time is answered: a request that writes is not broken off half-way."""
    at, go = Asleep(), asyncio.Event()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    app, _ = guarded(slow, at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    at.wake(later=700)
    await at.asleep.wait()
    go.set()
    assert (await asked).body == b"late"


async def test_a_revocation_refuses_an_answer_that_has_not_begun() -> None:
    """With the challenge, as if the token came now."""
    at = Asleep()

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    app, revocation = guarded(slow, at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    await revocation.revoke(tenant="acme")
    at.wake()
    reply = await asked
    assert (reply.status, reply.error) == (401, None)
    assert "revoked" in reply.headers["www-authenticate"]


@pytest.mark.parametrize("trailers", [False, True])
async def test_a_background_task_is_finished(trailers: bool) -> None:
    """The answer is complete: there is nothing to cut."""
    at, go, told = Asleep(), asyncio.Event(), list[str]()

    async def later() -> None:
        await go.wait()
        told.append(str(current().tenant))

    async def start(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": trailers})
        await send({"type": "http.response.body", "body": b"ok"})
        if trailers:
            await send({"type": "http.response.trailers", "headers": []})
        await later()

    app, revocation = guarded(start, at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    await revocation.revoke(tenant="acme")
    at.wake()
    go.set()
    assert (await asked).complete
    assert told == ["acme"]


async def test_a_handler_that_ignores_its_cancellation_reaches_the_client_no_more() -> None:
    """It is told that the client has gone, and cannot send."""
    at, seen = Asleep(), list[object]()

    async def stubborn(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append((await receive())["type"])
            with pytest.raises(ConnectionError, match="token has ended"):
                await send({"type": "http.response.body", "body": b"more"})

    app, _ = guarded(stubborn, at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    at.wake(later=700)
    reply = await asked
    assert (reply.body, reply.error is not None, seen) == (b"", True, ["http.disconnect"])
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_cancellation_by_the_server_stays_one() -> None:
    """Whatever else has ended at the same time."""
    at, told = Asleep(), list[str]()
    app, _ = guarded(streaming(asyncio.Event().wait, told), at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert told == ["acme"]


async def test_nothing_is_left_of_an_answer_that_took_long() -> None:
    """No task, and no mark of the request."""
    at, go = Asleep(), asyncio.Event()
    before = asyncio.all_tasks()
    app, _ = guarded(streaming(go.wait, []), at)
    asked = asyncio.create_task(request(app, "/", ACME))
    await at.asleep.wait()
    go.set()
    assert (await asked).complete
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("ends", ["token", "violation"])
async def test_a_broken_answer_looks_broken_through_a_base_http_middleware(ends: str) -> None:
    """Starlette's would send the last chunk, whatever is raised inside of it."""
    at = Asleep()

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        if ends == "violation":
            raise CrossTenantError("x")
        await asyncio.sleep(FOREVER)

    async def stream(_: Request) -> Response:
        return StreamingResponse(body())

    async def pass_on(asked: Request, call_next: Any) -> Response:
        answer: Response = await call_next(asked)
        return answer

    inner, _ = guarded(Starlette(routes=[Route("/", stream)]), at)
    asked = asyncio.create_task(request(BaseHTTPMiddleware(inner, pass_on), "/", ACME))
    if ends == "token":
        await at.asleep.wait()
        at.wake(later=700)
    reply = await asked
    assert (reply.body, reply.complete, reply.error is not None) == (b"half", False, True)


async def test_a_websocket_of_a_user_without_a_company_ends_with_its_token() -> None:
    """Nothing is bound for it, and yet it was verified."""
    app, at = timed(without_tenant_on=["/ws"])
    async with Socket(app, headers=bearer(token(company_id=...))) as socket:
        await socket.next()
        assert await socket.text() == "-"
        await at.asleep.wait()
        at.move(600)
        assert (await socket.next())["type"] == "websocket.close"


def test_a_stream_on_trio_is_cut() -> None:
    """As on asyncio."""
    told: list[str] = []
    held = verifier(revocation=Revocation(MemoryCutOffs(), clock=clock))
    app = TenantMiddleware(streaming(trio.sleep_forever, told), held, clock=clock, websocket_recheck=0.05)
    revocation, reply, begun = held._policy.revocation, Reply(), trio.Event()
    assert revocation is not None

    async def send(message: Message) -> None:
        await reply.take(message)
        if reply.body:
            begun.set()

    async def receive() -> Message:
        await trio.sleep_forever()
        raise AssertionError

    async def main() -> None:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                await begun.wait()
                await revocation.revoke(subject="ada")

    async def serve() -> None:
        with pytest.raises(Exception, match="revoked"):
            await app(scope("/", ACME), receive, send)

    trio.run(main)
    assert (reply.body, reply.complete, told) == (b"half", False, ["acme"])


def test_a_file_is_not_handed_over_to_the_server() -> None:
    """Which would send it to its end, whatever becomes of the token."""
    handed: dict[str, Any] = {"extensions": {"http.response.pathsend": {}, "http.response.push": {}}}
    hand_nothing_over(handed)
    assert handed == {"extensions": {"http.response.push": {}}}


def bound() -> str:
    """Return the company that is bound, or a dash."""
    try:
        return str(current().tenant)
    except NoTenantError:
        return "-"


def plain() -> Iterator[bytes]:
    """Stream without an end, in threads."""
    while bound() == "acme":
        time.sleep(0.01)
        yield b"x" * 100


async def busy() -> AsyncIterator[bytes]:
    """Stream without an end."""
    while True:
        await asyncio.sleep(0.01)
        yield b"x" * 100


async def silent() -> AsyncIterator[bytes]:
    """Begin, and wait."""
    yield b"x" * 100
    await asyncio.sleep(FOREVER)


@pytest.mark.parametrize("server", first(SERVERS, 3))  # one of each maker: it waits long
def test_a_client_sees_that_its_answer_was_cut(server: str, tmp_path: Any) -> None:
    """Each kind of stream, a file and a silent one, all by one revocation: no last chunk, and not the whole length."""
    file = tmp_path / "large"
    file.write_bytes(b"x" * 50_000_000)
    revocation = Revocation(MemoryCutOffs(), clock=clock)

    async def download(_: Request) -> Response:
        return FileResponse(file)

    def stream(body: Callable[[], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(_: Request) -> Response:
            return StreamingResponse(body())

        return answer

    api = Starlette(
        routes=[Route(f"/{body.__name__}", stream(body)) for body in (plain, busy, silent)]
        + [Route("/file", download)]
    )
    api.add_middleware(TenantMiddleware, verifier=verifier(revocation=revocation), clock=clock)

    async def read(port: int, path: str, begun: asyncio.Event) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        writer.write(
            f"GET /api/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {ACME[0][1].decode()}\r\n\r\n".encode()
        )
        got = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(100)
        begun.set()
        await revoked.wait()
        if path == "file":
            await asyncio.wait(asked[:-1])  # until the others were cut, by the same revocation
            await asyncio.sleep(1)  # it does not read, and is cut while the server cannot write
        try:
            got += await reader.read(-1)
        except ConnectionResetError:
            got += b"reset"
        writer.close()
        return got

    revoked = asyncio.Event()
    asked: list[asyncio.Task[bytes]] = []

    async def client(port: int) -> None:
        paths = ["plain", "busy", "silent", "file"]
        begun = [asyncio.Event() for _ in paths]
        asked.extend(asyncio.create_task(read(port, *one)) for one in zip(paths, begun, strict=True))
        for one in begun:
            await one.wait()
        await revocation.revoke(tenant="acme")
        revoked.set()
        for path, got in zip(paths, await asyncio.gather(*asked), strict=True):
            assert got.startswith(b"HTTP/1.1 200"), path
            assert not got.endswith(b"0\r\n\r\n"), path
            assert len(got) < 50_000_000, path

    run(server, Starlette(routes=[Mount("/api", api)]), client)
