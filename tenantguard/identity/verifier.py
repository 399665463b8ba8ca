"""The verifier: a token comes in, a principal goes out, or a TokenError."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import claims as checks
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, weight
from tenantguard.identity.encoding import frozen, load_object
from tenantguard.identity.keys import ALGORITHMS, ASYMMETRIC, Key, static_keys
from tenantguard.identity.tenants import ClaimPath, TenantType, as_tenant, claim_reader

MOST_TOKEN_BYTES = 8 * 1024
_MOST_LEEWAY = 600.0


class Verifier(Protocol):
    """Turn a token into a principal. Anything with this method serves, for opaque tokens too."""

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            TokenError: the token is refused.
        """
        ...


class TokenVerifier:
    """Verify JWTs: signature, issuer, audience, times, and the one company that each speaks for.

    Args:
        key: a PEM text, a JWK, a JWKS document, a secret, or a list of these.
        algorithms: the algorithms that are accepted, all symmetric or all asymmetric.
        audience: for whom tokens must be; without it, a token that names an audience is refused.
        issuer: by whom tokens must be.
        tenant_claim: where the company is: a name, a dotted path, or a function of the claims.
        tenant_type: the type of the tenant column: ``str``, ``int`` or ``UUID``.
        permissions_claim: where the permissions are; of several names, the first that a token has.
        leeway: how many seconds the clocks of issuer and server may differ.
        typ: the type that a token's header has to name, such as ``"at+jwt"``.
        most_bytes: the longest token that is looked at.
        cache: the verified tokens to keep; ``Cache(entries=0)`` keeps none.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: something of this would not be safe; everything is listed at once.

    Example:
        >>> TokenVerifier(key="k" * 32, algorithms=["HS256"], audience="api", issuer="https://idp.example")
        <TokenVerifier HS256 of https://idp.example>
    """

    def __init__(
        self,
        *,
        key: Any = None,
        algorithms: Collection[str] = (),
        audience: str | Collection[str] | None = None,
        issuer: str | Collection[str] | None = None,
        tenant_claim: ClaimPath = "company_id",
        tenant_type: TenantType = str,
        permissions_claim: str | Collection[str] = ("permissions", "scope", "scp"),
        leeway: float = 0.0,
        typ: str | None = None,
        most_bytes: int = MOST_TOKEN_BYTES,
        cache: Cache[Principal] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        faults: list[str] = []
        self._algorithms = _algorithms(algorithms, faults)
        self._audiences = _names(audience, "audience", faults)
        self._issuers = _names(issuer, "issuer", faults)
        self._permissions = tuple(_names(permissions_claim, "permissions_claim", faults, tuple))
        self._tenant_type = tenant_type
        self._tenant_of = _reader(tenant_claim, faults)
        self.leeway = leeway
        self._typ = typ
        self._most_bytes = most_bytes
        self._cache: Cache[Principal] = Cache(clock=clock) if cache is None else cache
        self._clock = clock
        if tenant_type not in (str, int, UUID):
            faults.append("tenant_type is the type of the tenant column: str, int or UUID")
        if isinstance(leeway, bool) or not 0 <= leeway <= _MOST_LEEWAY:
            faults.append(f"leeway is a number of seconds, at most {_MOST_LEEWAY:.0f}")
        self._keys: tuple[Key, ...] = self._static(key, faults)
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(f"TokenVerifier cannot be trusted, {len(faults)} fault(s):{listed}")

    def _static(self, key: Any, faults: list[str]) -> tuple[Key, ...]:
        if key is None:
            faults.append("no key: give key=...")
        elif self._algorithms:
            try:
                return static_keys(key, self._algorithms)
            except ConfigurationError as error:
                faults.append(str(error))
        return ()

    @property
    def recall(self) -> Callable[[bytes | None], Principal | None]:
        """Give what returns the principal of an ``Authorization`` header that was verified and still holds."""
        return self._cache.get

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            TokenError: the token is refused.
        """
        header = b"Bearer " + self._bytes(token)
        known = self._cache.get(header)
        if known is not None:
            return known
        signed = jws.read(token, typ=self._typ)
        if signed.algorithm not in self._algorithms:
            raise TokenError("the token is signed by an algorithm that is not accepted", reason="algorithm")
        signed.verify(await self._find(signed))
        claims = _claims(signed.payload)
        until = self._check(claims)
        principal = self._principal(claims)
        self._cache.put(header, principal, until, weight(claims))
        return principal

    def _bytes(self, token: str) -> bytes:
        if not isinstance(token, str) or not token.isascii():
            raise TokenError("the token is not ASCII text", reason="malformed")
        if len(token) > self._most_bytes:
            raise TokenError(f"the token is longer than {self._most_bytes} bytes", reason="oversized")
        return token.encode()

    async def _find(self, signed: jws.Signed) -> list[Key]:
        """Return the keys that may have signed it: of its key id, or all where one of both sides has none."""
        return [key for key in self._keys if signed.kid is None or key.kid is None or key.kid == signed.kid]

    def _check(self, claims: Mapping[str, Any]) -> float:
        """Return until when the claims hold."""
        until = checks.check_times(claims, self._clock(), self.leeway)
        checks.check_issuer(claims, self._issuers)
        checks.check_audience(claims, self._audiences)
        return until

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        return Principal(
            subject=checks.subject_of(claims),
            tenant=as_tenant(self._tenant_of(claims), self._tenant_type),
            permissions=checks.permissions_of(claims, self._permissions),
            claims=frozen(claims),
        )

    def __repr__(self) -> str:
        of = f" of {', '.join(sorted(self._issuers))}" if self._issuers else ""
        return f"<TokenVerifier {', '.join(sorted(self._algorithms))}{of}>"


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return load_object(payload)
    except ValueError as error:
        raise TokenError("the token's payload is not one strict JSON object", reason="malformed") from error


def _algorithms(given: Collection[str], faults: list[str]) -> frozenset[str]:
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


def _reader(path: ClaimPath, faults: list[str]) -> Callable[[Mapping[str, Any]], Any]:
    try:
        return claim_reader(path)
    except ConfigurationError as error:
        faults.append(str(error))
        return claim_reader("company_id")


def _names(
    given: str | Collection[str] | None,
    argument: str,
    faults: list[str],
    kind: Callable[[Collection[str]], Collection[str]] = frozenset,
) -> Any:
    """Return the names, one or several, as a set; what is empty or no text is a fault."""
    if given is None:
        return kind(())
    names = [given] if isinstance(given, str) else list(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        faults.append(f"{argument} is a text or a list of texts, none of them empty")
        return kind(())
    return kind(names)
