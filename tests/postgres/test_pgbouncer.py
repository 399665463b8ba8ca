"""PgBouncer in transaction mode: each transaction may meet another server process, and none another's tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, create_engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tenantguard import ConfigurationError, bind, guard
from tenantguard.postgres import RowSecurity, Seal
from tests.models import Call
from tests.postgres.pooler import pgbouncer
from tests.postgres.world import KEY, Secured
from tests.support.missing import skip_without

MINE = select(func.min(Call.company_id), func.count())
TENANTS = ("acme", "globex", "initech")


@pytest.fixture(scope="module")
def pooled(sealed: Secured) -> Iterator[URL]:
    """Give the URL of a PgBouncer that shares two server connections among all, and end it."""
    with pgbouncer(sealed.owner.url, sealed.roles.application) as url:
        if url is None:
            skip_without("no PgBouncer: pgbouncer is not installed (Debian: pgbouncer)")
        yield url


@pytest.mark.parametrize("flights", ["pipeline", "begin"])
async def test_psycopg_through_a_pooler(pooled: URL, sealed: Secured, flights: Any) -> None:
    """Interleaved transactions of three tenants over two server processes: each sees its own rows."""
    engine = create_async_engine(
        pooled.set(drivername="postgresql+psycopg"), connect_args={"prepare_threshold": None}
    )
    await _interleaved(engine, sealed, flights)


async def test_asyncpg_through_a_pooler(pooled: URL, sealed: Secured) -> None:
    """The same by asyncpg, whose prepared statements have no names and are not kept."""
    engine = create_async_engine(
        pooled.set(drivername="postgresql+asyncpg"),
        connect_args={
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        },
    )
    await _interleaved(engine, sealed, "begin")


async def _interleaved(engine: Any, world: Secured, flights: Any) -> None:
    guard(engine, world.tenancy, row_security=RowSecurity(Seal(KEY, pooled=True), flights=flights))
    entered = asyncio.Semaphore(6)

    async def request(number: int) -> tuple[str, Any]:
        tenant = TENANTS[number % 3]
        async with entered:
            with bind(tenant):
                async with engine.connect() as connection:
                    seen = (await connection.execute(MINE)).one()
                    await asyncio.sleep(0)
                    again = (await connection.execute(MINE)).one()
                    await (connection.commit() if number % 2 else connection.rollback())
        return tenant, {seen, again}

    found = await asyncio.wait_for(asyncio.gather(*map(request, range(120))), 60)
    assert [one for one in found if one[1] != {(one[0], 3)}] == []
    await engine.dispose()


def test_a_session_bound_seal_is_refused_behind_a_pooler(pooled: URL, sealed: Secured) -> None:
    """The process that the driver was told is PgBouncer's word, and not the server's: said at the start."""
    engine = create_engine(
        pooled.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        connect_args={"prepare_threshold": None},
    )
    guard(engine, sealed.tenancy, row_security=RowSecurity(Seal(KEY)))
    with bind("acme"), pytest.raises(ConfigurationError, match="a pooler stands between"):
        engine.connect()


def test_a_seal_for_a_process_that_a_pooler_made_up(pooled: URL, sealed: Secured) -> None:
    """PgBouncer's numbers are random ones, negative too: none is the server's, and nothing is shown."""
    engine = create_engine(pooled, poolclass=NullPool, connect_args={"prepare_threshold": None})
    with engine.connect() as connection:
        for process in (connection.connection.driver_connection.pgconn.backend_pid, -1, 2**31, 10**12):  # type: ignore[union-attr]
            sealed.tell(connection, "acme", Seal(KEY), process=process)
            with pytest.raises(DBAPIError, match="not of this tenant and session"):
                connection.execute(MINE)
            connection.rollback()
