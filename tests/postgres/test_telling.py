"""How the tenant travels to PostgreSQL: in which flight, by which driver, and that nothing of it lingers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, Integer, NullPool, create_engine, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from tenantguard import ConfigurationError, Guard, RawSQLError, bind, bypass, guard
from tenantguard.context import peek
from tenantguard.postgres import RowSecurity, Seal
from tenantguard.sql.execute.told_tenant import tell
from tenantguard.sql.telling.drivers import verify_driver
from tenantguard.sql.telling.literals import made
from tenantguard.sql.telling.psycopg_pipeline import verify_names
from tests.models import Call, Label, SessionLog, make_tenancy
from tests.postgres.proxy import Proxy
from tests.postgres.world import KEY, Secured

MINE = select(func.min(Call.company_id), func.count())
FLIGHTS = [
    ("psycopg", "pipeline", 2),
    ("psycopg", "begin", 3),
    ("psycopg_async", "pipeline", 2),
    ("psycopg_async", "begin", 3),
    ("asyncpg", "begin", 3),
]


@pytest.fixture
def proxy(sealed: Secured) -> Iterator[Proxy]:
    """Give a proxy before the sealed database."""
    made = Proxy(sealed.owner.url)
    yield made
    made.close()


class Engines:
    """Guarded engines on the sealed database, synchronous or not, driven in one way."""

    def __init__(self, world: Secured) -> None:
        self._world = world
        self._made: list[Engine] = []

    def __call__(self, flights: Any = "pipeline", *, through: Proxy | None = None, raw_sql: Any = "refuse",
                 row_security: Any = None, role: str | None = None, **options: Any) -> Engine:  # fmt: skip
        """Return a guarded engine of the application's role."""
        url = self._world.url(role or self._world.roles.application, "psycopg")
        engine = create_engine(url if through is None else through.through(url), **options)
        said = row_security or RowSecurity(Seal(KEY), flights=flights)
        self._made.append(guard(engine, self._world.tenancy, row_security=said, raw_sql=raw_sql))
        return engine

    @asynccontextmanager
    async def later(
        self, driver: str, flights: Any = "begin", through: Proxy | None = None, **options: Any
    ) -> AsyncIterator[AsyncEngine]:
        """Yield a guarded asynchronous engine."""
        url = self._world.url(self._world.roles.application, driver)
        engine = create_async_engine(url if through is None else through.through(url), **options)
        guard(engine, self._world.tenancy, row_security=RowSecurity(Seal(KEY), flights=flights))
        yield engine
        await engine.dispose()

    def close(self) -> None:
        """Dispose of them."""
        for engine in self._made:
            engine.dispose()


@pytest.fixture
def engines(sealed: Secured) -> Iterator[Engines]:
    """Give a maker of guarded engines."""
    made = Engines(sealed)
    yield made
    made.close()


def _drive(engines: Engines, proxy: Proxy, driver: str, flights: str, work: Callable[[Any], Any]) -> int:
    """Return the flights of a unit of work, after it ran often enough for statements to be prepared."""
    repeated, told = 8, list[int]()

    def counted(run: Callable[[], Any]) -> None:
        for _ in range(repeated):
            run()
        with proxy.counted() as now:
            run()
        told.extend(now)

    if driver == "psycopg":
        engine = engines(flights, through=proxy)

        def once() -> None:
            with bind("acme"), engine.begin() as connection:
                work(connection)

        counted(once)
        return told[0]

    async def later() -> None:
        async with engines.later(driver.removesuffix("_async"), flights, proxy) as engine:
            for turn in range(repeated + 1):
                before = proxy.flights
                with bind("acme"):
                    async with engine.begin() as connection:
                        await connection.run_sync(work)
                if turn == repeated:
                    told.append(proxy.flights - before)

    asyncio.run(later())
    return told[0]


def _reads(connection: Any) -> None:
    assert connection.execute(MINE).one() == ("acme", 3)


def _reads_twice(connection: Any) -> None:
    _reads(connection)
    _reads(connection)


