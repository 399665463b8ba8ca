"""The middleware around an application of Starlette or FastAPI itself, which answers errors before it raises them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tenantguard import CrossTenantError, TenantMiddleware
from tests.asgi.driver import bearer, request
from tests.identity.tokens import clock, token, verifier


async def another_error(_: Request) -> Response:
    """Have a bug."""
    raise KeyError("bug")


async def five_hundred(_: Request) -> Response:
    """Answer with 500 on purpose, in pieces."""

    async def body() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    return StreamingResponse(body(), 500)


async def _as_it_is(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Be a middleware that does nothing, and cuts answers in pieces."""
    return await call_next(request)


def _chosen(app: Any) -> Any:
    """Return a function that chooses among applications."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return choose


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
@pytest.mark.parametrize(
    "inside",
    [lambda app: app, GZipMiddleware, functools.partial(BaseHTTPMiddleware, dispatch=_as_it_is), _chosen],
    ids=["itself", "in a middleware", "in a BaseHTTPMiddleware", "behind a function"],
)
async def test_around_the_application_itself_a_violation_is_answered_all_the_same(
    framework: Any, inside: Any
) -> None:
    """Though the framework has answered it with 500 by then; what is no refusal is answered as the framework does."""

    async def violating(_: Request) -> Response:
        raise CrossTenantError("x")

    routes = [Route("/", violating), Route("/bug", another_error), Route("/500", five_hundred)]
    plain = inside(framework(routes=routes))
    told = []
    for app in (plain, TenantMiddleware(plain, verifier(), clock=clock)):
        bug, meant = await request(app, "/bug", bearer(token())), await request(app, "/500", bearer(token()))
        assert (bug.status, bug.body) == (500, b"Internal Server Error")
        assert (meant.status, meant.body, meant.complete) == (500, b"ab", True)
        told.append(type(bug.error))
    assert told[0] is told[1]
    refused = await request(TenantMiddleware(plain, verifier(), clock=clock), "/", bearer(token()))
    # the oldest Starlette's BaseHTTPMiddleware keeps an error to itself once the answer has begun
    seen = 403 if told[0] is KeyError else 500
    assert (refused.status, refused.complete, refused.error) == (seen, True, None)
    assert seen == 403 or isinstance(plain, BaseHTTPMiddleware)
