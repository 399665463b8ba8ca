"""The company that a request names: it agrees with the token, or chooses from it, or is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tenantguard import ConfigurationError, context
from tenantguard.asgi import Place, from_header, from_host, from_path
from tenantguard.audit import MemorySink
from tests.asgi.driver import Headers, Reply, Socket, bearer, request, scope
from tests.asgi.test_middleware import guarded, whoami
from tests.asgi.test_websocket import echo
from tests.identity.tokens import token, verifier

HOST = from_host("{company}.example.com", ignore={"www", "api"})
PATH = from_path("/companies/{company_id}/...")
HEADER = from_header("X-Company")


def host(name: str) -> Headers:
    """Return a Host header."""
    return [(b"host", name.encode())]


async def asked(
    place: Place | Sequence[Place], path: str = "/", headers: Headers = (), **settings: Any
) -> Reply:
    """Send acme's token, or another, with a request that names a company."""
    given = settings.pop("token", token())
    made = scope(path, [*bearer(given), *headers])
    if any(name == b"host" for name, _ in headers):
        made["headers"] = [*bearer(given), *headers]  # only those that the test names
    reply = Reply()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await guarded(whoami, requested=place, **settings)(made, receive, reply.take)
    return reply


AGREEING: dict[str, tuple[Any, str, Headers]] = {
    "the host": (HOST, "/", host("acme.example.com")),
    "the host with a port": (HOST, "/", host("acme.example.com:8443")),
    "the host in upper case": (HOST, "/", host("ACME.Example.COM")),
    "the host with a final dot": (HOST, "/", host("acme.example.com.")),
    "a host that is no company": (HOST, "/", host("www.example.com")),
    "the host with an empty port": (HOST, "/", host("acme.example.com:")),
    "an address": (HOST, "/", host("[::1]:8000")),
    "another host": (HOST, "/", host("internal")),
    "the bare host": (HOST, "/", host("example.com")),
    "a deeper host": (HOST, "/", host("globex.acme.example.com")),
    "the path": (PATH, "/companies/acme/calls", ()),
    "the path alone": (PATH, "/companies/acme", ()),
    "the path with a final slash": (PATH, "/companies/acme/", ()),
    "a path that names none": (PATH, "/companies", ()),
    "another path": (PATH, "/calls/globex", ()),
    "the header": (HEADER, "/", [(b"x-company", b"acme")]),
    "the header twice, alike": (HEADER, "/", [(b"x-company", b"acme")] * 2),
    "no header": (HEADER, "/", ()),
    "all of them": (
        [HOST, PATH, HEADER],
        "/companies/acme",
        [*host("acme.example.com"), (b"x-company", b"acme")],
    ),
}
DISAGREEING: dict[str, tuple[Any, str, Headers]] = {
    "the host": (HOST, "/", host("globex.example.com")),
    "the host with a port": (HOST, "/", host("globex.example.com:80")),
    "a host with a port that is none": (HOST, "/", host("globex.example.com:abc")),
    "a host with a user": (HOST, "/", host("globex.example.com@internal")),
    "a host with a white space": (HOST, "/", host(" globex.example.com")),
    "a host with two final dots": (HOST, "/", host("globex.example.com..")),
    "a host in a list": (HOST, "/", host("globex.example.com, acme.example.com")),
    "a host with something encoded": (HOST, "/", host("globex%2eexample.com")),
    "a host of odd bytes": (HOST, "/", [(b"host", b"globex\xad.example.com")]),
    "two hosts": (HOST, "/", [*host("acme.example.com"), *host("globex.example.com")]),
    "the path": (PATH, "/companies/globex/calls", ()),
    "the path with double slashes": (PATH, "//companies//globex//calls", ()),
    "the path in another case": (PATH, "/companies/ACME", ()),
    "the path with a white space": (PATH, "/companies/acme /calls", ()),
    "the path with a line feed": (PATH, "/companies/acme\n/calls", ()),
    "the path that leads to another": (PATH, "/companies/acme/../globex/calls", ()),
    "the path that leads to another by backslashes": (PATH, "/companies/acme\\..\\globex/calls", ()),
    "the path with dots": (PATH, "/companies/../companies/globex", ()),
    "the path with a null byte": (PATH, "/companies/acme\x00", ()),
    "the path with a look-alike": (PATH, "/companies/\u0430cme/calls", ()),
    "the path with something encoded": (PATH, "/companies/%61cme/calls", ()),
    "the path with a very long company": (PATH, f"/companies/{'a' * 5000}", ()),
    "the header": (HEADER, "/", [(b"x-company", b"globex")]),
    "the header empty": (HEADER, "/", [(b"x-company", b"")]),
    "the header in a list": (HEADER, "/", [(b"x-company", b"acme, globex")]),
    "the header twice, unlike": (HEADER, "/", [(b"x-company", b"acme"), (b"x-company", b"globex")]),
    "the header of odd bytes": (HEADER, "/", [(b"x-company", b"acme\xff")]),
    "one of two": ([PATH, HEADER], "/companies/acme", [(b"x-company", b"globex")]),
}


