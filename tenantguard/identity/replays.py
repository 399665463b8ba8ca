"""What was used once and must not be used again, remembered for as long as it could be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from hashlib import sha256

from tenantguard.errors import IssuerUnavailableError


class Replays:
    """Remember, in this process, what was used.

    Two generations, as in the cache of tokens, but turned by the clock: what is remembered is never pushed out
    before its time. When there is no room left nothing new is let in.

    Args:
        most: how many uses are remembered, in about 120 bytes each.
        clock: seconds that only go on; for tests.
    """

    def __init__(self, most: int = 200_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._turns = self._seconds = 0.0
        self._lock = threading.Lock()

    async def __call__(self, used: str, seconds: float) -> bool:
        """Tell whether this is used for the first time in so many seconds.

        Raises:
            IssuerUnavailableError: too much was used in that time.
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
        """Let the young become old when all of the old are beyond their time, the longest that was asked for."""
        now = self._clock()
        seconds = self._seconds = max(seconds, self._seconds)
        if now >= self._turns + 2 * seconds:
            self._young, self._old, self._turns = set(), set(), now
        elif now >= self._turns + seconds:
            self._young, self._old, self._turns = set(), self._young, now
