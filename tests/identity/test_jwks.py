"""Key sets by URL: one fetch in flight, renewed early, kept through an outage, never hammered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenantguard import ConfigurationError, TokenError
from tenantguard.identity.http import Document, FetchError
from tenantguard.identity.jwks import RemoteKeys
from tests.identity.tokens import ec_key, jwk, rsa_key

URL = "https://idp.example/keys"
ONE, TWO = jwk(rsa_key("one"), kid="one"), jwk(rsa_key("two"), kid="two")


class Issuer:
    """Be an issuer that the test switches on, off, and over; and the clock."""

    def __init__(self, *keys: dict[str, Any], max_age: float | None = None) -> None:
        self.answer: Any = {"keys": list(keys)}
        self.max_age = max_age
        self.fetches: list[str] = []
        self.now = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.dropped = 0

    async def fetch(self, url: str) -> Document:
        self.fetches.append(url)
        await self.open.wait()
        answer = self.answer.get(url, self.answer)
        if isinstance(answer, Exception):
            raise answer
        return Document(answer, self.max_age)

    def down(self) -> None:
        """Answer no more."""
        self.answer = {URL: FetchError("gone")}

    def drop(self) -> None:
        """Count how often keys were dropped."""
        self.dropped += 1

    def keys(self, **settings: Any) -> RemoteKeys:
        """Return the keys of this issuer."""
        defaults: dict[str, Any] = {"url": URL, "dropped": self.drop, "clock": lambda: self.now}
        return RemoteKeys(self.fetch, frozenset({"RS256"}), **defaults | settings)


async def _ids(keys: RemoteKeys, kid: str | None = None) -> list[str | None]:
    return [key.kid for key in await keys.find(kid)]


async def settled() -> None:
    """Let what runs in the background come to its next wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_request_fetches_and_the_next_do_not() -> None:
    """Within the life of the set."""
    issuer = Issuer(ONE, TWO)
    keys = issuer.keys()
    assert [await _ids(keys, "one"), await _ids(keys, "two"), await _ids(keys)] == [
        ["one"],
        ["two"],
        ["one", "two"],
    ]
    assert issuer.fetches == [URL]


async def test_start_fetches_before_the_first_request() -> None:
    """If it is asked to."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await keys.start()
    await _ids(keys, "one")
    assert len(issuer.fetches) == 1


async def test_start_speaks_when_the_issuer_is_not_there() -> None:
    """A mistake of configuration is said at the start."""
    issuer = Issuer()
    with pytest.raises(ConfigurationError, match="cannot be fetched"):
        await issuer.keys().start()


async def test_one_fetch_is_in_flight_however_many_wait() -> None:
    """All of them get its keys."""
    issuer = Issuer(ONE)
    issuer.open.clear()
    keys = issuer.keys()
    waiting = [asyncio.ensure_future(_ids(keys, "one")) for _ in range(50)]
    await settled()
    issuer.open.set()
    assert await asyncio.gather(*waiting) == [["one"]] * 50
    assert len(issuer.fetches) == 1


async def test_a_request_that_gives_up_does_not_end_the_fetch_of_the_others() -> None:
    """The client that waited first went away."""
    issuer = Issuer(ONE)
    issuer.open.clear()
    keys = issuer.keys()
    first, second = (asyncio.ensure_future(_ids(keys, "one")) for _ in range(2))
    await settled()
    first.cancel()
    issuer.open.set()
    assert await second == ["one"]
    assert len(issuer.fetches) == 1


async def test_a_set_is_renewed_in_the_background_before_its_end() -> None:
    """No request waits for it."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100)
    await _ids(keys)
    issuer.now = 80
    issuer.open.clear()
    assert await _ids(keys, "one") == ["one"]
    issuer.answer = {"keys": [ONE, TWO]}
    issuer.open.set()
    await settled()
    assert await _ids(keys) == ["one", "two"]
    assert len(issuer.fetches) == 2


@pytest.mark.parametrize(("max_age", "life"), [(300.0, 300), (0.0, 60), (1e9, 86400), (None, 600)])
async def test_the_answer_says_how_long_a_set_lives_within_reason(max_age: float | None, life: float) -> None:
    """Neither a moment nor for ever."""
    issuer = Issuer(ONE, max_age=max_age)
    keys = issuer.keys()
    await _ids(keys)
    issuer.now = life * 0.7
    await _ids(keys)
    await settled()
    before = len(issuer.fetches)
    issuer.now = life * 0.8
    await _ids(keys)
    await settled()
    assert (before, len(issuer.fetches)) == (1, 2)


async def test_a_rotation_fails_no_request() -> None:
    """A key id that is unknown is looked for at once, and all who come with it wait for the answer."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await _ids(keys)
    issuer.answer = {"keys": [TWO]}
    issuer.open.clear()
    waiting = [asyncio.ensure_future(_ids(keys, "two")) for _ in range(20)]
    await settled()
    issuer.open.set()
    assert await asyncio.gather(*waiting) == [["two"]] * 20
    assert len(issuer.fetches) == 2


async def test_rotation_upon_rotation_fails_no_request() -> None:
    """A search that found its key does not count against the next one."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    found = [await _ids(keys, "one")]
    for key in (TWO, ONE, TWO):
        issuer.answer = {"keys": [key]}
        found.append(await _ids(keys, key["kid"]))
    assert found == [["one"], ["two"], ["one"], ["two"]]


