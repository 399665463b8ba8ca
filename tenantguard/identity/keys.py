"""Keys: what may verify a signature, with which algorithms, and how strong it must be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificate

from tenantguard.errors import ConfigurationError
from tenantguard.identity.encoding import decode_segment, load_object
from tenantguard.identity.weakness import weakness

SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2: as long as the hash
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
_CURVED = ("Ed25519", "Ed448")  # RFC 9864: names that say the curve, which the older one does not
_EDDSA = frozenset({"EdDSA", *_CURVED})
ASYMMETRIC = _RSA | frozenset(_CURVES.values()) | _EDDSA
ALGORITHMS = ASYMMETRIC | frozenset(SECRET_BYTES)
MOST_KEYS = 100  # in one set; a token without a key id may be tried against each

_ALIASES = {"ES521": "ES512"}  # a misspelling that PyJWT and published test vectors carry
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_MOST_CHARACTERS = 1400  # of a member of a public key: an RSA modulus of 8192 bits, and a little
_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~+/=:@-]{1,256}")


@dataclass(frozen=True)
class Key:
    """Hold one usable key.

    Attributes:
        material: a public key of cryptography, or the bytes of a secret.
        algorithms: the algorithms it may be used with.
        kid: its id, or ``None`` for a key that answers to every id.
        issuer: whose tokens it signs, where its set says so; ``{tenantid}`` in it stands for the claim ``tid``.
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
        """Tell whether the signature is this key's, by an algorithm that agrees with the key."""
        if algorithm not in self.algorithms:
            return False
        known = "EdDSA" if algorithm in _EDDSA else algorithm
        return bool(jwt.get_algorithm_by_name(known).verify(signing_input, self.material, signature))


def _encoded(material: Any) -> bytes:
    if isinstance(material, bytes):
        return material
    encoded: bytes = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def algorithms_of(given: Collection[str], faults: list[str]) -> frozenset[str]:
    """Return the algorithms that are accepted, and add to the faults what would not be safe."""
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
    """Return the keys that may have signed a token of that key id: those of the id, and those without one.

    A key without an id need not agree with the token's, which then has to look like an id, and not like a path,
    a query or a command that was meant for somebody's look-up.
    """
    plain = kid is None or (is_id(kid) and not kid.startswith("/"))
    return tuple(key for key in keys if kid is None or key.kid == kid or (key.kid is None and plain))


def is_id(kid: str | None) -> bool:
    """Tell whether a key id is of the characters that key ids are made of."""
    return kid is None or bool(_ID.fullmatch(kid))


def static_keys(source: Any, allowed: frozenset[str]) -> tuple[Key, ...]:
    """Return the keys of a PEM text, a JWK, a JWKS document, a secret, a key object, or a list of these.

    Raises:
        ConfigurationError: a key is weak, is of the wrong kind, or none is usable with the algorithms.
    """
    if isinstance(source, list | tuple | set | frozenset):
        keys = tuple(key for one in source for key in static_keys(one, allowed))
        _one_key_per_id(((key.kid, type(key.material)), key.material) for key in keys if key.kid is not None)
    elif isinstance(source, Mapping):
        keys = _document(source, allowed)
    elif isinstance(source, str | bytes):
        keys = _text(source.encode() if isinstance(source, str) else source, allowed)
    else:
        keys = (_usable(source, allowed),)
    if not keys:
        raise ConfigurationError("key= holds no key; give a PEM text, a JWK, a JWKS document or a secret")
    return keys


