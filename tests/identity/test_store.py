"""Issuers from a store: added, changed and removed while running, and trusted with no more than they state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tenantguard import (
    ConfigurationError,
    IssuerUnavailableError,
    TenantMiddleware,
    TokenError,
    TokenVerifier,
)
from tenantguard.identity import Cache, IssuerStore
from tests.asgi.driver import bearer, request
from tests.asgi.test_middleware import whoami
from tests.identity.test_jwks import settled
from tests.identity.test_remote_verifier import Fake, key_set, signed
from tests.identity.tokens import NOW, clock, public_pem, rsa_key

ONE, TWO = "https://one.example", "https://two.example"


def settings(name: str = "one", **changes: Any) -> dict[str, Any]:
    """Return what a store holds of the issuer that signs with the key of that name."""
    made: dict[str, Any] = {
        "key": public_pem(rsa_key(name)), "algorithms": ["RS256"], "audience": "api", "leeway": 0,
        "issuer": f"https://{name}.example", "speaks_for": {"acme"},
    }  # fmt: skip
    return {name: value for name, value in (made | changes).items() if value is not ...}


class Store:
    """Be a store that the test fills, slows down and breaks; and the clock."""

    def __init__(self, *held: dict[str, Any]) -> None:
        self.rows: dict[str, Any] = {row["issuer"]: row for row in held}
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.now = NOW
        self.open = asyncio.Event()
        self.open.set()

    async def find(self, issuer: str) -> Mapping[str, Any] | None:
        self.asked.append(issuer)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        found: Mapping[str, Any] | None = self.rows.get(issuer)
        return found

    def verifier(self, **changes: Any) -> IssuerStore:
        """Return what looks issuers up here."""
        made: dict[str, Any] = {"clock": lambda: self.now, "http": Fake(key_set("one", "two"))} | changes
        return IssuerStore(self.find, **made)


async def test_an_issuer_is_added_while_running() -> None:
    """Its first token is refused before, and taken when the store's answer has run out."""
    store = Store()
    checked = store.verifier(seconds=60)
    with pytest.raises(TokenError, match="not in the store"):
        await checked.verify(signed("one", iss=ONE))
    store.rows[ONE] = settings()
    with pytest.raises(TokenError, match="not in the store"):
        await checked.verify(signed("one", iss=ONE))
    store.now += 60
    assert (await checked.verify(signed("one", iss=ONE))).tenant == "acme"
    assert store.asked == [ONE, ONE]


async def test_an_issuer_that_is_removed_takes_its_tokens_along() -> None:
    """Those that were seen before, too, when the store's answer has run out."""
    store = Store(settings())
    checked = store.verifier(seconds=60)
    made = signed("one", iss=ONE)
    await checked.verify(made)
    del store.rows[ONE]
    known = checked.recall(f"Bearer {made}".encode())
    store.now += 60
    assert known is not None
    assert checked.recall(f"Bearer {made}".encode()) is None
    with pytest.raises(TokenError, match="not in the store"):
        await checked.verify(made)


async def test_settings_that_change_hold_for_tokens_seen_before() -> None:
    """A key that was replaced verifies nothing more; the same settings keep their verifier."""
    store = Store(settings())
    checked = store.verifier(seconds=60)
    made = signed("one", iss=ONE)
    await checked.verify(made)
    first = await checked.member(ONE)
    store.now += 60
    again = await checked.member(ONE)
    store.rows[ONE]["key"] = public_pem(rsa_key("two"))
    store.now += 60
    with pytest.raises(TokenError, match="signature"):
        await checked.verify(made)
    assert first is again is not None


async def test_each_issuer_speaks_for_its_own_companies() -> None:
    """As where the application states it."""
    store = Store(settings(), settings("two", speaks_for={"globex"}))
    checked = store.verifier()
    assert (await checked.verify(signed("two", iss=TWO, company_id="globex"))).tenant == "globex"
    for key, issuer, company in (("one", ONE, "globex"), ("one", TWO, "globex"), ("two", ONE, "acme")):
        with pytest.raises(TokenError):
            await checked.verify(signed(key, iss=issuer, company_id=company))


async def test_keys_of_a_found_issuer_are_fetched() -> None:
    """By discovery or from a URL, over one network for all."""
    store = Store(settings(key=..., jwks_url="https://one.example/keys"))
    assert (await store.verifier().verify(signed("one", iss=ONE))).tenant == "acme"


UNTRUSTED = {
    "no speaks_for": settings(speaks_for=...),
    "another issuer": settings(issuer=TWO),
    "two issuers": settings(issuer=[ONE, TWO]),
    "another tenant_type": settings(tenant_type=int, speaks_for={1}),
    "a weak key": settings(key="short", algorithms=["HS256"]),
    "an argument that there is not": settings(keys="one"),
    "keys on this machine": settings(key=..., jwks_url="http://127.0.0.1:8500/keys"),
    "keys on its link": settings(key=..., jwks_url="https://169.254.169.254/keys"),
    "keys inside of the network": settings(key=..., jwks_url="https://10.0.0.1/keys"),
}


