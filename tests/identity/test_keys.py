"""Key sets: what is usable of one is used, each key for its own issuer, type and algorithm."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa

from tenantguard import ConfigurationError, TokenError, TokenVerifier
from tenantguard.identity import presets
from tenantguard.identity.key_reading import key_set, static_keys
from tenantguard.identity.keys import ASYMMETRIC
from tests.identity.test_remote_verifier import Fake, remote
from tests.identity.tokens import (
    b64,
    claims,
    clock,
    ec_key,
    ed_key,
    jwk,
    rsa_key,
    sign,
    verifier,
)

GOOD = jwk(rsa_key("one"), kid="one", use="sig")
OCT = {"kty": "oct", "kid": "s", "k": b64(b"k" * 32)}
USELESS: dict[str, Any] = {
    "a secret": OCT,
    "a secret of the same id": OCT | {"kid": "one"},
    "a text": "x",
    "null": None,
    "a list": [],
    "an empty object": {},
    "a private key": jwk(rsa_key("two"), kid="two", d="AQAB"),
    "a private key without d": jwk(rsa_key("two"), kid="two", p="AQAB", q="AQAB"),
    "a weak key": jwk(rsa_key("small", 1024), kid="small"),
    "a key of an unknown type": {"kty": "quantum", "kid": "q"},
    "a type that is a list": {"kty": ["RSA"], "kid": "q"},
    "a type that is an object": {"kty": {"RSA": 1}, "kid": "q"},
    "a key for encryption": jwk(rsa_key("two"), kid="two", use="enc"),
    "a key for encryption of the same id": jwk(rsa_key("two"), kid="one", use="enc"),
    "a key that only signs": jwk(rsa_key("two"), kid="two", key_ops=["sign"]),
    "an id that is a number": jwk(rsa_key("two"), kid=1),
    "an issuer that is a list": jwk(rsa_key("two"), kid="two", issuer=["x"]),
    "numbers for numbers": {"kty": "RSA", "n": 1, "e": 2, "kid": "n"},
    "a modulus of megabits": {"kty": "RSA", "n": "A" * 400_000, "e": "AQAB", "kid": "n"},
    "an exponent that costs time": jwk(rsa_key("two"), kid="two", e=b64(b"\x01" + b"\x00" * 200 + b"\x01")),
    "an even exponent": jwk(rsa_key("two"), kid="two", e=b64(b"\x02")),
    "a point off its curve": jwk(ec_key(), kid="e", x=b64(b"\x01" * 32)),
}


@pytest.mark.parametrize("entry", USELESS.values(), ids=USELESS.keys())
@pytest.mark.parametrize("first", [True, False])
async def test_one_useless_entry_harms_no_other(entry: Any, first: bool) -> None:
    """Wherever it stands; and it verifies nothing."""
    keys = [entry, GOOD] if first else [GOOD, entry]
    assert [key.kid for key in key_set({"keys": keys}, ASYMMETRIC)] == ["one"]
    token = sign(claims(), header={"alg": "RS256", "kid": "one"}, key=rsa_key("one"), algorithm="RS256")
    assert (await remote(Fake({"keys": keys})).verify(token)).tenant == "acme"


def test_a_key_that_was_published_with_its_private_half_is_of_no_use() -> None:
    """Under whatever id its public half stands beside it."""
    keys = [GOOD, jwk(rsa_key("two"), kid="a", d="AQAB"), jwk(rsa_key("two"), kid="b")]
    assert [key.kid for key in key_set({"keys": keys}, ASYMMETRIC)] == ["one"]


async def test_keys_of_different_types_may_share_an_id() -> None:
    """The algorithm says which is meant (RFC 7517 section 4.5)."""
    keys = {"keys": [jwk(key, kid="2026") for key in (rsa_key("one"), ec_key(), ed_key())]}
    checked = remote(Fake(keys), algorithms=["RS256", "ES256", "EdDSA"])
    for key, algorithm in ((rsa_key("one"), "RS256"), (ec_key(), "ES256"), (ed_key(), "EdDSA")):
        token = sign(claims(), header={"alg": algorithm, "kid": "2026"}, key=key, algorithm=algorithm)
        assert (await checked.verify(token)).tenant == "acme"
    for key, algorithm in ((ec_key("other"), "ES256"), (rsa_key("two"), "RS256")):
        forged = sign(claims(), header={"alg": algorithm, "kid": "2026"}, key=key, algorithm=algorithm)
        with pytest.raises(TokenError, match="signature"):
            await checked.verify(forged)


def test_keys_of_one_type_that_share_an_id_are_of_no_use() -> None:
    """Nobody can say which is meant; the same key twice is no such case, and the others serve."""
    twice = [jwk(ec_key("a"), kid="e"), jwk(ec_key("b"), kid="e")]
    assert [key.kid for key in key_set({"keys": [*twice, GOOD, GOOD]}, ASYMMETRIC)] == ["one", "one"]
    with pytest.raises(ConfigurationError, match="named twice"):
        key_set({"keys": twice}, ASYMMETRIC)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ({"keys": [GOOD, OCT]}, "mixes secrets"),
        ({"keys": [jwk(ec_key("a"), kid="e"), jwk(ec_key("b"), kid="e")]}, "named twice"),
        ([jwk(ec_key("a"), kid="e"), jwk(ec_key("b"), kid="e")], "named twice"),
    ],
)
def test_a_key_set_that_the_application_gives_is_whole(source: Any, fault: str) -> None:
    """A fault in it is a mistake of the set-up, and is said at the start."""
    with pytest.raises(ConfigurationError, match=fault):
        static_keys(source, ASYMMETRIC)


def test_keys_that_the_application_gives_may_share_an_id_across_types() -> None:
    """As those of a set may."""
    keys = [jwk(rsa_key("one"), kid="2026"), jwk(ec_key(), kid="2026")]
    assert len(static_keys(keys, ASYMMETRIC)) == len(static_keys({"keys": keys}, ASYMMETRIC)) == 2


ED448 = ed448.Ed448PrivateKey.generate()


@pytest.mark.parametrize(
    ("allowed", "named", "key", "passes"),
    [
        (["Ed25519"], "Ed25519", ed_key(), True),
        (["Ed448"], "Ed448", ED448, True),
        (["EdDSA", "Ed25519"], "EdDSA", ed_key(), True),
        (["EdDSA", "Ed25519"], "Ed25519", ed_key(), True),
        (["EdDSA"], "EdDSA", ED448, True),
        (["EdDSA"], "Ed25519", ed_key(), False),
        (["Ed25519"], "EdDSA", ed_key(), False),
        (["Ed448", "Ed25519"], "Ed25519", ED448, False),
        (["Ed448", "Ed25519"], "Ed448", ed_key(), False),
    ],
)
@pytest.mark.parametrize("alg", [None, "EdDSA", "its curve"])
async def test_an_algorithm_may_say_its_curve(
    allowed: list[str], named: str, key: Any, passes: bool, alg: str | None
) -> None:
    """RFC 9864: the name in the token's header has to be accepted, and be that of the key's curve."""
    made = sign(claims(), header={"alg": named}, key=key, algorithm="EdDSA")
    public = _edwards(key)
    if alg is not None:
        public["alg"] = alg if alg == "EdDSA" else public["crv"]
    if passes:
        assert (await verifier(key=public, algorithms=allowed).verify(made)).tenant == "acme"
        return
    with pytest.raises((TokenError, ConfigurationError)):
        await verifier(key=public, algorithms=allowed).verify(made)


def test_a_key_is_of_the_curve_that_its_algorithm_says() -> None:
    """Otherwise one of the two is a mistake."""
    with pytest.raises(ConfigurationError, match="another curve"):
        static_keys(_edwards(ed_key()) | {"alg": "Ed448"}, frozenset({"Ed448", "Ed25519"}))


def _edwards(key: Any) -> dict[str, Any]:
    raw = key.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed448" if len(raw) == 57 else "Ed25519", "x": b64(raw)}


PLACE = "https://login.microsoftonline.com"
ACME, GLOBEX = "6e74172b-be56-4843-9ff4-e66a39bb12e3", "72f988bf-86f1-41af-91ab-2d7cd011db47"


def entra(directory: str, key: str, tid: str | None = None, **settings: Any) -> tuple[TokenVerifier, str]:
    """Return a verifier of Entra's tokens, and one of a directory that was signed by a key."""
    keys = {
        "keys": [
            jwk(rsa_key("every"), kid="every", issuer=f"{PLACE}/{{tenantid}}/v2.0"),
            jwk(rsa_key("globex"), kid="globex", issuer=f"{PLACE}/{GLOBEX}/v2.0"),
            jwk(rsa_key("nobody"), kid="nobody"),
            jwk(rsa_key("odd"), kid="odd", issuer=f"{PLACE}/{{other}}/v2.0"),
        ]
    }
    payload = claims(iss=f"{PLACE}/{directory}/v2.0", tid=tid or directory, ver="2.0", company_id=...)
    token = sign(payload, header={"alg": "RS256", "kid": key}, key=rsa_key(key), algorithm="RS256")
    preset: Any = presets.entra(audience="api") | settings
    return TokenVerifier(**preset, http=Fake(keys), clock=clock), token


