"""Tokens made by hand, good and hostile, for the tests of the request side."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tenantguard import TokenVerifier

SECRET = "correct horse battery staple, and then some more of it"
ISSUER, AUDIENCE = "https://idp.example", "api"
NOW = 1_800_000_000.0  # what the clock of the tests shows


def clock() -> float:
    """Tell the time of the tests."""
    return NOW


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with changes; ``...`` leaves a claim out."""
    good: dict[str, Any] = {
        "sub": "ada",
        "company_id": "acme",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": NOW + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def b64(raw: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Return what base64url encodes."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def as_json(value: object) -> bytes:
    """Return compact JSON; bytes are taken as JSON that was written by hand."""
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def sign(payload: object, *, header: object = None, key: Any = SECRET, algorithm: str = "HS256") -> str:
    """Return a token of exactly these bytes, with a signature that is right for them."""
    head = {"typ": "JWT", "alg": algorithm} if header is None else header
    signing_input = f"{b64(as_json(head))}.{b64(as_json(payload))}"
    return f"{signing_input}.{b64(signature(signing_input, key, algorithm))}"


def signature(signing_input: str, key: Any = SECRET, algorithm: str = "HS256") -> bytes:
    """Return the signature of what is to be signed."""
    method = jwt.get_algorithm_by_name(algorithm)
    return method.sign(signing_input.encode(), method.prepare_key(key))


def token(**changes: Any) -> str:
    """Return a good token with changed claims."""
    return sign(claims(**changes))


def verifier(**changes: Any) -> TokenVerifier:
    """Return a verifier of good tokens, with changes."""
    settings: dict[str, Any] = {
        "key": SECRET,
        "algorithms": ["HS256"],
        "audience": AUDIENCE,
        "issuer": ISSUER,
        "leeway": 0,  # the tests of times say theirs
        "clock": clock,
    }
    return TokenVerifier(**settings | changes)


@functools.cache
def rsa_key(name: str = "one", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return an RSA key; the same for the same name."""
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name: str = "one", curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """Return a key on a curve; the same for the same name."""
    return ec.generate_private_key({"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1}[curve]())


@functools.cache
def ed_key(name: str = "one") -> ed25519.Ed25519PrivateKey:
    """Return an Ed25519 key; the same for the same name."""
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(key: Any) -> str:
    """Return the public half of a key as PEM text."""
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def private_pem(key: Any) -> str:
    """Return a private key as PEM text."""
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    public = key.public_key()
    method = {
        rsa.RSAPublicKey: "RS256",
        ec.EllipticCurvePublicKey: "ES256",
        ed25519.Ed25519PublicKey: "EdDSA",
    }
    name = next(name for kind, name in method.items() if isinstance(public, kind))
    plain: Mapping[str, Any] = jwt.get_algorithm_by_name(name).to_jwk(public, as_dict=True)
    return {**plain, **members}
