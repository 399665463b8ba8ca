"""Engines, connections and pools: copies of the guarded one, and ways beneath it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from sqlalchemy import NullPool, StaticPool, create_engine, event, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("pool")
def second_engine_on_pool(lab: Lab) -> Any:
    """Make another engine on the guarded engine's pool."""
    engine = create_engine(lab.engine.url, pool=lab.engine.pool)
    with engine.connect() as connection:
        return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def second_engine_on_pool_without_listeners(lab: Lab) -> Any:
    """Make another engine on a pool that was recreated from the guarded one's."""
    engine = create_engine(lab.engine.url, pool=lab.engine.pool.recreate())
    with engine.connect() as connection:
        return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def engine_constructed_by_hand(lab: Lab) -> Any:
    """Construct an Engine from the guarded one's pool and dialect."""
    engine = Engine(lab.engine.pool, lab.engine.dialect, lab.engine.url)
    with engine.connect() as connection:
        return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def engine_copy_with_options(lab: Lab) -> Any:
    """Copy the engine by its execution options."""
    return lab.connect(lab.engine.execution_options(anything=True)).execute(select(lab.owned.table)).all()


@attack("pool")
def engine_copy_of_copy(lab: Lab) -> Any:
    """Copy the copy of an engine, and take its text path."""
    engine = lab.engine.execution_options(one=1).execution_options(two=2)
    name = lab.admin.dialect.identifier_preparer.format_table(lab.owned.table)
    return lab.connect(engine).exec_driver_sql(f"SELECT * FROM {name}").all()


@attack("pool")
def engine_copied_by_copy(lab: Lab) -> Any:
    """Copy the engine by the copy module."""
    return lab.connect(copy.copy(lab.engine)).execute(select(lab.owned.table)).all()


@attack("pool")
def connection_with_options(lab: Lab) -> Any:
    """Give a connection options of its own."""
    connection = lab.connect().execution_options(stream_results=True, no_parameters=False)
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def connection_constructed_by_hand(lab: Lab) -> Any:
    """Construct a Connection around the guarded engine."""
    connection = lab.hold(Connection(lab.engine))
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def autocommit_isolation(lab: Lab) -> Any:
    """Update on an autocommit connection."""
    o = lab.owned
    connection = lab.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))


@attack("pool")
def savepoint_isolation(lab: Lab) -> Any:
    """Update inside a savepoint of a connection."""
    o, connection = lab.owned, lab.connect()
    with connection.begin(), connection.begin_nested():
        connection.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))


@attack("pool")
def server_side_cursor(lab: Lab) -> Any:
    """Read through a server-side cursor in partitions."""
    connection = lab.connect().execution_options(stream_results=True, yield_per=2)
    return [list(part) for part in connection.execute(select(lab.owned.table)).partitions()]


@attack("pool")
def translated_schema(lab: Lab) -> Any:
    """Point a shared table's schema at another one by a translation map."""
    schema = {"postgresql": "public", "sqlite": "main"}.get(lab.dialect, lab.url.database)
    connection = lab.connect().execution_options(schema_translate_map={None: schema})
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def translated_twin(lab: Lab) -> Any:
    """Name a table by a schema that the translation map takes away."""
    o = lab.owned
    twin = o.table.to_metadata(type(o.table.metadata)(), schema="elsewhere")
    schema = {"postgresql": "public", "sqlite": "main"}.get(lab.dialect, lab.url.database)
    connection = lab.connect().execution_options(schema_translate_map={"elsewhere": schema})
    return connection.execute(select(twin)).all()


@attack("pool")
def translated_update(lab: Lab) -> Any:
    """Update through a schema translation map."""
    o = lab.owned
    schema = {"postgresql": "public", "sqlite": "main"}.get(lab.dialect, lab.url.database)
    connection = lab.connect().execution_options(schema_translate_map={None: schema})
    connection.execute(update(o.table).values(o.set(text="taken")))
    connection.commit()


@attack("pool")
def disposed_and_reused(lab: Lab) -> Any:
    """Dispose of the engine and use it again."""
    lab.engine.dispose()
    return lab.rows(select(lab.owned.table))


@attack("pool")
def disposed_and_raw(lab: Lab) -> Any:
    """Dispose of the engine and take a raw connection from the new pool."""
    lab.engine.dispose(close=False)
    connection = lab.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * FROM {lab.admin.dialect.identifier_preparer.format_table(lab.owned.table)}")
        return list(cursor.fetchall())
    finally:
        connection.close()


