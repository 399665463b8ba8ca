"""DPoP (RFC 9449): proof, with each request, that the sender of a token holds the key it is bound to."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.encoding import encode_segment
from tenantguard.identity.key_reading import read_jwk
from tenantguard.identity.keys import ASYMMETRIC, algorithms_of
from tenantguard.identity.nonces import Nonces, nonce_faults
from tenantguard.identity.presentation import DPOP, Presentation
from tenantguard.identity.replays import Replays

Replay = Callable[[str, float], Awaitable[bool]]
Place = tuple[str, str, int, str]  # scheme, host, port, path

_MOST_BYTES = 4 * 1024
_JTI = re.compile(r"[!-~]{1,256}")
_URL = re.compile(r"[!-~]{1,2048}")
_PORTS = {"http": 80, "https": 443}
_SOCKETS = {"ws": "http", "wss": "https"}  # a handshake is a request over HTTP
_THUMBED = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}  # RFC 7638
_AS_IT_IS = "-._~!$&'()*+,;=:@/"


class DPoP:
    """The checks of proofs of possession, one per request.

    Args:
        origin: the URL at which clients reach this service, such as ``"https://api.example"``, or several. A
            path in it is the prefix that a proxy removes.
        algorithms: the algorithms of proofs, all asymmetric.
        age: how many seconds after its ``iat`` a proof is accepted, in addition to the verifier's leeway.
        first_use: a store of used proofs; ``Replays`` by default, which knows those of this process. For several
            processes, pass a shared store: an async function of a string and the number of seconds to keep it, which
            returns whether the string is new.
        nonce_key: require a nonce of this service in each proof (section 8), created with this secret of at least
            32 bytes, the same for every process.
        nonce_seconds: the number of seconds until a new nonce.

    Raises:
        ConfigurationError: a setting would not be safe; all faults are listed at once.

    Example:
        >>> DPoP("https://api.example").algorithms
        ('ES256', 'EdDSA')
    """

    def __init__(
        self,
        origin: str | Collection[str],
        *,
        algorithms: Collection[str] = ("ES256", "EdDSA"),
        age: float = 60.0,
        first_use: Replay | None = None,
        nonce_key: str | bytes | None = None,
        nonce_seconds: float = 300.0,
    ) -> None:
        faults: list[str] = []
        self._allowed = algorithms_of(algorithms, faults)
        if self._allowed - ASYMMETRIC:
            faults.append("a proof is signed by a private key: accept asymmetric algorithms")
        origins = [origin] if isinstance(origin, str) else list(origin)
        self._origins = [place for place in map(_place, origins) if place is not None]
        if not origins or len(self._origins) != len(origins):
            faults.append('origin is where clients reach this service: origin="https://api.example"')
        if isinstance(age, bool) or not isinstance(age, int | float) or not 0 < age <= 600:
            faults.append("age is a number of seconds, more than 0 and at most 600")
        if nonce_key is not None:
            faults += nonce_faults(nonce_key, nonce_seconds)
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(f"DPoP cannot be trusted, {len(faults)} fault(s):{listed}")
        self.algorithms = tuple(sorted(self._allowed))
        self._age = age
        self._first_use: Replay = Replays() if first_use is None else first_use
        key = nonce_key.encode() if isinstance(nonce_key, str) else nonce_key
        self._nonces = None if key is None else Nonces(key, nonce_seconds)

    async def check(
        self, token: bytes, thumbprint: object, presentation: Presentation, now: float, leeway: float
    ) -> None:
        """Check that the request carries a current proof of the key for this token and this request.

        Raises:
            TokenError: it does not, or the proof was used before.
        """
        try:
            await self._check(token, thumbprint, presentation, now, leeway)
        except TokenError as error:
            if self._nonces is not None:
                error.nonce = self._nonces.current(now)
            raise

    async def _check(
        self, token: bytes, thumbprint: object, presentation: Presentation, now: float, leeway: float
    ) -> None:
        claims, key_thumbprint = self._read(presentation)
        if key_thumbprint != thumbprint:
            raise self._fault(
                "the proof is signed with another key than the one the token is bound to",
                code="invalid_token",
            )
        self._check_request(claims, presentation.scope)
        if self._nonces is not None and not self._nonces.counts(claims.get("nonce"), now):
            raise self._fault("the proof needs this service's nonce", code="use_dpop_nonce", reason="nonce")
        issued = claims.get("iat")
        if isinstance(issued, bool) or not isinstance(issued, int | float):
            raise self._fault("the proof does not say when it was created")
        if not now - self._age - leeway < issued <= now + leeway:
            raise self._fault("the proof is too old, or dated in the future")
        if claims.get("ath") != encode_segment(sha256(token).digest()).decode():
            raise self._fault("the proof is for another token")
        used = claims.get("jti")
        if not isinstance(used, str) or not _JTI.fullmatch(used):
            raise self._fault("the proof has no usable jti")
        if not await self._first_use(f"{thumbprint} {used}", self._age + 2 * leeway):
            raise self._fault("the proof was used before", reason="replayed")

    def _read(self, presentation: Presentation) -> tuple[dict[str, Any], str]:
        """Return the claims of the proof, verified with the key that it carries, and the key's thumbprint."""
        proofs = [value for name, value in presentation.scope["headers"] if name == b"dpop"]
        if len(proofs) != 1:
            raise self._fault("the request carries no proof, or more than one")
        try:
            text = jws.as_bytes(proofs[0].decode("latin-1"), _MOST_BYTES).decode()
            proof = jws.read(text, typ="dpop+jwt", bearing="jwk")
            entry = proof.header["jwk"]
            key = read_jwk(entry, frozenset({proof.algorithm}) & self._allowed)
            proof.verify([key])
            claims = proof.claims()
        except (TokenError, ConfigurationError, KeyError) as error:
            raise self._fault("the proof is malformed, or not signed with the key that it carries") from error
        return claims, _thumbprint(entry)

    def _check_request(self, claims: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        if claims.get("htm") != scope.get("method", "GET"):  # a websocket's handshake is a GET
            raise self._fault("the proof is for another method")
        raw = scope.get("raw_path") or quote(scope["path"], safe=_AS_IT_IS).encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        named = claims.get("htu")
        place = _place(named) if isinstance(named, str) else None
        if place is None or place not in {
            (scheme, host, port, _plain(before.rstrip("/") + path))
            for scheme, host, port, before in self._origins
        }:
            raise self._fault("the proof is for another URL")

    def _fault(self, message: str, *, code: str = "invalid_dpop_proof", reason: str = "proof") -> TokenError:
        return TokenError(message, code=code, reason=reason, scheme=DPOP, algorithms=self.algorithms)


def _place(url: str) -> Place | None:
    """Return a URL in canonical form without query and fragment, or ``None`` if it is unusable."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = _SOCKETS.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return scheme, parts.hostname, port or _PORTS[scheme], _plain(parts.path)


def _plain(path: str) -> str:
    """Return a path in canonical percent-encoding."""
    segments = [quote(unquote_to_bytes(segment), safe=_AS_IT_IS[:-1]) for segment in path.split("/")]
    return "/".join(segments) or "/"


def _thumbprint(entry: Mapping[str, Any]) -> str:
    """Return the thumbprint of a public key from its JWK (RFC 7638)."""
    members = {name: entry[name] for name in _THUMBED[entry["kty"]]}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return encode_segment(sha256(text.encode()).digest()).decode()
