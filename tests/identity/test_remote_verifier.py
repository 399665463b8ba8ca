"""A verifier with fetched keys: rotation, outage, dropped keys and several issuers, token by token."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import ConfigurationError, TokenError, TokenVerifier
from tenantguard.identity import Cache
from tenantguard.identity.http import Document, FetchError, Http
from tests.identity.tokens import (
    NOW,
    SECRET,
    claims,
    clock,
    jwk,
    private_pem,
    public_pem,
    rsa_key,
    sign,
    verifier,
)

URL = "https://idp.example/keys"


class Fake(Http):
    """Be a network with one answer, which the test may change."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.count = 0

    async def get(self, url: str) -> Document:
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Document(self.answer)


def remote(http: Http, **settings: Any) -> TokenVerifier:
    """Return a verifier of RS256 that fetches its keys."""
    return verifier(**{"key": None, "jwks_url": URL, "algorithms": ["RS256"], "http": http} | settings)


def signed(name: str, *, kid: str | None = None, **changes: Any) -> str:
    """Return a token signed by the RSA key of that name."""
    header = {"alg": "RS256", "typ": "JWT", "kid": kid or name}
    return sign(claims(**changes), header=header, key=rsa_key(name), algorithm="RS256")


def key_set(*names: str) -> dict[str, Any]:
    """Return the set of the RSA keys of these names."""
    return {"keys": [jwk(rsa_key(name), kid=name, alg="RS256", use="sig") for name in names]}


async def test_a_token_is_verified_with_a_fetched_key() -> None:
    """By its key id."""
    assert (await remote(Fake(key_set("one", "two"))).verify(signed("two"))).tenant == "acme"


async def test_a_key_id_does_not_lead_to_another_key() -> None:
    """The key of that id has to have signed it."""
    with pytest.raises(TokenError, match="signature"):
        await remote(Fake(key_set("one", "two"))).verify(signed("one", kid="two"))


async def test_a_rotation_lets_the_new_key_in_and_the_old_one_out() -> None:
    """A token of the old key is refused though it was verified before: its key is trusted no more."""
    http = Fake(key_set("one"))
    checked = remote(http)
    await checked.verify(signed("one"))
    http.answer = key_set("two")
    await checked.verify(signed("two"))
    with pytest.raises(TokenError):
        await checked.verify(signed("one"))


async def test_a_rotation_of_keys_without_ids_fails_no_request() -> None:
    """The set names none, whatever the tokens say."""
    sets = [{"keys": [jwk(rsa_key(name))]} for name in ("one", "two")]
    http = Fake(sets[0])
    checked = remote(http)
    await checked.verify(signed("one"))
    http.answer = sets[1]
    assert (await checked.verify(signed("two"))).tenant == "acme"
    with pytest.raises(TokenError, match="signature"):
        await checked.verify(signed("one"))


async def test_an_outage_at_the_start_is_a_401_with_a_reason() -> None:
    """For the client a refused token, for the operator the reason."""
    with pytest.raises(TokenError) as caught:
        await remote(Fake(FetchError("gone"))).verify(signed("one"))
    assert (caught.value.code, caught.value.reason) == ("invalid_token", "keys_unavailable")


async def test_garbage_fetches_nothing() -> None:
    """A token that is refused before its signature costs the issuer nothing."""
    http = Fake(key_set("one"))
    for hostile in ("x", "a.b.c", sign(claims()), sign(claims(), header={"alg": "none"})):
        with pytest.raises(TokenError):
            await remote(http).verify(hostile)
    assert http.count == 0


async def test_a_cached_token_is_not_trusted_longer_than_its_key_set() -> None:
    """Otherwise a token seen before would outlive the end of what verified it."""
    now = [NOW]
    http = Fake(key_set("one"))
    cache: Cache[Any] = Cache(clock=lambda: now[0])
    checked = remote(http, cache=cache, clock=lambda: now[0], keys_lifetime=100, keys_stale=50)
    token = signed("one", exp=NOW + 10_000)
    await checked.verify(token)
    known = checked.recall(f"Bearer {token}".encode())
    now[0] = NOW + 151
    assert known is not None
    assert checked.recall(f"Bearer {token}".encode()) is None


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"jwks_url": "http://idp.example/keys"}, "neither https"),
        ({"jwks_url": None, "issuer": "http://idp.example"}, "neither https"),
        ({"jwks_url": None, "issuer": None}, "no key"),
        ({"jwks_url": None, "issuer": ["https://a.example", "https://b.example"]}, "no key"),
        ({"key": SECRET}, "both key and jwks_url"),
        ({"algorithms": ["HS256"]}, "secret cannot be fetched"),
        ({"algorithms": []}, "no algorithm"),
    ],
)
def test_a_source_of_keys_that_is_not_safe_is_refused_at_the_start(settings: Any, fault: str) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match=fault):
        remote(Fake({}), **settings)


def test_all_faults_are_said_at_once() -> None:
    """So that nobody mends one to meet the next."""
    with pytest.raises(ConfigurationError) as caught:
        TokenVerifier(
            algorithms=["none", "HS256", "RS256", "XS1"],
            leeway=-1,
            audience="",
            tenant_claim="",
            most_bytes=10**9,
            speak_for={"acme"},  # type: ignore[call-arg]  # the mistake itself
        )
    for fault in (
        "none",
        "mixed",
        "XS1",
        "leeway",
        "audience",
        "tenant_claim",
        "no key",
        "most_bytes",
        "speak_for",
    ):
        assert fault in str(caught.value)


