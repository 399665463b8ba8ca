"""The cache: bounded in entries and bytes, no token in it, and what is used stays."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import ConfigurationError, Principal, TokenError, TokenVerifier
from tenantguard.identity import Cache
from tenantguard.identity.cache import Part, Warm, weight
from tests.identity.test_remote_verifier import Fake, key_set, remote, signed
from tests.identity.tokens import AUDIENCE, NOW, SECRET, clock, token, verifier


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


def test_a_warm_token_is_dropped_with_the_next_tick() -> None:
    """It is kept as it is only while somebody drops it before long."""
    cache: Cache[str] = made()
    part = Part(cache)
    part.put(part.mark.borne, b"t", "acme", 1)
    Warm.cool()
    assert (part.get_warm(b"t"), Warm.entries) == ("acme", {})
    Warm.cool(again_within=60)
    assert (part.get_warm(b"t"), len(Warm.entries)) == ("acme", 1)
    Warm.cool()
    assert (part.get_warm(b"t"), Warm.entries) == ("acme", {})


@pytest.mark.parametrize("ends", ["forgotten", "cleared", "expired", "guarded", "elsewhere"])
def test_a_warm_token_ends_as_a_cached_one_does(ends: str) -> None:
    """At its time, with its key, and with what is known of revocations; and it is no other verifier's."""
    now = [0.0]
    cache: Cache[str] = Cache(clock=lambda: now[0])
    part, is_open = Part(cache), [True]
    if ends == "guarded":
        part.guard(lambda: is_open[0])
    part.put(part.mark.borne, b"t", "acme", 1)
    Warm.cool(again_within=60)
    assert (part.recall(b"t"), len(Warm.entries)) == ("acme", 1)
    is_open[0] = False
    if ends == "forgotten":
        part.forget()
    elif ends == "cleared":
        cache.clear()
    elif ends == "expired":
        now[0] = 1.0
    elif ends == "elsewhere":
        part = Part(cache)
    assert part.recall(b"t") is None
    Warm.cool()


def test_warm_tokens_are_few() -> None:
    """Whoever shows many fills no memory."""
    part = Part(made(entries=10_000))
    Warm.cool(again_within=60)
    for number in range(1_000):
        part.put(part.mark.borne, b"%d" % number, "acme", 1)
        assert part.get_warm(b"%d" % number) == "acme"
    assert 100 < len(Warm.entries) <= 512
    Warm.cool()


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


def test_a_part_of_a_cache_answers_for_itself_only() -> None:
    """Whatever is kept in the same room, and however a token is spelt."""
    cache: Cache[str] = made()
    one, two = Part(cache), Part(cache)
    one.put(one.mark.borne, b"t", "one", 1)
    one.put(one.mark.bound, b"b", "bound", 1)
    two.put(two.mark.borne, b"t", "two", 1)
    assert (one.get(b"t"), two.get(b"t"), cache.get(b"t"), one.get(None)) == ("one", "two", None, None)
    assert (one.get(b"b"), one.get_bound(b"b"), two.get_bound(b"b"), one.get_bound(b"t")) == (
        None,
        "bound",
        None,
        None,
    )


def test_a_part_that_is_forgotten_leaves_the_others_alone() -> None:
    """And keeps nothing that was read before it was."""
    cache: Cache[str] = made()
    one, two = Part(cache), Part(cache)
    before = one.mark.borne
    two.put(two.mark.borne, b"t", "two", 1)
    one.forget()
    one.put(before, b"t", "one", 1)
    assert (one.get(b"t"), two.get(b"t")) == (None, "two")


async def test_a_cache_that_is_shared_answers_for_no_other_verifier() -> None:
    """One of another issuer, key or policy that was given the same cache."""
    cache: Cache[Any] = made(NOW)
    strict = verifier(cache=cache, require={"level": 2})
    await verifier(cache=cache).verify(token())
    with pytest.raises(TokenError, match="required"):
        await strict.verify(token())
    assert strict.recall(b"Bearer " + token().encode()) is None


@pytest.mark.parametrize("entries", [0, 1, 10_000])
async def test_a_member_keeps_to_its_own_tokens(entries: int) -> None:
    """What ``any_of`` verified by another member is none of its business."""
    one = verifier(issuer="https://one.example", speaks_for="every")
    two = verifier(issuer="https://two.example", speaks_for={"globex"})
    both = TokenVerifier.any_of(one, two, cache=Cache(entries, clock=clock))
    sent = token(iss="https://two.example", company_id="globex")
    header = f"Bearer {sent}".encode()
    assert (await both.verify(sent)).tenant == "globex"
    assert (one.recall(header), two.recall(header)) == (None, None)
    with pytest.raises(TokenError):
        await one.verify(sent)
    assert (await two.verify(sent)).tenant == "globex"


