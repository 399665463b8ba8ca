"""Revocation: a token counts if it is younger than the latest cut-off that applies, whatever else is true."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantguard import (
    ConfigurationError,
    IssuerUnavailableError,
    Principal,
    TenantMiddleware,
    TokenError,
    TokenVerifier,
)
from tenantguard.audit import MemorySink
from tenantguard.identity import (
    Cache,
    IntrospectionVerifier,
    IssuerStore,
    MemoryCutOffs,
    Revocation,
    SQLCutOffs,
)
from tenantguard.identity.cutoffs import KINDS, Changes, CutOffs, Name
from tests.asgi.driver import bearer, request
from tests.asgi.test_middleware import whoami
from tests.identity.test_introspection import GOOD, URL, Issuer
from tests.identity.tokens import ISSUER, NOW, SECRET, clock, token, verifier
from tests.servers import Database

HOUR = 3600.0


class Time:
    """Be both clocks, which the test sets."""

    now = NOW

    def clock(self) -> float:
        return self.now

    def ticks(self) -> float:
        return self.now - NOW


def made(store: CutOffs | None = None, time: Time | None = None, **changes: Any) -> Revocation:
    """Return a revocation whose clocks the test sets."""
    time = time or Time()
    return Revocation(store or MemoryCutOffs(), **{"clock": time.clock, "ticks": time.ticks} | changes)


def principal(issued: Any = NOW, **claims: Any) -> Principal:
    """Return who a token of that moment speaks for."""
    held = {"iss": ISSUER, "jti": "t1", "sid": "s1", "iat": issued} | claims
    kept = {name: value for name, value in held.items() if value is not ...}
    return Principal("ada", "acme", claims=kept)


APPLYING = [
    Name("token", "t1"),
    Name("session", "s1"),
    Name("subject", "ada"),
    Name("tenant", "acme"),
    Name("issuer", ISSUER),
]
APPLYING += [Name(name.kind, name.value, ISSUER) for name in APPLYING[:3]]
OTHERS = [Name("token", "t2"), Name("session", "t1"), Name("subject", "acme"), Name("tenant", "globex"),
          Name("issuer", "https://other.example"), Name("token", "t1", "https://other.example"),
          Name("subject", "ada", "https://other.example"), Name("subject", "Ada"), Name("tenant", "acme ")]  # fmt: skip
MOMENTS = st.integers(-5, 5).map(lambda seconds: NOW - HOUR + seconds)


@settings(max_examples=300, deadline=None)
@given(
    applying=st.dictionaries(st.sampled_from(APPLYING), MOMENTS),
    others=st.dictionaries(st.sampled_from(OTHERS), MOMENTS),
    issued=MOMENTS,
)
async def test_the_latest_of_all_cut_offs_that_apply_decides(
    applying: dict[Name, float], others: dict[Name, float], issued: float
) -> None:
    """Over every combination of kinds, issuers and moments, in whatever order they were made."""
    store = MemoryCutOffs()
    for name, moment in [*applying.items(), *others.items()]:
        await store.put({name: moment})
    passes = all(issued > moment for moment in applying.values())
    revocation = made(store)
    if passes:
        await revocation.check(principal(issued))
        return
    with pytest.raises(TokenError) as caught:
        await revocation.check(principal(issued))
    assert caught.value.reason == "revoked"


@pytest.mark.parametrize("kinds", [c for n in (1, 2, 3, 4, 5) for c in itertools.combinations(KINDS, n)])
async def test_each_combination_of_kinds_holds(kinds: tuple[str, ...]) -> None:
    """Each cut-off in it is the latest once, and the token is younger than all the others."""
    values = {"token": "t1", "session": "s1", "subject": "ada", "tenant": "acme", "issuer": ISSUER}
    for latest in kinds:
        revocation = made()
        for kind in kinds:
            await revocation.revoke(**{kind: values[kind], "at": NOW - (10 if kind == latest else 100)})  # type: ignore[arg-type]
        await revocation.check(principal(NOW - 9))
        with pytest.raises(TokenError, match="revoked"):
            await revocation.check(principal(NOW - 10))
        with pytest.raises(TokenError, match="revoked"):
            await revocation.check(principal(NOW - 50))


async def test_a_company_is_out_by_whatever_token_that_names_it() -> None:
    """One of several, as well; and by a UUID or a number as by a text."""
    revocation = made()
    await revocation.revoke(tenant="globex")
    with pytest.raises(TokenError, match="revoked"):
        await revocation.check(Principal("ada", tenants=("acme", "globex"), claims={"iat": NOW}))
    for tenant in (UUID(int=7), 7):
        await revocation.revoke(tenant=tenant)
        with pytest.raises(TokenError, match="revoked"):
            await revocation.check(Principal("ada", tenant, claims={"iat": NOW}))
    await revocation.check(Principal("ada", 8, claims={"iat": NOW}))
    await revocation.check(Principal("ada", claims={"iat": NOW}))


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "no age": ({"iat": ...}, "iat"),
    "an age that is text": ({"iat": str(NOW)}, "iat"),
    "an age that is true": ({"iat": True}, "iat"),
    "an age that is null": ({"iat": None}, "iat"),
    "an id that is a number": ({"jti": 1}, "revocable"),
    "an id that is null": ({"jti": None}, "revocable"),
    "a session that is a list": ({"sid": ["s1"]}, "revocable"),
    "an issuer that is an object": ({"iss": {}}, "revocable"),
    "older than cut-offs are kept": ({"iat": NOW - 36 * 24 * HOUR}, "revoked"),
}


@pytest.mark.parametrize(("claims", "reason"), ODD.values(), ids=ODD.keys())
async def test_a_token_that_could_not_be_revoked_is_refused(claims: dict[str, Any], reason: str) -> None:
    """Though nothing was revoked yet: nobody could."""
    with pytest.raises(TokenError) as caught:
        await made().check(principal(claims.pop("iat", NOW), **claims))
    assert caught.value.reason == reason


WRONG: list[dict[str, Any]] = [
    {}, {"token": "a", "session": "b"}, {"tenant": "acme", "issuer": ""}, {"subject": 7},
    {"subject": ""}, {"subject": " "}, {"tenant": ""}, {"issuer": ""},
    {"subject": "ada", "issuer": " "}, {"subject": "ada", "at": NOW + 61}, {"subject": "ada", "at": -1},
    {"subject": "ada", "at": float("nan")}, {"subject": "ada", "at": float("inf")}, {"subject": "ada", "at": "now"},
]  # fmt: skip


@pytest.mark.parametrize("named", WRONG)
async def test_what_cannot_be_revoked_is_said_at_once(named: dict[str, Any]) -> None:
    """Nothing, two things, nobody, or in the future: everybody would be out until then."""
    with pytest.raises(ConfigurationError):
        await made().revoke(**named)


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": -1}, {"seconds": 61}, {"on_loss": -1}, {"on_loss": 1e9}, {"timeout": 0}, {"keep": 60}],
)
def test_a_setting_that_leaves_tokens_in_is_refused_at_the_start(wrong: Any) -> None:
    """A store that is read once a day revokes nothing."""
    with pytest.raises(ConfigurationError, match="Revocation"):
        made(**wrong)


@pytest.fixture
async def async_store(async_database: Database) -> AsyncIterator[SQLCutOffs]:
    """Give an empty store behind each asynchronous driver."""
    async with async_database.async_engine() as engine:
        cut_offs = SQLCutOffs(engine)
        await cut_offs.create()
        yield cut_offs


async def holds_of_every_store(cut_offs: CutOffs) -> None:
    """Be what holds of every store."""
    one, other = Name("subject", "ada"), Name("subject", "Ada", "caf\u00e9 \u516c\u53f8 '\"\\ ")
    empty = await cut_offs.since(-1)
    await cut_offs.put({one: NOW - 5.25, other: NOW})
    first = await cut_offs.since(-1)
    assert (empty.moments, first.moments) == ({}, {one: NOW - 5.25, other: NOW})
    assert (await cut_offs.since(first.generation)).moments == {}
    await cut_offs.put({one: NOW - 9})  # an earlier one changes nothing
    await cut_offs.put({Name("subject", "ada "): NOW - 1, other: NOW + 1})
    second = await cut_offs.since(first.generation)
    assert second.generation > first.generation
    assert second.moments == {Name("subject", "ada "): NOW - 1, other: NOW + 1}
    await cut_offs.purge(NOW - 1)
    assert (await cut_offs.since(-1)).moments == second.moments


async def test_a_store_in_memory_keeps_the_later_moment_and_tells_what_changed() -> None:
    """By exact ids."""
    await holds_of_every_store(MemoryCutOffs())


async def test_a_store_in_a_database_does_the_same(database: Database) -> None:
    """On each of them; neither case nor spaces make two ids one."""
    cut_offs = SQLCutOffs(database.create_engine())
    for _ in range(2):  # where the tables are, they stay
        await cut_offs.create()
    await holds_of_every_store(cut_offs)


async def test_a_store_behind_an_asynchronous_driver_does_the_same(async_store: SQLCutOffs) -> None:
    """Each of them."""
    await holds_of_every_store(async_store)


async def test_revocations_at_once_all_hold(database: Database) -> None:
    """From many tasks, through two stores, as two processes have them; the first ones create the generation."""
    stores = [SQLCutOffs(database.create_engine()), SQLCutOffs(database.create_engine())]
    await stores[0].create()
    names = [Name("token", f"t{n}") for n in range(20)]
    await asyncio.gather(*(stores[n % 2].put({name: NOW}) for n, name in enumerate(names)))
    await asyncio.gather(*(stores[n % 2].put({names[0]: NOW + n}) for n in range(10)))
    found = await stores[0].since(-1)
    assert found.moments == dict.fromkeys(names, NOW) | {names[0]: NOW + 9}
    assert found.generation == 30


async def test_another_process_hears_of_it_within_the_stated_seconds() -> None:
    """Tokens seen before, in ``any_of`` and behind the middleware, too."""
    shared, time = MemoryCutOffs(), Time()
    here, there = made(shared, time), made(shared, time, seconds=0.5)
    checked = verifier(revocation=there, clock=time.clock)
    both = TokenVerifier.any_of(
        verifier(revocation=there, speaks_for="every", clock=time.clock),
        verifier(issuer="https://two.example", speaks_for="every"), cache=Cache(clock=time.clock),
    )  # fmt: skip
    sent = token(iat=NOW - 1)
    apps = [TenantMiddleware(whoami, verifier=one) for one in (checked, both)]
    for app in apps:
        assert [(await request(app, "/", bearer(sent))).status for _ in range(2)] == [200, 200]
    await here.revoke(subject="ada")
    time.now += 0.5
    for app in apps:
        assert (await request(app, "/", bearer(sent))).status == 401
    assert (await request(apps[0], "/", bearer(token(iat=NOW + 0.1)))).status == 200


async def test_here_it_holds_when_it_returns() -> None:
    """Whatever was read a moment ago."""
    revocation = made()
    checked = verifier(revocation=revocation)
    sent = token(iat=NOW - 1, jti="t1")
    await checked.verify(sent)
    assert checked.recall(f"Bearer {sent}".encode()) is not None
    await revocation.revoke(token="t1", issuer=ISSUER)
    assert checked.recall(f"Bearer {sent}".encode()) is None
    with pytest.raises(TokenError, match="revoked"):
        await checked.verify(sent)


async def test_the_store_is_read_once_in_its_seconds() -> None:
    """However many tokens come."""

    class Counted(MemoryCutOffs):
        reads = 0

        async def since(self, generation: int) -> Changes:
            self.reads += 1
            await asyncio.sleep(0)
            return await super().since(generation)

    store, time = Counted(), Time()
    checked = verifier(revocation=made(store, time, seconds=0.5), clock=time.clock)
    await asyncio.gather(*(checked.verify(token(iat=NOW, n=n)) for n in range(50)))
    time.now += 0.4
    await asyncio.gather(*(checked.verify(token(iat=NOW, n=n)) for n in range(50)))
    assert store.reads == 1


class Broken(MemoryCutOffs):
    """Be a store that the test breaks."""

    fault: Any = None

    async def since(self, generation: int) -> Changes:
        if self.fault == "hangs":
            await asyncio.Event().wait()
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault if self.fault is not None else await super().since(generation)


FAULTS: dict[str, Any] = {
    "down": ConnectionError("gone"),
    "slow": "hangs",
    "rubbish": Changes("x", {}),  # type: ignore[arg-type]
    "names that are none": Changes(1, {"ada": NOW}),  # type: ignore[dict-item]
    "moments that are none": Changes(1, {Name("subject", "ada"): float("nan")}),
    "moments as text": Changes(1, {Name("subject", "ada"): "now"}),  # type: ignore[dict-item]
    "nothing": 7,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_store_that_is_lost_lets_nobody_in_unless_it_was_stated(
    fault: Any, record: MemorySink
) -> None:
    """For a stated time the last reading serves, on record; cut-offs that were known hold all the while."""
    time = Time()
    strict, lenient = Broken(), Broken()
    closed = made(strict, time, timeout=0.01)
    bounded = made(lenient, time, timeout=0.01, on_loss=10)
    await bounded.revoke(subject="bob")
    for revocation in (closed, bounded):
        await revocation.check(principal())
    strict.fault = lenient.fault = fault
    time.now += 0.5
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError):
            await closed.check(principal())
    for time.now in (NOW + 0.5, NOW + 5, NOW + 10.4):
        await bounded.check(principal())
        with pytest.raises(TokenError, match="revoked"):
            await bounded.check(Principal("bob", "acme", claims={"iat": NOW}))
    time.now = NOW + 10.5
    with pytest.raises(IssuerUnavailableError):
        await bounded.check(principal())
    assert (closed.losses, [event.kind for event in record.events].count("revocation_lost")) == (1, 2)
    strict.fault = lenient.fault = None
    time.now += 2
    for revocation in (closed, bounded):
        await revocation.check(principal())


async def test_a_store_that_never_answered_lets_nobody_in() -> None:
    """Whatever was stated for its loss: there is nothing to go on with."""
    store = Broken()
    store.fault = ConnectionError("gone")
    with pytest.raises(IssuerUnavailableError):
        await made(store, on_loss=10).check(principal())


async def test_a_store_that_was_put_back_revokes_no_less() -> None:
    """What was known stays known, what it holds now is read anew, even when it has caught up with the old count."""
    time = Time()
    before, after = MemoryCutOffs(), MemoryCutOffs()
    store = Switched(before)
    revocation = made(store, time)
    for subject in ("ada", "bob"):
        await before.put({Name("subject", subject): NOW})
    await revocation.check(principal(NOW + 1))
    store.held = after
    await after.put({Name("tenant", "globex"): NOW})
    time.now += 1
    for who in (
        Principal("ada", "acme", claims={"iat": NOW}),
        Principal("eve", "globex", claims={"iat": NOW}),
    ):
        with pytest.raises(TokenError, match="revoked"):
            await revocation.check(who)
    await after.put({Name("token", "t1"): NOW + 1})
    time.now += 300
    with pytest.raises(TokenError, match="revoked"):
        await revocation.check(principal(NOW + 1))


async def test_a_store_is_given_back_what_it_lost() -> None:
    """By whoever still knows it; a process that starts later reads it there."""
    time, store = Time(), Switched(MemoryCutOffs())
    revocation = made(store, time)
    await store.put({Name("subject", "ada"): NOW, Name("subject", "bob"): NOW - 100 * 24 * HOUR})
    await revocation.check(Principal("eve", "acme", claims={"iat": NOW}))
    store.held = MemoryCutOffs()
    time.now += 1
    await revocation.check(Principal("eve", "acme", claims={"iat": NOW}))
    assert (await store.since(-1)).moments == {Name("subject", "ada"): NOW}


class Ringing(MemoryCutOffs):
    """Be a store that tells of what is new, and whose readings the test holds up."""

    ring: Callable[[], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()

    def listen(self, ring: Callable[[], None]) -> None:
        """Note what is to be called."""
        self.ring = ring

    async def since(self, generation: int) -> Changes:
        """Answer with what was there when it was asked."""
        found = await super().since(generation)
        await self.open.wait()
        return found

    async def tell(self, subject: str) -> None:
        """Put a cut-off in, and say so, as another process would."""
        await self.put({Name("subject", subject): NOW})
        assert self.ring is not None
        self.ring()


async def test_a_store_that_tells_of_a_cut_off_is_read_at_once() -> None:
    """However long its last reading would hold, and by tokens seen before, too."""
    store, time = Ringing(), Time()
    checked = verifier(revocation=made(store, time, seconds=60), clock=time.clock)
    sent = token(iat=NOW - 1)
    await checked.verify(sent)
    assert checked.recall(f"Bearer {sent}".encode()) is not None
    await store.tell("ada")
    assert checked.recall(f"Bearer {sent}".encode()) is None
    with pytest.raises(TokenError, match="revoked"):
        await checked.verify(sent)


async def test_what_is_told_while_the_store_is_read_is_read_as_well() -> None:
    """Neither who waits for that reading's end nor who comes later takes it for the last word."""
    store, time = Ringing(), Time()
    revocation = made(store, time, seconds=60)
    store.open.clear()
    first = asyncio.create_task(revocation.check(principal()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.tell("ada")
    second = asyncio.create_task(revocation.check(principal()))
    await asyncio.sleep(0)
    store.open.set()
    await asyncio.wait([first, second])
    assert [str(task.exception()) for task in (first, second)][1].startswith("the token was revoked")
    with pytest.raises(TokenError, match="revoked"):
        await revocation.check(principal())


async def test_what_is_told_while_the_store_fails_is_read_as_soon_as_it_is_back() -> None:
    """Not when the last reading would have ended."""
    store, time = Ringing(), Time()
    revocation = made(store, time, seconds=60, timeout=0.01)
    await revocation.check(principal())
    store.open.clear()
    await store.tell("ada")
    time.now += 1
    await revocation.check(principal())
    store.open.set()
    time.now += 1
    with pytest.raises(TokenError, match="revoked"):
        await revocation.check(principal())


class Switched:
    """Be a store behind which another one may be put."""

    def __init__(self, held: CutOffs) -> None:
        self.held = held

    async def put(self, moments: Mapping[Name, float]) -> None:
        await self.held.put(moments)

    async def since(self, generation: int) -> Changes:
        return await self.held.since(generation)

    async def purge(self, before: float) -> None:
        await self.held.purge(before)


async def test_cut_offs_are_forgotten_when_no_token_can_be_as_old() -> None:
    """In the store and here; what they kept out is too old by then."""
    store, time = MemoryCutOffs(), Time()
    revocation = made(store, time, keep=2 * HOUR)
    await revocation.revoke(subject="ada")
    time.now += 2 * HOUR + 1
    await revocation.purge()
    await revocation.revoke(subject="bob")
    assert (await store.since(-1)).moments == {Name("subject", "bob"): time.now}
    assert set(revocation._known) == {Name("subject", "bob")}
    with pytest.raises(TokenError, match="older than"):
        await revocation.check(principal(NOW))


async def test_an_opaque_token_is_revoked_as_others_are() -> None:
    """Before the issuer says so itself."""
    revocation = made()
    checked = IntrospectionVerifier(
        URL, client=("a", "b"), http=Issuer(GOOD | {"iat": NOW - 1}), clock=clock, revocation=revocation
    )
    await checked.verify("0paque")
    await revocation.revoke(tenant="acme")
    assert checked.recall(b"Bearer 0paque") is None
    with pytest.raises(TokenError, match="revoked"):
        await checked.verify("0paque")


async def test_an_issuer_of_a_store_may_bring_its_revocation() -> None:
    """Though the short way was taken before it was found."""
    revocation = made()

    async def find(issuer: str) -> dict[str, Any]:
        return {"key": SECRET, "algorithms": ["HS256"], "audience": "api", "issuer": ISSUER, "speaks_for": "every",
                "revocation": revocation}  # fmt: skip

    checked = IssuerStore(find, clock=clock)
    recall, sent = checked.recall, token(iat=NOW - 1)
    await checked.verify(sent)
    assert recall(f"Bearer {sent}".encode()) is not None
    await revocation.revoke(issuer=ISSUER)
    assert recall(f"Bearer {sent}".encode()) is None
    with pytest.raises(TokenError, match="revoked"):
        await checked.verify(sent)


async def test_a_revocation_is_on_record(record: MemorySink) -> None:
    """With its kind, and with no one's id but the company's."""
    revocation = made()
    await revocation.revoke(subject="ada")
    await revocation.revoke(tenant="acme")
    told = [(event.kind, event.reason, event.tenant, event.subject) for event in record.events]
    assert told == [("revoked", "subject", None, None), ("revoked", "tenant", "acme", None)]


@pytest.mark.parametrize("engine", [None, "sqlite://", object()])
def test_a_store_of_no_engine_is_refused_at_the_start(engine: Any) -> None:
    """Not when somebody is to be put out."""
    with pytest.raises(ConfigurationError, match="needs an engine"):
        SQLCutOffs(engine)
