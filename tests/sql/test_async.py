"""Asynchronous engines and sessions: the same guard, on every asynchronous driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import make_transient_to_detached, selectinload

from tenantguard import CrossTenantError, NoTenantError, RawSQLError, TenantSwitchError, bind, guard
from tests.models import Call, CallTag, create_schema, make_tenancy, seed
from tests.servers import Database


@pytest.fixture
async def engine(async_database: Database) -> AsyncIterator[AsyncEngine]:
    """Give a guarded asynchronous engine on a seeded database."""
    plain = async_database.create_engine()
    create_schema(plain)
    seed(plain)
    plain.dispose()
    engine = guard(create_async_engine(async_database.async_urls[0]), make_tenancy())
    yield engine
    await engine.dispose()


async def test_a_session_reads_the_tenants_rows(engine: AsyncEngine) -> None:
    """Queries, eager loads and streams hold the bound tenant's rows only."""
    with bind("acme"):
        async with AsyncSession(engine) as session:
            calls = (
                await session.scalars(select(Call).options(selectinload(Call.tags)).order_by(Call.id))
            ).all()
            assert [(call.id, len(call.tags)) for call in calls] == [(1, 1), (2, 1), (3, 0)]
            assert await session.get(Call, 101) is None
            streamed = await session.stream_scalars(select(Call.id).order_by(Call.id))
            assert [row async for row in streamed] == [1, 2, 3]


async def test_a_flush_is_stamped_and_verified(engine: AsyncEngine) -> None:
    """A new row is the tenant's, and one that names another tenant or its parent is refused."""
    with bind("acme"):
        async with AsyncSession(engine) as session:
            call = Call(number_id=1, country_code="DE", seconds=5)
            session.add(call)
            await session.commit()
            assert call.__dict__.get("company_id", "acme") == "acme"
        for values in ({"company_id": "globex", "number_id": 1}, {"number_id": 101}):
            async with AsyncSession(engine) as session:
                session.add(Call(country_code="DE", seconds=5, **values))
                with pytest.raises(CrossTenantError):
                    await session.flush()


async def test_bulk_statements_reach_the_tenants_rows(engine: AsyncEngine) -> None:
    """Bulk writes carry the predicate, and their keys are looked up."""
    with bind("acme"):
        async with AsyncSession(engine) as session:
            changed = await session.execute(update(Call).values(note="mine"))
            assert changed.rowcount == 3  # type: ignore[attr-defined]  # of an UPDATE
            with pytest.raises(CrossTenantError):
                await session.execute(
                    insert(CallTag), [{"call_id": 1, "tag": "a"}, {"call_id": 101, "tag": "b"}]
                )


async def test_a_stub_of_another_tenant_is_refused(engine: AsyncEngine) -> None:
    """A unit of work that changes another tenant's row by its key is told so."""
    stub = Call(id=101)
    make_transient_to_detached(stub)
    with bind("acme"):
        async with AsyncSession(engine) as session:
            session.add(stub)
            stub.note = "stolen"
            with pytest.raises(CrossTenantError):
                await session.flush()


async def test_a_session_keeps_to_its_tenant(engine: AsyncEngine) -> None:
    """A session of one tenant is refused to another, identity-map hits included."""
    async with AsyncSession(engine) as session:
        with bind("acme"):
            held = await session.get(Call, 1)
        with bind("globex"), pytest.raises(TenantSwitchError):
            await session.get(Call, 1)
        assert held is not None


async def test_text_and_raw_connections_are_refused(engine: AsyncEngine) -> None:
    """The doors to the driver are shut on the asynchronous side too."""
    with bind("acme"):
        async with engine.connect() as connection:
            with pytest.raises(RawSQLError):
                await connection.execute(text("SELECT * FROM calls"))
            with pytest.raises(RawSQLError):
                await connection.get_raw_connection()
            with pytest.raises(RawSQLError):
                await connection.exec_driver_sql("SELECT * FROM calls")
        with pytest.raises(RawSQLError):
            await engine.raw_connection()


async def test_nothing_bound_reads_nothing(engine: AsyncEngine) -> None:
    """Without a tenant a guarded statement is refused."""
    async with AsyncSession(engine) as session:
        with pytest.raises(NoTenantError):
            await session.execute(select(Call))


async def test_tasks_of_two_tenants_share_a_pool(engine: AsyncEngine) -> None:
    """Two tasks that hold their connections at once each see their own."""
    met = asyncio.Barrier(2)

    async def work(tenant: str) -> set[str]:
        with bind(tenant):
            async with AsyncSession(engine) as session:
                first = set(await session.scalars(select(Call.company_id)))
                await met.wait()
                return first | set(await session.scalars(select(Call.company_id)))

    first, second = await asyncio.gather(work("acme"), work("globex"))
    assert (first, second) == ({"acme"}, {"globex"})


@pytest.mark.parametrize("sent", ["BEGIN IMMEDIATE", "SELECT (SELECT", "INSERT"])
async def test_a_cancelled_write_lets_go_of_sqlite(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    """Whatever the cancellation meets, it is what the task ends in, and another connection may write at once."""
    core = pytest.importorskip("aiosqlite.core")
    plain = sqlite_database.create_engine()
    create_schema(plain)
    seed(plain)
    plain.dispose()
    engine = create_async_engine(sqlite_database.async_urls[0], connect_args={"timeout": 0})
    guard(engine, make_tenancy())
    execute = core.Connection._execute

    async def cancelled(self: Any, function: Any, *args: Any, **kw: Any) -> Any:
        done = await execute(self, function, *args, **kw)
        if str(args[:1]).startswith(f"({sent!r}"[:-1]):
            monkeypatch.undo()
            raise asyncio.CancelledError
        return done

    with bind("acme"):
        async with AsyncSession(engine) as session:
            session.add(Call(number_id=1, country_code="DE", seconds=5))
            monkeypatch.setattr(core.Connection, "_execute", cancelled)
            with pytest.raises(asyncio.CancelledError) as held:
                await session.flush()
        async with AsyncSession(engine) as session:
            assert (await session.execute(update(Call).values(seconds=6))).rowcount == 3  # type: ignore[attr-defined]
            if not sqlalchemy.__version__.startswith("2.0."):  # whose cursor of aiosqlite is out of reach
                await session.commit()
    assert held.value is not None  # and with it what the first one had
    await engine.dispose()