def key_set(document: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Key, ...]:
    """Return the usable keys of a JWKS document; each other entry is left out, and harms none beside it.

    Left out are keys for encryption, of unknown types and of algorithms that are not allowed, secrets among public
    keys, weak keys, private ones, and those of one type that share an id: nobody can say which is meant.

    Raises:
        ConfigurationError: it is no key set, is too large, or holds nothing usable.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ConfigurationError('a key set is an object whose "keys" is a list of objects')
    if len(entries) > MOST_KEYS:
        raise ConfigurationError(f"the key set holds {len(entries)} keys, more than {MOST_KEYS}")
    entries_read = [entry for entry in entries if isinstance(entry, Mapping)]
    exposed = [_content(e) for e in entries_read if _is_private(e)]
    found, faults = [], []
    for entry in entries_read:
        try:
            if _content(entry) in exposed:
                raise ConfigurationError(f"{_told(entry)} is published with its private part")
            found.append((entry, read_jwk(entry, allowed)))
        except ConfigurationError as error:
            faults.append(str(error))
    ambiguous = _ambiguous(entry for entry, _ in found)
    keys = tuple(key for entry, key in found if _name(entry) not in ambiguous)
    if not keys:
        faults += [
            f"key {kid[:80]!r} is named twice, for different keys of one type" for _, kid in sorted(ambiguous)
        ]
        raise ConfigurationError(f"the key set holds no usable key: {'; '.join(faults) or 'it is empty'}")
    return keys


def read_jwk(entry: object, allowed: frozenset[str]) -> Key:
    """Return the public key of a JWK from outside.

    Raises:
        ConfigurationError: it is none, is private or weak, or is of no allowed algorithm.
    """
    if not isinstance(entry, Mapping):
        raise ConfigurationError("a key is no object")
    if _is_private(entry):
        raise ConfigurationError(
            f"{_told(entry)} is a private key, and everybody who can read this can read it"
        )
    if any(isinstance(entry.get(name), str) and len(entry[name]) > _MOST_CHARACTERS for name in "nexyk"):
        raise ConfigurationError(f"{_told(entry)} is longer than any that is accepted")
    return _jwk(entry, allowed)


def _ambiguous(entries: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """Return the types and ids that stand for different keys; RFC 7517 section 4.5 lets types share an id."""
    seen: dict[tuple[str, str], list[Any]] = {}
    twice = set()
    for entry in entries:
        if isinstance(entry.get("kid"), str) and _signs(entry):
            content = _content(entry)
            if seen.setdefault(_name(entry), content) != content:
                twice.add(_name(entry))
    return frozenset(twice)


def _name(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry.get("kty")), str(entry.get("kid"))


def _told(entry: Mapping[str, Any]) -> str:
    return f"key {str(entry.get('kid'))[:80]!r}"


def _is_private(entry: Mapping[str, Any]) -> bool:
    return not _PRIVATE.isdisjoint(entry)


def _one_key_per_id(named: Iterable[tuple[Any, object]]) -> None:
    seen: dict[Any, object] = {}
    for name, key in named:
        if seen.setdefault(name, key) != key:
            raise ConfigurationError("a key id is named twice, for different keys of one type")


def _signs(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("use", "sig") == "sig")


def _content(entry: Mapping[str, Any]) -> list[Any]:
    return [entry.get(name) for name in ("kty", "crv", "n", "e", "x", "y", "k")]


def _document(source: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Key, ...]:
    """Return the keys of a document that the application gave; a fault in it is one of the set-up."""
    if "keys" not in source:
        return (_jwk(source, allowed),)
    entries = source["keys"]
    if isinstance(entries, list):
        named = [entry for entry in entries if isinstance(entry, Mapping)]
        if len({entry.get("kty") == "oct" for entry in named}) > 1:
            raise ConfigurationError("the key set mixes secrets and public keys; split it in two")
        if _ambiguous(named):
            raise ConfigurationError("a key id is named twice, for different keys")
    return key_set(source, allowed)


def _text(source: bytes, allowed: frozenset[str]) -> tuple[Key, ...]:
    text = source.strip()
    if text.startswith(b"{"):
        try:
            return _document(load_object(text), allowed)
        except ValueError as error:
            raise ConfigurationError(f"key= looks like a JWK but is not one: {error}") from error
    if text.startswith(b"-----BEGIN "):
        return (_usable(_pem(text), allowed),)
    if allowed <= SECRET_BYTES.keys():
        return (_secret(source, allowed),)
    raise ConfigurationError(
        f"key= is neither a PEM text nor a JWK, and {_listed(allowed)} needs a public key; HS256 has secrets"
    )


def _pem(text: bytes) -> Any:
    try:
        if b"-----BEGIN CERTIFICATE" in text:
            return load_pem_x509_certificate(text).public_key()
        if b"PRIVATE KEY-----" in text:
            return load_pem_private_key(text, password=None)
        return load_pem_public_key(text)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("key= looks like a PEM text but cannot be read") from error


def _secret(secret: bytes, allowed: frozenset[str]) -> Key:
    if not secret:
        raise ConfigurationError("key= is empty")
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise ConfigurationError("key= is a public key; it cannot be the secret of HS256") from error
    needed = max(SECRET_BYTES[name] for name in allowed)
    if len(secret) < needed:
        raise ConfigurationError(
            f"the secret has {len(secret)} bytes, but {_listed(allowed)} needs {needed}: "
            'python -c "import secrets; print(secrets.token_urlsafe(64))"'
        )
    return Key(secret, allowed)


def _jwk(entry: Mapping[str, Any], allowed: frozenset[str]) -> Key:
    """Return the key of a JWK, if it is for verifying signatures with an allowed algorithm."""
    kid, algorithm, operations = entry.get("kid"), entry.get("alg"), entry.get("key_ops")
    if kid is not None and not isinstance(kid, str):
        raise ConfigurationError("a key id is not a string")
    told = _told(entry)
    issuer = entry.get("issuer")
    if issuer is not None and not isinstance(issuer, str):
        raise ConfigurationError(f"{told} names an issuer that is not a string")
    if not _signs(entry):
        raise ConfigurationError(f"{told} is not meant for signatures")
    if algorithm in _CURVED and entry.get("crv") != algorithm:
        raise ConfigurationError(f"{told} has another curve than its algorithm")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise ConfigurationError(f"{told} is not meant for verifying")
    only = allowed if algorithm is None else allowed & _meant(str(algorithm))
    return replace(_usable(_material(entry, told), only, kid, told), issuer=issuer)


def _meant(algorithm: str) -> frozenset[str]:
    """Return the algorithms that a key's ``alg`` lets it be used with."""
    return _EDDSA if algorithm in _EDDSA else frozenset({_ALIASES.get(algorithm, algorithm)})


def _material(entry: Mapping[str, Any], told: str) -> Any:
    try:
        if entry.get("kty") == "oct":
            return decode_segment(str(entry["k"]).encode())
        named = {name: value for name, value in entry.items() if name != "alg"}
        return jwt.PyJWK(named, "EdDSA" if entry.get("kty") == "OKP" else None).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{told} cannot be read") from error


def _usable(material: Any, only: frozenset[str], kid: str | None = None, told: str = "key=") -> Key:
    """Return the key with those of the algorithms that agree with its type and strength."""
    public = material.public_key() if hasattr(material, "public_key") else material
    found = weakness(public)
    if found is not None:
        raise ConfigurationError(f"{told} is too weak: {found}")
    algorithms = only & _agreeing(public)
    if not algorithms:
        raise ConfigurationError(f"{told} cannot be used with {_listed(only)}")
    return Key(public, algorithms, kid)


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


def _listed(algorithms: frozenset[str]) -> str:
    return ", ".join(sorted(algorithms)) or "any of the allowed algorithms"
