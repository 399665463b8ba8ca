"""The servers under which the edges of a request are proven, each in this process and on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import uvicorn
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server as Granian

from tests.support.ports import free_port

App = Callable[..., Awaitable[None]]
LIMIT = 60  # seconds for a client, and as many for what the server does before and after it
Serving = Callable[[App], AbstractAsyncContextManager[int]]


def uvicorn_by(http: Any) -> Serving:
    """Return what serves an application by uvicorn and one of its readers of HTTP."""

    @asynccontextmanager
    async def serving(app: App) -> AsyncIterator[int]:
        config = uvicorn.Config(
            app, port=0, log_config=None, lifespan="off", http=http, ws="websockets-sansio"
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            await server.shutdown()

    return serving


@asynccontextmanager
async def hypercorn_serving(app: App) -> AsyncIterator[int]:
    """Serve an application by hypercorn."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listening.detach()}"]  # closed by the server
    config.graceful_timeout = 1
    config.keep_alive_max_requests = 1_000_000  # tests send more than its thousand over one connection
    config.errorlog = None
    over = asyncio.Event()
    task = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=over.wait))
    try:
        yield port
    finally:
        over.set()
        await task


@asynccontextmanager
async def granian_serving(app: App) -> AsyncIterator[int]:
    """Serve an application by granian."""
    port = free_port()
    server = Granian(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(LIMIT):
            await _listens(task, port)
        yield port
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian says no types
        await task


async def _listens(server: asyncio.Task[Any], port: int) -> None:
    """Wait until a server listens that has nothing to tell it by."""
    while not server.done():
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.01)
    server.result()
    raise RuntimeError("the server has ended before it listened")


SERVERS: dict[str, tuple[Serving, Callable[[], asyncio.AbstractEventLoop] | None]] = {
    "uvicorn h11": (uvicorn_by("h11"), None),
    "hypercorn": (hypercorn_serving, None),
    "granian": (granian_serving, None),
    "uvicorn httptools": (uvicorn_by("httptools"), None),
    "uvicorn httptools uvloop": (uvicorn_by("httptools"), uvloop.new_event_loop),
}


def run(name: str, app: App, client: Callable[[int], Awaitable[None]], *, limit: float = LIMIT) -> None:
    """Serve an application, and let a client meet it, in an event loop of its own."""
    serving, loop = SERVERS[name]

    async def main() -> None:
        async with asyncio.timeout(LIMIT + limit), serving(app) as port, asyncio.timeout(limit):
            await client(port)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
