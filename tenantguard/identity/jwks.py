"""Where keys come from: given at the start, or fetched, kept through an outage, and never hammered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity.http import Document, FetchError, is_safe
from tenantguard.identity.keys import Key, is_id, key_set, matching

_log = logging.getLogger("tenantguard")
_LEAST_LIFE, _MOST_LIFE = 60.0, 24 * 3600.0  # whatever the server says of max-age
_EARLY = 0.75  # of its life, after which a set is renewed in the background
Fetch = Callable[[str], Awaitable[Document]]


class StaticKeys:
    """Hold keys that were given at the start."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    async def start(self) -> None:
        """Do nothing: they are here."""

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys of that id, and those that answer to every id."""
        return matching(self._keys, kid)

    async def again(self, kid: str | None) -> tuple[Key, ...]:
        """Return nothing: there are no others."""
        return ()

    def trusted_for(self) -> float:
        """Return that they are trusted for as long as the process runs."""
        return float("inf")


class RemoteKeys:
    """Keep the key set of one issuer.

    A set lives as long as its answer says, or ``lifetime``. Before its end it is renewed in the background;
    while the issuer is down the last good set serves for ``stale`` seconds more, then nothing does. One
    fetch is in flight, however many requests wait for it. A key id that is not in the set makes for a
    fetch at most every ``cooldown`` seconds, not counting those that found it.

    Args:
        fetch: gets a JSON document, as :meth:`Http.get` does.
        allowed: the algorithms that are accepted.
        url: where the key set is; or, instead,
        issuer: whose discovery document says where it is.
        lifetime: how many seconds a set lives when its answer does not say.
        stale: for how many seconds more it serves while the issuer is down.
        cooldown: how many seconds pass between two searches for unknown key ids.
        retry: how many seconds pass before a failed fetch is tried again.
        patience: how many seconds requests wait for a new set while a stale one would do.
        dropped: called when keys that were trusted are trusted no more.
        clock: seconds that only go on; for tests.
    """

    def __init__(
        self,
        fetch: Fetch,
        allowed: frozenset[str],
        *,
        url: str | None = None,
        issuer: str | None = None,
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
        self._lifetime, self._stale = lifetime, stale
        self._cooldown, self._retry, self._patience = cooldown, retry, patience
        self._dropped, self._clock = dropped, clock
        self._keys: tuple[Key, ...] = ()
        self._fetched = self._ends = self._failed = self._searched = self._departed = float("-inf")
        self._flight: asyncio.Task[bool] | None = None

    async def start(self) -> None:
        """Fetch the set now, so that the first request need not wait.

        Raises:
            ConfigurationError: it cannot be had.
        """
        if not await self._renew():
            raise ConfigurationError(f"the keys of {self._issuer or self._url} cannot be fetched")

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed a token of that key id.

        Raises:
            TokenError: there is no key set that could still be trusted.
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
                self._searched = float("-inf")
        return found

    async def again(self, kid: str | None) -> tuple[Key, ...]:
        """Return keys that were not there before, for a token that none of the found ones signed.

        Where ids tell keys apart, the found key was the right one and there is nothing to look for. Without
        them a rotation shows in no id, and is looked for as an unknown id is.
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
        """Fetch the set for what is not in it, unless somebody did so a moment ago."""
        if self._clock() >= self._searched + self._cooldown:
            self._searched = self._clock()
            await self._renew()

    def trusted_for(self) -> float:
        """Return for how many seconds, from now, the set may be relied on if no other is fetched."""
        return self._ends + self._stale - self._clock()

    def _of(self, kid: str | None) -> tuple[Key, ...]:
        return matching(self._keys, kid)

    async def _ready(self) -> None:
        """Return with a set in force: fresh, renewed, or stale while the issuer is down."""
        now = self._clock()
        rested = now >= self._failed + self._retry
        if now < self._ends:
            if rested and now >= self._fetched + (self._ends - self._fetched) * _EARLY:
                self._start_flight()
            return
        if rested or self._is_flying():
            await self._wait_for(self._start_flight())
        if not self._usable():
            raise TokenError("no key set of the issuer is at hand", reason="keys_unavailable")

    async def _wait_for(self, flight: asyncio.Task[bool]) -> None:
        """Wait for as long as it takes where there is no set, for a moment where there is a stale one.

        Once a fetch has failed, or takes longer than that, nobody waits who has a stale set: the issuer is down.
        """
        if not self._usable():
            await asyncio.shield(flight)
        elif self._failed < self._fetched and self._departed + self._patience > self._clock():
            await asyncio.wait({flight}, timeout=self._departed + self._patience - self._clock())

    def _usable(self) -> bool:
        return bool(self._keys) and self._clock() < self._ends + self._stale

    async def _renew(self) -> bool:
        """Wait for the fetch in flight, or start one; whoever waits may give up without ending it."""
        return await asyncio.shield(self._start_flight())

    def _start_flight(self) -> asyncio.Task[bool]:
        if self._flight is None or self._flight.done():
            self._departed = self._clock()
            self._flight = asyncio.create_task(self._fly())
        return self._flight

    def _is_flying(self) -> bool:
        return self._flight is not None and not self._flight.done()

    async def _fly(self) -> bool:
        try:
            document = await self._fetch(await self._place())
            keys = key_set(document.content, self._allowed)
        except Exception as error:  # whatever a server makes us raise, the set in force stays
            self._failed = self._clock()
            _log.warning("the keys of %s could not be fetched: %s", self._issuer or self._url, error)
            return False
        self._take(keys, document.max_age)
        return True

    def _take(self, keys: tuple[Key, ...], max_age: float | None) -> None:
        lost = [key for key in self._keys if key not in keys]
        self._keys = keys
        self._fetched = self._clock()
        life = self._lifetime if max_age is None else min(max(max_age, _LEAST_LIFE), _MOST_LIFE)
        self._ends = self._fetched + life
        self._failed = float("-inf")
        if lost:
            self._dropped()

    async def _place(self) -> str:
        """Return where the key set is, as the issuer's own discovery document says."""
        if self._url is not None:
            return self._url
        issuer = self._issuer or ""
        document = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.content.get("jwks_uri")
        if document.content.get("issuer") != issuer:
            raise FetchError("the discovery document is of another issuer")
        if not isinstance(url, str) or not is_safe(url):
            raise FetchError("the discovery document names no safe jwks_uri")
        return url
