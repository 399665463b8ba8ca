"""Revocation: a token is valid only if it is newer than every cut-off that applies to it."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from weakref import WeakSet

from tenantguard.audit import Event, record
from tenantguard.audit.events import now as utc
from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TenantId, TokenError
from tenantguard.identity.cache import Part
from tenantguard.identity.claims import is_number
from tenantguard.identity.cutoffs import ANY, KINDS, Changes, CutOffs, Kind, Name, names_of
from tenantguard.identity.flights import Flights, in_asyncio

T = TypeVar("T")
_log = logging.getLogger("tenantguard")
_HOUR, _DAY = 3600.0, 24 * 3600.0
_MOST_AHEAD = 60.0  # seconds: a cut-off later than that would keep everybody out until then
_ALL_AGAIN = (
    300.0  # seconds, after which everything is read: a store that was put back may have caught up since
)
_RETRY = 1.0  # seconds, for which a store that did not answer is left alone
_NEVER = float("-inf")
_EVERYTHING = -1  # before the first generation


class Revocation:
    """A check that refuses tokens issued before a cut-off, in every process and almost immediately.

    When a token arrives, the store is read if the last reading is older than ``seconds``, or if the store
    (``RedisCutOffs``) has announced a new cut-off. A cached token compares only one time and one mark, which a new
    cut-off changes.

    Args:
        store: the store of cut-offs: ``MemoryCutOffs``, ``SQLCutOffs``, ``RedisCutOffs`` or your own.
        seconds: the number of seconds for which a reading is valid, and thus how late a revocation can take effect in
            another process if the store does not announce it.
        on_loss: for how many more seconds the last reading is used while the store fails; then every token is refused
            (503). With 0, they are refused at once.
        timeout: the maximum number of seconds that the store may take to respond.
        keep: the number of seconds for which a cut-off is kept; older tokens are refused, whatever their ``exp``.
        clock: the time in seconds; for tests.
        ticks: a monotonic clock; for tests.

    Attributes:
        losses: how often the store failed to respond.
        keep: the number of seconds for which a cut-off is kept.

    Raises:
        ConfigurationError: a number is out of range.
    """

    def __init__(
        self,
        store: CutOffs,
        *,
        seconds: float = 0.5,
        on_loss: float = 0.0,
        timeout: float = 2.0,
        keep: float = 35 * _DAY,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        good = (
            0 <= seconds <= 60 and 0 <= on_loss <= _DAY and 0 < timeout <= 60 and _HOUR <= keep <= 3660 * _DAY
        )
        if not good:
            raise ConfigurationError(
                "a Revocation reads its store at least once a minute (seconds=), waits for it a minute at most "
                "(timeout=), bears its loss for a day at most (on_loss=), and keeps cut-offs an hour or more (keep=)"
            )
        self._store, self._timeout = store, timeout
        self._seconds, self._on_loss, self.keep = seconds, on_loss, keep
        self._clock, self._ticks = clock, ticks
        self._known: dict[Name, float] = {}
        self._generation = _EVERYTHING
        self._holds_until = self._read = self._read_all = self._rests_until = _NEVER
        self._purged, self._begun, self._newest = clock(), (clock(), ticks()), _NEVER
        self._lost = False
        self._parts: WeakSet[Part[Principal]] = WeakSet()
        self._reading = Flights[None]()
        self._listen: Callable[[Callable[[], None]], None] | None = getattr(store, "listen", None)
        self._bell = object()  # another one with each ring
        self._lock = threading.Lock()
        self.losses = 0

    def is_fresh(self) -> bool:
        """Return whether the last reading of the store is still valid."""
        return self._ticks() < self._holds_until

    def guard(self, kept: Part[Principal]) -> None:
        """Make a part of a cache return values only while a reading is valid, and clear it at each new cut-off."""
        kept.guard(self.is_fresh)
        self._parts.add(kept)

    async def check(self, principal: Principal) -> None:
        """Check that a verified token is newer than every cut-off that applies to it.

        Raises:
            TokenError: it is not, or its age is unknown.
            IssuerUnavailableError: the store is lost.
        """
        if not self.is_fresh():
            await self._reading.join(self._bell, self._refresh)
        issued = principal.claims.get("iat")
        if not is_number(issued):
            raise TokenError(
                "the token does not say when it was issued, so it could not be revoked", reason="iat"
            )
        moments = [self._known[name] for name in names_of(principal) if name in self._known]
        if issued <= max([self._clock() - self.keep, *moments]):
            raise TokenError("the token was revoked, or is older than cut-offs are kept", reason="revoked")
        self._newest = max(self._newest, issued)

    async def revoke(
        self,
        *,
        token: str | None = None,
        session: str | None = None,
        subject: str | None = None,
        tenant: TenantId | None = None,
        issuer: str | None = None,
        at: float | None = None,
    ) -> None:
        """Revoke the tokens issued until now: one token, or those of a session, subject, company or issuer.

        In this process it takes effect before this returns, and in others within ``seconds``.

        Args:
            token: a token's id (``jti``).
            session: a session's id (``sid``).
            subject: a subject (``sub``).
            tenant: a company, with all its users.
            issuer: alone, all tokens of an issuer; with one of the others, only that issuer's.
            at: the time, in seconds since 1970. By default now, but not before the newest token accepted here,
                which would survive if the clock was set back.

        Raises:
            ConfigurationError: none or several are named, one is empty, or the time is in the future.
        """
        given = {"token": token, "session": session, "subject": subject, "tenant": tenant}
        name = _name({kind: value for kind, value in given.items() if value is not None}, issuer)
        latest = self._clock() + _MOST_AHEAD
        moment = max(self._clock(), self._newest) if at is None else at
        if not is_number(moment) or not 0 <= moment <= (latest if at is not None else math.inf):
            raise ConfigurationError("at= must be a time in seconds since 1970, not in the future")
        await self._store.put({name: float(moment)})
        self._take({name: float(moment)})
        record(
            Event(
                time=utc(), kind="revoked", tenant=None if tenant is None else str(tenant), reason=name.kind
            )
        )

    async def purge(self) -> None:
        """Delete expired cut-offs from the store; run it now and then."""
        await self._store.purge(self._steady() - self.keep)

    def _ring(self) -> None:
        """Read the store at the next token; called from any thread, without a lock, so that a fork is safe."""
        self._bell = object()
        self._holds_until = _NEVER

    async def _refresh(self) -> None:
        begun, bell = self._ticks(), self._bell
        everything = begun >= self._read_all + _ALL_AGAIN
        try:
            if self._listen is not None:
                self._listen(self._ring)
            if begun < self._rests_until:
                raise ConnectionError("it did not answer the last time it was asked")
            found = await self._ask(_EVERYTHING if everything else self._generation)
            if found.generation < self._generation and not everything:  # it was put back, and counts anew
                found, everything = await self._ask(_EVERYTHING), True
        except Exception as error:  # whatever a store makes us raise, nobody comes in by it
            self._lose(begun, error)
            return
        self._take(found.moments)
        with self._lock:
            self._generation, self._lost = found.generation, False
            self._read = max(self._read, begun)
            self._read_all = begun if everything else self._read_all
            self._holds_until = self._read + self._seconds
            if bell is not self._bell:  # it rang since, and what this reading holds may be older
                self._holds_until = _NEVER
        if everything:
            await self._put_back(found.moments)

    async def _put_back(self, held: Mapping[Name, float]) -> None:
        """Restore cut-offs that the store has lost and this process knows, for processes that start later."""
        oldest = self._steady() - self.keep
        lost = {
            name: moment
            for name, moment in self._known.items()
            if moment >= oldest and moment > held.get(name, _NEVER)
        }
        if not lost:
            return
        _log.error("the store of revocations had lost %d cut-offs; they are put back", len(lost))
        try:
            await self._within(self._store.put(lost))
        except Exception as error:  # the next reading of everything tries again
            _log.error("the store of revocations did not take back what it had lost: %r", error)

    async def _ask(self, generation: int) -> Changes:
        """Return the store's changes, within the timeout and validated."""
        return _checked(await self._within(self._store.since(generation)))

    async def _within(self, asked: Awaitable[T]) -> T:
        if not in_asyncio():
            return await asked
        async with asyncio.timeout(self._timeout):
            return await asked

    def _lose(self, begun: float, error: Exception) -> None:
        """Continue with the last reading for as long as configured, counted and recorded.

        Raises:
            IssuerUnavailableError: that time is over, or there is no reading.
        """
        if begun >= self._rests_until:
            self.losses += 1
            self._rests_until = self._ticks() + _RETRY
        if not self._lost:
            self._lost = True
            _log.error("the store of revocations is lost: %r", error)
            record(
                Event(
                    time=utc(), kind="revocation_lost", message=f"the store of revocations is lost: {error!r}"
                )
            )
        ends = self._read + self._seconds + self._on_loss
        if begun >= ends:
            message = "the store of revocations is lost"
            raise IssuerUnavailableError(message, reason="revocation_lost", retry_after=_RETRY) from error
        self._holds_until = min(begun + _RETRY, ends)

    def _take(self, moments: Mapping[Name, float]) -> None:
        """Keep the later time for each name, and let every token be checked again."""
        with self._lock:
            later = {
                name: moment for name, moment in moments.items() if moment > self._known.get(name, _NEVER)
            }
            if later:
                self._known = self._young() | later
        for part in list(self._parts) if later else []:
            part.forget()

    def _young(self) -> dict[Name, float]:
        """Return the known cut-offs, removing expired ones once an hour."""
        now = self._steady()
        if now < self._purged + _HOUR:
            return self._known
        self._purged = now
        return {name: moment for name, moment in self._known.items() if moment >= now - self.keep}

    def _steady(self) -> float:
        """Return the time, limited by the monotonic clock, so that a jump ahead expires no cut-off."""
        clock, ticks = self._begun
        return min(self._clock(), clock + self._ticks() - ticks + _MOST_AHEAD)


def _name(given: dict[str, object], issuer: str | None) -> Name:
    """Return the name of a cut-off."""
    if len(given) > 1 or (not given and issuer is None):
        raise ConfigurationError(
            "name one of token, session, subject and tenant, or an issuer: revoke(subject=...)"
        )
    ids = [held for kind, held in given.items() if kind != "tenant"] + ([] if issuer is None else [issuer])
    texts = [str(held) for held in given.values()] + ids
    if not all(isinstance(held, str) and held.strip() for held in texts):
        raise ConfigurationError("the id to revoke must be a non-empty string")
    if not given:
        return Name("issuer", str(issuer))
    ((kind, value),) = given.items()
    found: Kind = next(one for one in KINDS if one == kind)
    return Name(found, str(value), issuer or ANY)


def _checked(changes: Changes) -> Changes:
    """Return a store's changes after validating them.

    Raises:
        ValueError: they are invalid.
    """
    good = isinstance(changes.generation, int) and all(
        isinstance(name, Name) and is_number(moment) and math.isfinite(moment)
        for name, moment in changes.moments.items()
    )
    if not good:
        raise ValueError("the store of revocations holds something that is not a cut-off")
    return changes
