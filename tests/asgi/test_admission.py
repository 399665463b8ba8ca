"""Who comes in without a header: anonymous pages, cookies, subprotocols; and who is kept out: the registry."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tenantguard import ConfigurationError, CrossTenantError, TenantMiddleware, bind, bypass, context
from tenantguard.asgi import from_header, from_host, from_path
from tenantguard.audit import MemorySink, refuse
from tenantguard.context import no_tenant
from tenantguard.identity import Registry
from tests.asgi.driver import Headers, Socket, bearer, request
from tests.asgi.test_middleware import guarded
from tests.asgi.test_websocket import EXTENDED, echo
from tests.identity.tokens import NOW, clock, token, verifier

SIGN_IN = ["/sign-in", "/sign-in/..."]


def host(name: str) -> Headers:
    """Return a Host header; the driver's own names no company."""
    return [(b"host", name.encode())]


def by_host(**settings: Any) -> TenantMiddleware:
    """Return an application whose sign-in pages belong to the company of the host."""
    return guarded(anonymous=from_host("{company}.example.com"), anonymous_on=SIGN_IN, **settings)


async def test_an_anonymous_page_is_bound_to_the_company_of_its_host() -> None:
    """On the listed routes and what is below them."""
    bodies = [
        (await request(by_host(), path, host("acme.example.com"))).body
        for path in ("/sign-in", "/sign-in/style.css")
    ]
    assert bodies == [b"acme", b"acme"]