@pytest.mark.parametrize(("driver", "flights", "expected"), FLIGHTS)
def test_a_transaction_of_one_statement(
    engines: Engines, proxy: Proxy, driver: str, flights: str, expected: int
) -> None:
    """The tenant takes no flight of its own: as many as without row security, or one fewer."""
    assert _drive(engines, proxy, driver, flights, _reads) == expected
    assert _drive(engines, proxy, driver, flights, _reads_twice) == expected + 1


def test_a_flight_is_one_packet(engines: Engines, proxy: Proxy) -> None:
    """psycopg's own pipeline sends each command by itself, and the server is woken for each."""
    engine, packets = engines("pipeline", through=proxy), list[int]()
    for _ in range(8):
        with bind("acme"), engine.begin() as connection:
            before = proxy.packets
            _reads(connection)
            packets.append(proxy.packets - before)
    assert packets[1:] == [1] * 7  # the first asks what the server is


@pytest.mark.parametrize("flights", ["pipeline", "begin"])
def test_a_first_statement_that_is_not_sent(engines: Engines, flights: str) -> None:
    """The next one takes the tenant along, in the same transaction."""
    with bind("acme"), engines(flights).connect() as connection:
        with pytest.raises(ProgrammingError, match="cannot adapt type"):
            connection.execute(select(Call.id).where(Call.id == literal(object(), Integer)))
        assert connection.execute(MINE).one() == ("acme", 3)


@pytest.fixture
def named(sealed: Secured) -> Iterator[None]:
    """Let the application's role count its prepared statements, which it may not."""
    for change in ("GRANT EXECUTE ON {} TO {}", "REVOKE EXECUTE ON {} FROM {}"):
        with sealed.owner.begin() as connection:
            names = ("FUNCTION pg_catalog.pg_prepared_statement()", sealed.roles.application)
            connection.execute(text(change.format(*names)))
        if change.startswith("GRANT"):
            yield


@pytest.mark.usefixtures("named")
def test_statements_that_are_prepared_and_forgotten(engines: Engines) -> None:
    """What the driver prepares in the flight is used again, and given up when it keeps too many."""
    engine = engines("pipeline", connect_args={"prepare_threshold": 0})
    with bind("acme"):
        for turn in range(2):
            for number in range(3):
                with engine.connect() as connection:
                    _driver(connection).prepared_max = 1
                    assert connection.scalar(select(func.count() + number).select_from(Call)) == 3 + number
                    asked = select(func.count()).select_from(text("pg_prepared_statements"))
                    with bypass(reason="test"):
                        kept = _driver(connection).execute(str(asked)).fetchone()[0]
                    assert kept <= 2 + turn


def test_a_psycopg_of_another_make_is_refused() -> None:
    """Where a name that the flight relies on is gone, the engine says so and starts not."""

    class Other:
        __version__ = "4.0"
        Connection, Cursor, Pipeline = object, psycopg.Cursor, psycopg.Pipeline

    verify_names(psycopg)
    with pytest.raises(ConfigurationError, match=r"psycopg 4\.0 has no object\._start_query"):
        verify_names(Other)


def test_an_unguarded_transaction_takes_three(sealed: Secured, proxy: Proxy) -> None:
    """The control: what the counts are compared with."""
    engine = create_engine(proxy.through(sealed.owner.url))
    for _ in range(9):
        with proxy.counted() as told, engine.begin() as connection:
            connection.execute(MINE)
    engine.dispose()
    assert told == [3]


