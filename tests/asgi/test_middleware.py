"""TenantMiddleware over HTTP: who gets in, what is bound, and what a refusal looks like."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    IssuerUnavailableError,
    NoTenantError,
    Principal,
    TenantMiddleware,
    TokenError,
    TokenVerifier,
    Violation,
    bind,
    context,
    current,
)
from tenantguard.asgi.tokens import presented_token
from tenantguard.audit import Event, MemorySink, add_sink, refuse, remove_sink
from tests.asgi.driver import App, Headers, Message, bearer, request
from tests.identity.tokens import AUDIENCE, ISSUER, NOW, SECRET, claims, clock, sign, token, verifier

START = {"type": "http.response.start", "status": 200, "headers": []}


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the tenant that is bound, or with a dash."""
    binding = context.peek()
    body = b"-" if binding is None else str(binding.tenant).encode()
    await send(START)
    await send({"type": "http.response.body", "body": body})


def raising(error: BaseException, *, after_start: bool = False) -> App:
    """Return an application that raises, before or after its response has begun."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if after_start:
            await send(START)
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    return app


def guarded(app: App = whoami, **settings: Any) -> TenantMiddleware:
    """Return an application behind the middleware."""
    defaults: dict[str, Any] = {"verifier": verifier(), "clock": clock}
    return TenantMiddleware(app, **defaults | settings)


async def test_a_request_runs_under_the_company_of_its_token() -> None:
    """The handler sees the company that was signed."""
    assert (await request(guarded(), "/", bearer(token()))).body == b"acme"


async def test_a_token_seen_before_is_bound_again() -> None:
    """The second request takes the short way and means the same."""
    app = guarded()
    answers = [await request(app, "/", bearer(token())) for _ in range(3)]
    assert [answer.body for answer in answers] == [b"acme"] * 3


async def test_nothing_stays_bound_after_the_request() -> None:
    """The server's own context is as it was."""
    await request(guarded(), "/", bearer(token()))
    assert context.peek() is None


@pytest.mark.parametrize("error", [RuntimeError("bug"), CrossTenantError("x"), asyncio.CancelledError()])
async def test_nothing_stays_bound_after_an_error(error: BaseException) -> None:
    """Whatever ends a request ends its binding."""
    app = guarded(raising(error))
    await asyncio.gather(asyncio.ensure_future(request(app, "/", bearer(token()))), return_exceptions=True)
    assert context.peek() is None


GOOD = b"Bearer " + token().encode()
REFUSED: dict[str, tuple[Headers, str]] = {
    "no header": ((), "Bearer"),
    "an empty header": ([(b"authorization", b"")], "Bearer"),
    "another scheme": ([(b"authorization", b"Basic YWRhOng=")], "Bearer"),
    "the token alone": ([(b"authorization", token().encode())], "Bearer"),
    "a scheme that begins alike": ([(b"authorization", b"Bearerx " + token().encode())], "Bearer"),
    "the scheme alone": ([(b"authorization", b"Bearer")], 'Bearer error="invalid_request"'),
    "the scheme and a space": ([(b"authorization", b"Bearer ")], 'Bearer error="invalid_request"'),
    "two spaces": ([(b"authorization", b"Bearer  " + token().encode())], 'Bearer error="invalid_request"'),
    "a tab": ([(b"authorization", b"Bearer\t" + token().encode())], "Bearer"),
    "a space after it": ([(b"authorization", GOOD + b" ")], 'Bearer error="invalid_request"'),
    "two tokens in one": ([(b"authorization", GOOD + b", " + GOOD)], 'Bearer error="invalid_request"'),
    "two headers": ([(b"authorization", GOOD)] * 2, 'Bearer error="invalid_request"'),
    "a second header of another scheme": (
        [(b"authorization", GOOD), (b"authorization", b"Basic eDp5")],
        'Bearer error="invalid_request"',
    ),
    "a good header and an empty one": (
        [(b"authorization", GOOD), (b"authorization", b"")],
        'Bearer error="invalid_request"',
    ),
    "bytes that are no text": ([(b"authorization", b"Bearer \xff\xfe")], 'Bearer error="invalid_request"'),
    "an oversized token": (bearer("A" * 9000), 'Bearer error="invalid_token"'),
    "an oversized good token": (bearer(token(more="x" * 9000)), 'Bearer error="invalid_token"'),
    "a forged token": (
        bearer(sign(claims(), key="another secret that is long enough")),
        'Bearer error="invalid_token"',
    ),
    "an expired token": (bearer(token(exp=NOW - 1)), 'Bearer error="invalid_token"'),
    "a token in the cookie": ([(b"cookie", b"token=" + token().encode())], "Bearer"),
    "a token in another header": ([(b"x-authorization", GOOD)], "Bearer"),
    "a company in a header": ([(b"x-tenant-id", b"acme")], "Bearer"),
}


def test_no_verifier_is_handed_an_oversized_token() -> None:
    """Ours would refuse it too; one of the application's own need not."""
    assert presented_token(b"Bearer " + b"A" * 10, 10) == ("Bearer", "A" * 10)
    with pytest.raises(TokenError, match="longer than 10 bytes"):
        presented_token(b"Bearer " + b"A" * 11, 10)


