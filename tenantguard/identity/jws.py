"""A signed token in compact form, parsed strictly, then verified with keys that the application trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tenantguard.errors import TokenError
from tenantguard.identity.encoding import decode_segment, load_object
from tenantguard.identity.flights import in_asyncio
from tenantguard.identity.keys import Key

MOST_BYTES = 8 * 1024
_MOST_OF_ALL = 64 * 1024  # reading a longer token would hold up an event loop
_TRIES = 8  # signatures, of a millisecond each at the most, before others run

# A key or a place of keys in a token, an extension that must be understood, an unencoded payload,
# compression, a nested token: nothing that we would follow, so nothing that we let pass unseen.
_REFUSED = frozenset(
    {
        "jku",
        "jwk",
        "x5u",
        "x5c",
        "crit",
        "b64",
        "zip",
        "enc",
        "cty",
        "epk",
        "apu",
        "apv",
        "iv",
        "tag",
        "p2s",
        "p2c",
    }
)
_TYPES = frozenset({"jwt", "at+jwt"})


@dataclass(frozen=True)
class Signed:
    """A parsed token that is not verified yet.

    Attributes:
        header: the members of its header.
        algorithm: its algorithm.
        kid: its key id, if any.
        payload: the bytes of its payload.
    """

    header: dict[str, Any]
    algorithm: str
    kid: str | None
    payload: bytes
    signing_input: bytes
    signature: bytes

    def claims(self) -> dict[str, Any]:
        """Return the claims in the payload.

        Raises:
            TokenError: the payload is not a strict JSON object.
        """
        return _claims(self.payload)

    def verify(self, keys: Iterable[Key]) -> None:
        """Check that one of the keys made the signature.

        Raises:
            TokenError: none of them did.
        """
        if not any(map(self._is_of, keys)):
            raise TokenError("the signature does not match any trusted key", reason="signature")

    async def signer(self, keys: Iterable[Key]) -> Key | None:
        """Return the key that made the signature, yielding to other tasks if many keys have to be tried."""
        for number, key in enumerate(keys, 1):
            if self._is_of(key):
                return key
            if number % _TRIES == 0 and in_asyncio():
                await asyncio.sleep(0)
        return None

    def _is_of(self, key: Key) -> bool:
        try:
            return key.verifies(self.algorithm, self.signing_input, self.signature)
        except Exception:  # whatever a backend makes of hostile bytes, the signature does not verify
            return False


def size_faults(most_bytes: int) -> list[str]:
    """Return the faults of a maximum token length."""
    fits = isinstance(most_bytes, int) and 0 < most_bytes <= _MOST_OF_ALL
    return [] if fits else [f"most_bytes is a number of bytes, at most {_MOST_OF_ALL}"]


def as_bytes(token: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the bytes of a token.

    Raises:
        TokenError: it is not ASCII, or too long.
    """
    if not isinstance(token, str) or not token.isascii():
        raise TokenError("the token is not ASCII text", reason="malformed")
    if len(token) > most_bytes:
        raise TokenError(f"the token is longer than {most_bytes} bytes", reason="oversized")
    return token.encode()


def unverified_claims(token: str) -> dict[str, Any]:
    """Return a token's unverified claims, only for choosing its verifier.

    Raises:
        TokenError: it is malformed.
    """
    return _claims(_decoded(token)[1])


def read(token: str, *, typ: str | None = None, bearing: str | None = None) -> Signed:
    """Return the parts of a compact token.

    Args:
        token: three base64url segments, joined by dots.
        typ: the required type in its header, such as ``"at+jwt"`` (RFC 9068); ``None`` accepts a
            header without one, ``JWT`` and ``at+jwt``.
        bearing: header members that are allowed in addition, such as the ``"jwk"`` of a proof.

    Raises:
        TokenError: it is malformed or uses an unsupported feature.
    """
    raw_header, payload, signature = _decoded(token)
    try:
        header = load_object(raw_header)
    except ValueError as error:
        raise TokenError("the token's header is not one strict JSON object", reason="malformed") from error
    algorithm, kid = _checked(header, typ, bearing)
    return Signed(header, algorithm, kid, payload, token.rpartition(".")[0].encode(), signature)


def _decoded(token: str) -> list[bytes]:
    """Return the header, the payload and the signature."""
    segments = as_bytes(token, len(token)).split(b".")
    if len(segments) != 3:
        raise TokenError("the token does not have three segments", reason="malformed")
    try:
        return list(map(decode_segment, segments))
    except ValueError as error:
        raise TokenError("a segment of the token is not strict base64url", reason="malformed") from error


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return load_object(payload)
    except ValueError as error:
        raise TokenError("the token's payload is not one strict JSON object", reason="malformed") from error


def _checked(header: dict[str, Any], typ: str | None, bearing: str | None) -> tuple[str, str | None]:
    refused = sorted((_REFUSED & header.keys()) - {bearing})
    if refused:
        raise TokenError(f"the token's header carries {', '.join(refused)}", reason="header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or (kid is not None and not isinstance(kid, str)):
        raise TokenError("the token's header has alg or kid missing or with the wrong type", reason="header")
    named = header.get("typ", "JWT" if typ is None else "")
    if not isinstance(named, str) or not _is_type(named.lower().removeprefix("application/"), typ):
        raise TokenError("the token's type is not accepted here", reason="typ")
    return algorithm, kid


def _is_type(named: str, typ: str | None) -> bool:
    return named in _TYPES if typ is None else named == typ.lower()