@pytest.mark.parametrize("flights", ["pipeline", "begin"])
def test_whatever_comes_first(engines: Engines, flights: str) -> None:
    """An insert with its row, many rows, a savepoint, a stream, or an error is the first statement."""
    engine = engines(flights)
    with bind("acme"):
        with engine.connect() as connection:
            added = connection.execute(
                insert(Label).returning(Label.company_id), [{"name": "a"}, {"name": "b"}]
            )
            assert added.scalars().all() == ["acme", "acme"]
            assert connection.execute(MINE).one() == ("acme", 3)
            connection.rollback()
            connection.execute(insert(Label), [{"name": str(n)} for n in range(30)])
            assert connection.scalar(select(func.count()).select_from(Label)) == 32
            connection.rollback()
            with connection.begin_nested():
                assert connection.execute(MINE).one() == ("acme", 3)
            connection.rollback()
            streamed = connection.execution_options(stream_results=True, yield_per=1).execute(select(Call.id))
            assert len(streamed.scalars().all()) == 3
            connection.rollback()
        with engine.connect() as connection, pytest.raises(IntegrityError):
            connection.execute(insert(Label).values(id=1, name="taken"))
        with engine.connect() as connection:
            assert connection.execute(MINE).one() == ("acme", 3)
        with Session(engine) as session:
            session.add(Label(name="new"))
            session.flush()
            session.commit()
            session.delete(session.scalars(select(Label).where(Label.name == "new")).one())
            session.commit()
    with bind("globex"), engine.connect() as connection:
        assert connection.execute(MINE).one() == ("globex", 3)


@pytest.mark.parametrize("flights", ["pipeline", "begin"])
def test_nothing_lingers_on_a_connection(engines: Engines, flights: str) -> None:
    """The tenant ends with the transaction: one connection serves one after the other, and nobody sees nothing."""
    engine = engines(flights, pool_size=1, max_overflow=0)
    for tenant in ("acme", "globex") * 3:
        with bind(tenant), engine.connect() as connection:
            assert connection.execute(MINE).one() == (tenant, 3)
            connection.commit()
            assert connection.execute(MINE).one() == (tenant, 3)
    with engine.connect() as connection:
        assert _told(connection) == ("", "")


def _driver(connection: Any) -> Any:
    """Return the driver's own connection."""
    with bypass(reason="test"):
        return connection.connection.driver_connection


def _told(connection: Any) -> tuple[str, str]:
    """Return the settings as the driver's own cursor reads them, without telling anything."""
    driver = _driver(connection)
    asked = "SELECT current_setting('tenantguard.tenant', true), current_setting('tenantguard.seal', true)"
    found = driver.execute(asked).fetchone()
    driver.rollback()
    return tuple(found)


@pytest.mark.parametrize("flights", ["pipeline", "begin"])
@pytest.mark.parametrize(
    "tenant", ["o'brien", "acme'; SET LOCAL tenantguard.tenant TO 'globex", "a\\", "*/ x"]
)
def test_a_tenant_with_odd_characters(engines: Engines, flights: str, tenant: str) -> None:
    """It is told as it is, by whichever way."""
    with bind(tenant), engines(flights).connect() as connection:
        assert connection.execute(MINE).one() == (None, 0)
        assert _shown(connection, "tenantguard.tenant") == tenant


def test_a_key_table_that_is_missing_is_said_at_the_start(empty: Secured) -> None:
    """A migration that was half undone: one sentence, and nothing is shown."""
    empty.fill(sealed=True)
    with empty.owner.begin() as connection:
        connection.execute(text("DROP TABLE tenantguard.keys"))
    engine = create_engine(empty.url(empty.roles.application), poolclass=NullPool)
    guard(engine, empty.tenancy, row_security=RowSecurity(Seal(KEY)))
    with pytest.raises(
        ConfigurationError, match=r"refuses the seal of this application: .*keys.* does not exist"
    ):
        engine.connect()


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_what_no_statement_took_along_is_forgotten(engines: Engines, end: str) -> None:
    """A tenant that was to be told ends with its transaction, before anything was sent."""
    with bind("acme"), engines().connect() as connection:
        connection.execute(MINE)
        connection.rollback()
        tell(connection)
        getattr(connection, end)()
        assert _told(connection) == ("", "")


def test_a_binding_that_changes_inside_a_transaction(engines: Engines) -> None:
    """It is told anew, and again after a savepoint took it back."""
    with engines().connect() as connection:
        with bind("acme"):
            assert connection.execute(MINE).one() == ("acme", 3)
            savepoint = connection.begin_nested()
        with bind("globex"):
            assert connection.execute(MINE).one() == ("globex", 3)
            savepoint.rollback()
            assert connection.execute(MINE).one() == ("globex", 3)
        with bind("acme"):
            assert connection.execute(MINE).one() == ("acme", 3)