@pytest.mark.parametrize(("headers", "challenge"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_good_token_is_answered_401(headers: Headers, challenge: str) -> None:
    """With the challenge of RFC 6750, as problem+json, and without reaching the application."""
    reached: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    reply = await request(guarded(app), "/", headers)
    told, _, description = reply.headers["www-authenticate"].partition(", error_description=")
    assert (reply.status, told, reached) == (401, challenge, [])
    assert bool(description) == ("error=" in told)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401}


async def test_the_challenge_says_what_is_wrong() -> None:
    """In the words of the reason, and with nothing of the token's."""
    reply = await request(guarded(), "/", bearer(token(exp=NOW - 1)))
    told = 'Bearer error="invalid_token", error_description="The token has expired"'
    assert reply.headers["www-authenticate"] == told


async def test_an_issuer_that_is_down_is_no_fault_of_the_token() -> None:
    """The client may try again with the same one."""

    class Down:
        async def verify(self, token: str) -> Principal:
            raise IssuerUnavailableError("no key set is at hand", retry_after=1.5)

    reply = await request(guarded(verifier=Down()), "/", bearer(token()))
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert "www-authenticate" not in reply.headers


async def test_who_has_no_company_is_not_allowed() -> None:
    """The token is good, and there is nothing to bind: 403 and never 401."""
    reply = await request(guarded(), "/", bearer(token(company_id=...)))
    assert (reply.status, reply.error) == (403, None)


async def test_the_scheme_is_read_in_any_case() -> None:
    """RFC 9110 compares schemes without case."""
    reply = await request(guarded(), "/", [(b"authorization", b"bEARER " + token().encode())])
    assert reply.body == b"acme"


async def test_a_token_in_the_query_is_not_read() -> None:
    """What stands in a URL stands in logs."""
    reply = await request(guarded(), "/", query_string=f"access_token={token()}".encode())
    assert reply.status == 401


async def test_a_company_in_a_header_does_not_change_the_one_in_the_token() -> None:
    """A header is never a source by itself."""
    reply = await request(guarded(), "/", [*bearer(token()), (b"x-tenant-id", b"globex")])
    assert reply.body == b"acme"


async def test_a_refused_token_is_recorded(record: MemorySink) -> None:
    """With the reason, and without the token."""
    hostile = token(exp=NOW - 1)
    await request(guarded(), "/", bearer(hostile))
    (event,) = record.events
    assert (event.kind, event.reason) == ("token_refused", "expired")
    assert hostile[:30] not in str(event)


async def test_a_failing_sink_does_not_let_a_token_through() -> None:
    """The refusal stands, and is answered as ever."""

    def fail(event: Event) -> None:
        raise OSError("disk full")

    add_sink(fail)
    try:
        reply = await request(guarded(), "/")
    finally:
        remove_sink(fail)
    assert reply.status == 401


@pytest.mark.parametrize(
    ("conceal", "status", "title"), [(False, 403, "Forbidden"), (True, 404, "Not Found")]
)
async def test_a_violation_is_answered(conceal: bool, status: int, title: str) -> None:
    """403, or 404 where what exists is concealed; nothing of the violation is told."""
    error = CrossTenantError("calls 7 belongs to globex", attempted="globex", table="calls")
    reply = await request(guarded(raising(error), conceal=conceal), "/", bearer(token()))
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json() == {"type": "about:blank", "title": title, "status": status}


def _caused() -> Exception:
    error = RuntimeError("the repository failed")
    error.__cause__ = CrossTenantError("x")
    return error


WRAPPED = {
    "in a group": ExceptionGroup("tasks", [ValueError(), CrossTenantError("x")]),
    "in a group of groups": ExceptionGroup("a", [ExceptionGroup("b", [CrossTenantError("x")])]),
    "as a cause": _caused(),
    "as a cause in a group": ExceptionGroup("tasks", [_caused()]),
}


@pytest.mark.parametrize("error", WRAPPED.values(), ids=WRAPPED.keys())
async def test_a_wrapped_violation_is_answered(error: Exception) -> None:
    """Task groups and repositories wrap what is raised in them."""
    assert (await request(guarded(raising(error)), "/", bearer(token()))).status == 403


async def test_a_violation_after_the_start_breaks_the_connection() -> None:
    """Half an answer must not be taken for a whole one: the error reaches the server."""
    error = CrossTenantError("x")
    reply = await request(guarded(raising(error, after_start=True)), "/", bearer(token()))
    assert (reply.complete, reply.error) == (False, error)


@pytest.mark.parametrize("error", [NoTenantError("x"), RuntimeError("x"), KeyError("company")])
async def test_a_bug_of_the_application_stays_its_own(error: Exception) -> None:
    """What is no violation is not answered here."""
    reply = await request(guarded(raising(error)), "/", bearer(token()))
    assert (reply.status, reply.error) == (None, error)


async def test_a_token_error_of_a_handler_is_answered_401() -> None:
    """A dependency may verify a second token."""
    reply = await request(guarded(raising(TokenError("x"))), "/", bearer(token()))
    assert reply.status == 401


async def test_a_violation_is_recorded_once_with_its_subject(record: MemorySink) -> None:
    """By whoever refused, not by the middleware again."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        refuse(CrossTenantError("x", tenant="acme", attempted="globex"))

    await request(guarded(app), "/", bearer(token()))
    assert [(event.kind, event.subject) for event in record.events] == [("cross_tenant", "ada")]


async def test_a_token_is_not_served_from_the_cache_beyond_its_end() -> None:
    """The look-up compares the time, each time."""
    times = [NOW]
    app = guarded(verifier=verifier(clock=lambda: times[0]))
    assert (await request(app, "/", bearer(token()))).status == 200
    times[0] = NOW + 600
    assert (await request(app, "/", bearer(token()))).status == 401


async def test_the_leeway_counts_for_the_cache_too() -> None:
    """A token holds as long on its second use as on its first."""
    times = [NOW]
    app = guarded(verifier=verifier(clock=lambda: times[0], leeway=30))
    statuses = []
    for times[0] in (NOW, NOW + 629, NOW + 630):
        statuses.append((await request(app, "/", bearer(token()))).status)
    assert statuses == [200, 200, 401]


async def test_lifespan_is_left_alone() -> None:
    """It has no headers and no path."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    await guarded(app)({"type": "lifespan", "asgi": {}}, receive, send)
    assert seen == ["lifespan"]


async def test_any_object_with_verify_will_do() -> None:
    """Opaque tokens and sessions come in by the same door."""

    class Sessions:
        async def verify(self, token: str) -> Principal:
            if token != "s3ss10n":
                raise TokenError("unknown session")
            return Principal("ada", "initech")

    app = guarded(verifier=Sessions())
    assert (await request(app, "/", bearer("s3ss10n"))).body == b"initech"
    assert (await request(app, "/", bearer("other"))).status == 401


async def test_a_verifier_that_fails_lets_nobody_in() -> None:
    """An error of its own is the server's to answer, with nothing bound and nothing reached."""

    class Broken:
        async def verify(self, token: str) -> Principal:
            raise ConnectionError("the session store is gone")

    reply = await request(guarded(verifier=Broken()), "/", bearer("x"))
    assert (reply.status, type(reply.error)) == (None, ConnectionError)


class Revoking(TokenVerifier):
    """Add a check of one's own to a verifier that remembers."""

    revoked = False

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for, unless it was revoked."""
        principal = await super().verify(token)
        if self.revoked:
            raise TokenError("the token is revoked", reason="revoked")
        return principal


class Wrapping:
    """Pass everything on but the check."""

    def __init__(self, inner: Revoking) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for, unless it was revoked."""
        return await self._inner.verify(token)


@pytest.mark.parametrize("make", [lambda one: one, Wrapping, TokenVerifier.any_of])
async def test_a_verifier_with_a_check_of_its_own_is_asked_each_time(make: Any) -> None:
    """What it has inherited remembers the token from before the check, and is not relied on."""
    one = Revoking(
        key=SECRET, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER, clock=clock, speaks_for="every"
    )
    app = guarded(verifier=make(one))
    before = [(await request(app, "/", bearer(token()))).status for _ in range(2)]
    one.revoked = True
    after = await request(app, "/", bearer(token()))
    assert (before, after.status) == ([200, 200], 401)


async def test_a_verifier_that_returns_something_else_lets_nobody_in() -> None:
    """And is told what it should have done."""

    class Forgetful:
        """Return nothing for a token that is unknown."""

        async def verify(self, token: str) -> Any:
            """Return nothing."""

    reply = await request(guarded(verifier=Forgetful()), "/", bearer("opaque"))
    assert isinstance(reply.error, ConfigurationError)
    assert "raise TokenError" in str(reply.error)


@pytest.mark.parametrize("wrong", [None, "secret", object(), SECRET])
def test_a_verifier_without_verify_is_refused_at_the_start(wrong: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="verify"):
        TenantMiddleware(whoami, verifier=wrong)


async def test_a_request_inside_another_binding_is_bound_to_its_own() -> None:
    """As where a test calls the application in process, inside a bind."""
    with bind("globex"):
        assert (await request(guarded(), "/", bearer(token()))).body == b"acme"
        assert current().tenant == "globex"


async def test_the_principal_is_bound_whole() -> None:
    """Subject, permissions and claims are there for the handler, and nobody can change them."""
    seen: list[Principal | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current().principal)

    await request(guarded(app), "/", bearer(token(permissions=["read"], org={"ids": [1]})))
    (principal,) = seen
    assert principal is not None
    assert (principal.subject, principal.permissions) == ("ada", frozenset({"read"}))
    with pytest.raises(TypeError, match="does not support"):
        principal.claims["org"]["ids"][0] = 2


def test_violation_is_the_root_of_what_is_answered() -> None:
    """So that a new kind of violation is answered from its first day."""
    assert issubclass(CrossTenantError, Violation)
