"""Every route is called as two companies; what one is shown of the other's fails, and so does seeing nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import flask
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tenantguard.testing.routes import TwoTenants, routes_of

CALLS = {1: ("acme", "amber"), 2: ("globex", "green")}
CANARIES = {"acme": "amber", "globex": "green"}


def application(
    *, leaky_list: bool = False, leaky_get: bool = False, leaky_delete: bool = False
) -> Starlette:
    """Return an application that trusts a header, with holes as they are asked for."""

    def whose(request: Request) -> str:
        return request.headers["x-company"]

    async def listed(request: Request) -> JSONResponse:
        shown = [n for n, (owner, _) in CALLS.items() if leaky_list or owner == whose(request)]
        return JSONResponse([{"id": n, "subject": CALLS[n][1]} for n in shown])

    async def one(request: Request) -> JSONResponse:
        owner, subject = CALLS[request.path_params["call_id"]]
        allowed = owner == whose(request) or (leaky_get if request.method == "GET" else leaky_delete)
        if not allowed:
            return JSONResponse({}, 404)
        return JSONResponse({"subject": subject} if request.method == "GET" else {})

    routes = [Route("/", listed), Route("/{call_id:int}", one, methods=["GET", "DELETE"])]
    return Starlette(routes=[Mount("/calls", routes=routes)])


class Client:
    """A client with an application in it, as Starlette's is."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make a request in this process."""
        return asyncio.run(self._request(method, path, options))

    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.request(method, path, **options)


def compare(app: Starlette, **options: Any) -> Any:
    """Call the routes of an application as two companies."""
    caller = TwoTenants(lambda tenant: {"x-company": str(tenant)})
    return caller(Client(app), CANARIES, **options)


def test_routes_of_what_is_mounted_are_found() -> None:
    """With their whole paths."""
    assert routes_of(application()) == [
        ("GET", "/calls/"),
        ("GET", "/calls/{call_id:int}"),
        ("DELETE", "/calls/{call_id:int}"),
    ]


def test_routes_of_included_routers_are_found() -> None:
    """FastAPI lists a router that was included as one route, and a router in it as another."""
    inner, outer, app = APIRouter(prefix="/{call_id}"), APIRouter(prefix="/calls"), FastAPI(openapi_url=None)
    for router in (inner, outer):
        router.add_api_route("/tags", list, methods=["GET"])
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")
    assert sorted(routes_of(app)) == [("GET", "/v1/calls/tags"), ("GET", "/v1/calls/{call_id}/tags")]


def test_a_sound_application_passes() -> None:
    """Ids were learned from the list, and each company asked for the other's row."""
    found = compare(application())
    assert found.leaks == []
    assert {call.path for call in found.calls if call.foreign} == {"/calls/1", "/calls/2"}
    assert found.unanswered == [("DELETE", "/calls/{call_id:int}")]


@pytest.mark.parametrize(
    ("hole", "told"),
    [
        ("leaky_list", r"GET /calls/ as 'acme' showed 'green'"),
        ("leaky_get", r"GET /calls/2 as 'acme' showed 'green'"),
        ("leaky_delete", r"DELETE /calls/2 as 'acme' answered 200, and the path names a row of 'globex'"),
    ],
)
def test_a_hole_is_found(hole: str, told: str) -> None:
    """A list, a row by its id, and a deletion that shows nothing."""
    app = application(**{hole: True})
    with pytest.raises(AssertionError, match=told):
        compare(app)


def test_an_empty_application_proves_nothing() -> None:
    """Where no route shows a company its own canary, nothing was compared."""

    async def closed(_request: Request) -> JSONResponse:
        return JSONResponse({}, 401)

    app = Starlette(routes=[Route("/calls", closed)])
    told = r"no route showed 'acme' its own canary.* \(it was answered 1 times 401\)"
    with pytest.raises(AssertionError, match=told):
        compare(app)


def test_an_error_of_the_application_is_a_500() -> None:
    """A test client raises it; the other routes are called all the same."""

    async def broken(request: Request) -> JSONResponse:
        return JSONResponse((await request.json())["needed"])

    app = application()
    app.add_route("/broken", broken, methods=["POST"])
    found = compare(app)
    assert [(call.status, call.body) for call in found.calls if call.path == "/broken"] == [
        (500, "KeyError")
    ] * 2
    assert ("POST", "/broken") in found.unanswered


def test_skipped_paths_are_not_called() -> None:
    """What belongs to nobody is left out by the beginning of its path."""
    app = application()
    with pytest.raises(AssertionError, match="no route showed"):
        compare(app, skip=["/calls"])


def test_parameters_that_cannot_be_learned_are_given() -> None:
    """By the parameter's name and the company."""
    found = compare(application(), values={"call_id": {"acme": 1, "globex": 2}})
    assert len([call for call in found.calls if call.foreign]) == 4


@pytest.mark.parametrize("shown", [[], ["tag"]])
def test_a_list_below_a_row_may_be_empty_for_the_others_id(shown: list[str]) -> None:
    """Where an id that nobody has gets the same answer, nothing was shown of the other's row."""

    async def tags(request: Request) -> JSONResponse:
        return JSONResponse(shown if request.path_params["call_id"] in CALLS else [])

    app = application()
    app.add_route("/calls/{call_id:int}/tags", tags, methods=["GET"])
    app.router.routes.reverse()
    if not shown:
        assert compare(app).leaks == []
        return
    with pytest.raises(AssertionError, match="GET /calls/2/tags as 'acme' answered 200"):
        compare(app)


def test_a_flask_application_is_called() -> None:
    """Its routes are found by their rules, and its own test client calls them."""
    app = Flask(__name__)

    def owned() -> list[int]:
        return [n for n, (owner, _) in CALLS.items() if owner == flask.request.headers["x-company"]]

    @app.get("/calls/")
    def listed() -> Any:
        return [{"id": n, "subject": CALLS[n][1]} for n in owned()]

    @app.get("/calls/<int(min=1):call_id>")
    def one(call_id: int) -> Any:
        return {"subject": CALLS[call_id][1]}

    with pytest.raises(AssertionError, match="GET /calls/2 as 'acme' showed 'green'"):
        TwoTenants(lambda _: {})(
            app.test_client(), CANARIES, skip=["/static"], headers=lambda tenant: {"x-company": str(tenant)}
        )