def _without_id(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name != "kid"}


async def test_a_rotation_without_key_ids_is_looked_for() -> None:
    """It shows in no id; whoever waits for the set that is on its way gets the new key too."""
    issuer = Issuer(_without_id(ONE))
    keys = issuer.keys()
    before = await keys.find(None)
    issuer.answer = {"keys": [_without_id(TWO)]}
    issuer.open.clear()
    waiting = [asyncio.ensure_future(keys.again(None)) for _ in range(20)]
    await settled()
    issuer.open.set()
    found = await asyncio.gather(*waiting)
    assert all(len(one) == 1 and one != before for one in found)
    assert len(issuer.fetches) == 2


async def test_forged_tokens_without_a_key_id_do_not_hammer_the_issuer() -> None:
    """One search per pause."""
    issuer = Issuer(ONE)
    keys = issuer.keys(cooldown=10)
    await _ids(keys)
    assert [await keys.again(None) for _ in range(100)] == [()] * 100
    assert len(issuer.fetches) == 2


async def test_a_key_of_that_id_leaves_nothing_to_look_for() -> None:
    """A forged signature costs the issuer nothing."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await _ids(keys)
    assert await keys.again("one") == ()
    assert len(issuer.fetches) == 1


async def test_unknown_key_ids_do_not_hammer_the_issuer() -> None:
    """However many are made up: one search, and the next after the pause."""
    issuer = Issuer(ONE)
    keys = issuer.keys(cooldown=10)
    await _ids(keys)
    assert [await _ids(keys, f"made-up-{n}") for n in range(100)] == [[]] * 100
    first = len(issuer.fetches)
    issuer.now = 10
    await asyncio.gather(*(_ids(keys, f"made-up-{n}") for n in range(100)))
    assert (first, len(issuer.fetches)) == (2, 3)


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1 --", "|id", "a b", "\n", "x" * 257, "\u0430", ""]
)
async def test_what_is_no_key_id_is_not_looked_for(kid: str) -> None:
    """Nobody issues such ids."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await _ids(keys)
    assert await _ids(keys, kid) == []
    assert len(issuer.fetches) == 1


async def test_the_last_good_set_serves_while_the_issuer_is_down() -> None:
    """For the stated time, and then nothing does."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100, stale=1000)
    await _ids(keys)
    issuer.down()
    found = []
    for issuer.now in (80, 100, 500, 1099):
        found.append(await _ids(keys, "one"))
    assert found == [["one"]] * 4
    issuer.now = 1100
    with pytest.raises(TokenError) as caught:
        await keys.find("one")
    assert caught.value.reason == "keys_unavailable"


async def test_an_issuer_that_comes_back_is_believed_again() -> None:
    """After the pause between two attempts."""
    issuer = Issuer(ONE)
    good = issuer.answer
    keys = issuer.keys(lifetime=100, stale=0, retry=1)
    await _ids(keys)
    issuer.down()
    issuer.now = 200
    with pytest.raises(TokenError):
        await keys.find("one")
    issuer.answer, issuer.now = good, 201
    assert await _ids(keys, "one") == ["one"]


async def test_an_issuer_that_is_down_is_asked_once_per_pause() -> None:
    """Whether there is a set or not."""
    issuer = Issuer(ONE)
    issuer.down()
    keys = issuer.keys(retry=5)
    for _ in range(20):
        with pytest.raises(TokenError):
            await keys.find("one")
    assert len(issuer.fetches) == 1


async def test_an_issuer_that_hangs_makes_nobody_wait_who_has_a_fresh_set() -> None:
    """The renewal hangs in the background."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100)
    await _ids(keys)
    issuer.open.clear()
    issuer.now = 90
    assert [await _ids(keys, "one") for _ in range(5)] == [["one"]] * 5
    await settled()
    assert len(issuer.fetches) == 2
    issuer.open.set()
    await settled()


async def test_an_issuer_that_hangs_makes_nobody_wait_long_who_has_a_stale_set() -> None:
    """The first waits for a moment; once it is known to be down nobody does."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100, patience=0)
    await _ids(keys)
    issuer.open.clear()
    issuer.now = 200
    found = [await _ids(keys, "one") for _ in range(3)]
    issuer.down()
    issuer.open.set()
    await settled()
    issuer.open.clear()
    issuer.now = 300
    found += [await asyncio.wait_for(_ids(keys, "one"), 60) for _ in range(3)]
    assert found == [["one"]] * 6
    await settled()  # the fetch begins in a task of its own, which Python 3.13 may not have started yet
    assert len(issuer.fetches) == 3
    issuer.open.set()
    await settled()


async def test_requests_wait_for_one_late_answer_once() -> None:
    """Who comes later, while it is still not there, is served with the stale set at once."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100, patience=50)
    await _ids(keys)
    issuer.open.clear()
    issuer.now = 200
    first = asyncio.ensure_future(_ids(keys, "one"))
    await settled()
    issuer.now = 250
    assert await asyncio.wait_for(_ids(keys, "one"), 60) == ["one"]
    assert not first.done()
    issuer.open.set()
    assert await first == ["one"]


