"""Parsing of keys: PEM, JWK, key sets and secrets, from the application or from an issuer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tenantguard.errors import ConfigurationError
from tenantguard.identity.encoding import decode_segment, load_object
from tenantguard.identity.keys import CURVED, EDDSA, SECRET_BYTES, Key, listed, usable

MOST_KEYS = 100  # in one set; a token without a key id may be tried against each
_ALIASES = {"ES521": "ES512"}  # a misspelling that PyJWT and published test vectors carry
# By the type of a JWK; PyJWT's own choice makes an object of each algorithm for every key, at twice the cost of a set.
_KINDS: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_MOST_CHARACTERS = 1400  # of a member of a public key: an RSA modulus of 8192 bits, and a little


def static_keys(source: Any, allowed: frozenset[str]) -> tuple[Key, ...]:
    """Return the keys in PEM text, a JWK, a JWKS document, a secret, a key object, or a list of these.

    Raises:
        ConfigurationError: a key is weak or of the wrong kind, or none is usable with the algorithms.
    """
    if isinstance(source, list | tuple | set | frozenset):
        keys = tuple(key for one in source for key in static_keys(one, allowed))
        _one_key_per_id(((key.kid, type(key.material)), key.material) for key in keys if key.kid is not None)
    elif isinstance(source, Mapping):
        keys = _document(source, allowed)
    elif isinstance(source, str | bytes):
        keys = _text(source.encode() if isinstance(source, str) else source, allowed)
    else:
        keys = (usable(source, allowed),)
    if not keys:
        raise ConfigurationError("key= holds no key; give a PEM text, a JWK, a JWKS document or a secret")
    return keys


def key_set(document: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Key, ...]:
    """Return the usable keys of a JWKS document, and skip the other entries.

    Skipped are encryption keys, keys of unknown types or with algorithms that are not allowed, secrets among public
    keys, weak keys, private keys, and keys of one type that share an id, which would be ambiguous.

    Raises:
        ConfigurationError: it is not a key set, is too large, or contains nothing usable.
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
    """Return the public key of an external JWK.

    Raises:
        ConfigurationError: it is not a JWK, is private or weak, or has no allowed algorithm.
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
    """Return the pairs of type and id that several keys share; RFC 7517 section 4.5 lets types share an id."""
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
    """Return the keys of a document from the application; a fault in it is a configuration error."""
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
        return (usable(_pem(text), allowed),)
    if allowed <= SECRET_BYTES.keys():
        return (_secret(source, allowed),)
    raise ConfigurationError(
        f"key= is neither a PEM text nor a JWK, and {listed(allowed)} needs a public key; HS256 has secrets"
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
            f"the secret has {len(secret)} bytes, but {listed(allowed)} needs {needed}: "
            'python -c "import secrets; print(secrets.token_urlsafe(64))"'
        )
    return Key(secret, allowed)


def _jwk(entry: Mapping[str, Any], allowed: frozenset[str]) -> Key:
    """Return the key of a JWK if it can verify signatures with an allowed algorithm."""
    kid, algorithm, operations = entry.get("kid"), entry.get("alg"), entry.get("key_ops")
    if kid is not None and not isinstance(kid, str):
        raise ConfigurationError("a key id is not a string")
    told = _told(entry)
    issuer = entry.get("issuer")
    if issuer is not None and not isinstance(issuer, str):
        raise ConfigurationError(f"{told} names an issuer that is not a string")
    if not _signs(entry):
        raise ConfigurationError(f"{told} is not meant for signatures")
    if algorithm in CURVED and entry.get("crv") != algorithm:
        raise ConfigurationError(f"{told} has another curve than its algorithm")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise ConfigurationError(f"{told} is not meant for verifying")
    only = allowed if algorithm is None else allowed & _meant(str(algorithm))
    return usable(_material(entry, told), only, told, kid=kid, issuer=issuer)


def _meant(algorithm: str) -> frozenset[str]:
    """Return the algorithms that a key's ``alg`` allows."""
    return EDDSA if algorithm in EDDSA else frozenset({_ALIASES.get(algorithm, algorithm)})


def _material(entry: Mapping[str, Any], told: str) -> Any:
    try:
        if entry.get("kty") == "oct":
            return decode_segment(str(entry["k"]).encode())
        return _KINDS[entry["kty"]].from_jwk(dict(entry))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{told} cannot be read") from error
