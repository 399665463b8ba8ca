"""Replay detection: values that were used once, remembered for as long as they are valid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from hashlib import sha256

from tenantguard.errors import IssuerUnavailableError


class Replays:
    """An in-process memory of used values.

    It has two generations like the token cache, but rotates them by the clock, so a value is never dropped early.
    When it is full, new values are refused.

    Args:
        most: the maximum number of values, at about 120 bytes each.
        clock: a monotonic clock; for tests.
    """

    def __init__(self, most: int = 200_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._turns = self._seconds = 0.0
        self._lock = threading.Lock()

    async def __call__(self, used: str, seconds: float) -> bool:
        """Return whether a value is new within this many seconds.

        Raises:
            IssuerUnavailableError: the memory is full.
        """
        key = sha256(used.encode()).digest()
        with self._lock:
            self._turn(seconds)
            if key in self._young or key in self._old:
                return False
            if len(self._young) + len(self._old) >= self._most:
                raise IssuerUnavailableError(
                    f"more than {self._most} proofs were used in {seconds:.0f} seconds",
                    reason="replays_full",
                    retry_after=seconds,
                )
            self._young.add(key)
        return True

    def _turn(self, seconds: float) -> None:
        """Rotate the generations when every value of the older one has expired."""
        now = self._clock()
        seconds = self._seconds = max(seconds, self._seconds)
        if now >= self._turns + 2 * seconds:
            self._young, self._old, self._turns = set(), set(), now
        elif now >= self._turns + seconds:
            self._young, self._old, self._turns = set(), self._young, now
