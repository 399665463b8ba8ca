"""The cache: bounded in entries and bytes, no token in it, and what is used stays."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard.identity import Cache
from tenantguard.identity.cache import weight
from tests.identity.tokens import NOW, token, verifier


def made(now: float = 0.0, **bounds: int) -> Cache[Any]:
    """Return a cache whose clock stands still."""
    return Cache(**bounds, clock=lambda: now)


def test_what_was_put_is_there_until_its_time() -> None:
    """And is not, at it."""
    times = [0.0]
    cache: Cache[str] = Cache(clock=lambda: times[0])
    cache.put(b"t", "acme", 10)
    found = []
    for times[0] in (0, 9.9, 10):
        found.append(cache.get(b"t"))
    assert found == ["acme", "acme", None]


def test_entries_are_bounded() -> None:
    """However many tokens come."""
    cache = made(entries=100)
    for number in range(10_000):
        cache.put(b"%d" % number, number, 1)
    assert len(cache) <= 100


def test_bytes_are_bounded() -> None:
    """Heavy tokens leave room for fewer."""
    cache = made(size=1_000_000)
    for number in range(1000):
        cache.put(b"%d" % number, number, 1, weight=50_000)
    assert 0 < len(cache) <= 20


def test_what_is_too_heavy_is_not_kept() -> None:
    """It would push out everything else."""
    cache = made(size=10_000)
    cache.put(b"light", "light", 1)
    cache.put(b"heavy", "heavy", 1, weight=9_000)
    assert (cache.get(b"heavy"), cache.get(b"light")) == (None, "light")


def test_what_is_used_stays_while_others_pass_by() -> None:
    """A stream of new tokens does not push out the ones that work."""
    cache = made(entries=100)
    cache.put(b"used", "used", 1)
    for number in range(10_000):
        cache.put(b"%d" % number, number, 1)
        assert cache.get(b"used") == "used"


def test_nothing_is_kept_where_nothing_may_be() -> None:
    """A cache of no entries."""
    cache = made(entries=0)
    cache.put(b"t", "acme", 1)
    assert (cache.get(b"t"), len(cache)) == (None, 0)


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_a_tiny_cache_keeps_to_its_size(entries: int) -> None:
    """Two generations of one are the least."""
    cache = made(entries=entries)
    for number in range(100):
        cache.put(b"%d" % number, number, 1)
    assert 1 <= len(cache) <= max(entries + 1, 2)


def test_clear_forgets_everything() -> None:
    """Of both generations."""
    cache = made(entries=4)
    for number in range(4):
        cache.put(b"%d" % number, number, 1)
    cache.clear()
    assert [cache.get(b"%d" % number) for number in range(4)] == [None] * 4


async def test_no_token_is_kept() -> None:
    """Only digests: a dump of the memory hands out no credentials."""
    cache: Cache[Any] = made(NOW)
    made_token = token()
    await verifier(cache=cache).verify(made_token)
    held = [*cache._young, *cache._old]
    assert [len(key) for key in held] == [32]
    assert made_token not in repr(vars(cache))


def test_weight_counts_what_lies_deep() -> None:
    """A small token can hold many small things."""
    assert weight({"a": [[] for _ in range(1000)]}) > 50_000
    assert weight({"a": {"b": "x" * 1000}}) > 1000


async def test_a_refused_token_is_not_kept() -> None:
    """It costs no memory, and a mistake that is mended counts at once."""
    cache: Cache[Any] = made(NOW)
    with pytest.raises(Exception, match="expired"):
        await verifier(cache=cache).verify(token(exp=NOW - 1))
    assert len(cache) == 0
