"""The middleware around an application of Starlette or FastAPI itself, which answers errors before it raises them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
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


class Chooser:
    """A class that chooses among applications."""

    def __init__(self, app: Any) -> None:
        self.apps = {"api": app}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self.apps["api"](scope, receive, send)


INSIDE = {
    "itself": lambda app: app,
    "in a middleware": GZipMiddleware,
    "in a BaseHTTPMiddleware": functools.partial(BaseHTTPMiddleware, dispatch=_as_it_is),
    "behind a function": _chosen,
    "behind a class": Chooser,
}


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
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


async def test_a_violation_in_an_application_that_an_included_router_mounts_is_answered_with_403() -> None:
    """FastAPI keeps the router as one route; refusals have the CORS headers of the mounted application."""

    async def violating(_: Request) -> Response:
        raise CrossTenantError("x")

    inner = Starlette(
        routes=[Route("/violation", violating)],
        middleware=[Middleware(CORSMiddleware, allow_origins=["https://app.example"])],
    )
    router = APIRouter()
    router.mount("/inner", inner)
    plain, app = FastAPI(), FastAPI()
    for one in (plain, app):
        one.include_router(router, prefix="/api")
    if (await request(plain, "/api/inner/violation")).status == 404:
        pytest.skip("this FastAPI leaves out what an included router mounts")
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    sent = [*bearer(token()), (b"origin", b"https://app.example")]
    refused = await request(app, "/api/inner/violation", sent)
    assert (refused.status, refused.complete, refused.error) == (403, True, None)
    assert refused.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_a_violation_in_an_application_that_litestar_has_mounted_is_answered_with_403(
    framework: Any,
) -> None:
    """Litestar reports that the inner application has begun its own response."""

    async def violating(_: Request) -> Response:
        raise CrossTenantError("x")

    handler: Any = asgi("/api", is_mount=True, copy_scope=True)
    inner = framework(routes=[Route("/violation/", violating)])
    plain: Any = Litestar([handler(_chosen(inner))], logging_config=None)
    guarded = TenantMiddleware(plain, verifier(), clock=clock)
    refused = await request(guarded, "/api/violation", bearer(token()))
    assert (refused.status, refused.complete, refused.error) == (403, True, None)


def _long_page(_: Request, _error: Exception) -> Response:
    return Response(b"x" * 100_000, 500)


async def _other_status(_: Request, _error: Exception) -> Response:
    return Response(b"unavailable", 503)


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
@pytest.mark.parametrize("conceal", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"debug": True},
        {"exception_handlers": {500: _long_page}},
        {"exception_handlers": {Exception: _other_status}},
    ],
    ids=["debug", "a long page", "another status"],
)
async def test_an_answer_of_the_applications_own_to_every_error_gives_way_to_a_refusal(
    framework: Any, conceal: bool, options: dict[str, Any]
) -> None:
    """However long it is, and whatever its status; a bug is answered by it."""

    async def violating(_: Request) -> Response:
        raise CrossTenantError("x")

    plain = framework(routes=[Route("/", violating), Route("/bug", another_error)], **options)
    app = TenantMiddleware(plain, verifier(), clock=clock, conceal=conceal)
    refused, bug = await request(app, "/", bearer(token())), await request(app, "/bug", bearer(token()))
    own = await request(plain, "/bug")
    assert (bug.status, len(bug.body) > 1, type(bug.error)) == (own.status, True, KeyError)
    if conceal:
        missing = await request(app, "/nothing", bearer(token()))
        assert (refused.status, refused.headers, refused.body) == (404, missing.headers, missing.body)
    else:
        assert (refused.status, refused.complete, refused.error) == (403, True, None)


async def test_a_handler_of_the_applications_own_for_violations_answers() -> None:
    """It is kept back, and then sent."""

    async def violating(_: Request) -> Response:
        raise CrossTenantError("x")

    async def own(_: Request, _error: Exception) -> Response:
        return Response(b"mine", 418)

    plain = Starlette(routes=[Route("/", violating)], exception_handlers={CrossTenantError: own})
    reply = await request(TenantMiddleware(plain, verifier(), clock=clock), "/", bearer(token()))
    assert (reply.status, reply.body, reply.complete) == (418, b"mine", True)