@attack("pool")
def pool_replaced(lab: Lab) -> Any:
    """Put another pool into the guarded engine."""
    lab.engine.pool = StaticPool(lab.admin.pool._creator)
    with lab.engine.connect() as connection:
        return list(connection.execute(select(lab.owned.table)).all())


@attack("pool")
def detached_connection(lab: Lab) -> Any:
    """Detach a connection from its pool and use it."""
    connection = lab.connect()
    connection.detach()
    found = connection.execute(select(lab.owned.table)).all()
    connection.invalidate()
    return found


@attack("pool")
def invalidated_connection(lab: Lab) -> Any:
    """Invalidate a connection and use it again."""
    connection = lab.connect()
    connection.execute(select(lab.shared.table)).all()
    connection.invalidate()
    connection.rollback()
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def statement_rewritten_by_event(lab: Lab) -> Any:
    """Replace the statement's text in an event after ours."""
    o, s, engine = lab.owned, lab.shared, lab.engine
    name = lab.admin.dialect.identifier_preparer.format_table(o.table)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def replace(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return f"SELECT {o.text.name} FROM {name}", ()

    return lab.rows(select(s.text))


@attack("pool")
def parameters_rewritten_by_event(lab: Lab) -> Any:
    """Replace one's own tenant id by the victim's in an event after ours."""
    engine = lab.engine

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def replace(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return statement, _swapped(parameters, lab.a, lab.b)

    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == lab.a))


def _swapped(parameters: Any, old: Any, new: Any) -> Any:
    if isinstance(parameters, dict):
        return {key: new if value == old else value for key, value in parameters.items()}
    return tuple(new if value == old else value for value in parameters)


@attack("pool")
def statement_replaced_before_execute(lab: Lab) -> Any:
    """Replace the whole statement in `before_execute`."""
    o, s, engine = lab.owned, lab.shared, lab.engine

    @event.listens_for(engine, "before_execute", retval=True)
    def replace(conn: Any, clause: Any, multiparams: Any, params: Any, options: Any) -> Any:
        return select(o.table), multiparams, params

    return lab.rows(select(s.table))


@attack("pool")
def orm_execute_replaced(lab: Lab) -> Any:
    """Replace the statement in `do_orm_execute`."""
    o, s, session = lab.owned, lab.shared, lab.session()

    @event.listens_for(session, "do_orm_execute")
    def replace(state: Any) -> Any:
        state.statement = select(o.cls)

    return session.execute(select(s.cls)).all()


@attack("pool")
def session_binds(lab: Lab) -> Any:
    """Give a session its engine per class."""
    session = lab.hold(Session(binds={lab.owned.cls: lab.engine}))
    return session.scalars(select(lab.owned.cls)).all()


@attack("pool")
def session_bound_to_connection(lab: Lab) -> Any:
    """Bind a session to a connection."""
    return lab.hold(Session(lab.connect())).scalars(select(lab.owned.cls)).all()


@attack("pool")
def session_two_phase(lab: Lab) -> Any:
    """Update in a two-phase session."""
    lab.only("mysql", "mariadb")
    o = lab.owned
    session = lab.session(twophase=True)
    session.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))
    session.commit()


@attack("pool")
def session_get_bind(lab: Lab) -> Any:
    """Route a session's statements by a `get_bind` of one's own."""

    class Routed(Session):
        def get_bind(self, *args: Any, **kwargs: Any) -> Any:
            return lab.engine.execution_options(routed=True)

    return lab.hold(Routed()).scalars(select(lab.owned.cls)).all()


@attack("pool")
def bind_arguments(lab: Lab) -> Any:
    """Name the engine in the arguments of one execution."""
    session = lab.hold(Session())
    return session.execute(select(lab.owned.table), bind_arguments={"bind": lab.engine}).all()


@attack("pool")
def session_factory_reconfigured(lab: Lab) -> Any:
    """Point a session factory at a copy of the engine later."""
    factory = sessionmaker()
    factory.configure(bind=lab.engine.execution_options(later=True))
    return lab.hold(factory()).scalars(select(lab.owned.cls)).all()


@attack("pool")
def insertmanyvalues_batches(lab: Lab) -> Any:
    """Insert in batches with RETURNING, the last row for the victim."""
    o = lab.leaf
    rows = [o.new("a", n) for n in range(100, 110)] + [o.new("b", 110)]
    statement = insert(o.cls).returning(o.attr(o.pk), sort_by_parameter_order=True)
    lab.only("sqlite", "postgresql", "mariadb")
    lab.orm_write(statement, rows, execution_options={"insertmanyvalues_page_size": 4})