@pytest.mark.parametrize(("place", "path", "headers"), AGREEING.values(), ids=AGREEING.keys())
async def test_a_request_that_agrees_with_its_token_is_served(
    place: Any, path: str, headers: Headers
) -> None:
    """Also one that names no company."""
    assert (await asked(place, path, headers)).body == b"acme"


@pytest.mark.parametrize(("place", "path", "headers"), DISAGREEING.values(), ids=DISAGREEING.keys())
async def test_a_request_that_disagrees_is_refused_and_recorded(
    place: Any, path: str, headers: Headers, record: MemorySink
) -> None:
    """Before any handler runs, as a violation of the token's subject."""
    reply = await asked(place, path, headers)
    assert (reply.status, reply.headers["content-type"]) == (403, "application/problem+json")
    assert [(event.kind, event.tenant, event.subject) for event in record.events] == [
        ("tenant_mismatch", "acme", "ada")
    ]
    assert context.peek() is None


async def test_a_mismatch_is_concealed_where_that_is_asked() -> None:
    """As any violation."""
    assert (await asked(PATH, "/companies/globex", conceal=True)).status == 404


async def test_what_was_reached_for_is_recorded(record: MemorySink) -> None:
    """Where it is a company's id at all."""
    await asked(PATH, "/companies/globex")
    await asked(PATH, "/companies/ \n")
    assert [event.attempted for event in record.events] == ["globex", None]


async def test_a_mismatch_refuses_a_websocket_at_its_handshake() -> None:
    """Before it is accepted."""
    async with Socket(guarded(echo, requested=PATH), "/companies/globex/live", bearer(token())) as socket:
        closed = await socket.next()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize(
    ("kind", "claim", "path", "status"),
    [
        (int, 42, "42", 200),
        (int, 42, "43", 403),
        (int, 42, "042", 403),
        (int, 42, "+42", 403),
        (int, 42, "\u0664\u0662", 403),
        (int, 42, "42.0", 403),
        (UUID, "6f1c4e52-0000-4000-8000-000000000001", "6F1C4E52-0000-4000-8000-000000000001", 200),
        (UUID, "6f1c4e52-0000-4000-8000-000000000001", "6f1c4e52-0000-4000-8000-000000000002", 403),
        (UUID, "6f1c4e52-0000-4000-8000-000000000001", "6f1c4e52000040008000000000000001", 403),
    ],
)
async def test_what_a_request_names_is_read_as_the_type_of_the_tenant(
    kind: Any, claim: Any, path: str, status: int
) -> None:
    """By the same strict reading as the token's claim."""
    reply = await asked(
        PATH, f"/companies/{path}", verifier=verifier(tenant_type=kind), token=token(company_id=claim)
    )
    assert reply.status == status


