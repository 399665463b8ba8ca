"""Two tenants forced through each other, by events and barriers, on every path that carries a binding.

Nothing here waits for time: each side goes on when the other has reached the place that would hurt.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import AsyncAdaptedQueuePool, Engine, event, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tenantguard import NoTenantError, TenantSwitchError, bind, bypass, carry, current, guard
from tests.models import Call, Number, User, create_schema, make_tenancy, rows_of, seed
from tests.servers import Database

ROUNDS = 5
LIMIT = 30  # seconds: the other side has failed where it does not come
PAIR = ("acme", "globex")
OWN = {tenant: {row["id"] for row in rows_of(tenant)["calls"]} for tenant in PAIR}
IDS = select(Call.id).order_by(Call.id)


@pytest.fixture
def plain(database: Database) -> Engine:
    """Give an unguarded engine on a database that holds every tenant's rows."""
    engine = database.create_engine()
    create_schema(engine)
    seed(engine)
    return engine


@pytest.fixture
def engine(database: Database, plain: Engine) -> Engine:
    """Give a guarded engine with a connection for each side."""
    return guard(database.create_engine(pool_size=2, max_overflow=0), make_tenancy())


@pytest.fixture
def single(database: Database, plain: Engine) -> Engine:
    """Give a guarded engine whose pool holds one connection, which both sides must use."""
    return guard(database.create_engine(pool_size=1, max_overflow=0), make_tenancy())


@pytest.fixture
async def asynchronous(async_database: Database) -> AsyncIterator[AsyncEngine]:
    """Give a guarded asynchronous engine with a connection for each side."""
    plain = async_database.create_engine()
    create_schema(plain)
    seed(plain)
    async with async_database.async_engine(
        poolclass=AsyncAdaptedQueuePool, pool_size=2, max_overflow=0
    ) as engine:
        yield guard(engine, make_tenancy())


@pytest.fixture
async def one_connection(async_database: Database) -> AsyncIterator[AsyncEngine]:
    """Give a guarded asynchronous engine whose pool holds one connection."""
    plain = async_database.create_engine()
    create_schema(plain)
    seed(plain)
    async with async_database.async_engine(
        poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0
    ) as engine:
        yield guard(engine, make_tenancy())


def together(*work: Callable[[], Any]) -> list[Any]:
    """Run the functions in threads of their own, each with an empty context, and return their results."""
    with ThreadPoolExecutor(len(work)) as executor:
        running = [executor.submit(contextvars.Context().run, one) for one in work]
        return [one.result() for one in running]


# threads


def test_threads_take_turns_at_every_statement(engine: Engine) -> None:
    """Two threads pass a barrier before each statement, so that every one of them meets the other's."""
    barrier = threading.Barrier(2, timeout=LIMIT)

    def work(tenant: str) -> list[set[int]]:
        seen = []
        with bind(tenant), Session(engine) as session:
            for _ in range(ROUNDS):
                barrier.wait()
                seen.append(set(session.scalars(IDS)))
        return seen

    results = together(*(lambda tenant=tenant: work(tenant) for tenant in PAIR))
    assert results == [[OWN[tenant]] * ROUNDS for tenant in PAIR]


def test_threads_compile_a_new_statement_at_once(engine: Engine) -> None:
    """A statement that nobody has used before is compiled by both sides at the same moment, again and again."""
    barrier = threading.Barrier(2, timeout=LIMIT)

    def work(tenant: str) -> list[set[int]]:
        seen = []
        with bind(tenant), engine.connect() as connection:
            for number in range(ROUNDS):
                statement = select(Call.id.label(f"id_{number}")).where(Call.seconds >= 0)
                barrier.wait()
                seen.append(set(connection.scalars(statement)))
        return seen

    results = together(*(lambda tenant=tenant: work(tenant) for tenant in PAIR))
    assert results == [[OWN[tenant]] * ROUNDS for tenant in PAIR]