@pytest.mark.parametrize(
    ("directory", "key", "passes"),
    [
        (ACME, "every", True),
        (GLOBEX, "every", True),
        (GLOBEX, "globex", True),
        (ACME, "nobody", True),
        (ACME, "globex", False),
        (ACME, "odd", False),
    ],
)
async def test_a_key_verifies_tokens_of_the_issuer_that_its_set_names(
    directory: str, key: str, passes: bool
) -> None:
    """Entra ID publishes the keys of many directories in one set."""
    checked, token = entra(directory, key)
    if passes:
        assert (await checked.verify(token)).tenant == directory
        return
    with pytest.raises(TokenError) as caught:
        await checked.verify(token)
    assert caught.value.reason == "issuer"


async def test_the_issuer_of_a_key_holds_for_given_keys_too() -> None:
    """And for a verifier that states no issuer."""
    keys = {"keys": [jwk(rsa_key("one"), kid="one", issuer="https://one.example")]}
    checked = verifier(key=keys, algorithms=["RS256"], issuer=None)
    for issuer, passes in (("https://one.example", True), ("https://two.example", False), (None, False)):
        header = {"alg": "RS256", "kid": "one"}
        token = sign(claims(iss=issuer), header=header, key=rsa_key("one"), algorithm="RS256")
        if passes:
            assert (await checked.verify(token)).tenant == "acme"
            continue
        with pytest.raises(TokenError):
            await checked.verify(token)


