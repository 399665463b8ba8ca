"""The world of these tests: the call centre of ``tests.models``, in a database with a guarded and a plain engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, StaticPool, Table, create_engine, event, select

from tenantguard import Tenancy, guard
from tests.models import Base, create_schema, make_tenancy, seed

TABLES: dict[str, Table] = {table.name: table for table in Base.metadata.sorted_tables}


@dataclass
class World:
    """Hold one database.

    Attributes:
        backend: its kind.
        engine: the guarded engine.
        plain: an unguarded engine on the same rows.
    """

    backend: str
    engine: Engine
    plain: Engine


def memory_engine() -> Engine:
    """Return an unguarded engine on an empty SQLite database in memory."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=False
    )
    event.listen(engine, "connect", _foreign_keys)
    return engine


def memory_world(tenancy: Tenancy | None = None) -> World:
    """Return a seeded world in memory; both engines share its one connection."""
    plain = memory_engine()
    create_schema(plain)
    seed(plain)
    with plain.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: driver)
    return World("sqlite", guard(engine, tenancy or make_tenancy()), plain)


def _foreign_keys(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def content(engine: Engine, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the named tables, or of all, read without a guard."""
    with engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(TABLES[name]))), key=repr)
            for name in names or [name for name in TABLES if name != "call_stats"]
        }


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the SQL that reaches the driver, look-ups of the guard included."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
