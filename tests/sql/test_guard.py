"""Installing the guard: what it refuses at start-up, and which doors to the database it holds."""

from __future__ import annotations

import copy
import multiprocessing
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    StaticPool,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import create_async_engine

from tenantguard import (
    ConfigurationError,
    Guard,
    NoTenantError,
    ParentError,
    RawSQLError,
    Tenancy,
    bind,
    bypass,
    guard,
)
from tests.models import Base, create_schema, make_tenancy, seed
from tests.sql.world import TABLES, World, content, memory_engine, memory_world

CALLS = TABLES["calls"]
MINE = [(1,), (2,), (3,)]


def _ids(engine: Engine) -> list[tuple[int]]:
    with engine.connect() as connection:
        return sorted(map(tuple, connection.execute(select(CALLS.c.id))))


def test_every_fault_is_listed_at_once() -> None:
    """One error names each table that is not placed and each name that is no table."""
    tenancy = Tenancy(Base.metadata, column="company_id", shared={"nowhere"})
    with pytest.raises(ConfigurationError) as caught:
        guard(memory_engine(), tenancy)
    told = str(caught.value)
    assert all(name in told for name in ("companies", "countries", "call_tags", "nowhere"))


def test_a_faulty_tenancy_installs_nothing() -> None:
    """An engine that guard() refused is as it was."""
    engine = memory_engine()
    with pytest.raises(ConfigurationError):
        guard(engine, Tenancy(Base.metadata, column="company_id"))
    assert type(engine) is Engine
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_guarding_twice_is_refused() -> None:
    """The second tenancy would be silently ignored, or half in force."""
    engine = guard(memory_engine(), make_tenancy())
    with pytest.raises(ConfigurationError, match="already guarded"):
        guard(engine, make_tenancy())


def test_an_engine_copy_is_not_guarded_again() -> None:
    """A copy made by execution_options() shares the dialect."""
    engine = guard(memory_engine(), make_tenancy())
    with pytest.raises(ConfigurationError, match="already guarded"):
        guard(engine.execution_options(logging_token="copy"), make_tenancy())


def test_an_unproven_dialect_is_refused() -> None:
    """Where nobody proved the guard, somebody has to say so."""
    engine = memory_engine()
    engine.dialect.name = "unheard"
    with pytest.raises(ConfigurationError, match="dialect_unproven=True"):
        guard(engine, make_tenancy())


def test_an_unproven_dialect_can_be_insisted_on() -> None:
    """The caller takes it upon himself."""
    engine = memory_engine()
    engine.dialect.name = "unheard"
    assert guard(engine, make_tenancy(), dialect_unproven=True) is engine


def test_what_is_no_engine_is_refused() -> None:
    """A connection is not the door that all statements pass."""
    with memory_engine().connect() as connection:
        not_an_engine: Any = connection
        with pytest.raises(ConfigurationError, match="takes an Engine"):
            guard(not_an_engine, make_tenancy())


def test_an_unknown_mode_for_text_is_refused() -> None:
    """A misspelt mode must not become another one."""
    mode: Any = "allow"
    with pytest.raises(ConfigurationError, match="raw_sql"):
        guard(memory_engine(), make_tenancy(), raw_sql=mode)


def test_the_database_mode_is_refused_without_row_security() -> None:
    """SQLite has no row security that could stand underneath."""
    with pytest.raises(ConfigurationError):
        guard(memory_engine(), make_tenancy(), raw_sql="database")


def test_the_same_engine_is_returned() -> None:
    """What holds a reference to the engine holds the guarded one."""
    engine = memory_engine()
    assert guard(engine, make_tenancy()) is engine


async def test_the_same_async_engine_is_returned() -> None:
    """An AsyncEngine is guarded in place as well."""
    engine = create_async_engine("sqlite+aiosqlite://")
    assert guard(engine, make_tenancy()) is engine
    assert Guard.of(engine).raw_sql == "refuse"
    await engine.dispose()


def test_the_guard_of_an_engine_is_found() -> None:
    """Guard.of() tells by which tenancy an engine is guarded."""
    tenancy = make_tenancy()
    assert Guard.of(guard(memory_engine(), tenancy)).tenancy is tenancy


def test_an_engine_without_a_guard_has_none() -> None:
    """Guard.of() does not invent one."""
    with pytest.raises(ConfigurationError, match="not guarded"):
        Guard.of(memory_engine())


class _Decorated(TypeDecorator[str]):
    impl, cache_ok = String, True


class _CaseBlind(TypeDecorator[str]):
    impl, cache_ok = String, True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(CITEXT() if dialect.name == "postgresql" else String())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite://", String(9, collation="NOCASE")),
        ("sqlite://", _Decorated(9, collation="rtrim")),
        ("sqlite://", String(9, collation="of_the_users")),
        ("postgresql+psycopg://", CITEXT()),
        ("postgresql+psycopg://", _CaseBlind()),
        ("postgresql+psycopg://", DOMAIN("name", CITEXT())),
    ],
)
def test_a_tenant_column_that_ignores_case_is_refused(url: str, kind: Any) -> None:
    """To NOCASE and CITEXT, two tenants could be one, whatever decorates them."""
    metadata = MetaData()
    company = Column("company_id", kind, nullable=False)
    Table("things", metadata, Column("id", Integer, primary_key=True), company)
    engine = memory_engine() if url == "sqlite://" else create_engine(url)
    with pytest.raises(ConfigurationError, match=r"things\.company_id may ignore case"):
        guard(engine, Tenancy(metadata, column="company_id"))