def test_a_stream_keeps_the_tenant_who_asked(engines: Engines) -> None:
    """While a server-side cursor is open, nothing tells another tenant on its connection."""
    with engines().connect() as connection:
        with bind("acme"):
            found = connection.execution_options(stream_results=True, max_row_buffer=1).execute(
                select(Call.id)
            )
            assert found.fetchone() is not None
        with bind("globex"), pytest.raises(RawSQLError, match="a stream of another binding is open"):
            connection.execute(MINE)
        with bind("acme"):
            assert len(found.fetchall()) == 2


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_isolation_levels_hold(engines: Engines, level: Any) -> None:
    """Our own BEGIN says what the driver's would, and the level ends with the connection's use."""
    engine = engines()
    with bind("acme"):
        with engine.connect() as connection:
            connection.execution_options(
                isolation_level=level, postgresql_readonly=True, postgresql_deferrable=True
            )
            connection.execute(MINE)
            assert _shown(connection, "transaction_isolation") == level.lower()
            assert _shown(connection, "transaction_read_only") == "on"
            assert _shown(connection, "transaction_deferrable") == "on"
        with engine.connect() as connection:
            connection.execute(MINE)
            assert _shown(connection, "transaction_isolation") == "read committed"


def _shown(connection: Any, name: str) -> str:
    return str(connection.scalar(select(func.current_setting(name))))


def test_autocommit_is_refused(engines: Engines) -> None:
    """A transaction that ends with its statement cannot be told: refused, instead of an empty answer."""
    engine = engines()
    with bind("acme"), engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(RawSQLError, match="AUTOCOMMIT"):
            connection.execute(MINE)
    driven = engines(connect_args={"autocommit": True})
    with bind("acme"), driven.connect() as connection, pytest.raises(RawSQLError, match="AUTOCOMMIT"):
        connection.execute(MINE)
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(MINE).one() == ("acme", 3)
        assert _shown(connection, "transaction_isolation") == "read committed"


def test_several_tenants_are_refused(engines: Engines) -> None:
    """Row security is told one tenant."""
    with (
        bind(["acme", "globex"]),
        engines().connect() as connection,
        pytest.raises(RawSQLError, match="several are"),
    ):
        connection.execute(MINE)


def test_a_server_process_that_ends_leaves_the_pool_in_order(engines: Engines, sealed: Secured) -> None:
    """The connection is given up, and the next transaction begins on another."""
    engine = engines(pool_size=1, max_overflow=0)
    with bind("acme"):
        with engine.connect() as connection:
            connection.execute(MINE)
            driver = _driver(connection)
            with sealed.owner.connect() as owner:
                owner.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": driver.info.backend_pid})
            with pytest.raises(DBAPIError):
                connection.execute(MINE)
        with engine.connect() as connection:
            assert connection.execute(MINE).one() == ("acme", 3)


def test_a_checkout_that_pings(engines: Engines, proxy: Proxy) -> None:
    """``pool_pre_ping`` costs its own flight and no more, and begins no transaction."""
    engine = engines(through=proxy, pool_pre_ping=True)
    for _ in range(8):
        with proxy.counted() as told, bind("acme"), engine.begin() as connection:
            assert connection.execute(MINE).one() == ("acme", 3)
    assert told == [3]


@pytest.mark.parametrize("raw_sql", ["refuse", "rewrite", "database"])
def test_every_mode_of_sql_text_tells_the_tenant(engines: Engines, raw_sql: Any) -> None:
    """Guarded statements over forced policies see the tenant's rows in each mode."""
    with bind("acme"), engines(raw_sql=raw_sql).connect() as connection:
        assert connection.execute(MINE).one() == ("acme", 3)
        if raw_sql != "refuse":
            assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 3
            assert connection.execute(text("SELECT count(*) FROM call_tags")).scalar() == 2


def test_policies_are_found_by_themselves(plain: Secured) -> None:
    """Where nothing is said and policies ask for the tenant, it is told; where it is said not to be, it is not."""
    for said, expected in ((None, ("acme", 3)), (False, (None, 0))):
        engine = create_engine(plain.url(plain.roles.application))
        guard(engine, plain.tenancy, row_security=said)
        with bind("acme"), engine.connect() as connection:
            assert connection.execute(MINE).one() == expected
        engine.dispose()


