"""The ways of isolating that are measured; one more is one more row in the table.

A row names a function that takes the URL of an empty database and returns a :class:`Ready`. Packages of
others live in environments of their own, so their functions are imported only there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.orm import Session

from benchmarks.micro.models import CALLS, Models, fill

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRESQL)
ORM_ONLY = frozenset({"core_select", "raw_select"})
STAMPS_OBJECTS = frozenset({"insert"})


@dataclass
class Ready:
    """Hold one way of isolating, ready to be measured on one database.

    Attributes:
        open_session: opens a session in which the first tenant is in force.
        open_connection: the same for Core; ``None`` where the package has no such thing.
        raw_connection: a connection for SQL text, where that takes another setting.
    """

    models: Models
    engine: Engine
    open_session: Callable[[], AbstractContextManager[Session]]
    open_connection: Callable[[], AbstractContextManager[Connection]] | None = None
    raw_connection: Callable[[], AbstractContextManager[Connection]] | None = None
    raw_engine: Engine | None = None


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: how the results call it.
        title: how people call it.
        make: ``module:function``.
        package: the distribution it needs, in an environment of its own; ``None`` for this one.
        backends: the databases it is made for.
        filtered: its user writes the condition by hand.
        stamped: cases in which its user leaves the company out of new rows.
        without: cases it has no form of its own for.
        isolates: a plain select gives the first tenant's rows alone, which is checked before anything is timed.
    """

    name: str
    title: str
    make: str
    package: str | None = None
    backends: tuple[str, ...] = BOTH
    filtered: bool = False
    stamped: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    isolates: bool = True

    def open(self, url: str) -> Ready:
        """Return it, ready, on an empty database."""
        module, function = self.make.split(":")
        ready: Ready = getattr(importlib.import_module(module), function)(url)
        if self.isolates:
            check(ready)
        return ready


def check(ready: Ready) -> None:
    """Make sure that a way of isolating is in force: one that is set up wrongly would be measured doing nothing.

    Raises:
        RuntimeError: a plain select gives other rows than the first tenant's.
    """
    with ready.open_session() as session:
        found = len(session.scalars(select(ready.models.Call)).all())
    if found != CALLS:
        raise RuntimeError(f"it does not isolate as it is set up: {found} rows instead of {CALLS}")


def make_engine(url: str, models: Models, *prepare: Callable[[Connection], object]) -> Engine:
    """Return an engine on a database that holds the rows; the settings are the same for everyone."""
    engine = connect_only(url)
    with engine.begin() as connection:
        models.Base.metadata.create_all(connection)
        fill(connection, models)
        if engine.dialect.name == POSTGRESQL:
            for table in models.Base.metadata.sorted_tables:
                if table.name != "tags":
                    count = "SELECT setval(pg_get_serial_sequence(%s, 'id'), 1000000)"
                    connection.exec_driver_sql(count, (table.name,))
        for step in prepare:
            step(connection)
    if engine.dialect.name == POSTGRESQL:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    engine.clear_compiled_cache()
    return engine


def connect_only(url: str) -> Engine:
    """Return an engine with the settings of everyone, on a database as it is."""
    engine = create_engine(url)
    if engine.dialect.name == SQLITE:
        event.listen(engine, "connect", _foreign_keys)
    return engine


def _foreign_keys(connection: object, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")  # type: ignore[attr-defined]  # sqlite3's own connection


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("unguarded", "no isolation", "benchmarks.micro.ours:unguarded", isolates=False),
        Variant(
            "handwritten", "filter by hand", "benchmarks.micro.ours:unguarded", filtered=True, isolates=False
        ),
        Variant(
            "tenantguard",
            "tenantguard",
            "benchmarks.micro.guarded:tenantguard",
            stamped=frozenset({"insert", "bulk_insert"}),
        ),
        Variant(
            "permitted",
            "tenantguard, with permissions",
            "benchmarks.micro.guarded:permitted",
            stamped=frozenset({"insert", "bulk_insert"}),
        ),
        Variant(
            "observed",
            "tenantguard, observing",
            "benchmarks.micro.guarded:observed",
            isolates=False,
        ),
        Variant("recipe", "SQLAlchemy's recipe", "benchmarks.micro.ours:recipe", without=ORM_ONLY),
        Variant(
            "softtenant",
            "softtenant",
            "benchmarks.micro.rivals:softtenant",
            package="softtenant",
            stamped=STAMPS_OBJECTS,
            without=ORM_ONLY,
        ),
        Variant(
            "litestar-tenants",
            "litestar-tenants (orm-scoped)",
            "benchmarks.micro.rivals:litestar_tenants",
            package="litestar-tenants",
            stamped=STAMPS_OBJECTS,
            without=ORM_ONLY,
        ),
        Variant(
            "sqlalchemy-tenants",
            "sqlalchemy-tenants (row security)",
            "benchmarks.micro.rivals:sqlalchemy_tenants",
            package="sqlalchemy-tenants",
            backends=(POSTGRESQL,),
        ),
        Variant(
            "fastapi-rls",
            "fastapi-rls (row security)",
            "benchmarks.micro.rivals:fastapi_rls",
            package="fastapi-rls",
            backends=(POSTGRESQL,),
        ),
    )
}
