"""Signals: a logout or an event revokes what it names, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tenantguard import ConfigurationError, IssuerUnavailableError, Principal, TokenError
from tenantguard.asgi.signals import back_channel_logout, security_events
from tenantguard.audit import MemorySink
from tenantguard.identity import Http, MemoryCutOffs, Revocation, Signals, poll
from tenantguard.identity.cutoffs import Name
from tests.asgi.driver import Reply, request
from tests.identity.tokens import AUDIENCE, ISSUER, NOW, clock, sign, verifier

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
OTHER = "https://other.example"
ADA = {"format": "iss_sub", "iss": ISSUER, "sub": "ada"}
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
EVENT = [(b"content-type", b"application/secevent+jwt")]


class World:
    """Hold a store, and the signals that write into it."""

    def __init__(self, typ: str = "secevent+jwt", **settings: Any) -> None:
        self.store = MemoryCutOffs()
        self.revocation = Revocation(self.store, clock=clock)
        self.signals = Signals(verifier(typ=typ), self.revocation, **settings)

    async def held(self) -> dict[Name, float]:
        """Return the cut-offs."""
        return dict((await self.store.since(-1)).moments)


def logout(**changes: Any) -> str:
    """Return a logout token with changes."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW - 5,
        "jti": "l1",
        "sub": "ada",
        "sid": "s1",
        "events": {LOGOUT: {}},
    }
    return _signed(good | changes, "logout+jwt")


