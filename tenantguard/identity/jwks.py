"""Sources of keys: given at start-up, or fetched with a cooldown and kept through an outage."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable

from tenantguard.errors import ConfigurationError, IssuerUnavailableError
from tenantguard.identity.flights import Flight, in_asyncio
from tenantguard.identity.http import Document, FetchError
from tenantguard.identity.key_reading import key_set
from tenantguard.identity.keys import Key, is_id, matching
from tenantguard.identity.places import is_safe, may_lead_to

_log = logging.getLogger("tenantguard")
_LEAST_LIFE, _MOST_LIFE = 60.0, 24 * 3600.0  # whatever the server says of max-age
_NEVER = float("-inf")
_EARLY = 0.75  # of its life, after which a set is renewed in the background
Fetch = Callable[[str], Awaitable[Document]]


class StaticKeys:
    """Keys that were given at start-up."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    async def start(self) -> None:
        """Do nothing."""

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys with that id, and those without one."""
        return matching(self._keys, kid)

    async def again(self, kid: str | None) -> tuple[Key, ...]:
        """Return nothing, because there are no other keys."""
        return ()

    def trusted_for(self) -> float:
        """Return that the keys are trusted for as long as the process runs."""
        return float("inf")


class _Here(threading.local):
    """The state of one thread's fetches: the last one, and the time of the last search for an unknown id."""

    def __init__(self) -> None:
        self.flight: Flight[bool] | None = None
        self.searched = _NEVER


