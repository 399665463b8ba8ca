"""DPoP (RFC 9449): a bound token counts with a proof of its key, for this request and this moment, once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tenantguard import (
    ConfigurationError,
    IssuerUnavailableError,
    TenantMiddleware,
    TokenError,
    TokenVerifier,
)
from tenantguard.identity import Cache, DPoP, IntrospectionVerifier, Presentation, Replays, tls_certificate
from tests.asgi.driver import Socket, request, scope
from tests.asgi.test_middleware import whoami
from tests.asgi.test_websocket import timed
from tests.identity.test_introspection import GOOD, URL, Issuer
from tests.identity.test_revocation import made
from tests.identity.tokens import NOW, b64, ec_key, ed_key, jwk, rsa_key, sign, token, verifier

ORIGIN = "https://api.example"


def public(key: Any) -> dict[str, Any]:
    """Return a public JWK with the members that its thumbprint is made of, and no others."""
    return {name: held for name, held in jwk(key).items() if name in {"crv", "kty", "x", "y", "n", "e"}}


def thumbprint(key: Any) -> str:
    """Return the RFC 7638 thumbprint of a key."""
    text = json.dumps(public(key), separators=(",", ":"), sort_keys=True)
    return b64(hashlib.sha256(text.encode()).digest())


BOUND = token(cnf={"jkt": thumbprint(ec_key())})


def ath(made: str) -> str:
    """Return the hash that binds a proof to a token."""
    return b64(hashlib.sha256(made.encode()).digest())


def proof(
    *, key: Any = None, header: dict[str, Any] | None = None, algorithm: str = "ES256", **changes: Any
) -> str:
    """Return a good proof, with changes; ``...`` leaves a member out."""
    key = ec_key() if key is None else key
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public(key)} | (header or {})
    body = {"jti": "1", "htm": "GET", "htu": f"{ORIGIN}/calls", "iat": NOW, "ath": ath(BOUND)} | changes
    kept = [{name: held for name, held in part.items() if held is not ...} for part in (body, head)]
    return sign(kept[0], header=kept[1], key=key, algorithm=algorithm)


def presented(*proofs: str, path: str = "/calls", scheme: str = "DPoP", **more: Any) -> Presentation:
    """Return a request that carries these proofs."""
    return Presentation(scheme, scope(path, [(b"dpop", one.encode()) for one in proofs], **more))


def checking(**changes: Any) -> TokenVerifier:
    """Return a verifier that checks proofs."""
    return verifier(**{"dpop": DPoP(ORIGIN), "leeway": 5} | changes)


async def test_a_bound_token_counts_with_its_proof() -> None:
    """And the next time with the next one, though the token was seen before."""
    checked = checking()
    for jti in ("one", "two"):
        assert (await checked.verify_request(BOUND, presented(proof(jti=jti)))).tenant == "acme"


HOSTILE: dict[str, list[str]] = {
    "no proof": [],
    "two proofs": [proof(jti="a"), proof(jti="b")],
    "an empty proof": [""],
    "no JWT": ["x"],
    "an oversized one": [proof(more="x" * 5000)],
    "bytes that are no text": ["\xff"],
    "another method": [proof(htm="POST")],
    "the method in lower case": [proof(htm="get")],
    "no method": [proof(htm=...)],
    "another host": [proof(htu="https://evil.example/calls")],
    "another scheme": [proof(htu="http://api.example/calls")],
    "another port": [proof(htu="https://api.example:8443/calls")],
    "another path": [proof(htu=f"{ORIGIN}/call")],
    "a path above": [proof(htu=f"{ORIGIN}/x/../calls")],
    "a path in another case": [proof(htu=f"{ORIGIN}/Calls")],
    "a user in the URL": [proof(htu="https://api.example@evil.example/calls")],
    "a line feed in the URL": [proof(htu=f"{ORIGIN}/ca\nlls")],
    "no URL": [proof(htu=...)],
    "a URL that is a list": [proof(htu=[f"{ORIGIN}/calls"])],
    "a URL that is none": [proof(htu="https://[/calls")],
    "too old": [proof(iat=NOW - 65)],
    "of the future": [proof(iat=NOW + 6)],
    "no moment": [proof(iat=...)],
    "a moment that is text": [proof(iat=str(NOW))],
    "a moment that is true": [proof(iat=True)],
    "another token": [proof(ath=ath(token()))],
    "no token": [proof(ath=...)],
    "the token itself": [proof(ath=BOUND)],
    "no jti": [proof(jti=...)],
    "an empty jti": [proof(jti="")],
    "a jti that is a number": [proof(jti=1)],
    "a very long jti": [proof(jti="x" * 257)],
    "another key": [proof(key=ec_key("thief"))],
    "another key's signature": [
        sign({}, header={"typ": "dpop+jwt", "alg": "ES256", "jwk": public(ec_key())}, key=ec_key("x"),
             algorithm="ES256")
    ],
    "no key": [proof(header={"jwk": ...})],
    "a key that is null": [proof(header={"jwk": None})],
    "a key that is a list": [proof(header={"jwk": [public(ec_key())]})],
    "a private key": [proof(header={"jwk": public(ec_key()) | {"d": "AQAB"}})],
    "a key for encryption": [proof(header={"jwk": public(ec_key()) | {"use": "enc"}})],
    "a secret as the key": [
        sign({}, header={"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"k" * 32)}}, key="k" * 32)
    ],
    "no algorithm": [proof(header={"alg": "none"})],
    "an algorithm that is not accepted": [proof(key=rsa_key(), algorithm="RS256")],
    "the type of a token": [proof(header={"typ": "JWT"})],
    "no type": [proof(header={"typ": ...})],
    "critical extensions": [proof(header={"crit": ["x"]})],
    "a key by URL beside it": [proof(header={"jku": "https://evil.example"})],
    "the token as its proof": [BOUND],
}  # fmt: skip


@pytest.mark.parametrize("proofs", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_proof_that_does_not_fit_is_refused(proofs: list[str]) -> None:
    """With the challenge of DPoP, and by no other error."""
    request_of = Presentation("DPoP", scope("/calls", [(b"dpop", one.encode("latin-1")) for one in proofs]))
    with pytest.raises(TokenError) as caught:
        await checking().verify_request(BOUND, request_of)
    assert (caught.value.scheme, caught.value.algorithms) == ("DPoP", ("ES256", "EdDSA"))
    assert caught.value.reason == "proof"


@pytest.mark.parametrize(
    ("htu", "path", "raw"),
    [
        ("https://API.example:443/calls", "/calls", b"/calls"),
        (f"{ORIGIN}/calls?page=2#top", "/calls", b"/calls"),
        (f"{ORIGIN}/caf%c3%a9", "/caf\u00e9", b"/caf%C3%A9"),
        (f"{ORIGIN}/%63alls", "/calls", b"/calls"),
        (f"{ORIGIN}/a%2Fb", "/a/b", b"/a%2Fb"),
        (ORIGIN, "/", b"/"),
        (f"{ORIGIN}/caf%C3%A9", "/caf\u00e9", None),
        ("wss://api.example/calls", "/calls", b"/calls"),
    ],
)
async def test_a_url_may_be_spelt_in_several_ways(htu: str, path: str, raw: bytes | None) -> None:
    """What a client need not encode, and its query, make no other URL."""
    shown = presented(proof(htu=htu), path=path, raw_path=raw)
    assert (await checking().verify_request(BOUND, shown)).tenant == "acme"


async def test_a_slash_that_is_encoded_is_no_slash() -> None:
    """The application would not route it so either."""
    with pytest.raises(TokenError, match="another URL"):
        await checking().verify_request(BOUND, presented(proof(htu=f"{ORIGIN}/a/b"), raw_path=b"/a%2Fb"))


async def test_the_host_header_says_nothing_of_where_a_proof_is_for() -> None:
    """Another service, to which the client sent it, could write anything there."""
    shown = Presentation("DPoP", scope("/calls", [
        (b"host", b"evil.example"), (b"dpop", proof(htu="https://evil.example/calls").encode()),
    ]))  # fmt: skip
    with pytest.raises(TokenError, match="another URL"):
        await checking().verify_request(BOUND, shown)


async def test_what_a_proxy_takes_off_is_part_of_the_origin() -> None:
    """The client signs the URL that it asked for."""
    checked = checking(dpop=DPoP([f"{ORIGIN}/v1/", "https://old.example"]))
    for number, htu in enumerate((f"{ORIGIN}/v1/calls", "https://old.example/calls")):
        assert await checked.verify_request(BOUND, presented(proof(htu=htu, jti=f"p{number}")))
    with pytest.raises(TokenError, match="another URL"):
        await checked.verify_request(BOUND, presented(proof(htu=f"{ORIGIN}/calls", jti="p3")))


async def test_a_proof_counts_once() -> None:
    """For any URL and token of its key, and from whatever loop."""
    checked = checking()
    made = proof()
    await checked.verify_request(BOUND, presented(made))
    for _ in range(2):
        with pytest.raises(TokenError) as caught:
            await checked.verify_request(BOUND, presented(made))
        assert caught.value.reason == "replayed"


async def test_a_proof_that_is_refused_is_not_used_up() -> None:
    """Nobody can spend the proofs of another."""
    checked = checking()
    with pytest.raises(TokenError):
        await checked.verify_request(BOUND, presented(proof(), method="POST"))
    assert await checked.verify_request(BOUND, presented(proof()))


async def test_a_proof_counts_until_it_is_too_old() -> None:
    """Its age and the leeway; used proofs are remembered for longer than that."""
    times, ticks = [NOW], [0.0]
    checked = checking(dpop=DPoP(ORIGIN, first_use=Replays(clock=lambda: ticks[0])), clock=lambda: times[0])
    made = proof(iat=NOW + 5)
    await checked.verify_request(BOUND, presented(made))
    for seconds in range(0, 80, 7):
        times[0], ticks[0] = NOW + seconds, float(seconds)
        with pytest.raises(TokenError):
            await checked.verify_request(BOUND, presented(made))


async def test_another_store_may_remember_what_was_used() -> None:
    """One that several processes share."""
    seen: list[tuple[str, float]] = []

    async def first_use(used: str, seconds: float) -> bool:
        seen.append((used, seconds))
        return len(seen) == 1

    checked = checking(dpop=DPoP(ORIGIN, first_use=first_use))
    await checked.verify_request(BOUND, presented(proof()))
    with pytest.raises(TokenError, match="used before"):
        await checked.verify_request(BOUND, presented(proof()))
    assert seen == [(f"{thumbprint(ec_key())} 1", 70)] * 2


async def test_when_no_more_proofs_can_be_remembered_none_counts() -> None:
    """Until the oldest are too old."""
    ticks = [0.0]
    first_use = Replays(3, clock=lambda: ticks[0])
    assert [await first_use(str(n), 60) for n in range(3)] == [True] * 3
    with pytest.raises(IssuerUnavailableError):
        await first_use("4", 60)
    assert await first_use("2", 60) is False
    ticks[0] = 120
    assert await first_use("4", 60) is True


async def test_what_was_used_is_remembered_for_the_longest_time_that_was_asked_for() -> None:
    """Several verifiers may share it."""
    ticks = [0.0]
    first_use = Replays(clock=lambda: ticks[0])
    await first_use("long", 600)
    for ticks[0] in (60, 120, 180, 599):
        await first_use(f"short {ticks[0]}", 60)
    assert await first_use("long", 600) is False


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ec_key(), "ES256"), (ed_key(), "EdDSA"), (ec_key(curve="secp384r1"), "ES384"), (rsa_key(), "PS256")],
)
async def test_keys_of_each_kind_can_be_proven(key: Any, algorithm: str) -> None:
    """By the thumbprint of RFC 7638."""
    made = token(cnf={"jkt": thumbprint(key)})
    checked = checking(dpop=DPoP(ORIGIN, algorithms=["ES256", "ES384", "EdDSA", "PS256"]))
    shown = presented(proof(key=key, algorithm=algorithm, ath=ath(made)))
    assert (await checked.verify_request(made, shown)).tenant == "acme"


def test_the_thumbprint_is_that_of_the_standard() -> None:
    """RFC 9449 section 6.1 shows one, for the key of its examples."""
    key = {
        "kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    }  # fmt: skip
    from tenantguard.identity.dpop import _thumbprint

    assert _thumbprint(key) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.parametrize(
    "settings",
    [
        {"origin": "api.example"}, {"origin": ""}, {"origin": []}, {"origin": "ftp://api.example"}, {"origin": "https://"},
        {"origin": [ORIGIN, "x"]}, {"algorithms": []}, {"algorithms": ["HS256"]}, {"algorithms": ["none"]},
        {"age": 0}, {"age": 601}, {"age": True}, {"age": float("nan")},
    ],
)  # fmt: skip
def test_a_check_that_would_prove_nothing_is_refused_at_the_start(settings: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="DPoP cannot be trusted"):
        DPoP(**{"origin": ORIGIN} | settings)


BINDINGS: dict[str, Any] = {
    "a key": {"jkt": thumbprint(ec_key())},
    "a certificate": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    "both": {"jkt": thumbprint(ec_key()), "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    "nothing": {},
    "null": None,
    "a text": "jkt",
    "a list": [{"jkt": thumbprint(ec_key())}],
    "a whole key": {"jwk": public(ec_key())},
    "an unknown way": {"jkt": thumbprint(ec_key()), "other": "x"},
    "an empty key": {"jkt": ""},
    "a key that is a list": {"jkt": [thumbprint(ec_key())]},
    "a key that is null": {"jkt": None},
    "a certificate of half a surrogate pair": {"x5t#S256": "\ud800"},
}


@pytest.mark.parametrize("cnf", BINDINGS.values(), ids=BINDINGS.keys())
async def test_a_bound_token_is_not_taken_from_whoever_bears_it(cnf: Any) -> None:
    """By a verifier that checks no proof, nor by one that does; not even when it was seen before with its proof."""
    made = token(cnf=cnf)
    for checked in (verifier(), checking(certificate=tls_certificate)):
        for presentation in (
            None,
            presented(scheme="Bearer"),
            presented(proof(ath=ath(made)), scheme="Bearer"),
        ):
            with pytest.raises(TokenError) as caught:
                await checked.verify_in(checked._kept, made, presentation)
            assert caught.value.reason == "bound"


async def test_a_token_that_was_proven_is_not_remembered_for_bearers() -> None:
    """Whatever the header calls itself."""
    checked = checking()
    await checked.verify_request(BOUND, presented(proof()))
    for scheme in ("Bearer", "DPoP", "Bound"):
        assert checked.recall(f"{scheme} {BOUND}".encode()) is None
    assert checked.recall(BOUND.encode()) is None
    with pytest.raises(TokenError):
        await checked.verify(BOUND)


async def test_a_token_that_is_bound_to_nothing_is_no_bound_one() -> None:
    """A proof by any key would do for it."""
    made = token()
    for _ in range(2):  # the second time it is known
        with pytest.raises(TokenError) as caught:
            await checking().verify_request(made, presented(proof(ath=ath(made))))
        assert caught.value.reason == "bound"


async def test_the_middleware_asks_for_the_proof_each_time() -> None:
    """And answers with the challenge of the scheme (RFC 9449 section 7.1)."""
    app = TenantMiddleware(whoami, verifier=checking())

    async def ask(jti: str, scheme: bytes = b"DPoP ") -> Any:
        headers = [(b"authorization", scheme + BOUND.encode()), (b"dpop", proof(jti=jti).encode())]
        return await request(app, "/calls", headers)

    replies = [await ask(jti) for jti in ("a", "b", "a")]
    assert [reply.status for reply in replies] == [200, 200, 401]
    told = 'DPoP error="invalid_dpop_proof", error_description="The proof of possession was used before"'
    assert replies[2].headers["www-authenticate"] == f'{told}, algs="ES256 EdDSA"'
    assert (await ask("c", b"Bearer ")).status == 401
    assert (await ask("d", b"dpop ")).status == 200


async def test_two_requests_at_once_cannot_share_a_proof() -> None:
    """One of them is served."""
    checked, made = checking(), proof()
    shown = [checked.verify_request(BOUND, presented(made)) for _ in range(20)]
    answers = await asyncio.gather(*shown, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1


async def test_a_verifier_with_a_check_of_its_own_takes_no_bound_token() -> None:
    """Its ``verify`` knows more than the inherited ``verify_request``, which is not called."""

    class Revocable(TokenVerifier):
        async def verify(self, token: str) -> Any:
            raise TokenError("the token is revoked", reason="revoked")

    app = TenantMiddleware(whoami, verifier=Revocable(
        key="correct horse battery staple, and then some more of it", algorithms=["HS256"], audience="api",
        issuer="https://idp.example", dpop=DPoP(ORIGIN), clock=lambda: NOW,
    ))  # fmt: skip
    headers = [(b"authorization", b"DPoP " + BOUND.encode()), (b"dpop", proof().encode())]
    assert (await request(app, "/calls", headers)).status == 401


async def test_any_of_hands_the_proof_to_the_member_for_the_issuer() -> None:
    """Which may check proofs while another does not."""
    other = verifier(issuer="https://other.example", speaks_for={"globex"})
    both = TokenVerifier.any_of(checking(speaks_for={"acme"}), other)
    assert (await both.verify_request(BOUND, presented(proof()))).tenant == "acme"
    elsewhere = token(iss="https://other.example", company_id="globex", cnf={"jkt": thumbprint(ec_key())})
    with pytest.raises(TokenError, match="not proven"):
        await both.verify_request(elsewhere, presented(proof(ath=ath(elsewhere))))


async def test_an_opaque_token_may_be_bound_too() -> None:
    """The issuer says so when it is asked."""
    issuer = Issuer(GOOD | {"cnf": {"jkt": thumbprint(ec_key())}})
    checked = IntrospectionVerifier(URL, client=("a", "b"), http=issuer, dpop=DPoP(ORIGIN), clock=lambda: NOW)
    for jti in ("a", "b"):
        shown = presented(proof(ath=ath("0paque"), jti=jti))
        assert (await checked.verify_request("0paque", shown)).tenant == "acme"
    with pytest.raises(TokenError, match="not proven"):
        await checked.verify("0paque")
    assert len(issuer.asked) == 1


def certificate(name: str = "one") -> tuple[str, bytes]:
    """Return a certificate as PEM and as DER."""
    from datetime import datetime

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = x509.CertificateBuilder(
        issuer_name=subject, subject_name=subject, public_key=ec_key(name).public_key(), serial_number=1,
        not_valid_before=datetime(2026, 1, 1, tzinfo=UTC), not_valid_after=datetime(2036, 1, 1, tzinfo=UTC),
    ).sign(ec_key(name), SHA256())  # fmt: skip
    return built.public_bytes(Encoding.PEM).decode(), built.public_bytes(Encoding.DER)


PEM, DER = certificate()
MTLS = token(cnf={"x5t#S256": b64(hashlib.sha256(DER).digest())})


def over_tls(*chain: Any, scheme: str = "Bearer") -> Presentation:
    """Return a request over TLS with a client certificate."""
    return Presentation(scheme, scope("/calls", extensions={"tls": {"client_cert_chain": list(chain)}}))


@pytest.mark.parametrize("held", [PEM, PEM.encode(), DER, f"\n{PEM}\n"])
async def test_a_token_that_is_bound_to_a_certificate_counts_over_that_connection(held: Any) -> None:
    """RFC 8705; in the forms that servers and proxies hand it on."""
    checked = verifier(certificate=tls_certificate)
    for _ in range(2):
        assert (await checked.verify_request(MTLS, over_tls(held))).tenant == "acme"
    assert checked.recall(f"Bearer {MTLS}".encode()) is None


CONNECTIONS = {
    "no certificate": over_tls(),
    "another": over_tls(certificate("other")[0]),
    "another first": over_tls(certificate("other")[0], PEM),
    "a PEM that is none": over_tls("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----"),
    "no text": over_tls("\udcff"),
    "no TLS": presented(scheme="Bearer"),
    "the scheme of DPoP": over_tls(PEM, scheme="DPoP"),
}


@pytest.mark.parametrize("shown", CONNECTIONS.values(), ids=CONNECTIONS.keys())
async def test_another_connection_does_not_do(shown: Presentation) -> None:
    """And is refused by no other error."""
    with pytest.raises(TokenError) as caught:
        await verifier(certificate=tls_certificate).verify_request(MTLS, shown)
    assert caught.value.reason == "bound"


async def test_a_token_that_is_bound_to_both_needs_both() -> None:
    """The key and the certificate."""
    made = token(cnf={"jkt": thumbprint(ec_key()), "x5t#S256": b64(hashlib.sha256(DER).digest())})
    checked = checking(certificate=tls_certificate)
    tls = {"tls": {"client_cert_chain": [PEM]}}
    assert await checked.verify_request(made, presented(proof(ath=ath(made)), extensions=tls))
    with pytest.raises(TokenError):
        await checked.verify_request(made, presented(proof(ath=ath(made), jti="2")))
    with pytest.raises(TokenError):
        await checked.verify_request(made, over_tls(PEM))


NONCE_KEY = "a secret of at least thirty-two bytes"


def asking(**changes: Any) -> TokenVerifier:
    """Return a verifier that asks for nonces."""
    return checking(dpop=DPoP(ORIGIN, nonce_key=NONCE_KEY, nonce_seconds=300), **changes)


async def nonce_at(moment: float) -> str:
    """Return the nonce that is asked for at a time."""
    with pytest.raises(TokenError) as caught:
        await asking(clock=lambda: moment).verify_request(
            token(cnf={"jkt": "x"}, exp=NOW + 9000), presented()
        )
    assert caught.value.nonce is not None
    return caught.value.nonce


async def test_a_proof_without_the_nonce_is_told_the_nonce() -> None:
    """As RFC 9449 section 9 has it; with the nonce the same request comes in."""
    app = TenantMiddleware(whoami, verifier=asking())
    headers = [(b"authorization", b"DPoP " + BOUND.encode())]
    refused = await request(app, "/calls", [*headers, (b"dpop", proof().encode())])
    assert (refused.status, 'DPoP error="use_dpop_nonce"' in refused.headers["www-authenticate"]) == (
        401,
        True,
    )
    nonce = refused.headers["dpop-nonce"]
    taken = await request(app, "/calls", [*headers, (b"dpop", proof(jti="2", nonce=nonce).encode())])
    assert taken.status == 200


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (300, True), (601, False), (-300, False)])
async def test_a_nonce_counts_for_its_time_and_for_the_next(seconds: float, counts: bool) -> None:
    """Whichever process made it, as long as they share the secret."""
    made = await nonce_at(NOW - seconds)
    checked = asking()
    if counts:
        assert await checked.verify_request(BOUND, presented(proof(nonce=made)))
    else:
        with pytest.raises(TokenError, match="nonce"):
            await checked.verify_request(BOUND, presented(proof(nonce=made)))


@pytest.mark.parametrize("nonce", [None, 1, "", "x", "é", ["x"], "x" * 300])
async def test_a_nonce_of_nobody_is_refused(nonce: Any) -> None:
    """By the one error."""
    with pytest.raises(TokenError) as caught:
        await asking().verify_request(BOUND, presented(proof(nonce=nonce)))
    assert caught.value.code == "use_dpop_nonce"


def test_a_key_of_nonces_is_a_secret() -> None:
    """Said at the start, with what else is wrong."""
    with pytest.raises(ConfigurationError, match=r"2 fault\(s\)"):
        DPoP(ORIGIN, nonce_key="short", nonce_seconds=0)


@pytest.mark.parametrize("opaque", [False, True])
async def test_a_websocket_of_a_bound_token_is_looked_at_again(opaque: bool) -> None:
    """Without its proof, which counts once; and ends when its token is revoked."""
    issuer, cut_offs = Issuer(GOOD | {"cnf": {"jkt": thumbprint(ec_key())}}), made()
    sent = "0paque" if opaque else token(cnf={"jkt": thumbprint(ec_key())}, iat=NOW - 1)
    checked: Any = checking(revocation=cut_offs)
    if opaque:
        checked = IntrospectionVerifier(
            URL, client=("a", "b"), http=issuer, dpop=DPoP(ORIGIN), cache=Cache(0), clock=lambda: NOW
        )
    app, clock = timed(verifier=checked)
    headers = [(b"authorization", b"DPoP " + sent.encode()), (b"dpop", proof(ath=ath(sent)).encode())]
    async with Socket(app, "/calls", headers) as socket:
        assert (await socket.next())["type"] == "websocket.accept"
        assert await socket.text() == "acme"
        for _ in range(2):
            await clock.asleep.wait()
            clock.asleep.clear()
            clock.move(10)
        await clock.asleep.wait()
        socket.say("again")
        assert await socket.text() == "acme"
        issuer.answer = {"active": False}
        await cut_offs.revoke(subject="ada")
        clock.move(10)
        assert (await socket.next())["type"] == "websocket.close"


def test_pyjwt_can_read_our_proofs() -> None:
    """The helper of these tests makes what other libraries take for a proof."""
    assert jwt.get_unverified_header(proof())["typ"] == "dpop+jwt"
