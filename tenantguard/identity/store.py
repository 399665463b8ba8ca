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
    """What the store said of one issuer.

    Attributes:
        settings: what a ``TokenVerifier`` takes, or ``None`` where there is no such issuer.
        verifier: the verifier that they make, or ``None`` where they make none that can be trusted.
        asked: when the store was asked.
        until: until when the answer holds.
    """

    settings: Mapping[str, Any] | None
    verifier: TokenVerifier | None
    asked: float
    until: float


class IssuerStore:
    """Verify tokens of issuers that are looked up by their names, one verifier for each; stands alone or in ``any_of``.

    What the store holds may come from the companies themselves, so it is held to more than what the application
    writes: each issuer states which companies it ``speaks_for``, and its keys are not fetched from an address inside
    of the network.

    Args:
        find: an async function from an issuer to the arguments of its ``TokenVerifier``, or ``None``.
        seconds: for how many seconds an answer holds: so late is an issuer added, changed or removed.
        stale: for how many seconds more it holds while the store fails.
        tenant_type: the type of the tenant ids of all of them.
        most: how many issuers are kept at once, and as many names that are none.
        most_bytes: the longest token that is looked at.
        http: how keys are fetched; by default ``Http(outside=True)``, which connects to nothing inside of the network.
        cache: the verified tokens of all of them to keep.
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
        """Give what returns the principal of an ``Authorization`` header that was verified and still holds."""
        return self._kept.get_guarded  # an issuer that is found later may bring a guard

    async def start(self) -> None:
        """Do nothing: issuers are looked up when their first token comes."""

    def is_for(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether the claims, not verified yet, name an issuer that may be looked up."""
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
        """Give the seconds after which something new may be known of a token: any issuer's may be revocable."""
        return RECHECK_REVOCABLE

    async def still(self, principal: Principal) -> None:
        """Return unless a token was revoked since it was verified.

        Raises:
            TokenError: it was, or its issuer is gone.
        """
        entry = self._known.get(str(principal.claims.get("iss")))
        if entry is None or entry.verifier is None:
            raise TokenError("the token is from another issuer", reason="issuer")
        await entry.verifier.still(principal)

    def faults_in_company(self) -> list[str]:
        """List nothing: each issuer is held to it when it is found."""
        return []

    def also_keeps_in(self, kept: Part[Principal]) -> None:
        """Let a part of a cache be forgotten with this store's own, when a key is trusted no more."""
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
        """Return who the token speaks for, presented like this.

        Raises:
            TokenError: as ``verify``, or proofs that the token asks for are missing or wrong.
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
        """Return who the token speaks for, and keep it in a part of a cache while the store's answer holds.

        Raises:
            TokenError: as ``verify_request``.
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
        """Return the verifier of an issuer, or ``None`` where the store has none that can be trusted.

        Raises:
            IssuerUnavailableError: the store does not answer.
        """
        return (await self._entry(issuer)).verifier

    async def _entry(self, issuer: str) -> Entry:
        entry = self._known.get(issuer) or self._unknown.get(issuer)
        if entry is not None and self._clock() < entry.until:
            return entry
        return await self._asking.join(issuer, lambda: self._renewed(issuer, entry))

    async def _renewed(self, issuer: str, before: Entry | None) -> Entry:
        """Ask the store, and keep what it says; while it fails, what it said before holds a little longer."""
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
        """Return what the store holds now; names that were never heard of wait for nobody."""
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
        """Return the verifier that the settings make, or ``None``, logged, where it cannot be trusted."""
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
    """Return one network for all issuers, or ``None`` where httpx is not installed and keys have to be given."""
    try:
        return Http(outside=True)
    except ConfigurationError:
        return None
