"""Cut-offs in Redis: as in every other store, and through its loss."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from tenantguard import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity import Revocation
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
    time = Time()
    with redis.Redis.from_url(server.url, socket_timeout=30) as client:
        here = made(RedisCutOffs(client), time)
        await here.revoke(subject="ada")
        server.kill()
        time.now += HOUR
        with pytest.raises(IssuerUnavailableError):
            await here.check(principal(NOW + 1))
        server.start()
        time.now += 2
        with pytest.raises(TokenError, match="revoked"):
            await here.check(principal(NOW))
        with pytest.raises(TokenError, match="revoked"):
            await made(RedisCutOffs(client), time).check(principal(NOW))


async def test_what_is_no_cut_off_in_it_lets_nobody_in(server: RedisServer) -> None:
    """Rubbish in the store is the loss of the store."""
    with redis.Redis.from_url(server.url) as client:
        await RedisCutOffs(client).put({Name("subject", "ada"): NOW})
        client.hset("{tenantguard}:cutoffs", '["subject", "ada", ""]', "soon")
        with pytest.raises(IssuerUnavailableError):
            await Revocation(RedisCutOffs(client)).check(principal())


@pytest.mark.parametrize("client", [None, "redis://localhost", object()])
def test_a_store_of_no_client_is_refused_at_the_start(client: Any) -> None:
    """The error says how one is made."""
    with pytest.raises(ConfigurationError, match="from_url"):
        RedisCutOffs(client)