def test_a_statement_with_nothing_bound_is_refused(memory: World) -> None:
    """No tenant is no permission."""
    with pytest.raises(NoTenantError):
        _ids(memory.engine)


def test_a_copy_with_options_is_guarded(memory: World) -> None:
    """engine.execution_options(), and a copy of the copy, hand out guarded connections."""
    copied = memory.engine.execution_options(max_row_buffer=1).execution_options(max_row_buffer=2)
    with bind("acme"):
        assert _ids(copied) == MINE
        with pytest.raises(RawSQLError):
            copied.raw_connection()


def test_a_copy_made_before_the_guard_is_not_a_way_around() -> None:
    """It shares the dialect, and its connections are unguarded: refused."""
    engine = memory_engine()
    before = engine.execution_options(logging_token="early")
    create_schema(engine)
    guard(engine, make_tenancy())
    with bind("acme"), before.connect() as connection, pytest.raises(RawSQLError):
        connection.execute(select(CALLS.c.id))


def test_a_connection_opened_before_the_guard_is_not_a_way_around() -> None:
    """It was handed out by the unguarded class: refused."""
    engine = memory_engine()
    create_schema(engine)
    with engine.connect() as connection:
        guard(engine, make_tenancy())
        with bind("acme"), pytest.raises(RawSQLError):
            connection.execute(select(CALLS.c.id))


def test_what_was_compiled_before_the_guard_is_forgotten() -> None:
    """The compiled cache of the engine holds statements without a predicate."""
    engine = memory_engine()
    create_schema(engine)
    seed(engine)
    _ids(engine)
    guard(engine, make_tenancy())
    with bind("acme"):
        assert _ids(engine) == MINE


def test_a_shallow_copy_of_an_engine_is_guarded(memory: World) -> None:
    """copy.copy() keeps class, dialect and pool."""
    with bind("acme"):
        assert _ids(copy.copy(memory.engine)) == MINE


def test_a_connection_constructed_by_hand_is_refused(memory: World) -> None:
    """Connection(engine) would choose no compiler by the binding."""
    with bind("acme"), Connection(memory.engine) as connection, pytest.raises(RawSQLError, match="by hand"):
        connection.execute(select(CALLS.c.id))


def test_an_engine_constructed_by_hand_is_refused(memory: World) -> None:
    """An Engine over the guarded pool and dialect is not the guarded engine."""
    made = Engine(memory.engine.pool, memory.engine.dialect, memory.engine.url)
    with bind("acme"), made.connect() as connection, pytest.raises(RawSQLError, match="by hand"):
        connection.execute(select(CALLS.c.id))


def test_a_second_engine_on_the_pool_is_refused(memory: World) -> None:
    """create_engine(pool=...) would reach the same connections without a guard."""
    second = create_engine("sqlite://", pool=memory.engine.pool)
    with bind("acme"), pytest.raises(RawSQLError, match="second engine"):
        second.connect()


def test_the_pool_hands_out_nothing(memory: World) -> None:
    """engine.pool.connect() is a connection of the driver."""
    with bind("acme"), pytest.raises(RawSQLError, match=r"Pool\.connect"):
        memory.engine.pool.connect()


def test_the_guard_survives_dispose() -> None:
    """The pool that follows is guarded too."""
    engine = guard(memory_engine(), make_tenancy())
    with bypass(reason="a schema"):
        create_schema(engine)
    engine.dispose()
    with bypass(reason="the new pool is empty"):
        create_schema(engine)
        seed(engine)
    with bind("acme"):
        assert _ids(engine) == MINE
        with pytest.raises(RawSQLError):
            engine.pool.connect()


def test_connect_hooks_of_the_application_still_run() -> None:
    """do_connect and a creator are the application's own business."""
    seen = []
    engine = memory_engine()
    event.listen(engine, "do_connect", lambda *_args: seen.append("do_connect"))
    guard(engine, make_tenancy())
    with engine.connect():
        assert seen == ["do_connect"]


def _count(path: str, tenant: str, queue: Any) -> None:
    engine = _FORKED[path]
    engine.dispose(close=False)
    with bind(tenant), engine.connect() as connection:
        queue.put(connection.scalar(select(func.count()).select_from(CALLS)))


_FORKED: dict[str, Engine] = {}


def test_the_guard_survives_a_fork(tmp_path: Path) -> None:
    """A worker that inherited the engine is guarded."""
    url = f"sqlite:///{tmp_path / 'forked.sqlite'}"
    plain = create_engine(url)
    create_schema(plain)
    seed(plain)
    plain.dispose()
    _FORKED[url] = guard(create_engine(url), make_tenancy())
    forking = multiprocessing.get_context("fork")
    queue: Any = forking.SimpleQueue()
    worker = forking.Process(target=_count, args=(url, "acme", queue))
    worker.start()
    worker.join()
    assert queue.get() == 3


