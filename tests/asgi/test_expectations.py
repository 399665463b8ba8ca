"""What teams expect of the door: optional tokens, users without a company, answers in the application's words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    NoTenantError,
    Principal,
    TenantMiddleware,
    TokenError,
)
from tenantguard import context as binding
from tenantguard.asgi import from_path
from tenantguard.audit import MemorySink
from tests.asgi.driver import Socket, bearer, request
from tests.asgi.test_middleware import guarded, whoami
from tests.identity.tokens import ISSUER, clock, token, verifier

NEW = bearer(token(company_id=...))
BASIC = [(b"authorization", b"Basic eDp5")]
SEVERAL = Principal("ada", tenants=("acme", "globex"))


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [((), 200, b"-"), (BASIC, 200, b"-"), (bearer(token()), 200, b"acme"), (bearer("forged"), 401, None)],
)
async def test_an_optional_token_is_bound_if_there_is_one(
    headers: Any, status: int, body: bytes | None
) -> None:
    """And is refused if it is no good one."""
    reply = await request(guarded(optional=["/shop/..."]), "/shop/7", headers)
    assert reply.status == status
    assert body is None or reply.body == body


async def test_a_token_is_optional_on_the_listed_paths_alone() -> None:
    """A path that could be read as another one is not listed."""
    app = guarded(optional=["/shop/..."])
    assert [(await request(app, path)).status for path in ("/calls", "/shop/../calls")] == [401, 401]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/onboarding", NEW, 200), ("/onboarding/x", NEW, 200), ("/calls", NEW, 403), ("/onboarding", (), 401)],
)
async def test_who_has_no_company_yet_is_let_in_where_that_is_said(
    path: str, headers: Any, status: int
) -> None:
    """With nothing bound; elsewhere it is 403 and never 401, concealed or not."""
    app = guarded(without_tenant_on=["/onboarding/..."], conceal=True)
    assert (await request(app, path, headers)).status == status


async def test_who_has_several_companies_may_choose_there() -> None:
    """The route learns who is asking from the scope."""
    seen: list[Any] = []

    class Sessions:
        async def verify(self, token: str) -> Principal:
            return SEVERAL

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["tenantguard.principal"], binding.peek()))
        await whoami(scope, receive, send)

    served = guarded(app, verifier=Sessions(), without_tenant_on=["/companies"])
    assert (await request(served, "/companies", bearer("x"))).status == 200
    assert (await request(served, "/calls", bearer("x"))).status == 403
    assert seen == [(SEVERAL, None)]


async def test_the_challenge_names_the_metadata_of_the_api() -> None:
    """RFC 9728 section 5.1."""
    reply = await request(guarded(resource_metadata="https://api.example/.well-known/x"))
    assert reply.headers["www-authenticate"] == 'Bearer resource_metadata="https://api.example/.well-known/x"'


@pytest.mark.parametrize(
    "settings",
    [
        {"resource_metadata": "x"},
        {"answer": "x"},
        {"optional": "/x"},
        {"without_tenant_on": ["x"]},
        {"websocket_recheck": -1},
    ],
)
def test_a_fault_speaks_at_the_start(settings: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError):
        guarded(**settings)


async def test_the_application_answers_in_its_own_words() -> None:
    """The status and the challenge stay ours."""

    async def answer(scope: Any, status: int, error: Exception) -> Any:
        return JSONResponse({"code": status, "path": scope["path"]}, headers={"www-authenticate": "x"})

    reply = await request(guarded(answer=answer), "/calls")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.json() == {"code": 401, "path": "/calls"}


async def test_where_it_has_no_words_of_its_own_ours_are_sent() -> None:
    """A hook may look after one status only."""
    reply = await request(guarded(answer=lambda scope, status, error: None), "/calls")
    assert reply.json()["title"] == "Unauthorized"


async def violating(_: Request) -> Any:
    """Reach for another company."""
    raise CrossTenantError("x")


async def own_404(request: Request, _error: Exception) -> Any:
    """Answer with the path, as some applications do."""
    return JSONResponse({"missing": request.url.path, "of": request.path_params}, 404, {"x-own": "1"})


@pytest.mark.parametrize("handlers", [{}, {404: own_404}])
async def test_a_concealed_violation_is_the_applications_own_404(handlers: Any) -> None:
    """With its body, its headers, and those of the middleware inside."""
    app = Starlette(routes=[Route("/calls/{id}", violating)], exception_handlers=handlers)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock, conceal=True)
    headers = [*bearer(token()), (b"accept-encoding", b"gzip")]
    told, missing = [await request(app, path, headers) for path in ("/calls/1", "/callz/1")]
    assert (told.status, told.headers) == (missing.status, missing.headers)
    assert len(told.body) == len(missing.body)


def calls_in(framework: Any) -> Any:
    """Return an application to be mounted, whose CORS is its own, and whose handler of every error too."""
    if framework is Litestar:
        handler = litestar_get("/calls", sync_to_thread=False)(violating_litestar)
        return Litestar([handler], logging_config=None)
    app = framework(routes=[Route("/calls", violating)], exception_handlers={500: own_500, 404: own_404})
    app.add_middleware(CORSMiddleware, allow_origins=["https://spa.example"])
    return app


def violating_litestar() -> None:
    """Reach for another company."""
    raise CrossTenantError("x")


def own_500(_request: Request, _error: Exception) -> Any:
    """Answer with a page."""
    return PlainTextResponse("x" * 10_000, 500)


def around_a_mount(framework: Any, mount: str, **settings: Any) -> Any:
    """Return an application that is guarded, and has mounted another."""
    app = FastAPI()
    if mount == "/v1":
        app.mount("/v1", calls_in(framework))
    else:
        app.mount("/api", Starlette(routes=[Mount("/v1", calls_in(framework))]))
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock, **settings)
    return app


@pytest.mark.parametrize("mount", ["/v1", "/api/v1"])
@pytest.mark.parametrize("framework", [Starlette, FastAPI, Litestar])
async def test_a_violation_in_a_mounted_application_is_answered(framework: Any, mount: str) -> None:
    """Though that application has an answer of its own for every error."""
    reply = await request(around_a_mount(framework, mount), f"{mount}/calls", bearer(token()))
    assert (reply.status, reply.complete, reply.error) == (403, True, None)


async def test_an_application_may_be_mounted_in_itself() -> None:
    """By another name, say."""
    app = calls_in(Starlette)
    app.mount("/api", app)
    reply = await request(TenantMiddleware(app, verifier(), clock=clock), "/api/calls", bearer(token()))
    assert (reply.status, reply.complete, reply.error) == (403, True, None)


@pytest.mark.parametrize("mount", ["/v1", "/api/v1"])
@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_a_concealed_violation_is_the_mounted_applications_own_404(framework: Any, mount: str) -> None:
    """With its headers, and the path as it sees it."""
    app = around_a_mount(framework, mount, conceal=True)
    headers = [*bearer(token()), *ORIGIN]
    told, missing = [await request(app, f"{mount}/{path}", headers) for path in ("calls", "callz")]
    assert (told.status, told.headers) == (missing.status, missing.headers)
    assert (told.headers["x-own"], told.json()["of"]) == ("1", {})
    assert told.body == missing.body.replace(b"callz", b"calls")


@pytest.mark.parametrize("mount", ["/v1", "/api/v1"])
async def test_a_mounted_application_answers_preflights_by_its_own_cors(mount: str) -> None:
    """And what is refused there can be read by a script; elsewhere nothing is."""
    app = around_a_mount(Starlette, mount)
    assert (await request(app, f"{mount}/calls", PREFLIGHT, method="OPTIONS")).status == 200
    assert (await request(app, "/calls", PREFLIGHT, method="OPTIONS")).status == 401
    for headers in (ORIGIN, [*ORIGIN, *bearer(token())]):
        refused = await request(app, f"{mount}/calls", headers)
        assert refused.status in (401, 403)
        assert refused.headers["access-control-allow-origin"] == "https://spa.example"


ORIGIN = [(b"origin", b"https://spa.example")]
PREFLIGHT = [*ORIGIN, (b"access-control-request-method", b"GET")]


class OwnCors(CORSMiddleware):
    """CORS with something of the application's own."""


