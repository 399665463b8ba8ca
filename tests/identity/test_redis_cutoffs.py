"""Cut-offs in Redis: as in every other store, and through its loss."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from tenantguard import ConfigurationError, IssuerUnavailableError, Principal, TokenError
from tenantguard.identity import Revocation, subscription
from tenantguard.identity.cutoffs import Name
from tenantguard.identity.redis_cutoffs import RedisCutOffs
from tests.identity.redis_server import RedisServer
from tests.identity.test_revocation import HOUR, Time, holds_of_every_store, made, principal
from tests.identity.tokens import NOW
from tests.servers import MissingServerError
from tests.support.missing import skip_without


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Give a running, empty Redis, or skip where there is none to be had."""
    try:
        made = RedisServer(tmp_path_factory.mktemp("redis"))
        made.start()
    except MissingServerError as error:
        skip_without(str(error))
    yield made
    made.kill()


@pytest.mark.parametrize("decoded", [True, False])
async def test_it_is_a_store_like_the_others(server: RedisServer, decoded: bool) -> None:
    """Whether its client reads bytes or text."""
    with redis.Redis.from_url(server.url, decode_responses=decoded) as client:
        await holds_of_every_store(RedisCutOffs(client))


async def test_an_asynchronous_client_does_the_same(server: RedisServer) -> None:
    """In the event loop of its own."""
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await holds_of_every_store(RedisCutOffs(client))


async def test_revocations_at_once_all_hold(server: RedisServer) -> None:
    """From two processes' clients; of two for one name the later stays."""
    with redis.Redis.from_url(server.url) as one, redis.Redis.from_url(server.url) as other:
        stores = [RedisCutOffs(one), RedisCutOffs(other)]
        names = [Name("token", f"t{n}") for n in range(20)]
        await asyncio.gather(*(stores[n % 2].put({name: NOW}) for n, name in enumerate(names)))
        await asyncio.gather(*(stores[n % 2].put({names[0]: NOW + n}) for n in range(10)))
        found = await stores[0].since(-1)
    assert found.moments == dict.fromkeys(names, NOW) | {names[0]: NOW + 9}
    assert found.generation == 30


async def test_services_of_another_prefix_are_apart(server: RedisServer) -> None:
    """Two services may share one Redis."""
    with redis.Redis.from_url(server.url) as client:
        await RedisCutOffs(client, prefix="shop").put({Name("subject", "ada"): NOW})
        assert (await RedisCutOffs(client).since(-1)).moments == {}


async def test_a_server_that_was_killed_lets_nobody_in_and_is_given_back_what_it_lost(
    server: RedisServer,
) -> None:
    """Nobody comes in while it is down; a process that starts after it came back empty knows of what was revoked."""
    set_time = Time()
    with redis.Redis.from_url(server.url, socket_timeout=30) as client:
        here = made(RedisCutOffs(client), set_time)
        await here.revoke(subject="ada")
        server.kill()
        set_time.now += HOUR
        with pytest.raises(IssuerUnavailableError):
            await here.check(principal(NOW + 1))
        server.start()
        set_time.now += 2
        with pytest.raises(TokenError, match="revoked"):
            await here.check(principal(NOW))
        with pytest.raises(TokenError, match="revoked"):
            await made(RedisCutOffs(client), set_time).check(principal(NOW))


async def test_what_is_no_cut_off_in_it_lets_nobody_in(server: RedisServer) -> None:
    """Rubbish in the store is the loss of the store."""
    with redis.Redis.from_url(server.url) as client:
        await RedisCutOffs(client).put({Name("subject", "ada"): NOW})
        client.hset("{tenantguard}:cutoffs", '["subject", "ada", ""]', "soon")
        with pytest.raises(IssuerUnavailableError):
            await Revocation(RedisCutOffs(client)).check(principal())


def ada() -> Principal:
    """Return who came in a minute ago."""
    return Principal("ada", "acme", claims={"iat": time.time() - 60})


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # a thread knows no event of this loop
            await asyncio.sleep(0.005)


async def listening(store: RedisCutOffs, **settings: Any) -> Revocation:
    """Return a revocation that reads once a minute, and has read since it listens."""
    there = Revocation(store, seconds=60, **settings)
    await there.check(ada())
    await until(lambda: not there.is_fresh())
    await there.check(ada())
    return there


@pytest.mark.parametrize("made", [redis.Redis, redis.asyncio.Redis])
async def test_every_process_hears_of_a_cut_off(server: RedisServer, made: Any) -> None:
    """By a thread, or by a task where the client is asynchronous; a client of one connection keeps it."""
    client = made.from_url(server.url, max_connections=1)
    there = await listening(RedisCutOffs(client))
    with redis.Redis.from_url(server.url) as other:
        await Revocation(RedisCutOffs(other)).revoke(subject="ada")
    await until(lambda: not there.is_fresh())
    with pytest.raises(TokenError, match="revoked"):
        await there.check(ada())
    if made is redis.asyncio.Redis:
        await client.aclose()


async def test_who_could_not_listen_for_a_while_has_missed_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is counted, and what was revoked meanwhile is read when the subscription is back."""
    monkeypatch.setattr(subscription, "_AGAIN", 0.01)
    with redis.Redis.from_url(server.url) as client, redis.Redis.from_url(server.url) as other:
        store = RedisCutOffs(client)
        there = await listening(store)
        server.kill()
        await until(lambda: store.subscription.losses > 0)
        server.start()
        await Revocation(RedisCutOffs(other)).revoke(subject="ada")
        await until(lambda: not there.is_fresh())
        with pytest.raises(TokenError, match="revoked"):
            await there.check(ada())


async def test_who_may_not_publish_or_listen_revokes_all_the_same(server: RedisServer) -> None:
    """It is found by reading: a user of Redis has no channels unless they are given."""
    with redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser("plain", enabled=True, nopass=True, keys="*", categories=["+@all"], reset=True)
    with redis.Redis.from_url(server.url, username="plain", password="any") as client:
        store = RedisCutOffs(client)
        there = Revocation(store, seconds=0)
        await there.check(ada())
        await until(lambda: store.subscription.losses > 0)
        await Revocation(store).revoke(subject="ada")
        with pytest.raises(TokenError, match="revoked"):
            await there.check(ada())


async def test_a_process_listens_for_as_long_as_somebody_wants_to_hear(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends with the last one."""
    monkeypatch.setattr(subscription, "_LOOK", 0.01)
    with redis.Redis.from_url(server.url) as client:
        store = RedisCutOffs(client)
        there = [await listening(store)]
        there.clear()
        await until(lambda: not store.subscription._goes_on())


def test_the_child_of_a_process_listens_itself(server: RedisServer) -> None:
    """Its parent's thread is not there after a fork."""
    with redis.Redis.from_url(server.url) as client:
        store = RedisCutOffs(client)
        there = Revocation(store, seconds=0)
        asyncio.run(there.check(ada()))
        with warnings.catch_warnings(action="ignore"):  # a process with threads forks: that is the point
            child = os.fork()
        if not child:
            before = store.subscription._goes_on()
            asyncio.run(there.check(ada()))
            os._exit(0 if (before, store.subscription._goes_on()) == (False, True) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert store.subscription._goes_on()


@pytest.mark.parametrize("client", [None, "redis://localhost", object()])
def test_a_store_of_no_client_is_refused_at_the_start(client: Any) -> None:
    """The error says how one is made."""
    with pytest.raises(ConfigurationError, match="from_url"):
        RedisCutOffs(client)
