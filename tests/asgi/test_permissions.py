"""What a route requires, over HTTP: 403 with the scope that is missing, 401 with the sign-in that is needed."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from tenantguard import TenantMiddleware, requires
from tenantguard.asgi import RequiresMiddleware
from tenantguard.asgi.fastapi import protect, required
from tenantguard.asgi.types import App
from tests.asgi.driver import Socket, bearer, request
from tests.identity.tokens import NOW, token, verifier


@requires("calls:write", mfa=True)
async def write(_request: Request) -> PlainTextResponse:
    """Be an endpoint of Starlette."""
    return PlainTextResponse("written")


def _starlette(conceal: bool) -> App:
    guarded = Middleware(TenantMiddleware, verifier=verifier(), conceal=conceal)
    return Starlette(routes=[Route("/calls", write)], middleware=[guarded])


async def _hear(socket: WebSocket) -> None:
    await socket.accept()


class _Calls(HTTPEndpoint):
    async def get(self, _request: Request) -> PlainTextResponse:
        return PlainTextResponse("written")


def _class(conceal: bool) -> App:
    required = Middleware(RequiresMiddleware, requirement=requires("calls:write", mfa=True))
    guarded = Middleware(TenantMiddleware, verifier=verifier(), conceal=conceal)
    return Starlette(routes=[Route("/calls", _Calls, middleware=[required])], middleware=[guarded])


def _mount(conceal: bool) -> App:
    required = Middleware(RequiresMiddleware, requirement=requires("calls:write", mfa=True))
    inner = Mount("/", app=PlainTextResponse("written"), middleware=[required])
    guarded = Middleware(TenantMiddleware, verifier=verifier(), conceal=conceal)
    return Starlette(routes=[inner], middleware=[guarded])


def _fastapi(conceal: bool) -> App:
    app = FastAPI()

    @app.get("/calls", dependencies=[required("calls:write", mfa=True)])
    def endpoint() -> str:
        return "written"

    protect(app, verifier(), conceal=conceal)
    return app


@pytest.mark.parametrize("conceal", [False, True])
@pytest.mark.parametrize("make", [_starlette, _class, _mount, _fastapi])
async def test_a_route_says_what_is_missing(make: object, conceal: bool) -> None:
    """Also where what belongs to others is concealed: one's own permissions are no secret."""
    app = make(conceal)  # type: ignore[operator]
    answers = [
        await request(app, "/calls", bearer(token(iat=NOW, **claims)))
        for claims in (
            {"scope": "calls:read calls:write", "amr": ["mfa"]},
            {"scope": "calls:read", "amr": ["mfa"]},
            {"scope": "calls:write"},
        )
    ]
    assert [one.status for one in answers] == [200, 403, 401]
    assert answers[1].headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="calls:write"'
    assert 'error="insufficient_user_authentication"' in answers[2].headers["www-authenticate"]


async def test_a_route_without_a_company_may_require() -> None:
    """Whoever is verified and of no company has permissions too."""
    app = FastAPI()

    @app.get("/companies", dependencies=[required("companies:create")])
    def endpoint() -> str:
        return "made"

    protect(app, verifier(), without_tenant_on=["/companies"])
    sent = [token(company_id=..., scope=scope) for scope in ("companies:create", "calls:read")]
    assert [(await request(app, "/companies", bearer(one))).status for one in sent] == [200, 403]


@pytest.mark.parametrize(("scope", "answers"), [("companies:create", True), ("calls:read", False)])
async def test_a_route_option_without_a_company_may_require(scope: str, answers: bool) -> None:
    """The middleware of a route or a mount knows who has no company yet, and lets no socket be accepted either."""
    required = Middleware(RequiresMiddleware, requirement=requires("companies:create"))
    made = Route("/companies", _Calls, middleware=[required])
    heard = WebSocketRoute("/heard", _hear, middleware=[required])
    guarded = Middleware(TenantMiddleware, verifier=verifier(), without_tenant_on=["/companies", "/heard"])
    app = Starlette(routes=[made, heard], middleware=[guarded])
    sent = bearer(token(company_id=..., scope=scope))
    assert (await request(app, "/companies", sent)).status == (200 if answers else 403)
    async with Socket(app, "/heard", sent) as socket:
        assert (await socket.next())["type"] == ("websocket.accept" if answers else "websocket.close")