def test_threads_write_into_each_others_transactions(engine: Engine, plain: Engine) -> None:
    """Rows that both sides add between each other's flush and commit are stamped with their own tenant."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time, so two transactions cannot write through each other")
    barrier = threading.Barrier(2, timeout=LIMIT)

    def work(tenant: str) -> None:
        with bind(tenant), Session(engine) as session:
            barrier.wait()
            session.add(User(email=f"new@{tenant}.example"))
            session.flush()
            barrier.wait()
            session.execute(insert(Number), [{"digits": f"{tenant} one"}, {"digits": f"{tenant} two"}])
            barrier.wait()
            session.commit()

    together(*(lambda tenant=tenant: work(tenant) for tenant in PAIR))
    with plain.connect() as connection:
        users = select(User.company_id).where(User.email.startswith("new@")).order_by(User.company_id)
        assert connection.scalars(users).all() == list(PAIR)
        for tenant in PAIR:
            numbers = select(func.count()).select_from(Number).where(Number.digits.startswith(f"{tenant} "))
            assert connection.scalar(numbers.where(Number.company_id == tenant)) == 2
            assert connection.scalar(numbers.where(Number.company_id != tenant)) == 0


def test_an_executors_one_thread_serves_both_in_turn(engine: Engine) -> None:
    """Work carried for two tenants shares a thread, which keeps nothing of either."""

    def ids() -> set[int]:
        with Session(engine) as session:
            return set(session.scalars(IDS))

    with ThreadPoolExecutor(1) as executor:
        carried = {}
        for tenant in PAIR:
            with bind(tenant):
                carried[tenant] = carry(ids)
        for tenant in PAIR * 2:
            assert executor.submit(carried[tenant]).result() == OWN[tenant]
        with pytest.raises(NoTenantError):
            executor.submit(ids).result()


def test_a_session_of_a_thread_does_not_pass_from_tenant_to_tenant(engine: Engine) -> None:
    """A scoped session that nobody removed is refused to the next tenant of the thread."""
    scoped = scoped_session(sessionmaker(engine))

    def first() -> str:
        return scoped.scalars(select(Call).order_by(Call.id)).all()[0].note

    try:
        with bind("acme"):
            assert first() == "acme note"
        with bind("globex"), pytest.raises(TenantSwitchError):
            first()
    finally:
        scoped.remove()
    with bind("globex"):
        assert first() == "globex note"
    scoped.remove()


# the pool


def test_one_connection_serves_both_in_turn(single: Engine) -> None:
    """A pool of one hands the same connection from tenant to tenant, in mid-result and after an error."""
    handed = set()
    event.listen(single, "checkout", lambda _connection, record, _proxy: handed.add(record))
    for number in range(ROUNDS * 2):
        tenant = PAIR[number % 2]
        with bind(tenant), single.connect() as connection:
            result = connection.execute(IDS)
            assert result.fetchone()[0] in OWN[tenant]  # type: ignore[index]  # the result is left half-read
    assert len(handed) == 1


def test_what_one_left_uncommitted_is_not_the_others(single: Engine, plain: Engine) -> None:
    """A transaction that ends with its connection's return leaves nothing for the next tenant to commit."""
    with bind("acme"), single.connect() as connection:
        connection.execute(insert(User), {"email": "half@acme.example"})
    with bind("globex"), single.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(User)) == 2
        connection.commit()
    with plain.connect() as connection:
        assert connection.scalars(select(User.id).where(User.email.startswith("half"))).all() == []


def test_one_connection_object_follows_the_binding(engine: Engine) -> None:
    """A connection that is passed on answers for whoever executes, statement by statement."""
    with bind("acme"):
        connection = engine.connect()
    try:
        for tenant in PAIR * 2:
            with bind(tenant):
                assert set(connection.scalars(IDS)) == OWN[tenant]
    finally:
        with bind("acme"):
            connection.close()


# bypass


@pytest.mark.parametrize("first", ["tenant", "bypass"])
def test_a_bypass_in_one_thread_lifts_nothing_in_another(engine: Engine, first: str) -> None:
    """While one side is in a bypass the other's statements, of the same text, stay guarded, whoever is first."""
    opened, read = threading.Event(), threading.Event()
    statement = select(Call.id.label(f"first_{first}"))
    everything = {row for tenant in ("acme", "globex", "initech") for row in _ids(tenant)}

    def lifted() -> set[int]:
        if first == "tenant":
            assert read.wait(LIMIT)
        with bind("acme"), bypass(reason="interleaving"), engine.connect() as connection:
            if first == "bypass":
                seen = set(connection.scalars(statement))
            opened.set()
            assert read.wait(LIMIT)
            return seen if first == "bypass" else set(connection.scalars(statement))

    def guarded() -> set[int]:
        if first == "bypass":
            assert opened.wait(LIMIT)
        with bind("globex"), engine.connect() as connection:
            seen = set(connection.scalars(statement))
        read.set()
        return seen

    assert together(lifted, guarded) == [everything, OWN["globex"]]


