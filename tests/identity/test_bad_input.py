"""Bad input to revocation, signals and onward tokens: the answers of docs/identity.md, and never an open one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tenantguard import (
    ConfigurationError,
    IssuerUnavailableError,
    PermissionDeniedError,
    TokenError,
    bind,
    requires,
)
from tenantguard.identity import Acting, MemoryCutOffs, Revocation
from tenantguard.identity.cutoffs import Changes, Name
from tests.identity.test_revocation import HOUR, Broken, Time, made, principal
from tests.identity.test_signals import ADA, SUBJECT, World, event
from tests.identity.tokens import NOW, clock, token, verifier
from tests.test_onward import auth, onward

DAY = 24 * HOUR
ADA_CUT = Name("subject", "ada")


async def lost(fault: Any) -> None:
    """Expect that nobody comes in, neither newly nor by what was seen before, and that it is over when it is over."""
    store, time = Broken(), Time()
    held = made(store, time, timeout=0.01)
    checked, sent = verifier(revocation=held, clock=time.clock), token(iat=NOW - 10)
    await checked.verify(sent)
    store.fault = fault
    time.now += 1
    for tried in (sent, token(iat=NOW - 9)):
        assert checked.recall(f"Bearer {tried}".encode()) is None
        with pytest.raises(IssuerUnavailableError) as refused:
            await checked.verify(tried)
        assert refused.value.reason == "revocation_lost"
    store.fault = None
    time.now += 2
    await checked.verify(sent)


async def clock_ahead() -> None:
    """Expect that a clock that runs ahead for a while makes no one forget who was revoked, when it is right again."""
    store, time = MemoryCutOffs(), Time()
    wall = [NOW]
    held = Revocation(store, clock=lambda: wall[0], ticks=time.ticks)
    await held.revoke(subject="ada", at=NOW - 5)
    wall[0] = NOW + 400 * DAY
    with pytest.raises(TokenError):
        await held.check(principal(NOW - 10))
    await held.revoke(subject="bob", at=NOW)  # each new one looks at what may be forgotten
    await held.purge()
    wall[0] = NOW + 1
    for known in (held, made(store, time)):
        with pytest.raises(TokenError, match="revoked"):
            await known.check(principal(NOW - 10))


async def clock_back() -> None:
    """Expect that a revocation made by a clock that was set back spares no token that was let in before."""
    time = Time()
    wall = [NOW]
    held = Revocation(MemoryCutOffs(), clock=lambda: wall[0], ticks=time.ticks)
    await held.check(principal(NOW - 10))
    wall[0] = NOW - 2 * HOUR
    await held.revoke(subject="ada")
    wall[0] = NOW + 1
    with pytest.raises(TokenError, match="revoked"):
        await held.check(principal(NOW - 10))
    await held.check(principal(NOW))


async def future_asked() -> None:
    """Expect that it is said at once, and nobody is out."""
    held = made()
    for moment in (NOW + 61, NOW + 400 * DAY, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="not in the future"):
            await held.revoke(subject="ada", at=moment)
    await held.check(principal(NOW))


async def future_stored() -> None:
    """Expect that whoever is meant is out until then, and nobody else."""
    store, time = MemoryCutOffs(), Time()
    await store.put({ADA_CUT: NOW + DAY})
    held = made(store, time)
    for time.now in (NOW, NOW + DAY):
        with pytest.raises(TokenError, match="revoked"):
            await held.check(principal(time.now))
    time.now += 1
    await held.check(principal(time.now))


async def at_once() -> None:
    """Expect that both hold, in both, and of two for one name the later."""
    store, time = MemoryCutOffs(), Time()
    one, other = made(store, time), made(store, time)
    await asyncio.gather(
        one.revoke(subject="ada", at=NOW - 20), other.revoke(subject="ada", at=NOW - 10),
        one.revoke(tenant="globex"), other.revoke(session="s9"),
    )  # fmt: skip
    time.now += 1
    found = (await store.since(-1)).moments
    assert found == {ADA_CUT: NOW - 10, Name("tenant", "globex"): NOW, Name("session", "s9"): NOW}
    for held in (one, other):
        await held.check(principal(NOW - 9))
        with pytest.raises(TokenError, match="revoked"):
            await held.check(principal(NOW - 15))


async def replayed_onward() -> None:
    """Expect that it counts once, whether one after the other or at once."""
    receiver = onward()
    with bind("acme"):
        sent = auth().token()
    told = await asyncio.gather(*(receiver.verify(sent) for _ in range(5)), return_exceptions=True)
    assert [getattr(one, "reason", "let in") for one in told] == ["let in"] + ["replayed"] * 4


async def replayed_event() -> None:
    """Expect that it cuts off what it did, and who has signed in since then stays."""
    world = World()
    for _ in range(3):
        await world.signals.event(event())
    assert await world.held() == {SUBJECT: NOW - 5}
    await world.revocation.check(principal(NOW - 4))


async def event_refused(**changes: Any) -> None:
    """Expect that the provider is told, and nothing changes."""
    world = World()
    with pytest.raises(TokenError):
        await world.signals.event(event(**changes))
    assert await world.held() == {}


Case = Callable[[], Awaitable[None]]
CASES: dict[str, list[Case]] = {
    "the store is down": [lambda: lost(ConnectionError("gone"))],
    "the store is slow": [lambda: lost("hangs")],
    "the store holds invalid data": [
        lambda: lost(Changes(1, {ADA_CUT: float("nan")})),
        lambda: lost(Changes(1, {"ada": NOW})),  # type: ignore[dict-item]
        lambda: lost(Changes("1", {})),  # type: ignore[arg-type]
        lambda: lost({"ada": NOW}),
    ],
    "the clock runs ahead, and is set right": [clock_ahead],
    "the clock is set back": [clock_back],
    "a cut-off in the future is asked for": [future_asked],
    "a cut-off in the future is in the store": [future_stored],
    "two revocations at once": [at_once],
    "an onward token is replayed": [replayed_onward],
    "an event is replayed": [replayed_event],
    "an event is for another audience": [lambda: event_refused(aud="other")],
    "an event is about an unknown subject": [
        lambda: event_refused(sub_id={"format": "email", "email": "eve@example.com"}),
        lambda: event_refused(sub_id={**ADA, "iss": "https://other.example"}),
        lambda: event_refused(sub_id=["ada"]),
    ],
}


@pytest.mark.parametrize(
    "case", [case for cases in CASES.values() for case in cases],
    ids=[f"{what} {n}" for what, cases in CASES.items() for n, _ in enumerate(cases)],
)  # fmt: skip
async def test_bad_input_has_its_stated_answer(case: Case) -> None:
    """And never an open one."""
    await case()


def test_each_answer_is_stated_in_the_documentation() -> None:
    """The table of docs/identity.md has the rows that are tested here, and no others."""
    page = (Path(__file__).parents[2] / "docs/identity.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.split("### Bad input\n")[1].split("\n#")[0].splitlines()
            if line.startswith("|")]  # fmt: skip
    assert rows[2:] == [*CASES, "a claim is a text, a list, a number or an object, and should not be"]


SHAPES: dict[str, Any] = {
    "text": "admin", "list": ["admin"], "number": 7, "object": {"admin": True}, "true": True, "null": None,
    "list of lists": [["admin"]], "list of objects": [{"sub": "admin"}], "empty": "", "mfa": "mfa",
    "list of mfa": ["mfa"],    "moment as text": str(NOW), "list of moments": [NOW],
}  # fmt: skip
OPENED = {  # what a claim of the right shape opens, and nothing else does
    ("permissions", "text"): {"admin"}, ("permissions", "list"): {"admin"},
    ("scope", "text"): {"admin"}, ("scope", "list"): {"admin"}, ("roles", "list"): {"admin"},
    ("roles", "text"): {"admin"},
    ("amr", "list of mfa"): {"mfa"}, ("acr", "text"): {"acr"},
}  # fmt: skip
COMES_IN = {"sub": {"text", "mfa", "moment as text"}, "company_id": {"text", "mfa", "moment as text"},
            "jti": {"text", "mfa", "moment as text", "empty"}, "sid": {"text", "mfa", "moment as text", "empty"},
            "iat": set(), "exp": set(), "iss": set(), "aud": set(), "act": set(), "cnf": set()}  # fmt: skip
NEEDED = {
    "admin": requires("admin"),
    "mfa": requires(mfa=True),
    "acr": requires(acr="admin"),
    "recent": requires(max_age=3600, clock=clock),
}


@pytest.mark.parametrize("claim", [*COMES_IN, "permissions", "scope", "roles", "amr", "acr", "auth_time"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_claim_of_another_shape_opens_nothing(claim: str, shape: str) -> None:
    """It refuses the token where it says who, where or when; elsewhere it grants nothing; and it can be revoked."""
    held = made()
    checked = verifier(revocation=held, acting=Acting(companies={"acme"}))
    sent = token(**{"iat": NOW - 10, claim: SHAPES[shape]})
    if claim in COMES_IN and shape not in COMES_IN[claim]:
        with pytest.raises(TokenError):
            await checked.verify(sent)
        return
    who = await checked.verify(sent)
    opened = set()
    for name, needed in NEEDED.items():
        try:
            needed.check_of(who)
        except (PermissionDeniedError, TokenError):
            continue
        opened.add(name)
    assert opened == OPENED.get((claim, shape), set())
    await held.revoke(subject=who.subject)
    with pytest.raises(TokenError, match="was revoked"):
        await checked.verify(sent)
