"""Issuers from a store: added, changed and removed while the application runs, by the companies themselves."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, Part
from tenantguard.identity.flights import Flights
from tenantguard.identity.http import Http
from tenantguard.identity.places import is_outside
from tenantguard.identity.policy import RECHECK_REVOCABLE
from tenantguard.identity.presentation import Presentation
from tenantguard.identity.recall import Recall
from tenantguard.identity.tenants import TenantType
from tenantguard.identity.verifier import TokenVerifier

Find = Callable[[str], Awaitable[Mapping[str, Any] | None]]

_log = logging.getLogger("tenantguard")
_ISSUER = re.compile(r"[!-~]{1,256}")
_MOST_ASKED = 20  # issuers at once: names that somebody made up must not keep the store busy
_RETRY = 5.0  # seconds, for which a store that failed is not asked again about an issuer that it named before


@dataclass(frozen=True)
class Entry:
    """The store's answer about one issuer.

    Attributes:
        settings: the arguments of a ``TokenVerifier``, or ``None`` if there is no such issuer.
        verifier: the verifier with these settings, or ``None`` if they cannot be trusted.
        asked: when the store was asked.
        until: until when the answer is valid.
    """

    settings: Mapping[str, Any] | None
    verifier: TokenVerifier | None
    asked: float
    until: float


class IssuerStore:
    """A verifier that looks up issuers by name, with one verifier each; used alone or in ``any_of``.

    The store's content may come from the companies themselves, so its rules are stricter than for the application's
    own settings: each issuer states which companies it ``speaks_for``, and its keys are never fetched from an
    internal address.

    Args:
        find: an async function from an issuer to the arguments of its ``TokenVerifier``, or ``None``.
        seconds: the number of seconds for which an answer is valid, and thus how late a change takes effect.
        stale: for how many more seconds it is used while the store fails.
        tenant_type: the type of the tenant ids of all issuers.
        most: the maximum number of issuers kept at once, and of unknown names.
        most_bytes: the maximum length of a token.
        http: the HTTP client for keys; by default ``Http(outside=True)``, which refuses internal addresses.
        cache: the cache of verified tokens of all issuers.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: a number is out of range.

    Example:
        >>> import asyncio
        >>> async def find(issuer):
        ...     return None
        >>> asyncio.run(IssuerStore(find).member("https://sso.globex.example"))
    """

    def __init__(
        self,
        find: Find,
        *,
        seconds: float = 60.0,
        stale: float = 300.0,
        tenant_type: TenantType = str,
        most: int = 1_000,
        most_bytes: int = jws.MOST_BYTES,
        http: Http | None = None,
        cache: Cache[Principal] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        faults = jws.size_faults(most_bytes)
        if not (0 <= seconds <= 3600 and 0 <= stale <= 24 * 3600 and most > 0):
            faults.append("seconds is at most an hour, stale at most a day, and most at least 1")
        if faults:
            raise ConfigurationError(f"IssuerStore cannot be trusted: {'; '.join(faults)}")
        self._find, self._seconds, self._stale = find, seconds, stale
        self.tenant_type, self.most_bytes, self._most = tenant_type, most_bytes, most
        self._http = http or _http()
        self._clock = clock
        self._kept: Part[Principal] = Part(Cache(clock=clock) if cache is None else cache)
        self._parts = [self._kept]
        self._known: dict[str, Entry] = {}
        self._unknown: dict[str, Entry] = {}  # apart, so that made-up names push out no issuer
        self._asking = Flights[Entry]()
        self._free = threading.BoundedSemaphore(_MOST_ASKED)
        self.issuers = frozenset[str]()
        self.leeway = 0.0

    @property
    def recall(self) -> Recall:
        """Return the function that looks up the principal of a verified ``Authorization`` header."""
        return self._kept.get_guarded  # an issuer that is found later may bring a guard

    async def start(self) -> None:
        """Do nothing: issuers are looked up when their first token arrives."""

    def is_for(self, claims: Mapping[str, Any]) -> bool:
        """Return whether unverified claims name an issuer that may be looked up."""
        issuer = claims.get("iss")
        return isinstance(issuer, str) and bool(_ISSUER.fullmatch(issuer))

    def ends(self, principal: Principal) -> float | None:
        """Return when a principal's token ends, by the leeway and the maximum age of its issuer."""
        entry = self._known.get(str(principal.claims.get("iss")))
        if entry is None or entry.verifier is None:
            return self._clock()  # its issuer is gone, and it goes with it
        return entry.verifier.ends(principal)

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token should be checked again; any issuer's may be revocable."""
        return RECHECK_REVOCABLE

    async def still(self, principal: Principal) -> None:
        """Check that a token was not revoked since it was verified.

        Raises:
            TokenError: it was, or its issuer is gone.
        """
        entry = self._known.get(str(principal.claims.get("iss")))
        if entry is None or entry.verifier is None:
            raise TokenError("the token is from another issuer", reason="issuer")
        await entry.verifier.still(principal)

    def faults_in_company(self) -> list[str]:
        """Return nothing: each issuer is checked when it is looked up."""
        return []

    def also_keeps_in(self, kept: Part[Principal]) -> None:
        """Clear a further part of a cache together with this store's own, when a key is no longer trusted."""
        self._parts.append(kept)
        for entry in list(self._known.values()):  # found before this store was put beside others
            if entry.verifier is not None:
                entry.verifier.also_keeps_in(kept)

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token, without proof of possession.

        Raises:
            TokenError: its issuer is not in the store, or refuses it.
        """
        return await self.verify_in(self._kept, token, None)

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Return the principal of a token on a request.

        Raises:
            TokenError: see ``verify``; or a required proof is missing or wrong.
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
        """Return the principal of a token, and keep it in a part of a cache while the store's answer is valid.

        Raises:
            TokenError: see ``verify_request``.
        """
        jws.as_bytes(token, self.most_bytes)
        claims = jws.unverified_claims(token)
        entry = await self._entry(claims["iss"]) if self.is_for(claims) else None
        if entry is None or entry.settings is None:
            raise TokenError("the token's issuer is not in the store", reason="issuer")
        if entry.verifier is None:
            raise IssuerUnavailableError("the issuer is not set up in a way that can be trusted")
        return await entry.verifier.verify_in(kept, token, presentation, at_most=min(at_most, entry.until))

    async def member(self, issuer: str) -> TokenVerifier | None:
        """Return the verifier of an issuer, or ``None`` if the store has none that can be trusted.

        Raises:
            IssuerUnavailableError: the store does not respond.
        """
        return (await self._entry(issuer)).verifier

    async def _entry(self, issuer: str) -> Entry:
        entry = self._known.get(issuer) or self._unknown.get(issuer)
        if entry is not None and self._clock() < entry.until:
            return entry
        return await self._asking.join(issuer, lambda: self._renewed(issuer, entry))

    async def _renewed(self, issuer: str, before: Entry | None) -> Entry:
        """Ask the store and cache its answer; while it fails, use the previous answer for a little longer."""
        asked = self._clock()
        try:
            settings = await self._ask(issuer, before)
        except Exception as error:
            if (
                before is None
                or before.verifier is None
                or asked >= before.asked + self._seconds + self._stale
            ):
                message = "the store of issuers does not answer"
                raise IssuerUnavailableError(message, retry_after=_RETRY) from error
            _log.warning("the store of issuers does not answer: %s", error)
            return self._keep(issuer, replace(before, until=asked + _RETRY))
        until = asked + self._seconds
        if before is not None and settings == before.settings:
            return self._keep(issuer, replace(before, asked=asked, until=until))
        made = None if settings is None else self._made(issuer, settings)
        if before is not None and before.verifier is not None:
            self._forget()  # what was verified by the old settings need not hold by the new ones
        return self._keep(issuer, Entry(settings, made, asked, until))

    async def _ask(self, issuer: str, before: Entry | None) -> Mapping[str, Any] | None:
        """Return the store's current answer; unknown names do not queue."""
        free = self._free.acquire(blocking=False)
        if not free and (before is None or before.settings is None):
            raise BlockingIOError("the store is being asked about too many issuers at once")
        try:
            settings = await self._find(issuer)
            return None if settings is None else dict(settings)
        finally:
            if free:
                self._free.release()

    def _keep(self, issuer: str, entry: Entry) -> Entry:
        kept, other = self._known, self._unknown
        if entry.settings is None:
            kept, other = other, kept
        other.pop(issuer, None)
        kept.pop(issuer, None)
        kept[issuer] = entry
        while len(kept) > self._most:
            kept.pop(next(iter(kept)), None)  # the one that was looked up longest ago
        return entry

    def _made(self, issuer: str, settings: Mapping[str, Any]) -> TokenVerifier | None:
        """Return a verifier with the settings, or log and return ``None`` if it cannot be trusted."""
        try:
            given = {"http": self._http, "tenant_type": self.tenant_type, "clock": self._clock, **settings}
            verifier = TokenVerifier(**given)
        except (ConfigurationError, TypeError) as error:
            _log.error("the issuer %s cannot be trusted as the store has it: %s", issuer, error)
            return None
        faults = verifier.faults_in_company()
        if verifier.issuers != {issuer}:
            faults.append("its settings state another issuer")
        if verifier.tenant_type is not self.tenant_type:
            faults.append("its tenant_type is not that of the store")
        if "key" not in settings and not is_outside(str(settings.get("jwks_url", issuer))):
            faults.append("its keys are at an address inside of the network")
        if faults:
            _log.error("the issuer %s cannot be trusted as the store has it: %s", issuer, "; ".join(faults))
            return None
        for part in self._parts:
            verifier.also_keeps_in(part)
        return verifier

    def _forget(self) -> None:
        for part in self._parts:
            part.forget()


def _http() -> Http | None:
    """Return one HTTP client for all issuers, or ``None`` without httpx, when keys have to be given."""
    try:
        return Http(outside=True)
    except ConfigurationError:
        return None
