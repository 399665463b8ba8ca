"""The verifier: a token comes in, a principal goes out, or a TokenError."""

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
    """Turn a token into a principal. Anything with this method serves, for opaque tokens too."""

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            TokenError: the token is refused.
        """
        ...


class TokenVerifier(UnderPolicy):
    """Verify JWTs: signature, issuer, audience, times, and the one company that each speaks for.

    The keys are given, or fetched: from ``jwks_url``, or from where the discovery document of the one
    ``issuer`` says when neither ``key`` nor ``jwks_url`` is given. See ``PolicyOptions`` for what may
    be said of claims: ``audience``, ``issuer``, ``tenant_claim``, ``tenant_type``, ``leeway`` and others.

    Args:
        key: a PEM text, a JWK, a JWKS document, a secret, or a list of these.
        jwks_url: where the key set is, by https.
        algorithms: the algorithms that are accepted, all symmetric or all asymmetric.
        typ: the type that a token's header has to name, such as ``"at+jwt"``.
        most_bytes: the longest token that is looked at.
        keys_lifetime: how many seconds a fetched set lives when its answer does not say.
        keys_stale: for how many seconds more it serves while the issuer is down.
        keys_cooldown: how many seconds pass between two searches for unknown key ids.
        http: how documents are fetched.
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
        """Return where the keys come from, or add to the faults."""
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
        """Return a verifier that hands each token to the one of these whose issuer it names.

        Args:
            verifiers: each states its ``issuer`` and which companies it ``speaks_for``; one may be an
                ``IssuerStore``, and another ``any_of`` stands for its members.
            cache: the verified tokens of all of them to keep.

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
        """Give the issuers whose tokens are accepted."""
        return self._policy.issuers

    @property
    def audiences(self) -> frozenset[str]:
        """Give the audiences for whom tokens may be."""
        return self._policy.audiences

    @property
    def recall(self) -> Callable[[bytes | None], Principal | None]:
        """Give what returns the principal of an ``Authorization`` header that was verified and still holds."""
        return self._kept.recall

    async def start(self) -> None:
        """Fetch what has to be fetched now, so that the first request need not wait.

        Raises:
            ConfigurationError: it cannot be had.
        """
        await self._keys.start()

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token, without proof of possession.

        Raises:
            TokenError: the token is refused, or is bound to a key or a certificate.
        """
        return await self.verify_in(self._kept, token, None)

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Return who the token speaks for, presented like this; the middleware calls it in place of ``verify``.

        Raises:
            TokenError: the token is refused, or proofs that it asks for are missing or wrong.
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
        """Return who the token speaks for, and keep it in a part of a cache until a time at most.

        Raises:
            TokenError: as ``verify_request`` does.
        """
        raw = jws.as_bytes(token, self.most_bytes)
        known = kept.known(raw)
        principal = await self._verified(kept, token, raw, at_most) if known is None else known
        await self._policy.confirm(principal, raw, presentation, self._clock())
        self._policy.note(principal, known=known is not None)
        return principal

    async def claims(self, token: str, *, must_expire: bool = True) -> Mapping[str, Any]:
        """Return the verified claims of a token that stands for nobody, such as a logout token.

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
        """Return the key that signed a token, looked for again where it is none that is at hand."""
        key = await signed.signer(await self._keys.find(signed.kid))
        if key is None:
            key = await signed.signer(await self._keys.again(signed.kid))
        if key is None:
            raise TokenError("the signature does not match any trusted key", reason="signature")
        return key

    def _until(self, claimed: float | None) -> float:
        """Return until when a principal may be served again without another look at its token."""
        now = self._clock()
        seconds = [self._keys.trusted_for()]
        if self._policy.lookup is not None:
            seconds.append(self._policy.lookup_seconds)
        return min([now + one for one in seconds] + ([] if claimed is None else [claimed]))

    def also_keeps_in(self, kept: Part[Principal]) -> None:
        """Let a part of a cache be forgotten with this verifier's own, when a key is trusted no more."""
        self._parts.add(kept)
        if self._policy.revocation is not None:
            self._policy.revocation.guard(kept)

    def is_for(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether the claims, not verified yet, name an issuer of this verifier."""
        return self._policy.is_of(claims)

    def faults_in_company(self) -> list[str]:
        """List what this verifier leaves open that must be said where there are others beside it."""
        missing = {"issuer": not self.issuers, "speaks_for": self._policy.speaks_for is None}
        return [f"{self!r} does not state its {name}" for name, is_missing in missing.items() if is_missing]

    def _forget(self) -> None:
        """Verify every token again: a key that was trusted is trusted no more."""
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
