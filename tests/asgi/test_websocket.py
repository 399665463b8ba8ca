"""Websockets: refused at the handshake, bound while they live, closed on a violation and at the token's end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenantguard import CrossTenantError, Principal, context, current
from tests.asgi.driver import App, Socket, bearer
from tests.asgi.test_middleware import REFUSED, guarded
from tests.identity.tokens import NOW, token

EXTENDED: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say the tenant that is bound, once at first and once per message."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        binding = context.peek()
        await send({"type": "websocket.send", "text": "-" if binding is None else str(binding.tenant)})
        if (await receive())["type"] == "websocket.disconnect":
            return


class Clock:
    """Be a clock and a sleep that only the test moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.asleep = asyncio.Event()
        self._wake = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self._wake.wait()
        self._wake.clear()

    def move(self, seconds: float) -> None:
        """Let time pass, and wake whoever slept."""
        self.now += seconds
        self._wake.set()


def timed(app: App = echo, **settings: Any) -> tuple[Any, Clock]:
    """Return a guarded application and the clock that it lives by."""
    clock = Clock()
    return guarded(app, clock=clock, sleep=clock.sleep, **settings), clock


async def test_a_websocket_runs_under_the_company_of_its_token() -> None:
    """From its first message to its last."""
    async with Socket(guarded(echo), headers=bearer(token())) as socket:
        assert (await socket.next())["type"] == "websocket.accept"
        told = [await socket.text()]
        socket.say("again")
        told.append(await socket.text())
    assert told == ["acme", "acme"]