class RemoteKeys:
    """The key set of one issuer.

    A set is valid for as long as its response says, or for ``lifetime``. It is renewed in the background before it
    ends. While the issuer is down, the last good set is used for ``stale`` more seconds, then nothing is accepted.
    Only one fetch runs at a time, however many requests wait for it. An unknown key id triggers a fetch at most
    every ``cooldown`` seconds, not counting fetches that found it.

    Several threads and event loops share the set. Each waits only for fetches of its own loop, because another loop
    may have been stopped.

    Args:
        fetch: gets a JSON document, as ``Http.get`` does.
        allowed: the accepted algorithms.
        url: the URL of the key set; or, instead,
        issuer: the issuer whose discovery document names it.
        led: a function that fetches what that document names; ``fetch`` by default.
        lifetime: the number of seconds for which a set is valid if its response does not say.
        stale: for how many more seconds it is used while the issuer is down.
        cooldown: the number of seconds between two searches for unknown key ids.
        retry: the number of seconds before a failed fetch is tried again.
        patience: the number of seconds that requests wait for a new set while a stale one would do.
        dropped: called when trusted keys are no longer trusted.
        clock: a monotonic clock; for tests.
    """

    def __init__(
        self,
        fetch: Fetch,
        allowed: frozenset[str],
        *,
        url: str | None = None,
        issuer: str | None = None,
        led: Fetch | None = None,
        lifetime: float = 600.0,
        stale: float = 3600.0,
        cooldown: float = 5.0,
        retry: float = 1.0,
        patience: float = 1.0,
        dropped: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._allowed = fetch, allowed
        self._url, self._issuer = url, issuer
        self._get = fetch if url is not None or led is None else led
        self._lifetime, self._stale = lifetime, stale
        self._cooldown, self._retry, self._patience = cooldown, retry, patience
        self._dropped, self._clock = dropped, clock
        self._keys: tuple[Key, ...] = ()
        self._fetched = self._ends = self._failed = self._searched = self._departed = _NEVER
        self._taken = _NEVER  # when the fetch departed that brought the set in force
        self._here = _Here()
        self._lock = threading.Lock()

    async def start(self) -> None:
        """Fetch the set now, so that the first request need not wait.

        Raises:
            ConfigurationError: it cannot be fetched.
        """
        if not await self._renew():
            raise ConfigurationError(f"the keys of {self._issuer or self._url} cannot be fetched")

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed a token of that key id.

        Raises:
            IssuerUnavailableError: there is no key set that can still be trusted.
        """
        await self._ready()
        found = self._of(kid)
        if not found and self._is_flying():
            await self._renew()
            found = self._of(kid)
        if not found and is_id(kid):
            await self._search()
            found = self._of(kid)
            if found:  # a rotation, which nobody but the issuer can bring about
                self._searched = self._here.searched = _NEVER
        return found

    async def again(self, kid: str | None) -> tuple[Key, ...]:
        """Return keys that are new, for a token that none of the known keys signed.

        If keys have ids, the key was the right one and there is nothing to search for. Without ids, a rotation is
        not visible, so it is searched for like an unknown id.
        """
        if kid is not None and any(key.kid == kid for key in self._keys):
            return ()
        before = self._of(kid)
        if self._is_flying():
            await self._renew()
        if self._of(kid) == before:
            await self._search()
        return tuple(key for key in self._of(kid) if key not in before)

    async def _search(self) -> None:
        """Fetch the set for an unknown key, unless that was done a moment ago.

        The result of a search in another event loop is not known while it runs, so this one searches too, within its
        own limit.
        """
        with self._lock:
            now = self._clock()
            landed = max(self._fetched, self._failed) >= self._searched
            last = self._searched if landed else self._here.searched
            if now < last + self._cooldown:
                return
            self._searched = self._here.searched = now
        await self._renew()

    def trusted_for(self) -> float:
        """Return for how many seconds from now the set can be trusted if no other is fetched."""
        return self._ends + self._stale - self._clock()

    def _of(self, kid: str | None) -> tuple[Key, ...]:
        return matching(self._keys, kid)

    async def _ready(self) -> None:
        """Return once there is a usable set: fresh, renewed, or stale while the issuer is down."""
        now = self._clock()
        rested = now >= self._failed + self._retry
        if now < self._ends:
            early = now >= self._fetched + (self._ends - self._fetched) * _EARLY
            if early and rested and now >= self._departed + self._retry and in_asyncio():
                self._start_flight()
            return
        if rested or self._is_flying():
            await self._wait()
        if not self._usable():
            raise IssuerUnavailableError(
                "no key set of the issuer is available",
                reason="keys_unavailable",
                retry_after=self._retry,
            )

    async def _wait(self) -> None:
        """Wait as long as necessary without a set, and only for a moment with a stale one.

        Once a fetch has failed or takes longer than that, callers with a stale set no longer wait: the issuer is down.
        """
        if not in_asyncio() or not self._usable():
            await self._renew()
            return
        flight = self._start_flight()
        if self._failed < self._fetched and self._departed + self._patience > self._clock():
            await asyncio.wait({flight}, timeout=self._departed + self._patience - self._clock())

    def _usable(self) -> bool:
        return bool(self._keys) and self._clock() < self._ends + self._stale

    async def _renew(self) -> bool:
        """Wait for the running fetch, or start one; a caller can give up without cancelling it."""
        if not in_asyncio():  # under trio each fetches for itself
            return await self._fly()
        return await asyncio.shield(self._start_flight())

    def _start_flight(self) -> asyncio.Task[bool]:
        if self._here.flight is None or not self._is_flying():
            self._departed = self._clock()
            self._here.flight = Flight(self._fly)
        return self._here.flight.task

    def _is_flying(self) -> bool:
        return self._here.flight is not None and in_asyncio() and self._here.flight.is_here()

    async def _fly(self) -> bool:
        departed = self._clock()
        try:
            document = await self._get(await self._place())
            if in_asyncio():
                await asyncio.sleep(0)  # others run between the reading of the text and that of the keys
            keys = key_set(document.content, self._allowed)
        except Exception as error:  # whatever a server makes us raise, the set in force stays
            self._failed = self._clock()
            _log.warning("the keys of %s could not be fetched: %s", self._issuer or self._url, error)
            return False
        self._take(keys, document.max_age, departed)
        return True

    def _take(self, keys: tuple[Key, ...], max_age: float | None, departed: float) -> None:
        with self._lock:
            if departed < self._taken:  # another event loop has asked later, and was answered earlier
                return
            lost = [key for key in self._keys if key not in keys]
            self._keys, self._taken, self._fetched = keys, departed, self._clock()
            life = self._lifetime if max_age is None else min(max(max_age, _LEAST_LIFE), _MOST_LIFE)
            self._ends = self._fetched + life
            self._failed = _NEVER
        if lost:
            self._dropped()

    async def _place(self) -> str:
        """Return the URL of the key set from the issuer's discovery document."""
        if self._url is not None:
            return self._url
        issuer = self._issuer or ""
        document = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.content.get("jwks_uri")
        if document.content.get("issuer") != issuer:
            raise FetchError("the discovery document is from another issuer")
        if not isinstance(url, str) or not is_safe(url):
            raise FetchError("the discovery document names no safe jwks_uri")
        if not may_lead_to(issuer, url):
            raise FetchError("the discovery document names a machine that only a local issuer may name")
        return url