def _ids(tenant: str) -> set[int]:
    return {row["id"] for row in rows_of(tenant)["calls"]}


def test_nested_bypasses_end_one_by_one(engine: Engine) -> None:
    """Inside a bypass another tenant is bound, and inside that another bypass: each ends at its own place."""
    with engine.connect() as connection:

        def seen() -> int:
            return len(set(connection.scalars(IDS)))

        with bind("acme"):
            counts = [seen()]
            with bypass(reason="outer"):
                counts.append(seen())
                with bind("globex"):
                    counts.append(seen())
                    with bypass(reason="inner"):
                        counts.append(seen())
                    counts.append(seen())
                counts.append(seen())
            counts.append(seen())
    assert counts == [3, 9, 3, 9, 3, 9, 3]


def test_rows_of_a_bypass_stay_in_it(engine: Engine) -> None:
    """What a session loaded in a bypass is not served to the tenant after it, who goes on with the session."""
    with Session(engine) as session, bind("acme"):
        with bypass(reason="interleaving"):
            held = session.get_one(Call, 101)
        assert session.get(Call, held.id) is None
        assert session.get_one(Call, 1).company_id == "acme"


# generators


def test_two_streams_are_read_through_each_other(engine: Engine) -> None:
    """Two generators that stream their rows are read in turn, and each sees its own to the end."""

    def stream() -> Iterator[int]:
        with Session(engine) as session:
            for call in session.scalars(select(Call).execution_options(yield_per=1)):
                yield call.id

    streams = {}
    for tenant in PAIR:
        with bind(tenant):
            streams[tenant] = carry(stream)()
    seen: dict[str, set[int]] = {tenant: set() for tenant in PAIR}
    for _ in range(3):
        for tenant in PAIR:
            seen[tenant].add(next(streams[tenant]))
    assert seen == OWN
    assert all(next(rest, None) is None for rest in streams.values())


def test_a_stream_closed_late_ends_under_its_own_tenant(engine: Engine, plain: Engine) -> None:
    """A generator writes at its end, which comes inside another tenant's block."""

    def stream() -> Iterator[int]:
        with Session(engine) as session:
            try:
                yield from session.scalars(IDS).all()
            finally:
                session.add(User(email="late@example.org"))
                session.commit()

    with bind("acme"):
        rows: Any = carry(stream)()
        assert next(rows) in OWN["acme"]
    with bind("globex"), Session(engine) as session:
        rows.close()
        assert set(session.scalars(IDS)) == OWN["globex"]
    with plain.connect() as connection:
        late = select(User.company_id).where(User.email == "late@example.org")
        assert connection.scalars(late).all() == ["acme"]


# tasks


async def test_tasks_take_turns_at_every_statement(asynchronous: AsyncEngine) -> None:
    """Two tasks pass a barrier before each statement."""
    barrier = asyncio.Barrier(2)
    sessions = async_sessionmaker(asynchronous)

    async def work(tenant: str) -> list[set[int]]:
        seen = []
        with bind(tenant):
            async with sessions() as session:
                for _ in range(ROUNDS):
                    await barrier.wait()
                    seen.append(set(await session.scalars(IDS)))
        return seen

    assert await asyncio.gather(*map(work, PAIR)) == [[OWN[tenant]] * ROUNDS for tenant in PAIR]


async def test_a_task_started_under_one_runs_while_the_other_is_bound(asynchronous: AsyncEngine) -> None:
    """A background task keeps the tenant of its start, whatever is bound where it is awaited."""
    go_on = asyncio.Event()

    async def ids() -> set[int]:
        async with AsyncSession(asynchronous) as session:
            before = set(await session.scalars(IDS))
            await go_on.wait()
            return before | set(await session.scalars(IDS))

    with bind("acme"):
        task = asyncio.create_task(ids())
    with bind("globex"):
        async with AsyncSession(asynchronous) as session:
            assert set(await session.scalars(IDS)) == OWN["globex"]
            go_on.set()
            assert await task == OWN["acme"]
            assert set(await session.scalars(IDS)) == OWN["globex"]


