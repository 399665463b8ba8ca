"""What a verifier keeps: nothing that was not judged in full, and nothing for longer than it may count."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tenantguard import (
    Actor,
    IssuerUnavailableError,
    Principal,
    StepUpError,
    TenantMiddleware,
    TokenError,
    TokenVerifier,
    requires,
)
from tenantguard.asgi.admission import Admission
from tenantguard.identity import Acting, Cache, IssuerStore, MemoryCutOffs, Revocation, Verifier
from tests.asgi.driver import bearer, request
from tests.asgi.test_middleware import whoami
from tests.identity.test_acting import acted
from tests.identity.test_introspection import GOOD, Issuer
from tests.identity.test_revocation import HOUR, Broken, Time, made
from tests.identity.tokens import AUDIENCE, ISSUER, NOW, SECRET, token, verifier


def beside(revocation: Revocation, time: Time, **changes: Any) -> Verifier:
    """Return a verifier of several issuers, one of which can revoke."""
    return TokenVerifier.any_of(
        verifier(revocation=revocation, speaks_for="every", clock=time.clock, **changes),
        verifier(issuer="https://two.example", speaks_for="every", clock=time.clock),
        cache=Cache(clock=time.clock),
    )


def stored(revocation: Revocation, time: Time, **changes: Any) -> Verifier:
    """Return a store that knows the issuer already when it is put beside others."""

    async def find(issuer: str) -> Mapping[str, Any]:
        return {"key": SECRET, "algorithms": ["HS256"], "audience": AUDIENCE, "issuer": issuer, "speaks_for": "every",
                "leeway": 0, "revocation": revocation, **changes}  # fmt: skip

    store = IssuerStore(find, clock=time.clock)
    asyncio.run(store.member(ISSUER))
    other = verifier(issuer="https://two.example", speaks_for="every", clock=time.clock)
    return TokenVerifier.any_of(store, other, cache=Cache(clock=time.clock))


def asked(revocation: Revocation, time: Time, **changes: Any) -> Verifier:
    """Return one that asks the issuer."""
    issuer = Issuer(GOOD | {"iat": NOW - 10})
    return issuer.verifier(revocation=revocation, clock=time.clock, **changes)


def alone(revocation: Revocation, time: Time, **changes: Any) -> Verifier:
    """Return one that verifies one issuer's tokens."""
    return verifier(revocation=revocation, clock=time.clock, **changes)


KEPT = [alone, beside, stored, asked]


@pytest.mark.parametrize("kept", KEPT)
def test_a_token_that_was_refused_once_stays_refused(kept: Any) -> None:
    """However often it comes again, by the long way and by the short one, here and in another process."""
    store, time = MemoryCutOffs(), Time()
    here, there = made(store, time), made(store, time)
    checked = kept(there, time)
    app = TenantMiddleware(whoami, verifier=checked)
    sent = bearer(token(iat=NOW - 10))

    async def attacks() -> list[int | None]:
        answers = [(await request(app, "/", sent)).status for _ in range(2)]
        await here.revoke(subject="ada")
        for _ in range(4):
            time.now += 0.5
            answers += [(await request(app, "/", sent)).status for _ in range(2)]
        return answers

    assert asyncio.run(attacks()) == [200, 200] + [401] * 8


@pytest.mark.parametrize("kept", KEPT)
def test_a_token_that_was_revoked_before_it_came_is_never_kept(kept: Any) -> None:
    """Its first request is refused, and so is each one after it, while the store is lost and afterwards."""
    store, time = Broken(), Time()
    there = made(store, time)
    app = TenantMiddleware(whoami, verifier=kept(there, time))
    sent = bearer(token(iat=NOW - 10))

    async def attacks() -> list[int | None]:
        await made(store, time).revoke(tenant="acme")
        answers = [(await request(app, "/", sent)).status for _ in range(2)]
        store.fault = ConnectionError("gone")
        time.now += 1
        answers += [(await request(app, "/", sent)).status for _ in range(2)]
        store.fault = None
        time.now += 2
        return answers + [(await request(app, "/", sent)).status for _ in range(2)]

    answers = asyncio.run(attacks())
    assert 200 not in answers
    assert answers[-2:] == [401, 401]


