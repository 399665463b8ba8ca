"""Opaque tokens: introspection at the issuer (RFC 7662), with a cache that respects its limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Unpack
from urllib.parse import quote_plus

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, Part, weight
from tenantguard.identity.flights import Flights
from tenantguard.identity.http import FetchError, Http
from tenantguard.identity.places import is_safe
from tenantguard.identity.policy import UnderPolicy
from tenantguard.identity.policy_options import PolicyOptions, policy_of
from tenantguard.identity.presentation import Presentation

_RETRY = 1.0  # seconds, for which an issuer that did not answer is not asked about that token again
_PASSING = ("not_yet", "revocation_lost")  # reasons of which a token is free again by itself
_MOST_ANSWER = 32 * 1024  # bytes; what a token means fits into far less


class IntrospectionVerifier(UnderPolicy):
    """A verifier of opaque tokens that asks the issuer about each; see ``PolicyOptions`` for the claims.

    Args:
        url: the https URL of the introspection endpoint.
        client: the id and the secret with which this service authenticates.
        seconds: the maximum number of seconds for which a response is cached, or less if it says so (``max-age``). A
            token revoked meanwhile is still accepted, and an inactive one is not asked about again.
        most_bytes: the maximum length of a token.
        http: the HTTP client.
        cache: the cache of responses; ``Cache(entries=0)`` keeps none.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: a setting would not be safe; all faults are listed at once.
    """

    def __init__(
        self,
        url: str,
        *,
        client: tuple[str, str],
        seconds: float = 60.0,
        most_bytes: int = jws.MOST_BYTES,
        http: Http | None = None,
        cache: Cache[Principal] | None = None,
        clock: Callable[[], float] = time.time,
        **policy: Unpack[PolicyOptions],
    ) -> None:
        faults: list[str] = []
        self._policy = policy_of(faults, **policy)
        faults += jws.size_faults(most_bytes)
        if not is_safe(url):
            faults.append(f"{url} is neither https nor on this machine")
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(
                f"IntrospectionVerifier cannot be trusted, {len(faults)} fault(s):{listed}"
            )
        self._url, self._seconds = url, seconds
        self._client = quote_plus(client[0]), quote_plus(client[1])  # RFC 6749 section 2.3.1
        self.most_bytes, self._clock = most_bytes, clock
        self._http = http or Http(most_bytes=_MOST_ANSWER)
        self._asking = Flights[Principal]()
        self._kept: Part[Principal] = Part(Cache(clock=clock) if cache is None else cache)
        if self._policy.revocation is not None:
            self._policy.revocation.guard(self._kept)
        # apart, so that tokens that somebody made up push out none of the good ones
        self._refused: Cache[TokenError] = Cache(
            0 if cache is not None and cache.is_none else 5_000, clock=clock
        )

    @property
    def recall(self) -> Callable[[bytes | None], Principal | None]:
        """Return the function that looks up the principal of a recent ``Authorization`` header."""
        return self._kept.recall

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token, without proof of possession.

        Raises:
            TokenError: the token is not active, the issuer does not respond, or the claims are refused.
        """
        return await self._verify(token, None)

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Return the principal of a token on a request.

        Raises:
            TokenError: see ``verify``; or a required proof is missing or wrong.
        """
        return await self._verify(token, presentation)

    async def _verify(self, token: str, presentation: Presentation | None) -> Principal:
        raw = jws.as_bytes(token, self.most_bytes)
        if not token or not token.isprintable():  # RFC 6749, appendix A.12
            raise TokenError("the token is empty or holds control characters", reason="malformed")
        known = self._kept.known(raw)
        if known is None and (refusal := self._refused.get(raw)) is not None:
            raise _fresh(refusal)
        principal = known or await self._asking.join(raw, lambda: self._asked(token, raw))
        await self._policy.confirm(principal, raw, presentation, self._clock())
        self._policy.note(principal, known=known is not None)
        return principal

    async def _asked(self, token: str, raw: bytes) -> Principal:
        """Return the issuer's response about a token, and cache it, even a refusal."""
        asked, mark = self._clock(), self._kept.mark
        try:
            claims, seconds = await self._ask(token)
        except IssuerUnavailableError as error:
            self._refuse(raw, error, asked + min(_RETRY, self._seconds))
            raise
        ends = asked + seconds
        try:
            if claims.get("active") is not True:
                raise TokenError("the token is not active", reason="inactive")
            until = self._policy.check(claims, self._clock(), must_expire=False)
            principal = await self._policy.principal(claims)
            await self._policy.still(principal)  # what was revoked is not kept: nobody looks again
        except TokenError as error:
            if error.reason not in _PASSING:
                self._refuse(raw, error, ends)
            raise
        ends = min(ends, self._policy.kept_until(principal), ends if until is None else until)
        bound = self._policy.asks_again(principal)
        self._kept.keep(mark, raw, principal, ends, weight(claims), bound=bound)
        return principal

    def _refuse(self, raw: bytes, error: TokenError, until: float) -> None:
        self._refused.put(raw, _fresh(error), until)

    async def _ask(self, token: str) -> tuple[Mapping[str, Any], float]:
        """Return the issuer's response about a token, and the number of seconds for which it is valid."""
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            answer = await self._http.post(self._url, form, self._client)
        except FetchError as error:
            raise IssuerUnavailableError(
                "the issuer cannot be asked about the token", retry_after=_RETRY
            ) from error
        return answer.content, self._seconds if answer.max_age is None else min(self._seconds, answer.max_age)


def _fresh(error: TokenError) -> TokenError:
    """Return a copy of an error, perhaps of an application's own class, without the frames that hold its token."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made