async def test_a_name_may_be_resolved_to_an_id() -> None:
    """A subdomain is seldom the id; an unknown one is refused like another company's."""

    async def resolve(name: str) -> str | None:
        return {"acme-corp": "acme", "globex-corp": "globex"}.get(name)

    place = from_host("{company}.example.com", resolve=resolve)
    statuses = [
        (await asked(place, "/", host(f"{name}-corp.example.com"))).status
        for name in ("acme", "globex", "none")
    ]
    assert statuses == [200, 403, 403]


SEVERAL = token(company_id=..., companies=["acme", "globex"])


def several(**settings: Any) -> Any:
    """Return the settings for tokens that list several companies."""
    return {"verifier": verifier(tenants_claim="companies"), "token": SEVERAL} | settings


@pytest.mark.parametrize(
    ("path", "headers", "status", "body"),
    [
        ("/companies/acme", (), 200, b"acme"),
        ("/companies/globex", (), 200, b"globex"),
        ("/", [(b"x-company", b"globex")], 200, b"globex"),
        ("/companies/globex", [(b"x-company", b"globex")], 200, b"globex"),
        ("/companies/initech", (), 403, None),
        ("/companies/acme", [(b"x-company", b"globex")], 403, None),
        ("/", (), 403, None),
    ],
)
async def test_a_request_chooses_from_the_companies_of_its_token(
    path: str, headers: Headers, status: int, body: bytes | None
) -> None:
    """One that is listed, named without contradiction; and it has to choose."""
    reply = await asked([PATH, HEADER], path, headers, **several())
    assert reply.status == status
    assert body is None or reply.body == body


async def test_a_token_of_several_companies_is_refused_where_nothing_chooses() -> None:
    """Unless their union was asked for."""
    assert (await asked((), "/", **several())).status == 403


async def test_the_union_is_bound_where_it_was_asked_for() -> None:
    """And a request may still choose one."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        binding = context.peek()
        seen.append(binding.tenants if binding is not None else None)

    middleware = guarded(app, verifier=verifier(tenants_claim="companies"), requested=PATH, several="union")
    await request(middleware, "/", bearer(SEVERAL))
    await request(middleware, "/companies/globex", bearer(SEVERAL))
    assert seen == [("acme", "globex"), ("globex",)]


async def test_a_choice_does_not_stay_with_the_token() -> None:
    """The next request with the same token chooses anew."""
    middleware = guarded(verifier=verifier(tenants_claim="companies"), requested=PATH)
    bodies = [
        (await request(middleware, f"/companies/{name}", bearer(SEVERAL))).body
        for name in ("acme", "globex", "acme")
    ]
    assert bodies == [b"acme", b"globex", b"acme"]


@pytest.mark.parametrize(
    "wrong",
    [
        "example.com",
        "{a}.{b}.com",
        "{company}",
        "{company}.*",
        "https://{company}.x.com",
        ".{company}.x.com",
        "",
    ],
)
def test_a_host_pattern_that_is_none_is_refused_at_the_start(wrong: str) -> None:
    """It would match too much or nothing."""
    with pytest.raises(ConfigurationError, match="host pattern"):
        from_host(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "companies/{id}",
        "/companies",
        "/{a}/{b}",
        "/companies/.../x",
        "/companies/x{id}",
        "/a/../{id}",
        "/%61/{id}",
        "",
    ],
)
def test_a_path_pattern_that_is_none_is_refused_at_the_start(wrong: str) -> None:
    """It would match too much or nothing."""
    with pytest.raises(ConfigurationError, match=r"pattern|names no segment"):
        from_path(wrong)


def test_an_unknown_word_for_several_is_refused_at_the_start() -> None:
    """A misspelling must not mean the union."""
    with pytest.raises(ConfigurationError, match="several"):
        guarded(several="unoin")
