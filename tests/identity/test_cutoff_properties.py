"""Cut-offs by property: over every combination of what is cut off, in every store, the latest that applies decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from tenantguard import TokenError
from tenantguard.identity import Acting, MemoryCutOffs, SQLCutOffs
from tenantguard.identity.cutoffs import KINDS, CutOffs
from tenantguard.identity.redis_cutoffs import RedisCutOffs
from tests.identity.redis_server import RedisServer
from tests.identity.test_acting import acted
from tests.identity.test_revocation import Time, made
from tests.identity.tokens import ISSUER, NOW, token, verifier
from tests.servers import MissingServerError
from tests.support.missing import skip_without

Made = Callable[[], CutOffs]
OTHER = "https://other.example"
ISSUED = NOW - 60
# Whom a cut-off may be for: the token's own, and others that must not matter.
VALUES = {
    "token": ["t1", "t2"],
    "session": ["s1", "ada"],
    "subject": ["ada", "sam@support", "bob", "Ada"],
    "tenant": ["acme", "globex"],
}
CUTS = st.one_of(
    [
        st.tuples(st.just(kind), st.sampled_from(values), st.sampled_from([None, ISSUER, OTHER]))
        for kind, values in VALUES.items()
    ]
    + [st.tuples(st.just("issuer"), st.sampled_from([ISSUER, OTHER]), st.none())]
)
# Around the moment of issue; and far away on both sides of it.
MOMENTS = st.sampled_from(
    [ISSUED - 3600, ISSUED - 1, ISSUED - 0.001, ISSUED, ISSUED + 0.001, ISSUED + 1, NOW]
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Give a running Redis, or skip where there is none to be had."""
    held = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        held.start()
    except MissingServerError as error:
        skip_without(str(error))
    yield held
    held.kill()


@pytest.fixture(params=["memory", "sql", "redis"])
def empty(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Give what makes an empty store."""
    if request.param == "memory":
        yield MemoryCutOffs
        return
    if request.param == "redis":
        with redis.Redis.from_url(request.getfixturevalue("server").url) as client:

            def emptied() -> CutOffs:
                client.flushall()
                return RedisCutOffs(client)

            yield emptied
        return
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    store = SQLCutOffs(engine)

    def fresh() -> CutOffs:
        store.metadata.drop_all(engine)
        store.metadata.create_all(engine)
        return store

    yield fresh
    engine.dispose()


def applies(kind: str, value: str, issuer: str | None, acting: bool) -> bool:
    """Tell, by the words of the issue alone, whether a cut-off is for the token of the test."""
    own = {"token": {"t1"}, "session": {"s1"}, "subject": {"ada"}, "tenant": {"acme"}, "issuer": {ISSUER}}
    if acting:
        own["subject"] = {"ada", "sam@support"}
    return value in own[kind] and issuer in (None, ISSUER)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # emptied for each
@given(
    cuts=st.lists(st.tuples(CUTS, MOMENTS), max_size=6),
    acting=st.booleans(),
    seen=st.booleans(),
    elsewhere=st.booleans(),
)
def test_a_token_passes_only_if_it_is_younger_than_every_cut_off_that_applies(
    empty: Made,
    cuts: list[tuple[tuple[str, str, str | None], float]],
    acting: bool,
    seen: bool,
    elsewhere: bool,
) -> None:
    """Seen before or not, revoked here or in another process; and both persons count where one acts for the other."""
    assert set(KINDS) == {*VALUES, "issuer"}
    store, time = empty(), Time()
    here = made(store, time)
    checked = verifier(revocation=here, acting=Acting(companies={"acme"}), clock=time.clock)
    named: dict[str, Any] = {"iat": ISSUED, "jti": "t1", "sid": "s1"}
    sent = acted(**named) if acting else token(**named)
    header = f"Bearer {sent}".encode()
    passes = not any(applies(*cut, acting) and moment >= ISSUED for cut, moment in cuts)

    async def comes_in() -> None:
        if seen:
            await checked.verify(sent)
        revoking = made(store, time) if elsewhere else here
        for (kind, value, issuer), moment in cuts:
            told: dict[str, Any] = {kind: value, "at": moment}
            await revoking.revoke(**told | ({} if issuer is None else {"issuer": issuer}))
        time.now += 0.5
        if passes:
            await checked.verify(sent)
            return
        with pytest.raises(TokenError, match="was revoked"):
            await checked.verify(sent)
        assert checked.recall(header) is None

    asyncio.run(comes_in())