@pytest.mark.parametrize("row", UNTRUSTED.values(), ids=UNTRUSTED.keys())
async def test_what_the_store_holds_is_trusted_no_further_than_it_should(row: dict[str, Any]) -> None:
    """Nobody comes in by it, and it is no fault of the token."""
    store = Store()
    store.rows[ONE] = row
    with pytest.raises(IssuerUnavailableError):
        await store.verifier().verify(signed("one", iss=ONE))


@pytest.mark.parametrize(
    "iss", [None, "", 7, [ONE], {"a": 1}, "x" * 257, "https://one.example\n", "\u0430", ...]
)
async def test_what_is_no_issuer_is_not_looked_up(iss: Any) -> None:
    """The store is not bothered."""
    store = Store(settings())
    with pytest.raises(TokenError):
        await store.verifier().verify(signed("one", iss=iss))
    assert store.asked == []


async def test_a_store_that_fails_keeps_known_issuers_for_its_time() -> None:
    """And lets nobody new in; the client may try again."""
    store = Store(settings())
    checked = store.verifier(seconds=60, stale=300)
    await checked.verify(signed("one", iss=ONE))
    store.error = ConnectionError("the database is gone")
    for store.now in (NOW + 60, NOW + 359):
        assert (await checked.verify(signed("one", iss=ONE, jti=str(store.now)))).tenant == "acme"
    with pytest.raises(IssuerUnavailableError, match="does not answer"):
        await checked.verify(signed("two", iss=TWO))
    store.now = NOW + 365
    with pytest.raises(IssuerUnavailableError, match="does not answer"):
        await checked.verify(signed("one", iss=ONE))


async def test_one_question_about_an_issuer_is_under_way() -> None:
    """However many tokens wait for it."""
    store = Store(settings())
    store.open.clear()
    checked = store.verifier()
    waiting = [asyncio.ensure_future(checked.verify(signed("one", iss=ONE, jti=str(n)))) for n in range(20)]
    await settled()
    store.open.set()
    assert {principal.tenant for principal in await asyncio.gather(*waiting)} == {"acme"}
    assert store.asked == [ONE]


async def test_made_up_issuers_keep_nobody_out() -> None:
    """They are asked about a few at a time, and push out no issuer that was found."""
    store = Store(settings())
    checked = store.verifier(most=10)
    await checked.verify(signed("one", iss=ONE))
    store.open.clear()
    junk = [asyncio.ensure_future(checked.member(f"https://junk{n}.example")) for n in range(100)]
    await settled()
    assert len(store.asked) == 21
    assert (await checked.verify(signed("one", iss=ONE))).tenant == "acme"
    store.open.set()
    answers = await asyncio.gather(*junk, return_exceptions=True)
    assert {type(answer) for answer in answers} == {type(None), IssuerUnavailableError}
    assert (await checked.verify(signed("one", iss=ONE))).tenant == "acme"
    assert store.asked.count(ONE) == 1


async def test_a_store_stands_beside_stated_issuers() -> None:
    """Which it cannot take the place of, whatever it holds."""
    stated = TokenVerifier(**settings("two", speaks_for={"globex"}), clock=clock)
    store = Store(settings(), settings("one", issuer=TWO))
    both = TokenVerifier.any_of(store.verifier(), stated, cache=Cache(clock=clock))
    assert (await both.verify(signed("one", iss=ONE))).tenant == "acme"
    assert (await both.verify(signed("two", iss=TWO, company_id="globex"))).tenant == "globex"
    with pytest.raises(TokenError, match="signature"):
        await both.verify(signed("one", iss=TWO))


def test_one_store_stands_beside_others() -> None:
    """The second would never be asked."""
    with pytest.raises(ConfigurationError, match="look up their issuers"):
        TokenVerifier.any_of(Store().verifier(), Store().verifier())


async def test_the_middleware_takes_a_store_as_its_verifier() -> None:
    """With the short way for tokens seen before, and the end that the issuer's own settings give."""
    store = Store(settings(leeway=7))
    checked = store.verifier()
    app = TenantMiddleware(whoami, verifier=checked)
    replies = [await request(app, "/", bearer(signed("one", iss=ONE))) for _ in range(2)]
    assert [reply.body for reply in replies] == [b"acme"] * 2
    assert checked.ends(await checked.verify(signed("one", iss=ONE))) == NOW + 607


@pytest.mark.parametrize(
    "wrong", [{"seconds": -1}, {"seconds": 1e9}, {"stale": -1}, {"most": 0}, {"most_bytes": 0}]
)
def test_a_setting_that_is_out_of_range_is_refused_at_the_start(wrong: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="IssuerStore"):
        Store().verifier(**wrong)
