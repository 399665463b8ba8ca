"""The lab: one schema, an attacker and a victim with rows in it, and an engine under attack."""

from __future__ import annotations

import asyncio
import gc
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Self, TypeVar

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Dialect,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Mapper, Session, registry
from sqlalchemy.util import greenlet_spawn

from tenantguard.context import bind, bypass
from tenantguard.sql.mappers import all_mappers
from tenantguard.tenancy import Tenancy
from tenantguard.testing.kinds import tenant_kind
from tenantguard.testing.vectors.copies import (
    async_url,
    attach_schemas,
    refuse_foreign_schemas,
    schemas_of,
    sync_url,
)
from tenantguard.testing.vectors.judge import Leak, Marks
from tenantguard.testing.vectors.lookups import Lookups
from tenantguard.testing.vectors.seed import Owner, Seeder, Value
from tenantguard.testing.vectors.seeded import SeededDatabase
from tenantguard.testing.vectors.shapes import map_plain
from tenantguard.testing.vectors.table import NotApplicable, Vector

Protect = Callable[[Any], Any]
Factory = Callable[[URL], Any]
Found = TypeVar("Found")

_WORDS = ("acme", "globex", "common")
_TENANTS: dict[str, tuple[Any, Any]] = {
    "str": _WORDS[:2],
    "int": (5001, 5002),
    "uuid": (uuid.UUID(int=(0xACE << 96) + 1), uuid.UUID(int=(0xB0B << 96) + 2)),
}