class OwnCompiler(SQLiteCompiler):
    """Read more of a column than SQLAlchemy's compiler does, as a dialect of one's own may."""

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
        """Render a column, whose type matters."""
        assert column.type is not None
        assert column.key == column.name
        return super().visit_column(column, *args, **kw)


class OwnContext(SQLiteExecutionContext):
    """Hand out cursors of one's own."""

    handed = 0

    def create_default_cursor(self) -> Any:
        """Return a cursor, and count it."""
        OwnContext.handed += 1
        return super().create_default_cursor()


class OwnDialect(SQLiteDialect_pysqlite):
    """Be a dialect of the user's own."""

    statement_compiler, execution_ctx_cls, supports_statement_cache = OwnCompiler, OwnContext, True


def test_a_dialect_of_the_users_own_keeps_its_parts() -> None:
    """Its compiler sees the predicate's columns as columns, and its cursors are used."""
    registry.register("sqlite.tenantguard_tests", __name__, "OwnDialect")
    engine = create_engine("sqlite+tenantguard_tests://", poolclass=StaticPool)
    create_schema(engine)
    seed(engine)
    before = OwnContext.handed
    guard(engine, make_tenancy())
    with bind("acme"):
        assert _ids(engine) == MINE
    assert OwnContext.handed == before + 1


def test_unrestricted_asks_for_nothing() -> None:
    """Tenancy.unrestricted() runs everything as if there were no guard."""
    world = memory_world(Tenancy.unrestricted())
    with world.engine.connect() as connection:
        assert len(connection.execute(select(CALLS)).all()) == 9
        assert connection.scalar(text("SELECT count(*) FROM calls")) == 9
        assert connection.exec_driver_sql("SELECT count(*) FROM calls").scalar() == 9
    world.engine.raw_connection().close()


def test_unrestricted_leaves_the_sql_alone() -> None:
    """The compiled text is the same as without a guard."""
    guarded = guard(memory_engine(), Tenancy.unrestricted())
    statement = select(CALLS).join(TABLES["numbers"], isouter=True)
    with guarded.connect() as connection, memory_engine().connect() as plain:
        assert str(statement.compile(connection)) == str(statement.compile(plain))


def test_an_application_may_create_its_schema_before_it_serves() -> None:
    """create_all() with nothing bound works; under a tenant DDL is refused."""
    engine = guard(memory_engine(), make_tenancy())
    tables = [table for table in TABLES.values() if not table.info.get("is_view")]
    Base.metadata.create_all(engine, tables=tables)
    with bind("acme"), pytest.raises(RawSQLError, match="DropTable"):
        CALLS.drop(engine)


def test_the_schema_can_be_inspected_under_a_tenant(memory: World) -> None:
    """Reflection reads the catalogue, with text of SQLAlchemy's own."""
    with bind("acme"):
        assert "calls" in Table("calls", MetaData(), autoload_with=memory.engine).name


def test_a_refusal_changes_nothing(memory: World) -> None:
    """After a refused statement the connection is usable and the rows are as they were."""
    before = content(memory.plain)
    with bind("acme"), memory.engine.connect() as connection:
        with pytest.raises(RawSQLError):
            connection.execute(text("DELETE FROM calls"))
        assert connection.scalar(select(func.count()).select_from(CALLS)) == 3
    assert content(memory.plain) == before


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 gave sqlite3 its autocommit")
@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("call_id", [1, 7])
def test_a_driver_that_commits_by_itself_loses_and_leaks_nothing(
    tmp_path: Path, autocommit: bool, call_id: int
) -> None:
    """With ``autocommit=True`` its ``commit()`` and ``rollback()`` do nothing, and a savepoint's release commits."""
    schema = MetaData()
    calls = Table(
        "calls", schema, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False)
    )
    key = ForeignKey("calls.id", deferrable=True, initially="DEFERRED")
    tags = Table(
        "tags", schema, Column("id", Integer, primary_key=True), Column("call_id", key, nullable=False)
    )
    url = f"sqlite:///{tmp_path / 'one.sqlite'}"
    plain = create_engine(url)
    schema.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        connection.execute(
            calls.insert(), [{"id": 1, "company_id": "acme"}, {"id": 7, "company_id": "globex"}]
        )
    tenancy = Tenancy(schema, column="company_id", through={"tags": "call_id"})
    engine = guard(create_engine(url, connect_args={"autocommit": autocommit}), tenancy)

    def write(connection: Connection) -> None:
        with connection.begin_nested():
            connection.execute(tags.insert().values(id=1, call_id=call_id))
        connection.execute(tags.insert().values(id=2, call_id=call_id))
        connection.commit()

    with (
        bind("acme"),
        engine.connect() as connection,
        nullcontext() if call_id == 1 else pytest.raises(ParentError),
    ):
        write(connection)
    engine.dispose()
    with plain.connect() as connection:
        assert [row.id for row in connection.execute(select(tags))] == ([1, 2] if call_id == 1 else [])
    plain.dispose()
