"""Many requests at once, in process: an application with one statement, and what calls it."""

from __future__ import annotations

import asyncio
from time import thread_time_ns
from typing import Any

from sqlalchemy import Engine, Table, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tenantguard import Principal, TenantMiddleware


def make_app(engine: Engine, table: Table, guarded: bool) -> Any:
    """Return an application of one route that executes one statement while others are under way."""

    async def endpoint(request: Request) -> Response:
        await asyncio.sleep(0)  # the others come in between
        query = select(table.c.id).where(table.c.id == 1)
        with engine.connect() as connection:
            connection.execute(query).all()
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", endpoint)])
    if guarded:
        app.add_middleware(TenantMiddleware, verifier=_Believing())
    return app


class _Believing:
    """Take a token at its word: what a real one costs is measured elsewhere."""

    async def verify(self, token: str) -> Principal:
        """Return a principal of the company that the token names."""
        return Principal(subject="somebody", tenant=token)


async def at_once(app: Any, size: int) -> float:
    """Return the microseconds that one request takes while ``size`` are under way."""
    rounds = max(1, 400 // size)
    await asyncio.gather(*(_request(app, i) for i in range(min(size, 10))))
    began = thread_time_ns()
    for _ in range(rounds):
        await asyncio.gather(*(_request(app, i) for i in range(size)))
    return (thread_time_ns() - began) / (rounds * size) / 1_000


async def _request(app: Any, company: int) -> None:
    headers = [(b"host", b"test"), (b"authorization", b"Bearer company-%d" % company)]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/", "raw_path": b"/", "root_path": "", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, _receive, _send)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    if message["type"] == "http.response.start" and message["status"] != 200:
        raise RuntimeError(f"the application answered {message['status']}")
