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
    """Keep what tokens were verified to mean until they expire, the recently used before the others.

    Two generations: a hit in the older one moves to the younger; when the younger is full it becomes the
    older, and what nobody asked for meanwhile is dropped with one assignment. Nothing is ever scanned, and
    no token is kept, only its digest. Several verifiers may share the room of one cache, each in a
    ``Part`` of its own: what one of them verified answers for none of the others.

    Args:
        entries: the most entries that are kept; 0 keeps none.
        size: the most bytes that are kept, as ``weight`` counts them.
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
        """Tell whether nothing is ever kept."""
        return not self._entries

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, token: bytes | None) -> T | None:
        """Return what the token means, unless it is unknown or expired."""
        if token is None:
            return None
        entry = self.find(token)
        return entry[0] if entry is not None and self._clock() < entry[1] else None

    def put(self, token: bytes, value: T, until: float, weight: int = 0) -> None:
        """Keep what the token means until that time; what is too heavy for the cache is not kept."""
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
        """Return an entry that nobody has asked for of late, and keep it among the young."""
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
    """The tokens of requests that came a moment ago, as they are, so that the next need not be digested.

    A server holds them for longer, with the connections that they came on. They are kept only while somebody drops
    them before long, as the middleware does. A look-up tells nothing of a token by its time: a hash is compared before
    any byte is, and hashes of texts are keyed by a secret of the process.

    Attributes:
        entries: what is known by a mark and a token.
    """

    entries: ClassVar[dict[tuple[Mark, bytes], Entry[Any]]] = {}
    _MOST: ClassVar[int] = 512
    _until: ClassVar[float] = 0.0  # on the monotonic clock

    @classmethod
    def keep(cls, key: tuple[Mark, bytes], entry: Entry[Any]) -> None:
        """Keep a token, if somebody will drop it before long."""
        if time.monotonic() < cls._until and len(cls.entries) < cls._MOST:
            cls.entries[key] = entry

    @classmethod
    def cool(cls, again_within: float = 0.0) -> None:
        """Drop them all, and keep others for so many seconds, within which this is called again."""
        cls._until = time.monotonic() + again_within
        cls.entries = {}


class Mark:
    """What stands before each token of a part of a cache; a new one forgets everything under the old one.

    Attributes:
        borne: before a token that counts for whoever bears it.
        bound: before one that asks for proof: what is sent in a header never finds it.
    """

    def __init__(self) -> None:
        self.borne, self.bound = secrets.token_bytes(16), secrets.token_bytes(16)


class Part(Generic[T]):
    """One verifier's part of a cache: nobody else finds what it keeps.

    Attributes:
        mark: the mark in force. What is put under an older one is never found: so is what was verified while
            everything was forgotten.
    """

    def __init__(self, cache: Cache[T]) -> None:
        self._cache, self._clock = cache, cache._clock
        self._guards: tuple[Callable[[], bool], ...] = ()
        self.mark = Mark()

    def get(self, token: bytes | None) -> T | None:
        """Return what a token that asks for no proof means, unless it is unknown here or expired."""
        return None if token is None else self._cache.get(self.mark.borne + token)

    def get_warm(self, token: bytes | None) -> T | None:
        """Return the same, without a digest where a request that has just come showed the same token."""
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
        """Return what a token that asks for no proof means, while all guards say that it may be told."""
        for guard in self._guards:  # a generator would cost a request more than this whole look-up
            if not guard():
                return None
        return self.get_warm(token)

    @property
    def recall(self) -> Callable[[bytes | None], T | None]:
        """Give what answers for a token without anybody else being asked."""
        return self.get_guarded if self._guards else self.get_warm

    def guard(self, guard: Callable[[], bool]) -> None:
        """Let ``recall`` answer only while a guard returns true."""
        if guard not in self._guards:
            self._guards = (*self._guards, guard)

    def get_bound(self, token: bytes) -> T | None:
        """Return what a token means that asks for proof, unless it is unknown here or expired."""
        return self._cache.get(self.mark.bound + token)

    def known(self, token: bytes) -> T | None:
        """Return what a token means, whether or not it asks for proof, unless it is unknown here or expired."""
        return self.get(b"Bearer " + token) or self.get_bound(token)

    def keep(self, mark: Mark, token: bytes, value: T, until: float, weight: int, *, bound: bool) -> None:
        """Keep what a token means until that time, under the mark that was in force before it was verified.

        Args:
            mark: that mark.
            token: the token alone.
            value: what it means.
            until: a time in seconds.
            weight: the bytes of what it means, about.
            bound: whether it asks for proof with each request, so that no header alone may find it.
        """
        if bound:
            self.put(mark.bound, token, value, until, weight)
        else:
            self.put(mark.borne, b"Bearer " + token, value, until, weight)

    def put(self, mark: bytes, token: bytes, value: T, until: float, weight: int = 0) -> None:
        """Keep a value under one of a mark's two sides."""
        self._cache.put(mark + token, value, until, weight)

    def forget(self) -> None:
        """Forget everything; what lies in the cache is pushed out by what comes."""
        self.mark = Mark()


def weight(value: Any) -> int:
    """Return about how many bytes JSON content occupies in memory."""
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