async def test_a_revocation_while_a_token_is_verified_is_not_missed() -> None:
    """Between its check and its place in the cache."""
    time = Time()
    revocation = made(None, time)
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def companies(_subject: str) -> list[str]:
        waits.set()
        await goes_on.wait()
        return ["acme"]

    checked = verifier(revocation=revocation, tenant_lookup=companies, clock=time.clock)
    sent = token(iat=NOW - 10)
    verified = asyncio.create_task(checked.verify(sent))
    await waits.wait()
    await revocation.revoke(subject="ada")
    goes_on.set()
    with pytest.raises(TokenError, match="revoked"):
        await verified
    assert checked.recall(f"Bearer {sent}".encode()) is None


async def test_a_token_is_not_kept_for_longer_than_its_cut_offs_are() -> None:
    """Though it lives for a year."""
    time = Time()
    checked = verifier(revocation=made(None, time, keep=HOUR), clock=time.clock)
    sent = token(iat=NOW, exp=NOW + 365 * 24 * HOUR)
    await checked.verify(sent)
    time.now += HOUR
    assert checked.recall(f"Bearer {sent}".encode()) is None
    with pytest.raises(TokenError, match="older than cut-offs are kept"):
        await checked.verify(sent)


async def test_who_acts_for_somebody_is_judged_with_each_request() -> None:
    """The ticket is closed while the token lives; the sign-in grows too old."""
    time, tickets = Time(), {("sam@support", "acme")}
    acting = Acting(
        companies=lambda actor, company: (actor, company) in tickets,
        requirement=requires(max_age=60, clock=time.clock),
    )
    checked = verifier(acting=acting, clock=time.clock)
    sent = acted({"sub": "sam@support", "reason": "ticket 4711", "auth_time": NOW})
    principal = await checked.verify(sent)
    await checked.verify(sent)
    assert checked.recall(f"Bearer {sent}".encode()) is None
    time.now += 61
    with pytest.raises(StepUpError):
        await checked.verify(sent)
    time.now = NOW
    tickets.clear()
    for judged in (checked.verify(sent), checked.still(principal)):
        with pytest.raises(TokenError, match="may not act inside"):
            await judged


def admission(checked: Any) -> Admission:
    """Return what lets connections in, and looks at them again."""
    return Admission(checked, requested=(), several="refuse", registry=None, anonymous=None, anonymous_on=(),
                     optional=(), without_tenant_on=(), most_bytes=None)  # fmt: skip


ADA = Principal("ada", "acme", frozenset({"read", "write"}))
LESS = [
    Principal("ada", "acme", frozenset({"read"})),
    Principal("bob", "acme", ADA.permissions),
    Principal("ada", "globex", ADA.permissions),
    Principal("ada", "acme", ADA.permissions, actor=Actor("sam", reason="x", until=2e10)),
]


@pytest.mark.parametrize("now", LESS)
async def test_a_connection_ends_when_its_token_means_less_or_somebody_else(now: Principal) -> None:
    """What an opaque token means may change while a websocket is open."""

    class Sessions:
        async def verify(self, token: str) -> Principal:
            return now

    held = admission(Sessions())
    scope = {"type": "websocket", "path": "/", "headers": []}
    ended = await held.ended(scope, b"Bearer x", ADA)
    assert isinstance(ended, TokenError)
    assert await held.ended(scope, b"Bearer x", now) is None


async def test_a_connection_ends_with_the_store_of_revocations() -> None:
    """After the time for which its loss is borne: nobody could say that it was revoked."""
    store, time = Broken(), Time()
    checked = verifier(revocation=made(store, time, on_loss=10), clock=time.clock)
    sent = token(iat=NOW - 10)
    principal = await checked.verify(sent)
    held, value = admission(checked), f"Bearer {sent}".encode()
    scope = {"type": "websocket", "path": "/", "headers": []}
    store.fault = ConnectionError("gone")
    ends = []
    for time.now in (NOW + 1, NOW + 10, NOW + 11):
        ends += [await held.ended(scope, value, principal), await held.revoked(scope, principal)]
    assert ends[:4] == [None] * 4
    assert all(isinstance(end, IssuerUnavailableError) for end in ends[4:])
