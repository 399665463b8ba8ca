"""Opaque tokens: the issuer is asked what they mean (RFC 7662), and the answer is kept no longer than it may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Unpack
from urllib.parse import quote_plus

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, weight
from tenantguard.identity.http import FetchError, Http, is_safe
from tenantguard.identity.policy import PolicyOptions, policy_of
from tenantguard.identity.tenants import TenantType


class IntrospectionVerifier:
    """Verify opaque tokens by asking the issuer about each; see :class:`PolicyOptions` for the claims.

    Args:
        url: the introspection endpoint, by https.
        client: the id and the secret that this service authenticates with.
        seconds: for how many seconds an answer holds at most, or fewer where it says so (``max-age``); a
            token revoked meanwhile still passes.
        most_bytes: the longest token that is looked at.
        http: how the endpoint is asked.
        cache: the answers to keep; ``Cache(entries=0)`` keeps none.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: something of this would not be safe; everything is listed at once.
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
        if not is_safe(url):
            faults.append(f"{url} is neither https nor on this machine")
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(
                f"IntrospectionVerifier cannot be trusted, {len(faults)} fault(s):{listed}"
            )
        self._url, self._seconds = url, seconds
        self._client = quote_plus(client[0]), quote_plus(client[1])  # RFC 6749 section 2.3.1
        self._most_bytes, self._clock = most_bytes, clock
        self._http = http or Http()
        self._asking: dict[bytes, asyncio.Task[Principal]] = {}
        self._cache: Cache[Principal] = Cache(clock=clock) if cache is None else cache

    @property
    def tenant_type(self) -> TenantType:
        """Give the type of the tenant ids."""
        return self._policy.tenant_type

    @property
    def leeway(self) -> float:
        """Give the seconds that clocks may differ."""
        return self._policy.leeway

    @property
    def recall(self) -> Callable[[bytes | None], Principal | None]:
        """Give what returns the principal of an ``Authorization`` header that was asked about a moment ago."""
        return self._cache.get

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            TokenError: the issuer says that it is not active, does not answer, or the claims are refused.
        """
        header = b"Bearer " + jws.as_bytes(token, self._most_bytes)
        known = self._cache.get(header)
        if known is not None:
            return known
        asking = self._asking.get(header)
        if asking is None:
            asking = self._asking[header] = asyncio.ensure_future(self._verify(token, header))
            asking.add_done_callback(lambda task: self._asked(header, task))
        return await asyncio.shield(asking)  # who gives up does not end it for the others

    def _asked(self, header: bytes, task: asyncio.Task[Principal]) -> None:
        del self._asking[header]
        if not task.cancelled():
            task.exception()  # whoever waited was told; when all of them went away, nobody need be

    async def _verify(self, token: str, header: bytes) -> Principal:
        asked = self._clock()
        claims, seconds = await self._ask(token)
        until = self._policy.check(claims, self._clock(), must_expire=False)
        principal = await self._policy.principal(claims)
        ends = asked + seconds
        self._cache.put(header, principal, ends if until is None else min(ends, until), weight(claims))
        return principal

    async def _ask(self, token: str) -> tuple[dict[str, object], float]:
        """Return what the issuer says of the token, and for how many seconds it holds."""
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            answer = await self._http.post(self._url, form, self._client)
        except FetchError as error:
            raise TokenError(
                "the issuer cannot be asked about the token", reason="issuer_unavailable"
            ) from error
        if answer.content.get("active") is not True:
            raise TokenError("the token is not active", reason="inactive")
        return answer.content, self._seconds if answer.max_age is None else min(self._seconds, answer.max_age)