def with_cors_inside(cors: type[CORSMiddleware] = CORSMiddleware, **settings: Any) -> Any:
    """Return an application whose CORS stands inside of the middleware, which is around it all."""
    app = Starlette(routes=[Route("/calls", violating, methods=["GET", "OPTIONS"])])
    app.add_middleware(cors, allow_origins=["https://spa.example"])
    app.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock, **settings)
    return app


@pytest.mark.parametrize("headers", [(), bearer(token())])
async def test_what_is_refused_can_be_read_by_a_script(headers: Any) -> None:
    """At the door and behind it."""
    reply = await request(with_cors_inside(), "/calls", [*ORIGIN, *headers])
    assert reply.status in (401, 403)
    assert reply.headers["access-control-allow-origin"] == "https://spa.example"


@pytest.mark.parametrize("cors", [CORSMiddleware, OwnCors])
async def test_a_preflight_reaches_cors_and_no_route(cors: type[CORSMiddleware]) -> None:
    """Nor does what only looks like one, or asks from elsewhere."""
    app = with_cors_inside(cors)
    assert (await request(app, "/calls", PREFLIGHT, method="OPTIONS")).status == 200
    assert (await request(app, "/calls", ORIGIN, method="OPTIONS")).status == 401
    assert (await request(app, "/calls", PREFLIGHT, method="GET")).status == 401
    elsewhere = [(b"origin", b"https://evil.example"), *PREFLIGHT[1:]]
    assert (await request(app, "/calls", elsewhere, method="OPTIONS")).status == 400


