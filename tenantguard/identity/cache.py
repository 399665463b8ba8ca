"""The cache of verified tokens: bounded in entries and bytes, keyed by digest, constant in cost."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")
Entry = tuple[T, float, int]  # what a token means, until when, and how heavy that is
_ENTRY_BYTES = 600  # a digest, a principal, two tuples and their places in dictionaries, measured


class Cache(Generic[T]):
    """A cache of the results of verified tokens until they expire; recently used entries stay longest.

    It has two generations. A hit in the older one moves to the younger. When the younger is full, it becomes the
    older, and the unused entries are dropped with one assignment. Nothing is ever scanned, and only digests of tokens
    are kept. Several verifiers can share one cache, each with its own ``Part``: what one of them verified is never
    returned to another.

    Args:
        entries: the maximum number of entries; 0 keeps none.
        size: the maximum size in bytes, as counted by ``weight``.
        clock: the time in seconds; for tests.
    """

    def __init__(
        self,
        entries: int = 20_000,
        size: int = 32 * 1024 * 1024,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._entries, self._size = (entries + 1) // 2, size // 2
        self._clock = clock
        self._young: dict[bytes, Entry[T]] = {}
        self._old: dict[bytes, Entry[T]] = {}
        self._weight = 0
        self._lock = threading.Lock()  # of who writes; a hit among the young needs none

    @property
    def is_none(self) -> bool:
        """Return whether the cache keeps nothing."""
        return not self._entries

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, token: bytes | None) -> T | None:
        """Return the value of a token, or nothing if it is unknown or expired."""
        if token is None:
            return None
        entry = self.find(token)
        return entry[0] if entry is not None and self._clock() < entry[1] else None

    def put(self, token: bytes, value: T, until: float, weight: int = 0) -> None:
        """Keep the value of a token until a time, unless it is too large for the cache."""
        total = weight + _ENTRY_BYTES
        if self._entries and total <= self._size:
            key = sha256(token).digest()
            self._old.pop(key, None)
            self._keep(key, (value, until, total))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._young, self._old, self._weight = {}, {}, 0
        Warm.cool()

    def find(self, token: bytes) -> Entry[T] | None:
        """Return the entry of a token, expired or not."""
        key = sha256(token).digest()  # of the strong ones the fastest: processors have instructions for it
        return self._young.get(key) or self._recalled(key)

    def _recalled(self, key: bytes) -> Entry[T] | None:
        """Return an entry of the older generation, and move it to the younger."""
        entry = self._old.pop(key, None)
        if entry is not None:
            self._keep(key, entry)
        return entry

    def _keep(self, key: bytes, entry: Entry[T]) -> None:
        with self._lock:
            if len(self._young) >= self._entries or self._weight + entry[2] > self._size:
                self._old, self._young, self._weight = self._young, {}, 0
            self._weight += entry[2]
            self._young[key] = entry


class Warm:
    """The tokens of very recent requests in plain form, so that the next request need not hash them.

    A server holds them for longer anyway, with their connections. They are kept only while somebody, such as the
    middleware, drops them soon. The time of a look-up reveals nothing about a token: a hash is compared before
    any byte, and string hashes are keyed by a secret of the process.

    Attributes:
        entries: the values by mark and token.
    """

    entries: ClassVar[dict[tuple[Mark, bytes], Entry[Any]]] = {}
    _MOST: ClassVar[int] = 512
    _until: ClassVar[float] = 0.0  # on the monotonic clock

    @classmethod
    def keep(cls, key: tuple[Mark, bytes], entry: Entry[Any]) -> None:
        """Keep a token, if somebody will drop it soon."""
        if time.monotonic() < cls._until and len(cls.entries) < cls._MOST:
            cls.entries[key] = entry

    @classmethod
    def cool(cls, again_within: float = 0.0) -> None:
        """Drop all tokens, and accept new ones for this many seconds, within which this is called again."""
        cls._until = time.monotonic() + again_within
        cls.entries = {}


class Mark:
    """A prefix of each key in a part of a cache; a new mark forgets everything under the old one.

    Attributes:
        borne: the prefix for bearer tokens.
        bound: the prefix for tokens that need proof of possession, which a header alone never finds.
    """

    def __init__(self) -> None:
        self.borne, self.bound = secrets.token_bytes(16), secrets.token_bytes(16)


class Part(Generic[T]):
    """One verifier's part of a cache, which no other verifier can read.

    Attributes:
        mark: the current mark. Entries under an older one are never found, including those that were being verified
            while the part was cleared.
    """

    def __init__(self, cache: Cache[T]) -> None:
        self._cache, self._clock = cache, cache._clock
        self._guards: tuple[Callable[[], bool], ...] = ()
        self.mark = Mark()

    def get(self, token: bytes | None) -> T | None:
        """Return the value of a bearer token, or nothing if it is unknown or expired."""
        return None if token is None else self._cache.get(self.mark.borne + token)

    def get_warm(self, token: bytes | None) -> T | None:
        """Return the same, without hashing if a very recent request had the same token."""
        if token is None:
            return None
        key = self.mark, token
        entry = Warm.entries.get(key)
        if entry is None:
            entry = self._cache.find(key[0].borne + token)
            if entry is None:
                return None
            Warm.keep(key, entry)
        return entry[0] if self._clock() < entry[1] else None

    def get_guarded(self, token: bytes | None) -> T | None:
        """Return the value of a bearer token while all guards allow it."""
        for guard in self._guards:  # a generator would cost a request more than this whole look-up
            if not guard():
                return None
        return self.get_warm(token)

    @property
    def recall(self) -> Callable[[bytes | None], T | None]:
        """Return the function that looks up a token without asking anything else."""
        return self.get_guarded if self._guards else self.get_warm

    def guard(self, guard: Callable[[], bool]) -> None:
        """Let ``recall`` return values only while a guard returns true."""
        if guard not in self._guards:
            self._guards = (*self._guards, guard)

    def get_bound(self, token: bytes) -> T | None:
        """Return the value of a token that needs proof, or nothing if it is unknown or expired."""
        return self._cache.get(self.mark.bound + token)

    def known(self, token: bytes) -> T | None:
        """Return the value of a token of either kind, or nothing if it is unknown or expired."""
        return self.get(b"Bearer " + token) or self.get_bound(token)

    def keep(self, mark: Mark, token: bytes, value: T, until: float, weight: int, *, bound: bool) -> None:
        """Keep the value of a token until a time, under the mark that was current before it was verified.

        Args:
            mark: that mark.
            token: the token alone.
            value: its value.
            until: a time in seconds.
            weight: the approximate size of the value in bytes.
            bound: whether it needs proof with each request, so that a header alone must not find it.
        """
        if bound:
            self.put(mark.bound, token, value, until, weight)
        else:
            self.put(mark.borne, b"Bearer " + token, value, until, weight)

    def put(self, mark: bytes, token: bytes, value: T, until: float, weight: int = 0) -> None:
        """Keep a value under one of a mark's two prefixes."""
        self._cache.put(mark + token, value, until, weight)

    def forget(self) -> None:
        """Forget everything; new entries push out the old ones."""
        self.mark = Mark()


def weight(value: Any) -> int:
    """Return the approximate size of JSON content in memory."""
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        total += sys.getsizeof(item)
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return total