WEAK: dict[str, tuple[Any, list[str], str]] = {
    "no key": (None, ["HS256"], "no key"),
    "an empty secret": ("", ["HS256"], "empty"),
    "a short secret": ("short", ["HS256"], "5 bytes"),
    "a secret short for its hash": ("k" * 40, ["HS512"], "needs 64"),
    "a public key as a secret": (public_pem(rsa_key()), ["HS256"], "cannot be used with HS256"),
    "a JWK as a secret": (jwk(rsa_key()), ["HS256"], "cannot be used with"),
    "a secret as a public key": (SECRET, ["RS256"], "neither a PEM"),
    "a small RSA key": (public_pem(rsa_key("small", 1024)), ["RS256"], "1024 bits"),
    "a PEM that is none": (
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ["RS256"],
        "cannot be read",
    ),
    "a JWK that is none": ('{"kty":', ["RS256"], "not one"),
    "an RSA key for ES256": (public_pem(rsa_key()), ["ES256"], "cannot be used with ES256"),
    "an empty list": ([], ["RS256"], "holds no key"),
    "an object": (object(), ["RS256"], "cannot be used"),
    "algorithms as one text": (SECRET, "HS256", "list of names"),  # type: ignore[dict-item]  # the mistake itself
    "none": (SECRET, ["none"], "none"),
    "NONE": (SECRET, ["NONE"], "none"),
    "a mix": (SECRET, ["HS256", "RS256"], "mixed"),
}


@pytest.mark.parametrize(("key", "algorithms", "fault"), WEAK.values(), ids=WEAK.keys())
def test_a_weak_or_wrong_key_is_refused_at_the_start(key: Any, algorithms: list[str], fault: str) -> None:
    """With what is wrong about it, and without the key."""
    with pytest.raises(ConfigurationError, match=fault) as caught:
        TokenVerifier(key=key, algorithms=algorithms)
    assert SECRET not in str(caught.value)


GOOD_KEYS: dict[str, Any] = {
    "PEM": public_pem(rsa_key()),
    "PEM in bytes": public_pem(rsa_key()).encode(),
    "PEM with white space": f"\n  {public_pem(rsa_key())}\n",
    "private PEM": private_pem(rsa_key()),
    "JWK": jwk(rsa_key()),
    "JWKS": {"keys": [jwk(rsa_key(), kid="k")]},
    "a key object": rsa_key().public_key(),
    "a list": [public_pem(rsa_key("other")), public_pem(rsa_key())],
}


@pytest.mark.parametrize("key", GOOD_KEYS.values(), ids=GOOD_KEYS.keys())
async def test_a_key_is_taken_in_each_of_its_forms(key: Any) -> None:
    """Text, bytes, JWK, key set, object, list."""
    token = sign(claims(), key=private_pem(rsa_key()), algorithm="RS256")
    assert (await verifier(key=key, algorithms=["RS256"]).verify(token)).tenant == "acme"


ONE, TWO = "https://one.example", "https://two.example"


def both(**changes: Any) -> Any:
    """Return a verifier of two issuers, each with its own key and its own companies."""
    base: dict[str, Any] = {"algorithms": ["RS256"], "audience": "api", "clock": clock}
    return TokenVerifier.any_of(
        TokenVerifier(
            **base | {"key": public_pem(rsa_key("one")), "issuer": ONE, "speaks_for": {"acme"}} | changes
        ),
        TokenVerifier(**base | {"key": public_pem(rsa_key("two")), "issuer": TWO, "speaks_for": "every"}),
        cache=Cache(clock=clock),
    )


async def test_each_issuer_is_verified_by_its_own_key() -> None:
    """And speaks for its companies."""
    told = [
        await both().verify(signed("one", iss=ONE)),
        await both().verify(signed("two", iss=TWO, company_id="globex")),
    ]
    assert [principal.tenant for principal in told] == ["acme", "globex"]


@pytest.mark.parametrize(
    ("key", "issuer", "company", "reason"),
    [
        ("one", ONE, "globex", "issuer_tenant"),
        ("one", TWO, "globex", "signature"),
        ("two", ONE, "acme", "signature"),
        ("one", "https://three.example", "acme", "issuer"),
        ("one", None, "acme", "issuer"),
        ("one", [ONE], "acme", "issuer"),
        ("one", ONE + "/", "acme", "issuer"),
    ],
)
async def test_an_issuer_never_speaks_for_the_companies_of_another(
    key: str, issuer: Any, company: str, reason: str
) -> None:
    """Neither under its own name nor under the other's."""
    with pytest.raises(TokenError) as caught:
        await both().verify(signed(key, iss=issuer, company_id=company))
    assert caught.value.reason == reason


async def test_several_issuers_share_one_look_up() -> None:
    """A token seen before costs the same as with one issuer."""
    checked, token = both(), signed("one", iss=ONE)
    await checked.verify(token)
    assert checked.recall(f"Bearer {token}".encode()).tenant == "acme"


@pytest.mark.parametrize(
    "changes",
    [{"issuer": None}, {"speaks_for": None}, {"issuer": TWO}, {"tenant_type": int, "speaks_for": {1}}],
)
def test_an_issuer_beside_others_must_say_what_it_is(changes: Any) -> None:
    """Who it is, and for whom it may speak."""
    with pytest.raises(ConfigurationError, match="any_of"):
        both(**changes)


def test_any_of_nothing_is_refused() -> None:
    """It would refuse every token, which nobody means."""
    with pytest.raises(ConfigurationError, match="any_of"):
        TokenVerifier.any_of()