async def test_the_event_of_a_refused_token_says_where_it_came_from(record: MemorySink) -> None:
    """Method, route, client, and the issuer that it claims."""
    forged = token()[:-6] + "AAAAAA"
    await request(guarded(), "/calls/7", bearer(forged), method="POST")
    (event,) = record.events
    assert (event.method, event.route, event.client, event.issuer) == (
        "POST",
        "/calls/7",
        "127.0.0.1",
        ISSUER,
    )


async def test_an_event_holds_nothing_that_a_sink_could_fail_on(record: MemorySink) -> None:
    """Files and databases refuse half of a surrogate pair and a zero character, and a line break forges a line."""
    await request(guarded(), "/calls/\x00", bearer(token(iss="\ud800\nforged")))
    (event,) = record.events
    assert (event.route, event.issuer) == ("/calls/\ufffd", "\ufffd\ufffdforged")


@pytest.mark.parametrize("junk", ["a.b.c", "a." + "W" * 4000 + ".c", "x", "a.bnVsbA.c"])
async def test_junk_names_no_issuer(junk: str, record: MemorySink) -> None:
    """And breaks nothing."""
    await request(guarded(), "/", bearer(junk))
    assert [event.issuer for event in record.events] == [None]


@pytest.mark.parametrize(
    ("path", "root", "raw", "status"),
    [
        ("/health", "", b"/health", 200),
        ("/api/health", "/api", b"/api/health", 200),
        ("/health/api/secret", "/api", b"/health/api/secret", 401),
        ("/health", "", b"/secret", 401),
        ("/secret", "", b"/health/secret", 401),
        ("/health/x", "", b"//health///x/", 200),
        ("/health", "/api", b"/api/health", 200),
    ],
)
async def test_a_path_is_exempt_however_it_is_read(path: str, root: str, raw: bytes, status: int) -> None:
    """By the client, by the framework, and by whoever rewrote it in between."""
    reply = await request(guarded(exempt=["/health"]), path, root_path=root, raw_path=raw)
    assert reply.status == status


async def test_a_company_in_a_path_that_was_rewritten_agrees_with_no_token() -> None:
    """Which of the two would be routed is for nobody to guess."""
    app = guarded(requested=from_path("/{company}/..."))
    right = await request(app, "/acme/x", bearer(token()), raw_path=b"/acme/x")
    wrong = await request(app, "/acme/x", bearer(token()), raw_path=b"/globex/x")
    assert (right.status, wrong.status) == (200, 403)


async def test_a_request_that_is_exempt_ends_what_it_binds_itself() -> None:
    """A worker that it starts inside of a block of its own does not outlive it."""
    kept: list[asyncio.Task[str]] = []
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        try:
            return str(binding.current().tenant)
        except NoTenantError:
            return "refused"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with binding.bind("acme"):
            kept.append(asyncio.create_task(work()))
        await whoami(scope, receive, send)

    await request(guarded(app, exempt=["/hook"]), "/hook")
    go.set()
    assert await kept[0] == "refused"


async def test_a_websocket_ends_when_its_token_is_revoked() -> None:
    """It is verified again while it lives, and whatever waits for its client is cancelled."""
    revoked, looked, wake = False, asyncio.Event(), asyncio.Event()
    stuck: list[asyncio.Task[None]] = []

    class Sessions:
        async def verify(self, token: str) -> Principal:
            if revoked:
                raise TokenError("x", reason="revoked")
            return Principal("ada", "acme")

    async def sleep(_seconds: float) -> None:
        looked.set()
        await wake.wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        stuck.append(asyncio.ensure_future(receive()))
        await asyncio.Event().wait()

    served = guarded(app, verifier=Sessions(), sleep=sleep)
    async with Socket(served, headers=bearer("x")) as socket:
        await socket.next()
        await looked.wait()
        revoked = True
        wake.set()
        assert (await socket.next())["code"] == 1008
        await socket.task
    assert stuck[0].cancelled()


async def test_a_subprotocol_of_the_applications_own_stands_beside_the_token() -> None:
    """On either side; the application is offered it, and never the token."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["subprotocols"])
        await send({"type": "websocket.accept", "subprotocol": "chat"})

    offered = ["bearer", token(), "chat"]
    header = [(b"sec-websocket-protocol", ", ".join(offered).encode())]
    served = guarded(app, websocket_subprotocol="bearer")
    async with Socket(served, headers=header, subprotocols=offered) as socket:
        assert (await socket.next())["subprotocol"] == "chat"
    assert seen == [["bearer", "chat"]]
