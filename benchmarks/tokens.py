"""Keys and tokens for the request benchmarks: one key pair per algorithm, made at start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
AUDIENCE, ISSUER = "benchmark", "https://identity.example"


@dataclass(frozen=True)
class Signer:
    """Sign tokens with one algorithm.

    Attributes:
        private: the key that signs, as PyJWT takes it.
        public: the key that verifies, in PEM, or the shared secret.
    """

    algorithm: str
    private: Any
    public: str

    @property
    def key(self) -> Any:
        """Return the key that verifies, read once, as whoever cares for speed would keep it."""
        return self.public if self.algorithm == "HS256" else load_pem_public_key(self.public.encode())

    def sign(self, subject: str, company: str, lifetime: timedelta = timedelta(hours=8)) -> str:
        """Return a token by which ``subject`` acts for ``company``."""
        at = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "company_id": company,
            "iat": at + min(lifetime, timedelta()),
            "exp": at + lifetime,
        }
        return jwt.encode(claims, _private(self.private, self.algorithm), algorithm=self.algorithm)


@cache  # reading an RSA key checks its primes, which takes longer than signing with it
def _private(pem: str, algorithm: str) -> Any:
    return pem if algorithm == "HS256" else load_pem_private_key(pem.encode(), None)


def signer(algorithm: str) -> Signer:
    """Return a signer with a new key."""
    if algorithm == "HS256":
        secret = "a-secret-of-the-benchmark-that-is-long-enough-for-hs256"
        return Signer(algorithm, secret, secret)
    private = _private_key(algorithm)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Signer(algorithm, pem, public)


def _private_key(algorithm: str) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()