@pytest.mark.parametrize(
    ("settings", "changes", "reason"),
    [
        ({"most_bytes": 100}, {}, "oversized"),
        ({"max_age": 60}, {"iat": NOW - 61}, "too_old"),
        ({"leeway": 60}, {"exp": NOW - 59}, None),
        ({"leeway": 0}, {"exp": NOW - 1}, "expired"),
        ({"most_bytes": 16_000}, {"more": "x" * 9000}, None),
        ({"most_bytes": 16_000}, {"more": "x" * 16_000}, "oversized"),
        ({"typ": "at+jwt"}, {}, "typ"),
        ({"require": {"level": 2}}, {}, "required_claim"),
    ],
)
async def test_each_member_has_limits_of_its_own(settings: Any, changes: Any, reason: str | None) -> None:
    """Whatever those of the members beside it."""
    one = verifier(**{"issuer": "https://one.example", "speaks_for": "every"} | settings)
    two = verifier(issuer="https://two.example", speaks_for="every", most_bytes=2_000, leeway=7)
    both = TokenVerifier.any_of(two, one, cache=Cache(clock=clock))
    sent = token(iss="https://one.example", **changes)
    if reason is None:
        principal = await both.verify(sent)
        assert principal.tenant == "acme"
        assert both.ends(principal) == one.ends(principal)
        return
    with pytest.raises(TokenError) as caught:
        await both.verify(sent)
    assert caught.value.reason == reason


async def test_any_of_may_hold_another_one() -> None:
    """It stands for its members, each with its own limits."""
    shared: Any = {"speaks_for": "every"}
    one = verifier(issuer="https://one.example", **shared)
    two = verifier(issuer="https://two.example", audience="another", **shared)
    three = verifier(issuer="https://three.example", **shared)
    every = TokenVerifier.any_of(TokenVerifier.any_of(one, two), three)
    for issuer, audience in (("one", AUDIENCE), ("two", "another"), ("three", AUDIENCE)):
        assert (await every.verify(token(iss=f"https://{issuer}.example", aud=audience))).tenant == "acme"
    with pytest.raises(TokenError, match="audience"):
        await every.verify(token(iss="https://two.example", aud=AUDIENCE))
    with pytest.raises(ConfigurationError, match="not int"):
        TokenVerifier.any_of(one, 3)  # type: ignore[arg-type]  # that is the point


async def test_a_key_that_is_dropped_is_dropped_by_any_of_too() -> None:
    """Tokens that it signed were kept there, and are forgotten."""
    http = Fake(key_set("one"))
    one = remote(http, speaks_for="every", keys_cooldown=0)
    two = verifier(issuer="https://two.example", speaks_for="every")
    both = TokenVerifier.any_of(one, two, cache=Cache(clock=clock))
    sent = signed("one")
    await both.verify(sent)
    http.answer = key_set("two")
    await both.verify(signed("two"))
    assert both.recall(f"Bearer {sent}".encode()) is None
    with pytest.raises(TokenError, match="signature"):
        await both.verify(sent)


async def test_a_member_that_checks_more_is_asked_each_time() -> None:
    """And those beside it are remembered all the same."""

    class Revocable(TokenVerifier):
        revoked = False

        async def verify(self, token: str) -> Principal:
            if self.revoked:
                raise TokenError("the token is revoked", reason="revoked")
            return await super().verify(token)

    settings: Any = {
        "key": SECRET,
        "algorithms": ["HS256"],
        "audience": "api",
        "speaks_for": "every",
        "clock": clock,
    }
    one = Revocable(issuer="https://one.example", **settings)
    two = TokenVerifier(issuer="https://two.example", **settings)
    both = TokenVerifier.any_of(one, two, cache=Cache(clock=clock))
    sent, other = token(iss="https://one.example"), token(iss="https://two.example")
    await both.verify(sent)
    await both.verify(other)
    assert both.recall(f"Bearer {sent}".encode()) is None
    assert both.recall(f"Bearer {other}".encode()) is not None
    Revocable.revoked = True
    with pytest.raises(TokenError, match="revoked"):
        await both.verify(sent)