def event(kind: str = f"{CAEP}session-revoked", content: Any = None, **changes: Any) -> str:
    """Return a security event token with changes."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW - 5, "jti": "e1", "sub_id": ADA}
    return _signed(good | {"events": {kind: {} if content is None else content}} | changes, "secevent+jwt")


def _signed(content: dict[str, Any], typ: str) -> str:
    kept = {name: value for name, value in content.items() if value is not ...}
    return sign(kept, header={"typ": typ, "alg": "HS256"})


SESSION, SUBJECT = Name("session", "s1", ISSUER), Name("subject", "ada", ISSUER)


@pytest.mark.parametrize(
    ("changes", "only", "named"),
    [
        ({}, False, {SESSION, SUBJECT}),
        ({}, True, {SESSION}),
        ({"sid": ...}, True, {SUBJECT}),
        ({"sub": ...}, False, {SESSION}),
    ],
)
async def test_a_logout_revokes_what_it_names(changes: dict[str, Any], only: bool, named: set[Name]) -> None:
    """As of the logout: who has signed in since then stays."""
    world = World("logout+jwt", sessions_only=only)
    await world.signals.logout(logout(**changes))
    assert await world.held() == dict.fromkeys(named, NOW - 5)


NO_LOGOUT = {
    "another event": {"events": {f"{CAEP}session-revoked": {}}},
    "an event that is no object": {"events": {LOGOUT: []}},
    "no event": {"events": {}},
    "events that are a list": {"events": [LOGOUT]},
    "an ID token": {"nonce": "n"},
    "nobody": {"sub": ..., "sid": ...},
    "a blank subject": {"sub": " ", "sid": ...},
    "a subject that is a number": {"sub": 5, "sid": ...},
    "no id": {"jti": ...},
    "no time": {"iat": ...},
    "a time to come": {"iat": NOW + 3600},
    "an expired one": {"exp": NOW - 1},
    "another audience": {"aud": "other"},
    "another issuer": {"iss": OTHER},
    "no issuer": {"iss": ...},
}


@pytest.mark.parametrize("changes", NO_LOGOUT.values(), ids=NO_LOGOUT.keys())
async def test_what_is_no_logout_token_revokes_nothing(changes: dict[str, Any]) -> None:
    """Section 2.6 of Back-Channel Logout."""
    world = World("logout+jwt")
    with pytest.raises(TokenError):
        await world.signals.logout(logout(**changes))
    assert await world.held() == {}


@pytest.mark.parametrize("name", ["session-revoked", "credential-change", "token-claims-change"])
async def test_an_event_revokes_its_subject(name: str) -> None:
    """As of its own time, where it says one."""
    world = World()
    assert await world.signals.event(event(CAEP + name, toe=NOW - 60)) == "e1"
    assert await world.held() == {SUBJECT: NOW - 60}


@pytest.mark.parametrize(("direction", "revoked"), [("decrease", True), ("increase", False), (None, True)])
async def test_a_session_of_less_assurance_ends(direction: str | None, revoked: bool) -> None:
    """One of more goes on; where nobody says which, it ends."""
    world = World()
    await world.signals.event(event(f"{CAEP}assurance-level-change", {"change_direction": direction}))
    assert bool(await world.held()) is revoked


ONE_ID, OF_ACME = {"format": "opaque", "id": "s1"}, {"format": "opaque", "id": "acme"}
HERS = {"format": "complex", "user": ADA, "session": ONE_ID, "tenant": OF_ACME}
ALIASES = {"format": "aliases", "identifiers": [ADA, ONE_ID]}
ADDRESS = {"format": "email", "email": "ada@example.com"}
SUBJECTS = {
    "beside the events": (ADA, {}, {SUBJECT}),
    "within the event, as before": (..., {"subject": ADA}, {SUBJECT}),
    "an opaque id": ({"format": "opaque", "id": "ada"}, {}, {SUBJECT}),
    "a session of a user": (HERS, {}, {SESSION, SUBJECT}),
    "a company": ({"format": "complex", "tenant": OF_ACME}, {}, {Name("tenant", "acme", ISSUER)}),
    "aliases": (ALIASES, {}, {SUBJECT, Name("subject", "s1", ISSUER)}),
    "an address": (ADDRESS, {}, {SUBJECT}),
    "of an issuer that it speaks for": ({**ADA, "iss": OTHER}, {}, {Name("subject", "ada", OTHER)}),
}


@pytest.mark.parametrize(("identifier", "content", "named"), SUBJECTS.values(), ids=SUBJECTS.keys())
async def test_subjects_are_read_in_each_format(
    identifier: Any, content: dict[str, Any], named: set[Name]
) -> None:
    """RFC 9493, and the complex subjects of the framework."""
    known = {"ada@example.com": "ada"}
    world = World(speaks_for=[OTHER], resolve=lambda asked: known.get(asked.get("email", "")))
    await world.signals.event(event(content=content, sub_id=identifier))
    assert await world.held() == dict.fromkeys(named, NOW - 5)


async def test_an_event_about_somebody_half_known_is_acted_on_and_refused() -> None:
    """The session ends, and the provider learns that the user is not known, whose other tokens go on."""
    world = World()
    half = {"format": "complex", "user": ADDRESS, "session": ONE_ID}
    with pytest.raises(TokenError, match="a part of the event's subject is not known here"):
        await world.signals.event(event(sub_id=half))
    assert set(await world.held()) == {SESSION}


UNKNOWN = {
    "nobody": {"sub_id": ...},
    "a text": {"sub_id": "ada"},
    "a stranger's address": {"sub_id": {"format": "email", "email": "eve@example.com"}},
    "an issuer that it may not speak for": {"sub_id": {**ADA, "iss": OTHER}},
    "an empty id": {"sub_id": {"format": "opaque", "id": ""}},
    "aliases that are no list": {"sub_id": {"format": "aliases", "identifiers": "ada"}},
    "aliases of nobody": {"sub_id": {"format": "aliases", "identifiers": []}},
    "an access token": {"exp": NOW + 60},
    "one with a subject of its own": {"sub": "ada"},
    "an event that is no object": {"events": {f"{CAEP}session-revoked": True}},
    "no id": {"jti": ...},
    "before time began": {"toe": -1},
}


@pytest.mark.parametrize("changes", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_an_event_about_nobody_is_refused(changes: dict[str, Any]) -> None:
    """Loudly: to acknowledge it would leave in whoever was meant."""
    world = World()
    with pytest.raises(TokenError):
        await world.signals.event(event(**changes))
    assert await world.held() == {}


async def test_a_signal_that_is_replayed_ends_no_new_session() -> None:
    """Its cut-off is there, at the time that it tells."""
    world = World()
    for _ in range(2):
        await world.signals.event(event())
    signed_in_since = Principal("ada", "acme", claims={"iss": ISSUER, "iat": NOW - 1})
    await world.revocation.check(signed_in_since)
    assert await world.held() == {SUBJECT: NOW - 5}


async def test_a_stream_is_verified_and_its_end_is_on_record(record: MemorySink) -> None:
    """Who will be told nothing any more is told that."""
    world = World()
    await world.signals.event(event(f"{SSF}verification", {"state": "x1"}, sub_id=...))
    await world.signals.event(
        event(f"{SSF}stream-updated", {"status": "disabled", "reason": "audit"}, sub_id=...)
    )
    await world.signals.event(event(f"{CAEP}device-compliance-change"))  # an event that nobody asked for
    assert (world.signals.verified, world.signals.stream, await world.held()) == ("x1", "disabled", {})
    assert [(one.kind, one.reason) for one in record.events] == [("signals_stopped", "disabled")]


@pytest.mark.parametrize(
    "changes",
    [{"issuer": None}, {"audience": None}, {"speaks_for": OTHER}],
    ids=["issuer", "audience", "one text"],
)
def test_signals_of_anybody_are_refused_at_the_start(changes: dict[str, Any]) -> None:
    """A verifier that names no issuer takes signals from whoever has the key."""
    spoken = {"speaks_for": changes.pop("speaks_for", ())}
    with pytest.raises(ConfigurationError):
        Signals(verifier(**{"typ": "logout+jwt"} | changes), Revocation(MemoryCutOffs()), **spoken)


# -- over HTTP --


async def _sent(app: Any, headers: Any, body: str, method: str = "POST") -> Reply:
    return await request(app, "/", headers, body=body.encode(), method=method)


async def test_a_logout_is_received() -> None:
    """200, and the answer is kept nowhere."""
    world = World("logout+jwt")
    app = back_channel_logout(world.signals)
    done = await _sent(app, FORM, f"logout_token={logout()}")
    assert (done.status, done.headers["cache-control"], len(await world.held())) == (200, "no-store", 2)


async def test_an_event_is_received() -> None:
    """202 (RFC 8935)."""
    world = World()
    done = await _sent(security_events(world.signals), EVENT, event())
    assert (done.status, done.body, len(await world.held())) == (202, b"", 1)


REFUSED = {
    "another method": (FORM, f"logout_token={logout()}", "GET", 405, {}),
    "another type": (EVENT, logout(), "POST", 415, {}),
    "no token": (FORM, "a=b", "POST", 400, "invalid_request"),
    "two tokens": (FORM, f"logout_token={logout()}&logout_token={logout()}", "POST", 400, "invalid_request"),
    "a wrong one": (FORM, f"logout_token={logout(aud='x')}", "POST", 400, "invalid_request"),
    "too long": (FORM, "logout_token=" + "x" * 70_000, "POST", 413, {}),
    "no text": (FORM, "\u00e9", "POST", 400, "invalid_request"),
    "many fields": (FORM, "&".join(f"a{n}=1" for n in range(50)), "POST", 400, "invalid_request"),
}


@pytest.mark.parametrize(
    ("headers", "body", "method", "status", "told"), REFUSED.values(), ids=REFUSED.keys()
)
async def test_what_is_no_logout_is_answered_and_recorded(
    headers: Any, body: str, method: str, status: int, told: Any, record: MemorySink
) -> None:
    """With the error of the specification."""
    world = World("logout+jwt")
    done = await _sent(back_channel_logout(world.signals), headers, body, method)
    assert (done.status, json.loads(done.body or b"{}").get("error", {})) == (status, told)
    assert await world.held() == {}
    assert [one.kind for one in record.events] == ["token_refused"] * (status == 400)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "x"}, "invalid_audience"),
        ({"iss": OTHER}, "invalid_issuer"),
        ({"sub_id": ...}, "invalid_request"),
    ],
)
async def test_a_refused_event_says_why(changes: dict[str, Any], code: str) -> None:
    """In the codes of RFC 8935."""
    done = await _sent(security_events(World().signals), EVENT, event(**changes))
    assert (done.status, json.loads(done.body)["err"]) == (400, code)


class Lost(MemoryCutOffs):
    """Be a store that takes nothing."""

    async def put(self, moments: Any) -> None:
        raise ConnectionError("the store is gone")


async def test_a_signal_that_cannot_be_stored_is_asked_for_again() -> None:
    """503: the transmitter has to send it once more."""
    signals = Signals(verifier(typ="secevent+jwt"), Revocation(Lost(), clock=clock))
    done = await _sent(security_events(signals), EVENT, event())
    assert (done.status, "retry-after" in done.headers) == (503, True)


# -- polled --


class Transmitter:
    """Be a polling endpoint (RFC 8936)."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    async def __call__(self, asked: httpx.Request) -> httpx.Response:
        assert asked.headers["authorization"] == "Bearer known"
        self.asked.append(json.loads(asked.content))
        answer = {"sets": self.answers.pop(0) if self.answers else {}}
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(answer).encode()))

    async def poll(self, world: World) -> int:
        """Let the receiver ask."""
        http = Http(transport=httpx.MockTransport(self))
        return await poll(world.signals, "https://idp.example/poll", token="known", http=http)


async def test_events_are_polled_and_acknowledged() -> None:
    """Those that are refused are told why; the next question carries the answers to the last."""
    world = World()
    transmitter = Transmitter({"e1": event(), "e2": event(aud="x", jti="e2")}, {"e3": event(jti="e3")})
    assert await transmitter.poll(world) == 2
    assert [asked["ack"] for asked in transmitter.asked] == [[], ["e1"], ["e3"]]
    assert [sorted(asked["setErrs"]) for asked in transmitter.asked] == [[], ["e2"], []]
    assert transmitter.asked[1]["setErrs"]["e2"]["err"] == "invalid_audience"
    assert await world.held() == {SUBJECT: NOW - 5}


async def test_what_cannot_be_stored_is_not_acknowledged() -> None:
    """It is asked for again next time."""
    world = World()
    world.signals = Signals(verifier(typ="secevent+jwt"), Revocation(Lost(), clock=clock))
    transmitter = Transmitter({"e1": event()})
    with pytest.raises(IssuerUnavailableError):
        await transmitter.poll(world)
    assert len(transmitter.asked) == 1