class Lab(Lookups):
    """Everything that a vector works with. Close it, or use it as a context manager.

    Args:
        tenancy: the schema and how it belongs.
        url: an empty database; everything in it is made and removed by the lab.
        protect: installs the guard on an engine, ``lambda engine: guard(engine, tenancy)``; the identity
            function gives the lab with the guard off.
        values: for columns whose values cannot be guessed: ``{"calls.code": lambda tenant, n: ...}``.
        asynchronous: attack through the URL's asynchronous driver: each vector runs as it is, in a greenlet.
        tenants: the ids of the attacker and the victim; made in the tenant column's type by default.
        factory: makes an engine for a URL as the application does, ``lambda url: create_engine(url, ...)``.
        control: runs a vector in a database of one tenant alone: what fails there is no fault of the guard.

    Attributes:
        a: the attacker, bound while a vector runs.
        b: the victim.
        guarded: whether there is a guard on the engine under attack.
        seeded: the database beside that engine, which is read and put back there.
        dialect: the database's name, ``"sqlite"``, ``"postgresql"``, ``"mysql"`` or ``"mariadb"``.
    """

    def __init__(
        self,
        tenancy: Tenancy,
        url: str | URL,
        protect: Protect,
        *,
        values: Mapping[str, Value] | None = None,
        asynchronous: bool = False,
        tenants: tuple[Any, Any] | None = None,
        factory: Factory | None = None,
        control: Callable[[Vector, int], Exception | None] | None = None,
    ) -> None:
        self.tenancy = tenancy
        self.url = make_url(url)
        self.protect = protect
        self.asynchronous = asynchronous
        self.factory = factory
        self.control = control
        self.admin = create_engine(sync_url(self.url))
        self.a, self.b = tenants or two_tenants(tenancy, self.admin.dialect)
        self.mappers = mappers_of(tenancy)
        self.tables = _tables_of(tenancy)
        self.dialect = self.admin.dialect.name
        self._schemas = schemas_of(self.tables)
        refuse_foreign_schemas(self.dialect, self._schemas)
        if self.dialect == "sqlite":
            event.listen(self.admin, "connect", _loose_keys)
            attach_schemas(self.admin, self._schemas)
        owners = (Owner(self.a, 1, _WORDS[0]), Owner(self.b, 2, _WORDS[1]), Owner(None, 3, _WORDS[2]))
        self._owners = {owner.tenant: owner for owner in owners}
        self.seeder = Seeder(tenancy, self.tables, owners, self.mappers, values or {}, self.admin.dialect)
        self._mappings = registry()
        self._paired: dict[Any, Any] = {}
        self.at(0)
        self._stack = ExitStack()
        self._engine: Engine | None = None
        self.guarded = False
        self.seeded = SeededDatabase(self.admin, self.seeder, (self.a, self.b))
        self.drive(self._try_protect)
        self.before = self.start = self.seeded.create(self._copies)
        self.mappers = [m for m in self.mappers if self._exists(m.local_table)]
        self.marks = Marks(self.before, self.b, _WORDS[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of the kit's own mapped classes."""
        self._stack.close()
        self.admin.dispose()
        self._mappings.dispose()
        with warnings.catch_warnings():  # what an attack left open ends here, and not in somebody's next test
            warnings.simplefilter("ignore")
            gc.collect()

    # -- the engine under attack

    @property
    def engine(self) -> Engine:
        """Return the engine under attack, a new one for each vector."""
        if self._engine is None:
            self._engine = self.new_engine()
        return self._engine

    def _try_protect(self) -> None:
        """Install the guard once, so that a fault of the set-up is told before anything is attacked."""
        with self.attempt():
            engine = self.new_engine()
            self.guarded = getattr(engine.dialect, "tg_guard", None) is not None

    def new_engine(self, **options: Any) -> Engine:
        """Return one more engine under attack, thrown away after the vector."""
        return self._disposed(self.protect(self.bare_engine(**options)))

    def bare_engine(self, **options: Any) -> Engine:
        """Return an engine before the guard is installed, for attacks that begin earlier."""
        if self.factory is None or options:
            return self.kits_engine(**options)
        made = self.factory(self.url)
        engine: Engine = getattr(made, "sync_engine", None) or made
        self._prepare(engine)
        return self._disposed(engine)

    def kits_engine(self, **options: Any) -> Engine:
        """Return an engine that no application makes or guards, for attacks on a tenancy of their own."""
        if self.asynchronous:
            engine = create_async_engine(self.url, **self._arguments(), **options).sync_engine
        else:
            engine = create_engine(sync_url(self.url), **self._arguments(), **options)
        self._prepare(engine)
        return self._disposed(engine)

    def drive(self, attempt: Callable[..., Found], *arguments: Any) -> Found:
        """Call a function, in an event loop and a greenlet where the driver is asynchronous."""
        if not self.asynchronous:
            return attempt(*arguments)
        return asyncio.run(greenlet_spawn(attempt, *arguments))

    def new_async_engine(self) -> AsyncEngine:
        """Return an asynchronous engine under attack; the vector disposes of it."""
        engine = create_async_engine(async_url(self.url), **self._arguments())
        self._prepare(engine.sync_engine)
        self.protect(engine)
        return engine

    def _arguments(self) -> dict[str, Any]:
        return {"connect_args": {"timeout": 1}} if self.dialect == "sqlite" else {}

    def _prepare(self, engine: Engine) -> None:
        if self.dialect == "sqlite":
            event.listen(engine, "connect", _strict_keys)
            attach_schemas(engine, self._schemas)

    def _disposed(self, engine: Engine) -> Engine:
        self._stack.callback(engine.dispose)
        return engine

    @contextmanager
    def attempt(self, engine: Engine | None = None) -> Iterator[Lab]:
        """Run one vector: everything it opened is closed and what it changed is put back afterwards.

        Args:
            engine: the engine to attack, instead of a new one.
        """
        self._engine = engine
        try:
            yield self
        finally:
            self._stack.close()
            self._engine = None

    def connect(self, engine: Any = None) -> Connection:
        """Return a connection of the engine under attack, closed after the vector."""
        found: Connection = self.hold((self.engine if engine is None else engine).connect())
        return found

    def session(self, engine: Any = None, **options: Any) -> Any:
        """Return a plain session on the engine under attack, closed after the vector."""
        return self.hold(Session(self.engine if engine is None else engine, **options))

    def hold(self, thing: AbstractContextManager[Any]) -> Any:
        """Enter a context manager and leave it after the vector."""
        return self._stack.enter_context(thing)

    def release(self) -> None:
        """Close what was opened so far, so that no lock of it stands in the way; the engine stays."""
        engine, stack = self._engine, self._stack
        self._stack = ExitStack()
        stack.close()
        self._engine = self._disposed(engine) if engine is not None else None

    # -- short ways to run a statement

    def rows(self, statement: Any, parameters: Any = None) -> list[Any]:
        """Execute on a connection and return every row."""
        with self.engine.connect() as connection:
            return list(connection.execute(statement, parameters).all())

    def orm(self, statement: Any, **options: Any) -> list[Any]:
        """Execute on a session and return every row, each object once."""
        return list(self.session().execute(statement, **options).unique().all())

    def write(self, statement: Any, parameters: Any = None) -> list[Any] | int:
        """Execute on a connection and commit; return the rows, or how many were matched."""
        with self.engine.begin() as connection:
            result = connection.execute(statement, parameters)
            return list(result.all()) if result.returns_rows else result.rowcount

    def orm_write(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Execute on a session and commit; return the rows where there are any."""
        session = self.session()
        result = session.execute(statement, parameters, **options)
        try:
            found = list(result.all())
        except ResourceClosedError:  # it returns no rows
            found = None
        session.commit()
        return found

    def flush(self, *objects: Any) -> None:
        """Add objects to a session and commit."""
        session = self.session()
        session.add_all(objects)
        session.commit()

    def told(self, got: Any, expected: Any) -> Leak | None:
        """Return a leak where a count or an aggregate differs from what the attacker's own rows give."""
        return None if got == expected else Leak(f"learned {got!r}, its own rows give {expected!r}")

    def victim(self) -> bind:
        """Bind the victim, for what happens before the attack."""
        return bind(self.b)

    def lifted(self) -> bypass:
        """Lift the guard, for what happens before the attack."""
        return bypass(reason="attack kit: what an earlier job did")

    def synchronous(self) -> None:
        """Leave the vector to synchronous drivers."""
        if self.asynchronous:
            self.turns = 1  # no other table would do better
            raise NotApplicable("it uses the driver in a way that an asynchronous one does not have")

    def only(self, *dialects: str) -> None:
        """Leave the vector to these databases."""
        if self.dialect not in dialects:
            self.turns = 1  # no other table would do better
            raise NotApplicable(f"not on {self.dialect}")

    def arrange(self, statement: Any) -> None:
        """Change the database before the attack, unguarded; what it changes is not held against the attack."""
        with self.admin.begin() as connection:
            connection.execute(statement)
        self.start = self.seeded.snapshot()

    def as_sent(self, column: Column[Any], value: Any) -> Any:
        """Return a value as the driver gets it, for a text that no type goes with."""
        process = column.type.dialect_impl(self.admin.dialect).bind_processor(self.admin.dialect)
        return value if process is None else process(value)

    def peek(self, sql: str) -> list[Any]:
        """Read through an unguarded connection, to see what an attack left behind."""
        with self.admin.connect() as connection:
            return list(connection.exec_driver_sql(sql).all())

    def _exists(self, table: Any) -> bool:
        """Tell whether a table is there; a view may be made by something other than the metadata."""
        return table in self.before.rows or bool(
            inspect(self.admin).has_table(table.name, schema=table.schema)
        )

    def has_table(self, name: str) -> bool:
        """Tell whether a table is there."""
        return bool(inspect(self.admin).has_table(name))

    def remove_later(self, kind: str, name: str) -> None:
        """Drop a table or view that the attack may make, after the vector."""

        def remove() -> None:
            with self.admin.begin() as connection:
                connection.exec_driver_sql(f"DROP {kind} IF EXISTS {name}")

        self._stack.callback(remove)

    def map(self, table: Table, **properties: Any) -> Any:
        """Map one more class to a table, until the vector is over."""
        mappings = registry()
        self._stack.callback(mappings.dispose)
        return map_plain(mappings, table, **properties)

    def _copies(self, metadata: MetaData) -> tuple[MetaData, list[Table]]:
        """Return what to create: the metadata itself, and its tables."""
        return metadata, [table for table in self.tables if table.metadata is metadata]


def _tables_of(tenancy: Tenancy) -> list[Table]:
    """Return every table that is no view, parents first."""
    tables = [t for metadata in tenancy.metadata for t in metadata.sorted_tables]
    return [table for table in tables if not table.info.get("is_view")]


def mappers_of(tenancy: Tenancy) -> list[Mapper[Any]]:
    """Return the mappers of the application, in no order that matters."""
    known: set[MetaData] = set(tenancy.metadata)
    return [mapper for mapper in all_mappers() if getattr(mapper.local_table, "metadata", None) in known]


def two_tenants(tenancy: Tenancy, dialect: Dialect) -> tuple[Any, Any]:
    """Return two tenant ids of the type that the tenant columns hold."""
    if not any(placed.kind == "owned" for placed in tenancy):
        raise NotApplicable("the tenancy has no owned table, so there is nothing to attack")
    return _TENANTS[tenant_kind(tenancy, dialect)]


def _strict_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _loose_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.close()
