"""An issuer that rotates, hangs, lies and dies while many requests come: none of a good token fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tenantguard import TenantMiddleware, TokenError
from tenantguard.identity.http import Document, FetchError, Http
from tests.asgi.driver import bearer, request
from tests.asgi.test_middleware import guarded
from tests.identity.test_jwks import settled
from tests.identity.test_remote_verifier import key_set, remote, signed

MANY = 20
LIES: dict[str, Any] = {
    "an empty set": {"keys": []},
    "no set": {"error": "maintenance"},
    "a secret": {"keys": [{"kty": "oct", "k": "A" * 43, "kid": "one"}]},
    "a private key": {"keys": [key_set("one")["keys"][0] | {"d": "AQAB"}]},
    "one id for two keys": {
        "keys": [key["keys"][0] | {"kid": "one"} for key in map(key_set, ("one", "two"))]
    },
    "keys for encryption": {"keys": [key_set("one")["keys"][0] | {"use": "enc"}]},
    "keys of another algorithm": {"keys": [key_set("one")["keys"][0] | {"alg": "RS512"}]},
    "what is no JSON": FetchError("the server does not answer with one JSON object"),
    "an error nobody thought of": RuntimeError("out of memory"),
}


class Unruly(Http):
    """Be the network before an issuer that the test makes wait and lie; count what is in flight."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.open = asyncio.Event()
        self.open.set()
        self.fetches = self.flying = self.most = 0

    async def get(self, url: str) -> Document:
        self.fetches += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            await self.open.wait()
            if isinstance(self.answer, Exception):
                raise self.answer
            return Document(self.answer)
        finally:
            self.flying -= 1


def behind(http: Http, **settings: Any) -> TenantMiddleware:
    """Return an application behind a verifier that fetches its keys from there."""
    return guarded(verifier=remote(http, **settings))


def tokens(name: str) -> list[str]:
    """Return many different tokens, so that none is known from before."""
    return [signed(name, jti=str(n)) for n in range(MANY)]


async def statuses(app: TenantMiddleware, sent: Sequence[str]) -> set[int | None]:
    """Send all of these tokens at once and return how they were answered."""
    replies = await asyncio.gather(*(request(app, "/", bearer(token)) for token in sent))
    return {reply.status for reply in replies}


async def test_a_rotation_in_the_middle_of_many_requests_fails_none() -> None:
    """Tokens of the old key and of the new one, all at once, with one fetch in flight."""
    http = Unruly(key_set("one"))
    app = behind(http)
    assert await statuses(app, tokens("one")) == {200}
    http.answer = key_set("one", "two")
    assert await statuses(app, tokens("one") + tokens("two")) == {200}
    assert (http.fetches, http.most) == (2, 1)


async def test_an_issuer_that_hangs_holds_up_no_token_of_a_known_key() -> None:
    """Only who needs the new key waits, and has it in the end."""
    http = Unruly(key_set("one"))
    app = behind(http)
    assert await statuses(app, tokens("one")) == {200}
    http.answer = key_set("one", "two")
    http.open.clear()
    waiting = asyncio.ensure_future(statuses(app, tokens("two")))
    await settled()
    assert await statuses(app, tokens("one")) == {200}
    assert not waiting.done()
    http.open.set()
    assert await waiting == {200}
    assert (http.fetches, http.most) == (2, 1)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_an_issuer_that_lies_or_dies_fails_no_request_and_is_believed_again(lie: Any) -> None:
    """Meanwhile the last good set serves, and what it did not sign is refused."""
    http = Unruly(key_set("one"))
    app = behind(http, keys_cooldown=0)
    assert await statuses(app, tokens("one")) == {200}
    http.answer = lie
    assert await statuses(app, tokens("two")) == {401}
    assert await statuses(app, [signed("one", jti=str(n), company_id="globex") for n in range(MANY)]) == {200}
    http.answer = key_set("two")
    assert await statuses(app, tokens("two")) == {200}
    assert http.most == 1


async def test_made_up_key_ids_among_good_tokens_cost_one_fetch() -> None:
    """However many are sent, and no good token is refused for them."""
    http = Unruly(key_set("one"))
    app = behind(http)
    assert await statuses(app, tokens("one")) == {200}
    forged = [signed("two", kid=f"made-up-{n}") for n in range(MANY)]
    good, bad = await asyncio.gather(
        statuses(app, [signed("one", jti=f"again-{n}") for n in range(MANY)]), statuses(app, forged)
    )
    assert (good, bad, http.fetches) == ({200}, {401}, 2)


async def test_an_issuer_that_stays_away_fails_closed() -> None:
    """When the last good set may serve no longer, tokens seen before are refused as well."""
    http = Unruly(key_set("one"))
    checked = remote(http, keys_lifetime=0, keys_stale=0)
    with pytest.raises(TokenError) as caught:
        await checked.verify(signed("one"))
    assert caught.value.reason == "keys_unavailable"
    assert checked.recall(f"Bearer {signed('one')}".encode()) is None
