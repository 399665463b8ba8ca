"""What could hide a table from the compiler, or an engine from the guard, and is no matter of one statement."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event, func, select
from sqlalchemy.ext import serializer as _serializer
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Session
from sqlalchemy.orm import loading as _loading
from sqlalchemy.sql.elements import ClauseElement

from tenantguard import CrossTenantError, Guard, RawSQLError, Tenancy, TenantSwitchError, bind, guard
from tests.models import Base, Call, make_tenancy
from tests.sql.world import World, memory_engine, memory_world

serializer: Any = _serializer  # it has no types, nor has the next one
loading: Any = _loading
since_2_1 = pytest.mark.skipif(sqlalchemy.__version__ < "2.1", reason="SQLAlchemy 2.1 brought it")


def test_a_do_connect_hook_is_no_way_around(memory: World) -> None:
    """A hook that opens the connections itself, after the guard or before it, gives guarded ones."""
    with memory.plain.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "do_connect")
    def connect(*_arguments: Any) -> Any:
        return driver

    guard(engine, make_tenancy())
    with bind("acme"), engine.connect() as connection:
        assert connection.scalars(select(Call.id).order_by(Call.id)).all() == [1, 2, 3]
    engine.dispose()


def _everywhere(mapper: Any, primary_key: Any, **_more: Any) -> Any:
    return ["one", "two"]


def test_shards_are_guarded_each() -> None:
    """A ShardedSession reads from several guarded engines, and each gives the tenant's rows."""
    worlds = {"one": memory_world(), "two": memory_world()}
    session: Any = ShardedSession(
        shard_chooser=lambda mapper, instance, clause=None: "one",
        identity_chooser=_everywhere,
        execute_chooser=lambda context: ["one", "two"],
        shards={name: world.engine for name, world in worlds.items()},
    )
    with session, bind("acme"):
        assert sorted(call.id for call in session.scalars(select(Call))) == [1, 1, 2, 2, 3, 3]
        assert session.get(Call, 101) is None
        with bind("globex"), pytest.raises(TenantSwitchError):
            session.scalars(select(Call)).all()
    for world in worlds.values():
        world.engine.dispose()
        world.plain.dispose()


def test_a_serialized_statement_is_guarded(memory: World) -> None:
    """What the serializer made of a statement is a statement like any other when it is loaded."""
    with Session(memory.engine) as session, bind("acme"):
        carried = serializer.dumps(select(Call.id).order_by(Call.id))
        assert session.scalars(serializer.loads(carried, Base.metadata)).all() == [1, 2, 3]
        query = serializer.loads(serializer.dumps(session.query(Call)), Base.metadata, lambda: session)
        assert query.count() == 3


def test_a_statement_compiled_by_hand_is_refused(memory: World) -> None:
    """What another dialect compiled carries no predicate, and is not executed."""
    compiled: Any = select(Call).compile(dialect=create_engine("sqlite://").dialect)
    with memory.engine.connect() as opened, bind("acme"):
        connection: Any = opened
        with pytest.raises(RawSQLError, match="without the guard"):
            connection._execute_compiled(compiled, [], {})


def test_an_engine_cannot_be_pickled(memory: World) -> None:
    """An engine holds connections; what is sent to a worker is a function that makes one."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(memory.engine)


def counted(url: str) -> tuple[int, bool]:
    """Return what a worker process reads, as its module makes its engine."""
    engine = guard(create_engine(url), make_tenancy())
    with engine.connect() as connection, bind("acme"):
        count = connection.scalar(select(func.count()).select_from(Call))
    guarded = isinstance(Guard.of(engine), Guard)
    engine.dispose()
    return int(count or 0), guarded


def test_a_worker_process_guards_the_engine_that_it_imports(sqlite_database: Any) -> None:
    """A spawned process makes its engine anew, guarded as it is made."""
    from tests.models import create_schema, seed

    plain = sqlite_database.create_engine()
    create_schema(plain)
    seed(plain)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(counted, (sqlite_database.url,)) == (3, True)


def test_a_frozen_result_is_not_thawed_for_another_tenant(memory: World) -> None:
    """Objects that were frozen under one tenant do not enter another's session, by load or without one."""
    statement = select(Call)
    with Session(memory.engine) as session, bind("acme"):
        frozen = session.execute(statement).freeze()
    with Session(memory.engine) as session, bind("globex"), pytest.raises(TenantSwitchError):
        loading.merge_frozen_result(session, statement, frozen, load=False)().all()
    with Session(memory.engine) as session, bind("acme"):
        assert len(loading.merge_frozen_result(session, statement, frozen, load=False)().all()) == 3


def test_the_begin_recipe_of_sqlite_works() -> None:
    """A listener that says BEGIN, as SQLAlchemy's pages advise for SQLite, begins the transaction under a tenant."""
    world = memory_world()
    began: list[str] = []

    @event.listens_for(world.engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        began.append("BEGIN")

    with world.engine.connect() as connection, bind("acme"):
        assert connection.scalar(select(func.count()).select_from(Call)) == 3
        connection.rollback()
        with pytest.raises(RawSQLError):
            connection.exec_driver_sql("BEGIN; DELETE FROM calls")
    assert began == ["BEGIN"]
    world.engine.dispose()
    world.plain.dispose()


@since_2_1
def test_a_syntax_extension_of_ones_own_is_read(memory: World) -> None:
    """An element that `ext()` puts into a statement is refused where it hides a table, and passes otherwise."""
    from sqlalchemy.sql.base import SyntaxExtension

    class Extension(SyntaxExtension, ClauseElement):
        __visit_name__ = "after_all"
        _traverse_internals: Any = []

        def __init__(self, element: Any) -> None:
            self.element = element

        def apply_to_select(self, statement: Any) -> None:
            statement.apply_syntax_extension_point(
                lambda existing: [*existing, self.element], "post_criteria"
            )

    hiding = sqlalchemy.text("AND id IN (SELECT id FROM numbers)")
    with memory.engine.connect() as connection, bind("acme"):
        with pytest.raises(RawSQLError):
            connection.execute(select(Call.id).where(Call.id > 0).ext(Extension(hiding)))
        assert len(connection.execute(select(Call.id)).all()) == 3


def test_a_translated_schema_makes_no_table_another() -> None:
    """A shared table is not turned into an owned one of the same name, nor one with a row rule into one without."""
    metadata = MetaData()
    for schema in (None, "catalogue", "shown"):
        columns = Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False)
        Table("things", metadata, *columns, schema=schema)
    tenancy = Tenancy(
        metadata,
        column="firm",
        shared={"catalogue.things"},
        openly_shared={"catalogue.things"},
        visible={"shown.things": lambda table, tenant: table.c.id > 0},
    )
    engine = memory_engine()
    metadata.tables["things"].create(engine)
    guard(engine, tenancy)
    with bind("acme"), engine.connect() as connection:
        for schema in ("catalogue", "shown"):
            translated = connection.execution_options(schema_translate_map={schema: None})
            with pytest.raises(CrossTenantError, match="belongs in another way"):
                translated.execute(select(metadata.tables[f"{schema}.things"]))
