"""Two companies at the same time through one application, ordered by events: neither sees the other's binding."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tenantguard import CrossTenantError, TenantMiddleware, carry, context, current
from tests.asgi.driver import App, bearer, request
from tests.identity.tokens import clock, token, verifier

ACME, GLOBEX = bearer(token()), bearer(token(sub="bob", company_id="globex"))


class Turns:
    """Let two requests go on in turns: each waits until the other has got as far."""

    def __init__(self, parties: int = 2) -> None:
        self._barrier = asyncio.Barrier(parties)

    async def __call__(self) -> None:
        await self._barrier.wait()


def bound() -> str:
    """Return the tenant that is bound, or a dash."""
    binding = context.peek()
    return "-" if binding is None else str(binding.tenant)


def served(endpoint: Any) -> App:
    """Return a guarded Starlette application with one endpoint."""
    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return app


async def both(app: App) -> tuple[bytes, bytes]:
    """Return what the two companies were answered, asking at the same time."""
    one, other = await asyncio.gather(request(app, "/", ACME), request(app, "/", GLOBEX))
    return one.body, other.body


async def test_two_requests_keep_their_companies() -> None:
    """Through every point where the loop may switch."""
    turn = Turns()

    async def endpoint(_: Request) -> Response:
        told = []
        for _step in range(4):
            await turn()
            told.append(bound())
        return PlainTextResponse(" ".join(told))

    assert await both(served(endpoint)) == (b"acme acme acme acme", b"globex globex globex globex")


async def test_two_streamed_bodies_keep_their_companies() -> None:
    """The generator runs after the handler has returned."""
    turn = Turns()

    async def body() -> AsyncIterator[str]:
        for _ in range(3):
            await turn()
            yield bound() + " "

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(body())

    assert await both(served(endpoint)) == (b"acme acme acme ", b"globex globex globex ")


async def test_two_background_tasks_keep_their_companies() -> None:
    """They run after the answer has been sent, and still in the binding."""
    turn, told = Turns(), []

    async def later() -> None:
        before = bound()
        await turn()
        told.append((before, bound()))

    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("", background=BackgroundTask(later))

    await both(served(endpoint))
    assert sorted(told) == [("acme", "acme"), ("globex", "globex")]


async def test_two_sync_endpoints_in_threads_keep_their_companies() -> None:
    """FastAPI runs them in a pool; both are inside at once."""
    barrier = threading.Barrier(2, timeout=30)
    app = FastAPI()

    @app.get("/")
    def endpoint() -> dict[str, str]:
        before = bound()
        barrier.wait()
        return {"before": before, "after": bound()}

    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    one, other = await asyncio.gather(request(app, "/", ACME), request(app, "/", GLOBEX))
    assert one.json() == {"before": "acme", "after": "acme"}
    assert other.json() == {"before": "globex", "after": "globex"}


async def test_two_dependencies_that_yield_keep_their_companies() -> None:
    """What they do after the answer included."""
    turn, told = Turns(), []
    app = FastAPI()

    async def session() -> AsyncIterator[str]:
        before = bound()
        yield before
        await turn()
        told.append((before, bound()))

    @app.get("/")
    async def endpoint(held: str = Depends(session)) -> str:
        await turn()
        return f"{held} {bound()}"

    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    assert await both(app) == (b'"acme acme"', b'"globex globex"')
    assert sorted(told) == [("acme", "acme"), ("globex", "globex")]


async def test_a_cancelled_request_leaves_the_other_alone() -> None:
    """The client of one went away in the middle."""
    inside, go = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def endpoint(_: Request) -> Response:
        inside.set()
        try:
            await go.wait()
        finally:
            told.append(bound())
        return PlainTextResponse(bound())

    app = served(endpoint)
    gone = asyncio.ensure_future(request(app, "/", ACME))
    await inside.wait()
    stays = asyncio.ensure_future(request(app, "/", GLOBEX))
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    go.set()
    assert (await stays).body == b"globex"
    assert told == ["acme", "globex"]


async def test_one_task_that_serves_request_after_request_is_bound_to_each() -> None:
    """As a server does on one connection that is kept alive."""

    async def endpoint(_: Request) -> Response:
        return PlainTextResponse(bound())

    app = served(endpoint)
    told = []
    for headers in (ACME, GLOBEX, ACME):
        told += [(await request(app, "/", headers)).body, bound()]
    assert told == [b"acme", "-", b"globex", "-", b"acme", "-"]


async def test_the_next_request_in_a_task_is_unbound_after_a_violation_and_a_cancellation() -> None:
    """However the one before it ended."""
    endings: list[BaseException] = [CrossTenantError("x"), RuntimeError("x"), asyncio.CancelledError()]

    async def endpoint(_: Request) -> Response:
        raise endings.pop()

    app = served(endpoint)
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await request(app, "/", ACME)
        assert bound() == "-"


async def test_a_task_that_outlives_its_request_keeps_its_own_company() -> None:
    """It copied the binding when it was started; the next request does not change it."""
    go = asyncio.Event()
    tasks: list[asyncio.Task[str]] = []

    async def work() -> str:
        await go.wait()
        return bound()

    async def endpoint(_: Request) -> Response:
        tasks.append(asyncio.create_task(work()))
        return PlainTextResponse("")

    app = served(endpoint)
    await request(app, "/", ACME)
    await request(app, "/", GLOBEX)
    go.set()
    assert await asyncio.gather(*tasks) == ["acme", "globex"]


async def test_a_carried_function_runs_under_the_request_that_made_it() -> None:
    """Though it is called in another request, and that one keeps its own."""
    kept: list[Callable[[], str]] = []

    async def endpoint(_: Request) -> Response:
        if not kept:
            kept.append(carry(bound))
        return PlainTextResponse(f"{kept[0]()} {bound()}")

    app = served(endpoint)
    assert [(await request(app, "/", h)).body for h in (ACME, GLOBEX)] == [b"acme acme", b"acme globex"]


async def test_a_pool_thread_does_not_remember_the_request_before() -> None:
    """The same thread serves one company after the other."""
    told: list[tuple[int, str]] = []

    async def endpoint(_: Request) -> Response:
        await run_in_threadpool(lambda: told.append((threading.get_ident(), bound())))
        return PlainTextResponse("")

    app = served(endpoint)
    for headers in (ACME, GLOBEX):
        await request(app, "/", headers)
    assert [tenant for _, tenant in told] == ["acme", "globex"]
    assert len({ident for ident, _ in told}) == 1


async def test_a_stream_that_is_left_unfinished_binds_nobody_else() -> None:
    """Its generator is closed late, under the next request or under none."""
    streams: list[Any] = []
    told: list[str] = []

    async def body() -> AsyncIterator[str]:
        try:
            yield bound()
            yield bound()
        finally:
            told.append(bound())

    async def endpoint(_: Request) -> Response:
        streams.append(body())
        first = await anext(streams[-1])
        if len(streams) > 1:
            await streams[0].aclose()
        return PlainTextResponse(f"{first} {current().tenant}")

    app = served(endpoint)
    assert [(await request(app, "/", h)).body for h in (ACME, GLOBEX)] == [b"acme acme", b"globex globex"]
    await streams[1].aclose()
    assert told == ["globex", "-"]


@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
async def test_a_violation_passes_through_the_framework_to_its_answer(kind: str) -> None:
    """The exception layers of the framework stand inside and outside of the middleware."""
    app: Any = Starlette() if kind == "starlette" else FastAPI()

    async def endpoint(request: Request) -> Response:
        raise CrossTenantError("x")

    app.add_route("/", endpoint)
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    reply = await request(app, "/", ACME)
    assert (reply.status, reply.headers["content-type"]) == (403, "application/problem+json")


async def test_a_violation_in_a_stream_breaks_the_connection_of_a_framework() -> None:
    """Starlette sends the start before the generator runs."""

    async def body() -> AsyncIterator[str]:
        yield "one"
        raise CrossTenantError("x")

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(body())

    reply = await request(served(endpoint), "/", ACME)
    assert (reply.complete, reply.body) == (False, b"one")
    assert reply.error is not None