async def test_a_cancelled_task_hands_a_clean_connection_on(one_connection: AsyncEngine) -> None:
    """One side is cancelled in mid-transaction while the other waits for its connection."""
    written = asyncio.Event()

    async def half() -> None:
        with bind("acme"):
            async with AsyncSession(one_connection) as session:
                session.add(User(email="half@acme.example"))
                await session.flush()
                written.set()
                await asyncio.Event().wait()

    async def after() -> tuple[set[int], int]:
        await written.wait()
        with bind("globex"):
            task.cancel()
            async with AsyncSession(one_connection) as session:
                seen = set(await session.scalars(IDS))
                users = len((await session.scalars(select(User))).all())
                await session.commit()
                return seen, users

    task = asyncio.create_task(half())
    assert await after() == (OWN["globex"], 2)
    with pytest.raises(asyncio.CancelledError):
        await task
    with bind("acme"):
        async with AsyncSession(one_connection) as session:
            assert len((await session.scalars(select(User))).all()) == 2


async def test_a_session_that_changes_hands_is_refused(asynchronous: AsyncEngine) -> None:
    """A session that one task used is refused to a task of the other tenant, and to the identity map as well."""
    async with AsyncSession(asynchronous) as session:

        async def look(tenant: str) -> str:
            with bind(tenant):
                call = await session.get(Call, 1)
                return call.note if call is not None else "nothing"

        assert await asyncio.create_task(look("acme")) == "acme note"
        with pytest.raises(TenantSwitchError):
            await asyncio.create_task(look("globex"))
        assert await asyncio.create_task(look("acme")) == "acme note"


async def test_a_bypass_in_one_task_lifts_nothing_in_another(asynchronous: AsyncEngine) -> None:
    """Two tasks execute one statement by turns, one of them in a bypass."""
    barrier = asyncio.Barrier(2)

    async def count(lifted: bool) -> list[int]:
        counts = []
        with bind("acme"):
            async with asynchronous.connect() as connection:
                for _ in range(ROUNDS):
                    await barrier.wait()
                    if lifted:
                        with bypass(reason="interleaving"):
                            await asyncio.sleep(0)
                            counts.append(len((await connection.scalars(IDS)).all()))
                    else:
                        counts.append(len((await connection.scalars(IDS)).all()))
        return counts

    lifted, guarded = await asyncio.gather(count(True), count(False))
    assert (lifted, guarded) == ([9] * ROUNDS, [3] * ROUNDS)


async def test_a_task_does_not_take_a_bypass_beyond_its_end(asynchronous: AsyncEngine) -> None:
    """A task that was started in a bypass executes after its end: refused, before a row is read."""
    closed = asyncio.Event()

    async def late() -> int:
        async with asynchronous.connect() as connection:
            await closed.wait()
            return len((await connection.scalars(IDS)).all())

    with bypass(reason="interleaving"):
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
    closed.set()
    with pytest.raises(NoTenantError, match="outlived its bypass"):
        await task


async def test_a_stream_of_rows_is_closed_by_another_task(asynchronous: AsyncEngine) -> None:
    """A carried asynchronous stream is left half-read and ended in a task of the other tenant."""

    async def stream() -> AsyncIterator[int]:
        async with asynchronous.connect() as connection:
            for row in await connection.scalars(IDS):
                yield row

    with bind("acme"):
        rows: Any = carry(stream)()
    assert await anext(rows) in OWN["acme"]

    async def close() -> set[int]:
        with bind("globex"):
            await rows.aclose()
            async with asynchronous.connect() as connection:
                assert current().tenant == "globex"
                return set(await connection.scalars(IDS))

    assert await asyncio.create_task(close()) == OWN["globex"]


async def test_threads_of_a_loop_keep_to_their_task(
    asynchronous: AsyncEngine, async_database: Database
) -> None:
    """Work that two tasks push into threads, by either way, is done for the task's own tenant."""
    engine = guard(async_database.create_engine(), make_tenancy())
    barrier = threading.Barrier(2, timeout=LIMIT)

    def ids() -> set[int]:
        with Session(engine) as session:
            barrier.wait()
            return set(session.scalars(IDS))

    async def work(tenant: str) -> tuple[set[int], set[int]]:
        loop = asyncio.get_running_loop()
        with bind(tenant):
            return await asyncio.to_thread(ids), await loop.run_in_executor(None, carry(ids))

    assert await asyncio.gather(*map(work, PAIR)) == [(OWN[tenant], OWN[tenant]) for tenant in PAIR]
