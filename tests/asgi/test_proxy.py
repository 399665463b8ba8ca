"""Behind a proxy: one connection to the server carries the requests of many clients, kept alive throughout.

``python -m tests.asgi.test_proxy 10000`` sends more of them, under each server (``make keep-alive``).
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from tenantguard import TenantMiddleware, context
from tenantguard.binding import Binding
from tenantguard.identity.cache import Warm
from tests.asgi.servers import SERVERS, run
from tests.asgi.test_edges import Client, bound
from tests.identity.tokens import clock, token, verifier
from tests.support.shares import first

COMPANIES = 20
CLIENTS = 4  # at once
SPARE = 400  # bytes that a request may leave behind: caches fill, and no binding, scope or token is as small
LINES = [
    f"Authorization: Bearer {token(company_id=f'company-{n}', sub=f'user-{n}')}" for n in range(COMPANIES)
]


class Proxy:
    """Hand the requests of many clients to one connection, one after the other, as a proxy does."""

    def __init__(self, upstream: Client) -> None:
        self._upstream, self._turn = upstream, asyncio.Lock()

    async def ask(self, path: str, *lines: str, **more: Any) -> str:
        """Answer a client by the server's answer."""
        async with self._turn:
            return await self._upstream.ask(path, *lines, **more)


def application() -> Starlette:
    """Return an application whose /api is guarded and whose /public is not."""

    async def whoami(_: Request) -> Response:
        return PlainTextResponse(bound())

    async def upload(request: Request) -> Response:
        return PlainTextResponse(f"{len(await request.body())} {bound()}")

    api = Starlette(routes=[Route("/whoami", whoami), Route("/upload", upload, methods=["POST"])])
    api.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return Starlette(routes=[Route("/public", whoami), Mount("/api", api)])


async def visit(proxy: Proxy, client: int, requests: int) -> None:
    """Be one client: another company each time, and nobody in between."""
    for turn in range(requests // 3):
        number = (client * 7 + turn) % COMPANIES
        company, line = f"company-{number}", LINES[number]
        assert await proxy.ask("/api/whoami", line) == company
        assert await proxy.ask("/public") == "-"
        told = await proxy.ask("/api/upload", line, method="POST", body=b"x" * (1 + turn % 3000))
        assert told == f"{1 + turn % 3000} {company}"


def _open_bindings() -> list[Binding]:
    return [one for one in gc.get_objects() if isinstance(one, Binding) and one.mode != "closed"]


def proxied(requests: int) -> Callable[[int], Awaitable[None]]:
    """Return what sends so many requests over one connection, and looks at what they leave behind."""

    async def client(port: int) -> None:
        async with Client(port) as upstream:
            proxy = Proxy(upstream)

            async def all_clients(number: int) -> None:
                await asyncio.gather(*(visit(proxy, n, number // CLIENTS) for n in range(CLIENTS)))

            await all_clients(60 * CLIENTS)  # until the caches are full
            Warm.cool()  # the tokens of the last moment, 512 at most: not what a request leaves behind
            gc.collect()
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                await all_clients(requests)
                Warm.cool()
                gc.collect()
                left = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert left < SPARE * requests / 10, f"{left / requests:.0f} bytes a request"
            assert _open_bindings() == []
            assert context.peek() is None

    return client


@pytest.mark.parametrize("server", first(SERVERS))
def test_a_connection_of_many_clients_carries_nothing_from_one_to_the_next(server: str) -> None:
    """Each request is answered as its own company's; memory stays flat, and no binding is left.

    In a process of its own, in which nothing else of the tests takes memory or holds a binding.
    """
    command = [sys.executable, "-m", "tests.asgi.test_proxy", "1200", server]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    for name in sys.argv[2:] or SERVERS:
        run(name, application(), proxied(int(sys.argv[1])), limit=3600)
        print(f"{name}: {sys.argv[1]} requests over one connection", flush=True)
    os._exit(0)  # granian's threads may call Python while it shuts down, and abort the process
