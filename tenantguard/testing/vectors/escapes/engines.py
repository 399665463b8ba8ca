"""Engines and connections: copies of the guarded one, and ways beneath it."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

import copy
import pickle
from typing import Any

from sqlalchemy import NullPool, StaticPool, create_engine, event, literal, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("pool")
def second_engine_on_pool(lab: Lab) -> Any:
    """Make another engine on the guarded engine's pool."""
    lab.synchronous()
    engine = create_engine(lab.engine.url, pool=lab.engine.pool)
    with engine.connect() as connection:
        return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def second_engine_on_pool_without_listeners(lab: Lab) -> Any:
    """Make another engine on a pool that was recreated from the guarded engine's."""
    lab.synchronous()
    engine = create_engine(lab.engine.url, pool=lab.engine.pool.recreate())
    try:
        with engine.connect() as connection:
            return connection.execute(select(lab.owned.table)).all()
    finally:
        engine.dispose()


@attack("pool")
def engine_constructed_by_hand(lab: Lab) -> Any:
    """Construct an Engine from the guarded one's pool and dialect."""
    engine = Engine(lab.engine.pool, lab.engine.dialect, lab.engine.url)
    with engine.connect() as connection:
        return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def engine_copy_with_options(lab: Lab) -> Any:
    """Copy the engine with its execution options."""
    return lab.connect(lab.engine.execution_options(anything=True)).execute(select(lab.owned.table)).all()


@attack("pool")
def engine_copy_of_copy(lab: Lab) -> Any:
    """Copy the copy of an engine, and take its text path."""
    engine = lab.engine.execution_options(one=1).execution_options(two=2)
    name = lab.admin.dialect.identifier_preparer.format_table(lab.owned.table)
    return lab.connect(engine).exec_driver_sql(f"SELECT * FROM {name}").all()


@attack("pool")
def engine_copied_by_copy(lab: Lab) -> Any:
    """Copy the engine with the copy module."""
    return lab.connect(copy.copy(lab.engine)).execute(select(lab.owned.table)).all()


@attack("pool")
def connection_with_options(lab: Lab) -> Any:
    """Set options on a connection."""
    connection = lab.connect().execution_options(stream_results=True, no_parameters=False)
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def connection_constructed_by_hand(lab: Lab) -> Any:
    """Construct a Connection on the guarded engine."""
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
    """Point a shared table's schema at another one with a translation map."""
    schema = {"postgresql": "public", "sqlite": "main"}.get(lab.dialect, lab.url.database)
    connection = lab.connect().execution_options(schema_translate_map={None: schema})
    return connection.execute(select(lab.owned.table)).all()


@attack("pool")
def translated_twin(lab: Lab) -> Any:
    """Name a table by a schema that the translation map removes."""
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
    lab.synchronous()
    lab.engine.pool = StaticPool(lab.admin.pool._creator)
    with lab.engine.connect() as connection:
        return list(connection.execute(select(lab.owned.table)).all())


@attack("pool")
def detached_connection(lab: Lab) -> Any:
    """Detach a connection from its pool and use it."""
    connection = lab.connect()
    connection.detach()
    found = connection.execute(select(lab.owned.table)).all()
    connection.close()  # no pool does it, and what asyncpg has open would hold its locks until it is collected
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
def queue_pool_hand_over(lab: Lab) -> Any:
    """Take over the connection that the victim's request gave back, in the middle of its transaction."""
    o = lab.owned
    pool = AsyncAdaptedQueuePool if lab.asynchronous else QueuePool
    engine = lab.new_engine(poolclass=pool, pool_size=1, max_overflow=0)
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
    """Use an engine with a custom creator."""
    lab.synchronous()
    engine = lab.new_engine(creator=lab.admin.pool._creator)
    return lab.connect(engine).execute(select(lab.owned.table)).all()


@attack("pool", limit="a pool's own listeners are given connections of the driver")
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
    """Pickle the guarded engine's URL and options and open it again with the guarded dialect."""
    url = pickle.loads(pickle.dumps(lab.engine.url))  # noqa: S301 - made in the same line
    engine = Engine(lab.engine.pool, lab.engine.dialect, url)
    return lab.connect(engine).execute(select(lab.owned.table)).all()


@attack("pool")
def pool_temporary_table(lab: Lab) -> Any:
    """Read on a pooled connection where a bypass left a temporary table that gives the victim's rows another tenant."""
    o = lab.owned
    if o.table.schema is not None:
        raise NotApplicable(f"{o.table.name} has a schema, which a temporary table cannot have")
    columns = [literal(lab.a, c.type).label(c.name) if c is o.tenant else c for c in o.columns]
    query = select(*columns).compile(lab.admin, compile_kwargs={"literal_binds": True})
    name = lab.admin.dialect.identifier_preparer.format_table(o.table)
    with lab.lifted(), lab.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} AS {query}")
    found = lab.rows(select(o.table))
    with lab.lifted():
        lab.engine.dispose()
    return found