@attack("pool")
def queue_pool_hand_over(lab: Lab) -> Any:
    """Take over the connection that the victim's request gave back, in the middle of its transaction."""
    o = lab.owned
    engine = lab.new_engine(poolclass=QueuePool, pool_size=1, max_overflow=0)
    with lab.victim(), engine.connect() as connection:
        connection.execute(select(o.table)).all()
    with engine.connect() as connection:
        return connection.execute(select(o.table)).all()


@attack("pool")
def null_pool(lab: Lab) -> Any:
    """Use an engine that pools nothing."""
    return lab.connect(lab.new_engine(poolclass=NullPool)).execute(select(lab.owned.table)).all()


@attack("pool")
def creator_of_ones_own(lab: Lab) -> Any:
    """Use an engine with a creator of its own."""
    engine = lab.new_engine(creator=lab.admin.pool._creator)
    return lab.connect(engine).execute(select(lab.owned.table)).all()


@attack("pool")
def listener_on_connect(lab: Lab) -> Any:
    """Read the table in a connect event of the guarded pool."""
    found: list[Any] = []
    name = lab.admin.dialect.identifier_preparer.format_table(lab.owned.table)
    engine = lab.bare_engine()

    @event.listens_for(engine, "checkout")
    def read(connection: Any, record: Any, proxy: Any) -> None:
        cursor = proxy.cursor()
        cursor.execute(f"SELECT * FROM {name}")
        found.extend(cursor.fetchall())

    lab.protect(engine)
    lab.connect(engine).execute(select(lab.shared.table)).all()
    return found


@attack("pool")
def pickled_engine_url(lab: Lab) -> Any:
    """Pickle the guarded engine's address and options and open it again by the guarded dialect."""
    url = pickle.loads(pickle.dumps(lab.engine.url))  # noqa: S301 - made in the same line
    engine = Engine(lab.engine.pool, lab.engine.dialect, url)
    return lab.connect(engine).execute(select(lab.owned.table)).all()


@attack("pool")
async def async_stream(lab: Lab) -> Any:
    """Stream rows on an asynchronous connection."""
    engine = lab.new_async_engine()
    try:
        async with engine.connect() as connection:
            result = await connection.stream(select(lab.owned.table))
            return [row async for row in result]
    finally:
        await engine.dispose()


@attack("pool")
async def async_stream_scalars(lab: Lab) -> Any:
    """Stream objects in an asynchronous session."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine) as session:
            return [one async for one in await session.stream_scalars(select(lab.owned.cls))]
    finally:
        await engine.dispose()


@attack("pool")
async def async_sync_engine(lab: Lab) -> Any:
    """Wrap the synchronous engine of an asynchronous one anew."""
    engine = lab.new_async_engine()
    try:
        async with AsyncEngine(engine.sync_engine).connect() as connection:
            return (await connection.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()


@attack("pool")
async def async_run_sync(lab: Lab) -> Any:
    """Work on the synchronous connection inside `run_sync`."""
    engine = lab.new_async_engine()
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(lambda inner: inner.execute(select(lab.owned.table)).all())
    finally:
        await engine.dispose()


@attack("pool")
async def async_engine_copy(lab: Lab) -> Any:
    """Copy an asynchronous engine by its execution options."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine.execution_options(anything=1)) as session:
            return (await session.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()


@attack("pool")
async def async_update(lab: Lab) -> Any:
    """Update on an asynchronous connection."""
    engine, o = lab.new_async_engine(), lab.owned
    try:
        async with engine.begin() as connection:
            await connection.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))
    finally:
        await engine.dispose()


@attack("pool")
async def async_flush(lab: Lab) -> Any:
    """Add the victim's object in an asynchronous session."""
    engine, o = lab.new_async_engine(), lab.leaf
    try:
        async with AsyncSession(engine) as session:
            session.add(o.object(o.new("b")))
            await session.commit()
    finally:
        await engine.dispose()


@attack("pool")
async def async_connection_by_hand(lab: Lab) -> Any:
    """Construct an AsyncConnection by hand."""
    engine = lab.new_async_engine()
    try:
        async with AsyncConnection(engine) as connection:
            return (await connection.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()
