"""Streamed bodies that nobody closes: whoever drops them, they end as their own company or as nobody."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.response import Stream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tenantguard import NoTenantError, TenantMiddleware, bind, current
from tenantguard.asgi.generators import Unclosed, watch_unclosed
from tenantguard.asgi.litestar import tenant_guard
from tests.asgi.driver import App, Message, bearer, request, scope
from tests.identity.tokens import clock, token, verifier

ACME, GLOBEX = bearer(token()), bearer(token(company_id="globex"))
ended: list[str] = []


def bound() -> str:
    """Return the company that is bound, or a dash."""
    try:
        return str(current().tenant)
    except NoTenantError:
        return "-"


def plain() -> Iterator[bytes]:
    """Stream without an end."""
    try:
        while True:
            yield b"x"
    finally:
        ended.append(bound())


async def asynchronous() -> AsyncIterator[bytes]:
    """Stream without an end, and take some time over the end."""
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        ended.append(bound())


async def nested() -> AsyncIterator[bytes]:
    """Stream what another one streams."""
    try:
        async for item in asynchronous():
            yield item
    finally:
        ended.append(bound())


async def around_plain() -> AsyncIterator[bytes]:
    """Stream what a plain one streams."""
    try:
        for item in plain():
            yield item
    finally:
        ended.append(bound())


BODIES: list[Callable[[], Any]] = [plain, asynchronous, nested, around_plain]


def starlette(body: Callable[[], Any]) -> App:
    """Return an application of Starlette."""

    async def stream(_: Request) -> Response:
        return StreamingResponse(body())

    app = Starlette(routes=[Route("/", stream)])
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return app


def fastapi(body: Callable[[], Any]) -> App:
    """Return an application of FastAPI."""
    app = FastAPI()
    app.get("/")(lambda: StreamingResponse(body()))
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return app


def litestar(body: Callable[[], Any]) -> App:
    """Return an application of Litestar."""

    @get("/", sync_to_thread=False)
    def stream() -> Stream:
        return Stream(body())

    app: App = Litestar([stream], on_app_init=[tenant_guard(verifier(), clock=clock)])
    return app


def bare(body: Callable[[], Any]) -> App:
    """Return an application without a framework."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        items = body()
        if hasattr(items, "__anext__"):
            async for item in items:
                await send({"type": "http.response.body", "body": item, "more_body": True})
        for item in () if hasattr(items, "__anext__") else items:
            await send({"type": "http.response.body", "body": item, "more_body": True})

    return TenantMiddleware(app, verifier(), clock=clock)


def fail(_gone: asyncio.Event) -> None:
    """Be a server that says so in ``send``."""
    raise OSError


def cancel(_gone: asyncio.Event) -> None:
    """Be a server that cancels."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def tell(gone: asyncio.Event) -> None:
    """Be a server that says so in ``receive``."""
    gone.set()


async def hang_up(app: App, leave: Callable[[asyncio.Event], None], version: str) -> BaseException | None:
    """Read three chunks and go; return the error, which keeps the frames alive, as a log of errors would."""
    gone, seen = asyncio.Event(), 0

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        nonlocal seen
        seen += 1
        await asyncio.sleep(0)
        if seen > 3:
            leave(gone)

    try:
        await app(scope("/", ACME, asgi={"version": "3.0", "spec_version": version}), receive, send)
    except BaseException as error:
        return error
    return None


WAYS = {"fails": (fail, "2.4"), "cancels": (cancel, "2.4"), "tells": (tell, "2.3")}
SERVED = [
    pytest.param(served, *way, id=f"{served.__name__}-{name}")
    for served in (starlette, fastapi, litestar, bare)
    for name, way in WAYS.items()
    if served is not bare or name != "tells"  # it does not listen
]


@pytest.mark.parametrize(("served", "leave", "version"), SERVED)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_another_request_finalises_ends_as_its_own_or_as_nobody(
    body: Callable[[], Any],
    served: Callable[[Any], App],
    leave: Callable[[asyncio.Event], None],
    version: str,
) -> None:
    """By the garbage collector, or by the last reference."""
    ended.clear()
    app = served(body)
    gc.disable()
    held = [await asyncio.create_task(hang_up(app, leave, version))]

    async def globex(_scope: Any, _receive: Any, _send: Any) -> None:
        held.clear()
        gc.collect()
        for _ in range(10):  # for what the loop closes in tasks of its own
            await asyncio.sleep(0)

    try:
        await asyncio.create_task(_asked(TenantMiddleware(globex, verifier(), clock=clock)))
    finally:
        gc.enable()
    assert "globex" not in ended


async def _asked(app: App) -> None:
    await request(app, "/", GLOBEX)


async def test_the_last_reference_to_a_generator_ends_it_in_its_own_context() -> None:
    """Also where another request drops it, and while its own still goes on."""
    ended.clear()
    items: list[Any] = []
    watch_unclosed()

    async def begin() -> None:
        with bind("acme"):
            items.append(nested())
            await anext(items[0])

    await asyncio.create_task(begin())
    with bind("globex"):
        items.clear()
        for _ in range(10):
            await asyncio.sleep(0)
    assert ended == ["acme", "acme"]


async def test_a_generator_that_comes_to_its_end_is_forgotten() -> None:
    """With its context."""
    watch_unclosed()
    hooks: Any = sys.get_asyncgen_hooks().finalizer

    async def short() -> AsyncIterator[int]:
        yield 1

    for _ in range(3):
        assert [item async for item in short()] == [1]
    assert isinstance(hooks, Unclosed)
    assert (len(hooks._begun), len(hooks._dropped)) <= (0, 1)


async def test_a_loop_is_watched_once() -> None:
    """However many requests it serves."""
    watch_unclosed()
    before = sys.get_asyncgen_hooks()
    watch_unclosed()
    assert sys.get_asyncgen_hooks() == before