def test_a_seal_that_is_missing_or_another_is_said_at_the_start(sealed: Secured) -> None:
    """The first connection says so, in one sentence."""
    for said, told in (
        (None, "the database's policies require a seal"),
        (
            RowSecurity(Seal(b"x" * 32)),
            "the database refuses the seal of this application: (.*)not of this tenant",
        ),
        (RowSecurity(Seal(KEY, key_id=99)), "the key of the seal is not known here"),
    ):
        engine = create_engine(sealed.url(sealed.roles.application))
        guard(engine, sealed.tenancy, row_security=said)
        with pytest.raises(ConfigurationError, match=told):
            engine.connect()
        engine.dispose()


def test_other_drivers_and_databases_are_refused() -> None:
    """psycopg2 sends no COMMIT for a transaction that we began, and SQLite has no row security."""
    with pytest.raises(ConfigurationError, match="the driver is psycopg2, which cannot pass the tenant"):
        verify_driver(PGDialect_psycopg2())  # type: ignore[no-untyped-call]  # SQLAlchemy's
    with pytest.raises(ConfigurationError, match="the engine's database is sqlite"):
        guard(create_engine("sqlite://"), make_tenancy(), row_security=True)
    with pytest.raises(ConfigurationError, match="row_security is a RowSecurity, True or False, not str"):
        guard(create_engine("sqlite://"), make_tenancy(), row_security="yes")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match='flights must be "pipeline"'):
        RowSecurity(flights="fast")  # type: ignore[arg-type]


def test_the_tenant_cannot_be_read_in_the_servers_activity(sealed: Secured, engines: Engines) -> None:
    """Another session of the same role sees neither tenant nor seal, by whichever driver they travelled."""
    watching = text(
        "SELECT query FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
    )

    def seen() -> str:
        with sealed.engine(sealed.roles.application).connect() as other:
            return "\n".join(other.execute(watching).scalars())

    with bind("acme"), engines("begin").connect() as connection:
        connection.execute(select(SessionLog.id))
        assert "acme" not in seen()

    # kept by pg_stat_statements, which takes the values out of a query alone
    assert made({"a": "o'b\\"}, 0) == "SELECT pg_catalog.set_config('a', E'o''b\\\\', true)"

    async def later() -> str:
        async with engines.later("asyncpg") as engine:
            with bind("acme"):
                async with engine.connect() as connection:
                    return await connection.run_sync(_begun)
        return ""

    def _begun(connection: Any) -> str:
        """Look while nothing but the BEGIN was sent."""
        with bypass(reason="test"):
            raw = connection.connection.dbapi_connection
        raw.driver_connection.tg_tell(RowSecurity(Seal(KEY)).values(peek(), 1), Guard.of(connection.engine))
        await_only(raw._start_transaction())
        return seen()

    assert "acme" not in asyncio.run(later())


def test_two_phase_transactions(engines: Engines, sealed: Secured) -> None:
    """The driver begins them itself, and the tenant is told inside of them."""
    with bind("acme"), engines().connect() as connection:
        with connection.begin_twophase():
            assert connection.execute(MINE).one() == ("acme", 3)
        with connection.begin():
            assert connection.execute(MINE).one() == ("acme", 3)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_cancelled_request_leaves_nothing_behind(engines: Engines, driver: str) -> None:
    """A task that is cancelled in its first statement gives its connection up, and the next tenant is told anew."""

    async def later() -> None:
        async with engines.later(driver, "pipeline", pool_size=1, max_overflow=0) as engine:
            for turn in range(6):
                tenant = ("acme", "globex")[turn % 2]

                async def request(tenant: str = tenant) -> None:
                    with bind(tenant):
                        async with engine.connect() as connection:
                            await connection.execute(select(func.count(), func.pg_sleep(5)).select_from(Call))

                task = asyncio.create_task(request())
                await asyncio.sleep(0.02 * turn)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                with bind(tenant):
                    async with engine.connect() as connection:
                        assert (await connection.execute(MINE)).one() == (tenant, 3)

    asyncio.run(asyncio.wait_for(later(), 60))


