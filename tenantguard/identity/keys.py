"""Keys for verifying signatures, their algorithms, and their required strength."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tenantguard.errors import ConfigurationError
from tenantguard.identity.weakness import weakness

SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2: as long as the hash
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
CURVED = ("Ed25519", "Ed448")  # RFC 9864: names that say the curve, which the older one does not
EDDSA = frozenset({"EdDSA", *CURVED})
ASYMMETRIC = _RSA | frozenset(_CURVES.values()) | EDDSA
ALGORITHMS = ASYMMETRIC | frozenset(SECRET_BYTES)

_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~+/=:@-]{1,256}")


@dataclass(frozen=True)
class Key:
    """A usable key.

    Attributes:
        material: a public key object of ``cryptography``, or the bytes of a secret.
        algorithms: the algorithms it may be used with.
        kid: its id, or ``None`` for a key without one, which matches any id.
        issuer: the issuer of the tokens it signs, if its set says so; ``{tenantid}`` stands for the claim ``tid``.
    """

    material: Any = field(compare=False, repr=False)
    algorithms: frozenset[str]
    kid: str | None = None
    issuer: str | None = None
    digest: bytes = field(
        init=False, repr=False
    )  # of the material: comparing two points of a curve costs microseconds

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(_encoded(self.material)).digest())

    def verifies(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Return whether this key made the signature, with an algorithm that fits the key."""
        if algorithm not in self.algorithms:
            return False
        known = "EdDSA" if algorithm in EDDSA else algorithm
        return bool(jwt.get_algorithm_by_name(known).verify(signing_input, self.material, signature))


def _encoded(material: Any) -> bytes:
    if isinstance(material, bytes):
        return material
    encoded: bytes = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def algorithms_of(given: Collection[str], faults: list[str]) -> frozenset[str]:
    """Return the accepted algorithms, and add unsafe settings to the faults."""
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        faults.append('algorithms is a list of names: algorithms=["RS256"]')
        return frozenset()
    named = frozenset(given)
    if not named:
        faults.append('no algorithm: say which are accepted, algorithms=["RS256"]')
    if any(name.lower() == "none" for name in named):
        faults.append('the algorithm "none" accepts what anybody wrote')
    unknown = sorted(name for name in named - ALGORITHMS if name.lower() != "none")
    if unknown:
        faults.append(f"unknown algorithms {', '.join(unknown)}; known are {', '.join(sorted(ALGORITHMS))}")
    if named & ASYMMETRIC and named - ASYMMETRIC:
        faults.append("symmetric and asymmetric algorithms are mixed: a public key could pass for a secret")
    return named & ALGORITHMS


def matching(keys: Iterable[Key], kid: str | None) -> tuple[Key, ...]:
    """Return the keys that may have signed a token with that key id: those with the id, and those without one.

    A key without an id matches any id in the token. That id must still look like one, and not like a path, a query or
    a command for somebody else's look-up.
    """
    plain = kid is None or (is_id(kid) and not kid.startswith("/"))
    return tuple(key for key in keys if kid is None or key.kid == kid or (key.kid is None and plain))


def is_id(kid: str | None) -> bool:
    """Return whether a key id contains only the usual characters."""
    return kid is None or bool(_ID.fullmatch(kid))


def usable(
    material: Any,
    only: frozenset[str],
    told: str = "key=",
    *,
    kid: str | None = None,
    issuer: str | None = None,
) -> Key:
    """Return the key with the algorithms that fit its type and strength."""
    public = material.public_key() if hasattr(material, "public_key") else material
    found = weakness(public)
    if found is not None:
        raise ConfigurationError(f"{told} is too weak: {found}")
    algorithms = only & _agreeing(public)
    if not algorithms:
        raise ConfigurationError(f"{told} cannot be used with {listed(only)}")
    return Key(public, algorithms, kid, issuer)


def _agreeing(material: Any) -> frozenset[str]:
    if isinstance(material, bytes):
        return frozenset(name for name, least in SECRET_BYTES.items() if len(material) >= least)
    if isinstance(material, rsa.RSAPublicKey):
        return _RSA
    if isinstance(material, ec.EllipticCurvePublicKey):
        return frozenset({_CURVES[material.curve.name]} if material.curve.name in _CURVES else ())
    if isinstance(material, ed25519.Ed25519PublicKey):
        return frozenset({"EdDSA", "Ed25519"})
    if isinstance(material, ed448.Ed448PublicKey):
        return frozenset({"EdDSA", "Ed448"})
    return frozenset()


def listed(algorithms: frozenset[str]) -> str:
    """Return the names of algorithms for a message."""
    return ", ".join(sorted(algorithms)) or "any of the allowed algorithms"
