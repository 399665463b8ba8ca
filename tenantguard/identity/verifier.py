"""The verifier: turns a token into a principal, or raises a TokenError."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol, Unpack
from weakref import WeakSet

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, Part, weight
from tenantguard.identity.claims import check_key_issuer
from tenantguard.identity.http import Http
from tenantguard.identity.issuers import AnyOf, Member
from tenantguard.identity.jwks import RemoteKeys, StaticKeys
from tenantguard.identity.key_reading import static_keys
from tenantguard.identity.keys import ASYMMETRIC, Key, algorithms_of
from tenantguard.identity.places import is_safe
from tenantguard.identity.policy import Policy, UnderPolicy
from tenantguard.identity.policy_options import PolicyOptions, policy_of
from tenantguard.identity.presentation import Presentation


class Verifier(Protocol):
    """An object that turns tokens into principals; any object with this method can be a verifier."""

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            TokenError: the token is refused.
        """
        ...


class TokenVerifier(UnderPolicy):
    """A verifier of JWTs that checks the signature, issuer, audience, times and company.

    The keys are given with ``key``, or fetched from ``jwks_url`` or, without either, from the URL in the discovery
    document of the ``issuer``. See ``PolicyOptions`` for the options of claims: ``audience``, ``issuer``,
    ``tenant_claim``, ``tenant_type``, ``leeway`` and others.

    Args:
        key: a PEM text, a JWK, a JWKS document, a secret, or a list of these.
        jwks_url: the https URL of the key set.
        algorithms: the accepted algorithms, all symmetric or all asymmetric.
        typ: the required type in a token's header, such as ``"at+jwt"``.
        most_bytes: the maximum length of a token.
        keys_lifetime: the number of seconds for which a fetched set is valid if its response does not say.
        keys_stale: for how many more seconds it is used while the issuer is down.
        keys_cooldown: the number of seconds between two searches for unknown key ids.
        http: the HTTP client.
        cache: the cache of verified tokens; ``Cache(entries=0)`` keeps none.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: a setting would not be safe; all faults are listed at once.

    Example:
        >>> TokenVerifier(key="k" * 32, algorithms=["HS256"], audience="api", issuer="https://idp.example")
        <TokenVerifier HS256 of https://idp.example>
    """

    def __init__(
        self,
        *,
        key: Any = None,
        jwks_url: str | None = None,
        algorithms: Collection[str] = (),
        typ: str | None = None,
        most_bytes: int = jws.MOST_BYTES,
        keys_lifetime: float = 600.0,
        keys_stale: float = 3600.0,
        keys_cooldown: float = 5.0,
        http: Http | None = None,
        cache: Cache[Principal] | None = None,
        clock: Callable[[], float] = time.time,
        **policy: Unpack[PolicyOptions],
    ) -> None:
        faults: list[str] = []
        self._algorithms = algorithms_of(algorithms, faults)
        self._policy: Policy = policy_of(faults, **policy)
        faults += jws.size_faults(most_bytes)
        self._typ = typ
        self.most_bytes = most_bytes
        self._kept: Part[Principal] = Part(Cache(clock=clock) if cache is None else cache)
        self._parts: WeakSet[Part[Principal]] = WeakSet()
        self.also_keeps_in(self._kept)
        self._clock = clock
        remote = partial(RemoteKeys, lifetime=keys_lifetime, stale=keys_stale, cooldown=keys_cooldown)
        self._keys = self._source(faults, key, jwks_url, http, remote)
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(f"TokenVerifier cannot be trusted, {len(faults)} fault(s):{listed}")

    def _source(
        self,
        faults: list[str],
        key: Any,
        url: str | None,
        http: Http | None,
        remote: Callable[..., RemoteKeys],
    ) -> StaticKeys | RemoteKeys:
        """Return the source of the keys, or add to the faults."""
        issuers = sorted(issuer for issuer in self.issuers if "{" not in issuer)
        if key is not None:
            if url is not None:
                faults.append("both key and jwks_url are given; choose one")
            return self._static(key, faults)
        issuer = issuers[0] if url is None and len(issuers) == 1 else None
        faults += _place_faults(url or issuer, self._algorithms)
        if faults:
            return StaticKeys(())
        network = http or Http()
        led = network.led_by(issuer) if issuer is not None and isinstance(network, Http) else None
        return remote(network.get, self._algorithms, url=url, issuer=issuer, led=led, dropped=self._forget)

    def _static(self, key: Any, faults: list[str]) -> StaticKeys:
        if self._algorithms:
            try:
                return StaticKeys(static_keys(key, self._algorithms))
            except ConfigurationError as error:
                faults.append(str(error))
        return StaticKeys(())

    @staticmethod
    def any_of(*verifiers: Member | AnyOf, cache: Cache[Principal] | None = None) -> AnyOf:
        """Return a verifier that passes each token to the member whose issuer it names.

        Args:
            verifiers: verifiers that state their ``issuer`` and the companies they ``speaks_for``; one may be an
                ``IssuerStore``, and another ``any_of`` contributes its members.
            cache: the cache of verified tokens of all members.

        Raises:
            ConfigurationError: one states too little, or two state the same issuer.

        Example:
            >>> secret = {"algorithms": ["HS256"], "audience": "api", "speaks_for": "every"}
            >>> TokenVerifier.any_of(
            ...     TokenVerifier(key="k" * 32, issuer="https://one.example", **secret),
            ...     TokenVerifier(key="j" * 32, issuer="https://two.example", **secret),
            ... ).issuers == {"https://one.example", "https://two.example"}
            True
        """
        return AnyOf(verifiers, cache)

    @property
    def issuers(self) -> frozenset[str]:
        """Return the issuers whose tokens are accepted."""
        return self._policy.issuers

    @property
    def audiences(self) -> frozenset[str]:
        """Return the accepted audiences."""
        return self._policy.audiences

    @property
    def recall(self) -> Callable[[bytes | None], Principal | None]:
        """Return the function that looks up the principal of a verified ``Authorization`` header."""
        return self._kept.recall

    async def start(self) -> None:
        """Fetch the keys now, so that the first request need not wait.

        Raises:
            ConfigurationError: they cannot be fetched.
        """
        await self._keys.start()

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token, without proof of possession.

        Raises:
            TokenError: the token is refused, or is bound to a key or a certificate.
        """
        return await self.verify_in(self._kept, token, None)

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Return the principal of a token on a request; the middleware calls this instead of ``verify``.

        Raises:
            TokenError: the token is refused, or a required proof is missing or wrong.
        """
        return await self.verify_in(self._kept, token, presentation)

    async def verify_in(
        self,
        kept: Part[Principal],
        token: str,
        presentation: Presentation | None,
        *,
        at_most: float = float("inf"),
    ) -> Principal:
        """Return the principal of a token, and keep it in a part of a cache until a given time at most.

        Raises:
            TokenError: see ``verify_request``.
        """
        raw = jws.as_bytes(token, self.most_bytes)
        known = kept.known(raw)
        principal = await self._verified(kept, token, raw, at_most) if known is None else known
        await self._policy.confirm(principal, raw, presentation, self._clock())
        self._policy.note(principal, known=known is not None)
        return principal

    async def claims(self, token: str, *, must_expire: bool = True) -> Mapping[str, Any]:
        """Return the verified claims of a token without a principal, such as a logout token.

        Args:
            token: the token, in compact form.
            must_expire: whether one without ``exp`` is refused.

        Raises:
            TokenError: the token is refused.
        """
        jws.as_bytes(token, self.most_bytes)
        return (await self._signed_claims(token, must_expire=must_expire))[0]

    async def _signed_claims(
        self, token: str, *, must_expire: bool = True
    ) -> tuple[Mapping[str, Any], float | None]:
        signed = jws.read(token, typ=self._typ)
        if signed.algorithm not in self._algorithms:
            raise TokenError("the token is signed by an algorithm that is not accepted", reason="algorithm")
        key = await self._signer(signed)
        claims = signed.claims()
        until = self._policy.check(claims, self._clock(), must_expire=must_expire)
        check_key_issuer(claims, key.issuer)
        return claims, until

    async def _verified(self, kept: Part[Principal], token: str, raw: bytes, at_most: float) -> Principal:
        mark = kept.mark  # what is forgotten while a look-up is waited for is not kept
        claims, until = await self._signed_claims(token)
        principal = await self._policy.principal(claims)
        await self._policy.still(principal)  # what was revoked is not kept: nobody looks again
        until = min(self._until(until), at_most, self._policy.kept_until(principal))
        bound = self._policy.asks_again(principal)
        kept.keep(mark, raw, principal, until, weight(claims), bound=bound)
        return principal

    async def _signer(self, signed: jws.Signed) -> Key:
        """Return the key that signed a token, searching again if none of the known keys did."""
        key = await signed.signer(await self._keys.find(signed.kid))
        if key is None:
            key = await signed.signer(await self._keys.again(signed.kid))
        if key is None:
            raise TokenError("the signature does not match any trusted key", reason="signature")
        return key

    def _until(self, claimed: float | None) -> float:
        """Return until when a principal can be served without checking its token again."""
        now = self._clock()
        seconds = [self._keys.trusted_for()]
        if self._policy.lookup is not None:
            seconds.append(self._policy.lookup_seconds)
        return min([now + one for one in seconds] + ([] if claimed is None else [claimed]))

    def also_keeps_in(self, kept: Part[Principal]) -> None:
        """Clear a further part of a cache together with this verifier's own, when a key is no longer trusted."""
        self._parts.add(kept)
        if self._policy.revocation is not None:
            self._policy.revocation.guard(kept)

    def is_for(self, claims: Mapping[str, Any]) -> bool:
        """Return whether unverified claims name an issuer of this verifier."""
        return self._policy.is_of(claims)

    def faults_in_company(self) -> list[str]:
        """Return the options that this verifier must state to be combined with others."""
        missing = {"issuer": not self.issuers, "speaks_for": self._policy.speaks_for is None}
        return [f"{self!r} does not state its {name}" for name, is_missing in missing.items() if is_missing]

    def _forget(self) -> None:
        """Forget all verified tokens, because a key is no longer trusted."""
        for part in list(self._parts):
            part.forget()

    def __repr__(self) -> str:
        of = f" of {', '.join(sorted(self.issuers))}" if self.issuers else ""
        return f"<TokenVerifier {', '.join(sorted(self._algorithms))}{of}>"


def _place_faults(place: str | None, algorithms: frozenset[str]) -> list[str]:
    if place is None:
        return ["no key: give key=..., jwks_url=..., or one issuer=... to discover it from"]
    found = [] if is_safe(place) else [f"{place} is neither https nor on this machine"]
    if algorithms - ASYMMETRIC:
        found.append("a secret cannot be fetched: with jwks_url or discovery, accept asymmetric algorithms")
    return found