def test_an_injected_setting_does_not_outlive_its_request(engines: Engines) -> None:
    """What a statement set for the session is overwritten by the next transaction."""
    engine = engines(pool_size=1, max_overflow=0)
    with bind("acme"), engine.connect() as connection:
        driver = _driver(connection)
        driver.execute("SELECT set_config('tenantguard.tenant', 'globex', false)")
        driver.commit()
        assert connection.execute(MINE).one() == ("acme", 3)
    with bind("acme"), engine.connect() as connection:
        connection.execute(MINE)
        _driver(connection).execute("SET tenantguard.tenant = 'globex'")
        with pytest.raises(ProgrammingError, match="the seal is not of this tenant and session"):
            connection.execute(MINE)


def test_no_name_of_a_prepared_statement_can_be_guessed(engines: Engines) -> None:
    """Of neither driver: SQL that replaced one would run for whoever is served next."""
    engine = engines("pipeline")
    with bind("acme"), engine.connect() as connection:
        for _ in range(8):
            connection.execute(MINE)
        names = set(_driver(connection)._prepared._names.values())
    assert len(names) == 2
    assert all(len(name) > len("_pg3_999999") for name in names)


async def test_no_name_of_a_prepared_statement_can_be_guessed_asynchronously(sealed: Secured) -> None:
    """The same by asyncpg."""
    engine = create_async_engine(sealed.url("postgres", "asyncpg"))
    guard(engine, sealed.tenancy, row_security=RowSecurity(Seal(KEY)))
    with bypass(reason="test"):
        async with engine.connect() as connection:
            names = (
                (await connection.execute(text("SELECT name FROM pg_prepared_statements"))).scalars().all()
            )
    assert names
    assert [name for name in names if not name.startswith("__tenantguard_")] == []
    await engine.dispose()


def test_a_bypass_is_another_role(engines: Engines, sealed: Secured) -> None:
    """It connects by the maintenance engine and says why; nothing of the one role's is done by the other."""
    maintenance = create_engine(sealed.url(str(sealed.roles.maintenance)))
    engine = engines(row_security=RowSecurity(Seal(KEY), maintenance=maintenance))
    with bypass(reason="nightly invoicing"), engine.connect() as above:
        assert above.scalar(select(func.count()).select_from(Call)) == 9
        assert above.scalar(text("SELECT current_user")) == sealed.roles.maintenance
        assert _shown(above, "tenantguard.reason") == "nightly invoicing"
        with (
            bind("acme"),
            pytest.raises(RawSQLError, match="opened inside a bypass, as a role that no policy restricts"),
        ):
            above.execute(MINE)
    with bind("acme"), engine.connect() as below:
        assert below.execute(MINE).one() == ("acme", 3)
        with (
            bypass(reason="test"),
            pytest.raises(RawSQLError, match="a bypass uses another database role"),
        ):
            below.execute(select(Call.id))
    maintenance.dispose()


async def test_a_bypass_is_another_role_asynchronously(sealed: Secured) -> None:
    """The same by an asynchronous driver."""
    urls = [sealed.url(str(role), "asyncpg") for role in (sealed.roles.application, sealed.roles.maintenance)]
    engine, maintenance = map(create_async_engine, urls)
    guard(engine, sealed.tenancy, row_security=RowSecurity(Seal(KEY), maintenance=maintenance))
    with bypass(reason="test"):
        async with engine.connect() as connection:
            assert await connection.scalar(select(func.count()).select_from(Call)) == 9
    with bind("acme"):
        async with engine.connect() as connection:
            assert (await connection.execute(MINE)).one() == ("acme", 3)
    await engine.dispose()
    await maintenance.dispose()


def test_a_maintenance_engine_of_another_kind_is_refused(sealed: Secured) -> None:
    """It has the same driver, and no guard."""
    other = create_async_engine(sealed.url("x", "asyncpg"))
    engine = create_engine(sealed.url("x"))
    with pytest.raises(ConfigurationError, match="use the same driver"):
        guard(engine, sealed.tenancy, row_security=RowSecurity(maintenance=other))