async def test_a_set_that_is_past_its_life_is_renewed_before_it_serves_again() -> None:
    """After a quiet night: a key that was dropped meanwhile is not trusted once more."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100)
    await _ids(keys)
    issuer.answer, issuer.now = {"keys": [TWO]}, 500
    assert await _ids(keys, "one") == []


LIES: dict[str, Any] = {
    "an empty set": {"keys": []},
    "no set": {},
    "a list of texts": {"keys": ["x"]},
    "a text": {"keys": "x"},
    "null": {"keys": None},
    "a secret": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]},
    "one id for two keys": {"keys": [ONE, {**TWO, "kid": "one"}]},
    "keys for encryption": {"keys": [{**ONE, "use": "enc"}]},
    "keys of another algorithm": {"keys": [{**ONE, "alg": "PS512"}]},
    "keys of another type": {"keys": [jwk(ec_key(), kid="one")]},
    "a private key": {"keys": [{**ONE, "d": "AQAB"}]},
    "a number for an id": {"keys": [{**ONE, "kid": 1}]},
    "garbage in a key": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "one"}]},
    "an object in a key": {"keys": [{"kty": "RSA", "n": {}, "e": [], "kid": "one"}]},
    "an unknown type": {"keys": [{"kty": "quantum", "kid": "one"}]},
    "a thousand keys": {"keys": [{**ONE, "kid": str(n)} for n in range(1000)]},
    "an error that nobody foresaw": {URL: ZeroDivisionError()},
    "html, or ten megabytes": {URL: FetchError("x")},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_an_issuer_that_lies_does_not_replace_the_last_good_set(lie: Any) -> None:
    """Nor does it bring anything into force where there was no set."""
    issuer = Issuer(ONE)
    keys = issuer.keys(lifetime=100)
    good = [await _ids(keys, "one")]
    issuer.answer, issuer.now = lie, 101
    good.append(await _ids(keys, "one"))
    assert good == [["one"], ["one"]]
    with pytest.raises(TokenError):
        await issuer.keys().find("one")


async def test_usable_keys_of_a_mixed_set_are_taken() -> None:
    """Real sets hold keys for encryption and of other algorithms too."""
    issuer = Issuer({**TWO, "use": "enc"}, jwk(ec_key(), kid="e"), {"kty": "quantum"}, ONE)
    assert await _ids(issuer.keys()) == ["one"]


async def test_a_key_that_is_gone_from_the_set_is_told_of() -> None:
    """So that verified tokens are verified again; a new key beside the old ones is no such case."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await _ids(keys)
    issuer.answer = {"keys": [ONE, TWO]}
    await _ids(keys, "two")
    added = issuer.dropped
    issuer.answer = {"keys": [TWO]}
    await _ids(keys, "unknown")
    assert (added, issuer.dropped) == (0, 1)


async def test_a_key_that_is_replaced_under_its_id_is_told_of() -> None:
    """The same name is not the same key."""
    issuer = Issuer(ONE)
    keys = issuer.keys()
    await _ids(keys)
    issuer.answer = {"keys": [{**TWO, "kid": "one"}]}
    await _ids(keys, "unknown")
    assert issuer.dropped == 1


CONFIGURATION = "https://idp.example/.well-known/openid-configuration"


async def test_discovery_leads_to_the_key_set() -> None:
    """By the issuer's own document."""
    issuer = Issuer()
    issuer.answer = {
        CONFIGURATION: {"issuer": "https://idp.example", "jwks_uri": URL},
        URL: {"keys": [ONE]},
    }
    assert await _ids(issuer.keys(url=None, issuer="https://idp.example")) == ["one"]
    assert issuer.fetches == [CONFIGURATION, URL]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": URL},
        {"issuer": "https://idp.example/", "jwks_uri": URL},
        {"jwks_uri": URL},
        {"issuer": "https://idp.example"},
        {"issuer": "https://idp.example", "jwks_uri": "http://idp.example/keys"},
        {"issuer": "https://idp.example", "jwks_uri": "file:///etc/keys"},
        {"issuer": "https://idp.example", "jwks_uri": [URL]},
    ],
)
async def test_a_discovery_document_that_cannot_be_trusted_leads_nowhere(document: Any) -> None:
    """Of another issuer, or to an unsafe place."""
    issuer = Issuer()
    issuer.answer = {CONFIGURATION: document, URL: {"keys": [ONE]}}
    with pytest.raises(TokenError):
        await issuer.keys(url=None, issuer="https://idp.example").find("one")