async def test_an_anonymous_page_has_an_anonymous_principal() -> None:
    """With no permissions and no claims."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        binding = context.peek()
        seen.append(binding.principal if binding is not None else None)

    middleware = guarded(app, anonymous=from_path("/{company}/..."), anonymous_on=["/{company}/sign-in"])
    await request(middleware, "/acme/sign-in")
    assert [(p.subject, p.tenant, p.permissions, dict(p.claims)) for p in seen] == [
        ("anonymous", "acme", frozenset(), {})
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/calls",
        "/sign-inx",
        "/sign-out",
        "/SIGN-IN",
        "/sign-in/../calls",
        "/sign-in/%2e%2e/calls",
        "/x/sign-in",
        "/sign-in;x",
        "/sign-in/\uff0e\uff0e/calls",
    ],
)
async def test_another_route_needs_a_token(path: str) -> None:
    """What is not listed is not open."""
    assert (await request(by_host(), path, host("acme.example.com"))).status == 401


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "testserver",
        "a.b.example.com",
        "acme.example.com.evil.com",
        "evil-example.com",
    ],
)
async def test_a_host_that_names_no_company_needs_a_token(name: str) -> None:
    """There is nothing to bind."""
    assert (await request(by_host(), "/sign-in", host(name))).status == 401


@pytest.mark.parametrize("name", ["suspended", "unknown", "no company"])
async def test_a_page_of_no_active_company_tells_nothing_of_it(name: str) -> None:
    """Suspended, unknown to the registry, unknown to who resolves the name, and malformed: one answer."""

    async def is_active(tenant: object) -> bool:
        return tenant == "acme"

    place = from_host("{company}.example.com", resolve=lambda name: None if name == "unknown" else name)
    app = guarded(anonymous=place, anonymous_on=SIGN_IN, registry=Registry(is_active))
    expected = await request(app, "/sign-in", host("closed.example.com"))
    reply = await request(app, "/sign-in", host(f"{name}.example.com"))
    assert reply.status == 403
    assert (reply.status, reply.headers, reply.body) == (expected.status, expected.headers, expected.body)


async def test_two_hosts_name_no_company() -> None:
    """Which one counts is for nobody to guess."""
    headers = [*host("acme.example.com"), *host("globex.example.com")]
    assert (await request(by_host(), "/sign-in", headers)).status == 401


@pytest.mark.parametrize(
    ("company", "name", "status", "body"),
    [("acme", "acme", 200, b"acme"), ("acme", "globex", 403, None), ("globex", "acme", 403, None)],
)
async def test_a_token_on_an_anonymous_page_has_to_agree(
    company: str, name: str, status: int, body: bytes | None
) -> None:
    """It counts, and is not overruled by the host."""
    headers = [*bearer(token(company_id=company)), *host(f"{name}.example.com")]
    reply = await request(by_host(), "/sign-in", headers)
    assert reply.status == status
    assert body is None or reply.body == body


@pytest.mark.parametrize(
    "headers", [bearer("garbage"), bearer(token(exp=NOW - 60)), [(b"authorization", b"Bearer")]]
)
async def test_a_bad_token_on_an_anonymous_page_is_refused(headers: Headers) -> None:
    """It is not treated as none."""
    assert (await request(by_host(), "/sign-in", [*headers, *host("acme.example.com")])).status == 401


async def test_a_token_elsewhere_is_not_measured_against_the_anonymous_place() -> None:
    """Otherwise ``/{company}/...`` would read a company out of every path."""
    app = guarded(anonymous=from_path("/{company}/..."), anonymous_on=["/{company}/sign-in"])
    assert (await request(app, "/calls/7", bearer(token()))).body == b"acme"


async def test_an_anonymous_page_is_measured_against_what_else_the_request_names() -> None:
    """A header may not contradict the host."""
    app = by_host(requested=from_header("x-company"))
    reply = await request(app, "/sign-in", [*host("acme.example.com"), (b"x-company", b"globex")])
    assert reply.status == 403


@pytest.mark.parametrize("routes", [(), [], "/sign-in"])
def test_anonymous_pages_have_to_be_listed(routes: Any) -> None:
    """There is no default that opens everything."""
    with pytest.raises(ConfigurationError, match="anonymous_on"):
        guarded(anonymous=from_host("{company}.example.com"), anonymous_on=routes)


class Companies:
    """Be a registry that counts how often it is asked; and its clock."""

    def __init__(self, *active: Any) -> None:
        self.active = set(active)
        self.asked: list[Any] = []
        self.now = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, tenant: Any) -> bool:
        self.asked.append(tenant)
        await self.open.wait()
        return tenant in self.active

    def registry(self, **settings: Any) -> Registry:
        """Return the registry over it."""
        return Registry(self, clock=lambda: self.now, **settings)


async def test_unknown_and_suspended_companies_get_one_answer(record: MemorySink) -> None:
    """Nobody can tell them apart, and both are recorded."""
    app = guarded(registry=Companies("acme"))
    replies = [
        await request(app, "/", bearer(token(company_id=name))) for name in ("acme", "suspended", "unknown")
    ]
    assert [reply.status for reply in replies] == [200, 403, 403]
    assert (replies[1].headers, replies[1].body) == (replies[2].headers, replies[2].body)
    assert [(event.kind, event.tenant) for event in record.events] == [
        ("tenant_inactive", "suspended"),
        ("tenant_inactive", "unknown"),
    ]


async def test_the_registry_is_asked_about_anonymous_pages_too() -> None:
    """A made-up subdomain is no company."""
    app = by_host(registry=Companies("acme"))
    assert [(await request(app, "/sign-in", host(f"{n}.example.com"))).status for n in ("acme", "x")] == [
        200,
        403,
    ]


async def test_the_registry_is_asked_about_the_company_that_was_chosen() -> None:
    """And about each of a union."""
    companies = token(company_id=..., companies=["acme", "closed"])
    settings: dict[str, Any] = {
        "verifier": verifier(tenants_claim="companies"),
        "registry": Companies("acme"),
    }
    chosen = guarded(requested=from_header("x-company"), **settings)
    union = guarded(several="union", **settings)
    statuses = [
        (await request(chosen, "/", [*bearer(companies), (b"x-company", n)])).status
        for n in (b"acme", b"closed")
    ]
    assert [*statuses, (await request(union, "/", bearer(companies))).status] == [200, 403, 403]


async def test_a_suspension_takes_effect_within_the_stated_delay() -> None:
    """And an answer is kept until then."""
    companies = Companies("acme")
    app = guarded(registry=companies.registry(delay=30))
    statuses = []
    for companies.now in (0, 29):
        statuses.append((await request(app, "/", bearer(token()))).status)
        companies.active.clear()
    companies.now = 30
    statuses.append((await request(app, "/", bearer(token()))).status)
    assert (statuses, len(companies.asked)) == ([200, 200, 403], 2)


async def test_one_question_is_asked_however_many_wait() -> None:
    """And who gives up does not end it for the others."""
    companies = Companies("acme")
    companies.open.clear()
    registry = companies.registry()
    first, *others = [asyncio.ensure_future(registry.admits("acme")) for _ in range(10)]
    await asyncio.sleep(0)
    first.cancel()
    companies.open.set()
    assert (await asyncio.gather(*others), companies.asked) == ([True] * 9, ["acme"])


async def test_a_registry_that_fails_lets_nobody_in_and_is_asked_again() -> None:
    """Its error is the server's to answer."""
    answers: list[Any] = [ConnectionError("gone"), True]

    async def is_active(tenant: Any) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    app = guarded(registry=is_active)
    replies = [await request(app, "/", bearer(token())) for _ in range(2)]
    assert [type(replies[0].error), replies[1].status] == [ConnectionError, 200]


async def test_made_up_companies_do_not_fill_the_memory() -> None:
    """However many are asked about."""
    registry = Companies().registry(entries=10)
    for number in range(1000):
        await registry.admits(number)
    assert len(registry._known) <= 10


@pytest.mark.parametrize("answer", [1, "yes", None, "active"])
async def test_only_true_is_active(answer: Any) -> None:
    """A word or a number is a mistake of the function."""

    async def is_active(tenant: Any) -> bool:
        return answer  # type: ignore[no-any-return]  # the mistake itself

    assert not await Registry(is_active).admits("acme")


