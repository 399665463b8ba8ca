"""The request's id in events: taken from the header, when it is fit for a log, and gone with the request."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import CrossTenantError, bypass, context
from tenantguard.audit import MemorySink, refuse
from tests.asgi.driver import Headers, Socket, bearer, request
from tests.asgi.test_middleware import guarded, whoami
from tests.identity.tokens import token

ID = [(b"x-request-id", b"r-1")]


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Reach for another company."""
    refuse(CrossTenantError("x"))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (ID, "r-1"),
        (
            [(b"x-request-id", b"6f1c4e52-0000-4000-8000-000000000001")],
            "6f1c4e52-0000-4000-8000-000000000001",
        ),
        ((), None),
        ([(b"x-request-id", b"")], None),
        ([(b"x-request-id", b"r\n1")], None),
        ([(b"x-request-id", b"r 1")], None),
        ([(b"x-request-id", b'{"kind":"x"}')], None),
        ([(b"x-request-id", b"\xff")], None),
        ([(b"x-request-id", b"r" * 129)], None),
        ([*ID, (b"x-request-id", b"r-2")], "r-1"),
    ],
)
async def test_the_events_of_a_request_bear_its_id(
    headers: Headers, told: str | None, record: MemorySink
) -> None:
    """Of a violation and of a refused token alike; what could forge a line of a log is left out."""
    await request(guarded(refusing), "/", [*bearer(token()), *headers])
    await request(guarded(), "/", [*bearer("garbage"), *headers])
    assert [event.request_id for event in record.events] == [told, told]


async def test_a_bypass_on_an_exempt_path_bears_the_id(record: MemorySink) -> None:
    """A sign-up looks across companies, and is recorded."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with bypass(reason="sign-up"):
            await whoami_unbound(scope, receive, send)

    async def whoami_unbound(scope: Any, receive: Any, send: Any) -> None:
        assert context.request_id() == "r-1"

    await request(guarded(app, exempt=["/sign-up"]), "/sign-up", ID)
    assert [event.request_id for event in record.events] == ["r-1", "r-1"]


@pytest.mark.parametrize(("path", "headers"), [("/", bearer(token())), ("/", ()), ("/open", ())])
async def test_the_id_is_gone_with_the_request(path: str, headers: Headers) -> None:
    """However it ended."""
    await request(guarded(whoami, exempt=["/open"]), path, [*headers, *ID])
    await request(guarded(refusing, exempt=["/open"]), path, [*headers, *ID])
    assert context.request_id() is None


async def test_an_id_that_was_set_before_stays() -> None:
    """Middleware outside may have its own."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(context.request_id())

    context.set_request_id("outer")
    try:
        await request(guarded(app), "/", [*bearer(token()), *ID])
        seen.append(context.request_id())
    finally:
        context.set_request_id(None)
    assert seen == ["outer", "outer"]


async def test_a_websocket_has_its_id_while_it_lives(record: MemorySink) -> None:
    """In the event that ends it."""
    async with Socket(guarded(refusing), headers=[*bearer(token()), *ID]) as socket:
        await socket.next()
    assert [event.request_id for event in record.events] == ["r-1"]