async def test_many_keys_that_have_to_be_tried_let_others_run() -> None:
    """A token without a key id, and a set of as many keys as are taken."""
    keys = {"keys": [jwk(ec_key(), kid=f"k{n}") for n in range(99)] + [jwk(rsa_key("one"), kid="last")]}
    checked = remote(Fake(keys), algorithms=["ES256", "RS256"])
    ticks = 0

    async def others() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    running = asyncio.ensure_future(others())
    with pytest.raises(TokenError, match="signature"):
        await checked.verify(sign(claims(), header={"alg": "ES256"}, key=ec_key("x"), algorithm="ES256"))
    running.cancel()
    assert ticks > 10


@pytest.mark.parametrize("exponent", [3, 17, 65537])
def test_usual_exponents_are_taken(exponent: int) -> None:
    """Small ones as well as the usual one."""
    numbers = rsa_key("one").public_key().public_numbers()
    public = rsa.RSAPublicNumbers(exponent, numbers.n).public_key()
    assert static_keys(public, frozenset({"RS256"}))


def test_keys_are_compared_by_their_digests() -> None:
    """Two sets of a hundred keys are ten thousand comparisons, while an event loop waits."""
    one, again, other = (
        static_keys(key.public_key(), frozenset({"RS256"}))[0]
        for key in (rsa_key("one"), rsa_key("one"), rsa_key("two"))
    )
    assert (one == again, one == other, len({one, again, other})) == (True, False, 2)
    assert [field.name for field in dataclasses.fields(one) if field.compare] == [
        "algorithms",
        "kid",
        "issuer",
        "digest",
    ]


def test_an_unusable_key_takes_none_with_it_that_has_its_id() -> None:
    """What nobody can verify by is not meant; of two usable ones it cannot be said which is."""
    weak = jwk(rsa_key("small", 1024), kid="one")
    kept = key_set({"keys": [weak, jwk(rsa_key(), kid="one")]}, frozenset({"RS256"}))
    assert [key.kid for key in kept] == ["one"]
    with pytest.raises(ConfigurationError, match="named twice"):
        key_set({"keys": [jwk(rsa_key(name), kid="one") for name in ("one", "two")]}, frozenset({"RS256"}))