@pytest.mark.parametrize(("headers", "challenge"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_handshake_without_a_good_token_is_answered_401(headers: Any, challenge: str) -> None:
    """Where the server can send a response instead of a handshake."""
    async with Socket(guarded(echo), headers=headers, **EXTENDED) as socket:
        start, body = await socket.next(), await socket.next()
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    told = dict(start["headers"])[b"www-authenticate"].partition(b", error_description=")[0]
    assert told == challenge.encode()
    assert body["type"] == "websocket.http.response.body"


async def test_a_handshake_is_closed_where_the_server_has_no_such_extension() -> None:
    """With 1008 before it is accepted, which servers turn into 403."""
    async with Socket(guarded(echo)) as socket:
        closed = await socket.next()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_an_exempt_websocket_binds_nothing() -> None:
    """As an exempt request."""
    async with Socket(guarded(echo, exempt=["/ws"]), headers=bearer(token())) as socket:
        await socket.next()
        assert await socket.text() == "-"


async def test_a_violation_closes_an_open_websocket_with_1008() -> None:
    """The application does not go on, and the server sees no error."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise CrossTenantError("x")

    async with Socket(guarded(app), headers=bearer(token())) as socket:
        await socket.next()
        closed = await socket.next()
        await socket.task
    assert (closed["type"], closed["code"], closed["reason"]) == ("websocket.close", 1008, "")


async def test_a_violation_before_the_handshake_ends_is_answered() -> None:
    """As over HTTP, concealed or not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise CrossTenantError("x")

    async with Socket(guarded(app, conceal=True), headers=bearer(token()), **EXTENDED) as socket:
        assert (await socket.next())["status"] == 404


async def test_a_violation_after_the_close_sends_nothing_more() -> None:
    """A closed websocket takes no second close."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        raise CrossTenantError("x")

    async with Socket(guarded(app), headers=bearer(token())) as socket:
        assert [(await socket.next())["type"] for _ in range(2)] == ["websocket.accept", "websocket.close"]
        await socket.task
        assert socket._from_app.empty()


async def test_another_error_reaches_the_server() -> None:
    """It is the application's own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("bug")

    async with Socket(guarded(app), headers=bearer(token())) as socket:
        with pytest.raises(KeyError):
            await socket.task


async def test_a_websocket_is_closed_when_its_token_expires() -> None:
    """Though nobody says a word: the application waits, and is ended."""
    app, clock = timed()
    async with Socket(app, headers=bearer(token())) as socket:
        await socket.next()
        await socket.text()
        await clock.asleep.wait()
        clock.move(600)
        closed = await socket.next()
        await socket.task
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_a_timer_that_wakes_early_sleeps_again() -> None:
    """Only the time counts, not that something woke it."""
    app, clock = timed()
    async with Socket(app, headers=bearer(token())) as socket:
        await socket.next()
        await socket.text()
        await clock.asleep.wait()
        clock.asleep.clear()
        clock.move(300)
        await clock.asleep.wait()
        socket.say("still there")
        assert await socket.text() == "acme"


async def test_an_application_that_ignores_its_cancellation_hears_that_it_is_over() -> None:
    """It receives a disconnect and cannot send any more."""
    seen: list[object] = []

    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await receive()
        except asyncio.CancelledError:
            seen.append((await receive())["type"])
            try:
                await send({"type": "websocket.send", "text": "one more"})
            except OSError as error:
                seen.append(type(error))

    app, clock = timed(stubborn)
    async with Socket(app, headers=bearer(token())) as socket:
        await socket.next()
        await clock.asleep.wait()
        clock.move(600)
        assert (await socket.next())["type"] == "websocket.close"
        await socket.task
    assert seen == ["websocket.disconnect", ConnectionError]


async def test_a_websocket_that_expires_in_its_handshake_is_refused() -> None:
    """With the answer to an expired token."""

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    app, clock = timed(slow)
    async with Socket(app, headers=bearer(token()), **EXTENDED) as socket:
        await clock.asleep.wait()
        clock.move(600)
        assert (await socket.next())["status"] == 401


async def test_the_timer_ends_with_the_websocket() -> None:
    """Nothing is left running for a client that has gone."""
    before = asyncio.all_tasks()
    app, clock = timed()
    async with Socket(app, headers=bearer(token())) as socket:
        await socket.next()
        await clock.asleep.wait()
    assert asyncio.all_tasks() == before


async def test_a_websocket_that_is_cancelled_by_the_server_stays_cancelled() -> None:
    """At shutdown, for instance; that is not the token's end."""
    app, clock = timed()
    async with Socket(app, headers=bearer(token())) as socket:
        await socket.next()
        await clock.asleep.wait()
        socket.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await socket.task


async def test_a_cancellation_by_the_server_is_kept_beside_the_expiry() -> None:
    """Both at once: the server's wins, for it waits for the task to end as cancelled."""
    waiting = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            waiting.set()
            await asyncio.Event().wait()

    guarded_app, clock = timed(app)
    async with Socket(guarded_app, headers=bearer(token())) as socket:
        await clock.asleep.wait()
        clock.move(600)
        await waiting.wait()
        socket.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await socket.task


async def test_two_websockets_keep_their_companies() -> None:
    """Turn by turn, over one application."""
    app = guarded(echo)
    async with (
        Socket(app, headers=bearer(token())) as one,
        Socket(app, headers=bearer(token(company_id="globex"))) as other,
    ):
        await one.next()
        await other.next()
        told = []
        for _ in range(3):
            told += [await one.text(), await other.text()]
            one.say("next")
            other.say("next")
    assert told == ["acme", "globex"] * 3


async def test_nothing_stays_bound_after_a_websocket() -> None:
    """Not in the task that served it either."""
    seen: list[object] = []
    app = guarded(echo)

    async def server(*arguments: Any) -> None:
        await app(*arguments)
        seen.append(context.peek())

    async with Socket(server, headers=bearer(token())) as socket:
        await socket.next()
        assert await socket.text() == "acme"
    assert seen == [None]


async def test_a_verified_principal_without_an_end_has_no_timer() -> None:
    """A session that says no time is not closed by one."""

    class Sessions:
        async def verify(self, token: str) -> Principal:
            return Principal("ada", "acme", claims={"exp": True})

    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(len(asyncio.all_tasks()))
        assert current().tenant == "acme"

    before = len(asyncio.all_tasks())
    async with Socket(guarded(app, verifier=Sessions(), websocket_recheck=0), headers=bearer("x")) as socket:
        await socket.task
    assert seen == [before + 1]