COOKIE = b"session=" + token().encode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"cookie", COOKIE)], 200),
        ([(b"cookie", b"theme=dark; " + COOKIE + b"; x=y")], 200),
        ([(b"cookie", b"theme=dark"), (b"cookie", COOKIE)], 200),
        (bearer(token()), 200),
        ([*bearer(token()), (b"cookie", b"theme=dark")], 200),
        ([*bearer(token()), (b"cookie", COOKIE)], 401),
        ([(b"cookie", COOKIE + b"; " + COOKIE)], 401),
        ([(b"cookie", COOKIE), (b"cookie", COOKIE)], 401),
        ([(b"cookie", b"xsession=" + token().encode())], 401),
        ([(b"cookie", b"Session=" + token().encode())], 401),
        ([(b"cookie", b"session=")], 401),
        ([(b"cookie", b'session="' + token().encode() + b'"')], 401),
        ((), 401),
    ],
)
async def test_a_cookie_carries_the_token_where_that_was_opted_in_to(headers: Headers, status: int) -> None:
    """One cookie or one header, never both."""
    assert (await request(guarded(cookie="session"), "/", headers)).status == status


async def test_no_cookie_is_read_by_default() -> None:
    """It was not opted in to."""
    assert (await request(guarded(), "/", [(b"cookie", COOKIE)])).status == 401


def offering(*protocols: str) -> dict[str, Any]:
    """Return the scope of a handshake that offers subprotocols."""
    return {"subprotocols": list(protocols)}


def named(*protocols: str) -> Headers:
    """Return the header of such a handshake."""
    return [(b"sec-websocket-protocol", ", ".join(protocols).encode())]


async def test_a_browser_sends_its_token_behind_a_subprotocol() -> None:
    """Which the accept confirms, as browsers demand; the application does not see the token."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["subprotocols"], dict(scope["headers"])[b"sec-websocket-protocol"]))
        await echo(scope, receive, send)

    middleware = guarded(app, websocket_subprotocol="bearer")
    async with Socket(middleware, headers=named("bearer", token()), **offering("bearer", token())) as socket:
        accepted = await socket.next()
        assert await socket.text() == "acme"
    assert (accepted["subprotocol"], seen) == ("bearer", [(["bearer"], b"bearer")])


@pytest.mark.parametrize(
    ("headers", "protocols"),
    [
        ((), ("bearer",)),
        ((), ("bearer", "garbage")),
        ((), ("bearer", token(), token())),
        ((), (token(), "bearer")),
        ((), ("bearer", "bearer")),
        ((), ("Bearer", token())),
        ((), ("chat", token())),
        (bearer(token()), ("bearer", token())),
    ],
)
async def test_a_malformed_subprotocol_is_refused(headers: Headers, protocols: tuple[str, ...]) -> None:
    """At the handshake."""
    middleware = guarded(echo, websocket_subprotocol="bearer")
    async with Socket(middleware, headers=headers, **offering(*protocols), **EXTENDED) as socket:
        assert (await socket.next())["status"] == 401


async def test_another_subprotocol_is_the_applications_own() -> None:
    """With the token in its header."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["subprotocols"])
        await send({"type": "websocket.accept", "subprotocol": "chat"})

    middleware = guarded(app, websocket_subprotocol="bearer")
    async with Socket(middleware, headers=bearer(token()), **offering("chat")) as socket:
        assert (await socket.next())["subprotocol"] == "chat"
    assert seen == [["chat"]]


async def test_no_subprotocol_is_read_by_default() -> None:
    """It was not opted in to; nor over HTTP, ever."""
    async with Socket(guarded(echo), **offering("bearer", token()), **EXTENDED) as socket:
        assert (await socket.next())["status"] == 401
    middleware = guarded(websocket_subprotocol="bearer")
    assert (await request(middleware, "/", named("bearer", token()))).status == 401


async def test_events_say_in_which_request_they_came(record: MemorySink) -> None:
    """Violations at the door and in a handler, bypasses, guarded actions with nothing bound, and on websockets too."""

    def act(_: Request) -> Response:
        with bypass(reason="a repair"):
            pass
        refuse(CrossTenantError("x") if context.peek() else no_tenant(None))

    async def live(socket: WebSocket) -> None:
        with bind("other"):
            refuse(CrossTenantError("x"))

    app = Starlette(
        routes=[Route("/calls", act, methods=["PUT"]), Route("/open", act), WebSocketRoute("/ws", live)]
    )
    app.add_middleware(
        TenantMiddleware,
        verifier=verifier(),
        clock=clock,
        exempt=["/open"],
        requested=from_header("X-Company"),
    )
    named = (b"x-request-id", b"r-1")
    await request(app, "/calls", [*bearer(token()), named], method="PUT")
    await request(app, "/calls", [*bearer(token()), named, (b"x-company", b"globex")], method="PUT")
    await request(app, "/open", [named])
    async with Socket(app, "/ws", [*bearer(token()), named]) as socket:
        await socket.next()
    told = [(event.kind, event.method, event.route) for event in record.events]
    calls, opened = ("PUT", "/calls"), ("GET", "/open")
    assert told == [
        ("bypass_opened", *calls), ("bypass_closed", *calls), ("cross_tenant", *calls), ("tenant_mismatch", *calls),
        ("bypass_opened", *opened), ("bypass_closed", *opened), ("no_tenant", *opened),
        ("cross_tenant", "WEBSOCKET", "/ws"),
    ]  # fmt: skip
    assert {(event.request_id, event.client) for event in record.events} == {("r-1", "127.0.0.1")}
