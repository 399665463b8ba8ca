"""The lab: one schema, an attacker and a victim with rows in it, and an engine under attack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, Table, create_engine, event, inspect, make_url
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Mapper, Session, registry
from sqlalchemy.orm.mapper import _all_registries

from tenantguard.context import bind, bypass
from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.vectors.copies import sync_url
from tenantguard.testing.vectors.judge import EVERYBODY, Leak, Marks, Snapshot
from tenantguard.testing.vectors.seed import Owner, Seeder, Value
from tenantguard.testing.vectors.shapes import (
    Bridge,
    Pair,
    Shape,
    free_columns,
    links,
    map_pair,
    map_plain,
)
from tenantguard.testing.vectors.table import NotApplicable

Protect = Callable[[Any], Any]

_WORDS = ("acme", "globex", "common")
_UUIDS = (uuid.UUID(int=(0xACE << 96) + 1), uuid.UUID(int=(0xB0B << 96) + 2))


class Lab:
    """Hold what a vector works with. Close it, or use it as a context manager.

    Args:
        tenancy: the schema and how it belongs.
        url: an empty database; everything in it is made and removed by the lab.
        protect: installs the guard on an engine, ``lambda engine: guard(engine, tenancy)``; the identity
            function gives the lab with the guard off.
        values: for columns whose values cannot be guessed: ``{"calls.code": lambda tenant, n: ...}``.

    Attributes:
        a: the attacker, bound while a vector runs.
        b: the victim.
        dialect: the database's name, ``"sqlite"``, ``"postgresql"``, ``"mysql"`` or ``"mariadb"``.
    """

    def __init__(
        self,
        tenancy: Tenancy,
        url: str | URL,
        protect: Protect,
        *,
        values: Mapping[str, Value] | None = None,
    ) -> None:
        self.tenancy = tenancy
        self.url = make_url(url)
        self.protect = protect
        self.a, self.b = _two_tenants(tenancy)
        self.mappers = _mappers_of(tenancy)
        self.tables = _tables_of(tenancy)
        self.admin = create_engine(sync_url(self.url))
        self.dialect = self.admin.dialect.name
        if self.dialect == "sqlite":
            event.listen(self.admin, "connect", _loose_keys)
        owners = (Owner(self.a, 1, _WORDS[0]), Owner(self.b, 2, _WORDS[1]), Owner(None, 3, _WORDS[2]))
        self._owners = {owner.tenant: owner for owner in owners}
        self.seeder = Seeder(tenancy, self.tables, owners, self.mappers, values or {})
        self._mappings = registry()
        self._stack = ExitStack()
        self._engine: Engine | None = None
        self._seeds = self.seeder.all_rows()
        self._create()
        self.before = self.start = self.snapshot()
        self.marks = Marks(self.before, self.b, _WORDS[1])

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of the kit's own mapped classes."""
        self._stack.close()
        self.admin.dispose()
        self._mappings.dispose()

    # -- the engine under attack

    @property
    def engine(self) -> Engine:
        """Return the engine under attack, a new one for each vector."""
        if self._engine is None:
            self._engine = self.new_engine()
        return self._engine

    def new_engine(self, **options: Any) -> Engine:
        """Return one more engine under attack, thrown away after the vector."""
        return self._disposed(self.protect(self.bare_engine(**options)))

    def bare_engine(self, **options: Any) -> Engine:
        """Return an engine before the guard is installed, for attacks that begin earlier."""
        engine = create_engine(sync_url(self.url), **self._arguments(), **options)
        self._prepare(engine)
        return self._disposed(engine)

    def new_async_engine(self) -> AsyncEngine:
        """Return an asynchronous engine under attack; the vector disposes of it."""
        drivers = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
        url = self.url
        if not url.get_dialect().is_async:
            driver = drivers.get(url.get_backend_name(), "aiomysql")
            url = url.set(drivername=f"{url.get_backend_name()}+{driver}")
        engine = create_async_engine(url, **self._arguments())
        self._prepare(engine.sync_engine)
        self.protect(engine)
        return engine

    def _arguments(self) -> dict[str, Any]:
        return {"connect_args": {"timeout": 1}} if self.dialect == "sqlite" else {}

    def _prepare(self, engine: Engine) -> None:
        if self.dialect == "sqlite":
            event.listen(engine, "connect", _strict_keys)

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
        self.start = self.before
        try:
            yield self
        finally:
            self._stack.close()
            self._engine = None

    def connect(self, engine: Any = None) -> Connection:
        """Return a connection of the engine under attack, closed after the vector."""
        return self.hold((self.engine if engine is None else engine).connect())

    def session(self, engine: Any = None, **options: Any) -> Session:
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

    def only(self, *dialects: str) -> None:
        """Leave the vector to these databases."""
        if self.dialect not in dialects:
            raise NotApplicable(f"not on {self.dialect}")

    def arrange(self, statement: Any) -> None:
        """Change the database before the attack, unguarded; what it changes is not held against the attack."""
        with self.admin.begin() as connection:
            connection.execute(statement)
        self.start = self.snapshot()

    def peek(self, sql: str) -> list[Any]:
        """Read through an unguarded connection, to see what an attack left behind."""
        with self.admin.connect() as connection:
            return list(connection.exec_driver_sql(sql).all())

    def peek_table(self, table: Table) -> list[Any]:
        """Read a table through an unguarded connection."""
        with self.admin.connect() as connection:
            return list(connection.execute(table.select()).all())

    def has_table(self, name: str) -> bool:
        """Tell whether a table is there."""
        return bool(inspect(self.admin).has_table(name))

    def remove_later(self, kind: str, name: str) -> None:
        """Drop a table or view that the attack may make, after the vector."""

        def remove() -> None:
            with self.admin.begin() as connection:
                connection.exec_driver_sql(f"DROP {kind} IF EXISTS {name}")

        self._stack.callback(remove)

    # -- shapes

    @cached_property
    def shapes(self) -> dict[Table, Shape]:
        """Return a shape for each table that both tenants have rows in, and for each shared one."""
        found = {}
        for table in self.tables:
            placed = self.tenancy.of(table)
            owner = (EVERYBODY, EVERYBODY) if placed.kind == "shared" else (self.a, self.b)
            a, b = (self.before.of(table, who) for who in owner)
            if a and b and len(table.primary_key.columns):
                found[table] = self._shape(table, placed, a, b)
        return found

    def _shape(self, table: Table, placed: Placement, a: list[Any], b: list[Any], cls: Any = None) -> Shape:
        free = free_columns(table, self.tenancy, self.mappers)
        cls = map_plain(self._mappings, table) if cls is None else cls
        return Shape(table, cls, placed, a, b, self._new_row, (self.a, self.b), **free)

    def _new_row(self, tenant: Any, shape: Shape, n: int) -> dict[str, Any]:
        return self.seeder.row(shape.table, self._owners[tenant], n)

    def _of_kind(self, kind: str) -> list[Shape]:
        return [s for s in self.shapes.values() if s.placed.kind == kind and not self._is_extension(s.table)]

    def _is_extension(self, table: Table) -> bool:
        """Tell whether the whole key is a foreign key or the tenant: rows cannot be made by themselves."""
        placed = self.tenancy.of(table)
        keys = {c.name for c in table.primary_key.columns}
        return keys == {placed.column} or any({c.name for c in k.columns} == keys for k, _ in links(table))

    def _referred(self, table: Table) -> int:
        return sum(parent is table for other in self.tables for _, parent in links(other))

    @cached_property
    def owned(self) -> Shape:
        """Return an owned table, one that much refers to."""
        return _best(
            self._of_kind("owned"), lambda s: (_simple(s), self._referred(s.table)), "an owned table"
        )

    @cached_property
    def leaf(self) -> Shape:
        """Return an owned table that nothing refers to."""
        free = [s for s in self._of_kind("owned") if not self._referred(s.table)]
        return _best(
            free, lambda s: (_simple(s), len(s.table.foreign_keys)), "an owned table that nothing refers to"
        )

    @cached_property
    def shared(self) -> Shape:
        """Return a shared table that is read-only under a binding."""
        fixed = [s for s in self._of_kind("shared") if not s.placed.writable]
        return _best(fixed, lambda s: len(s.texts), "a shared table")

    @cached_property
    def keyed(self) -> Shape:
        """Return an owned table whose key includes the tenant."""
        found = [
            s for s in self._of_kind("owned") if s.tenant_key in {c.key for c in s.table.primary_key.columns}
        ]
        return _best(
            found, lambda s: (-self._referred(s.table), len(s.texts)), "a table whose key includes the tenant"
        )

    @cached_property
    def pair(self) -> Pair:
        """Return an owned child of an owned parent, by a key that does not include the tenant."""
        found = [p for p in self._pairs("owned") if p.parent.placed.kind == "owned"]
        return _best(
            found, lambda p: (_simple(p.child), _simple(p.parent)), "an owned child of an owned parent"
        )

    @cached_property
    def part(self) -> Pair:
        """Return a table without a tenant column, and the owned parent that it belongs through."""
        found = [p for p in self._parts() if p.parent.placed.kind == "owned"]
        return _best(
            found,
            lambda p: (_simple(p.child), _simple(p.parent)),
            "a table that belongs through an owned one",
        )

    @cached_property
    def deep(self) -> Pair:
        """Return a grandchild: a table that belongs through a table that belongs through another."""
        found = [p for p in self._parts() if p.parent.placed.kind == "through"]
        return _best(found, lambda p: _simple(p.child), "a chain of tables without a tenant column")

    @cached_property
    def tree(self) -> Pair:
        """Return an owned table that refers to itself."""
        return _best(
            self._pairs("owned", itself=True), lambda p: len(p.child.texts), "a table that refers to itself"
        )

    @cached_property
    def bridge(self) -> Bridge:
        """Return an association between two owned tables."""
        for shape in self._of_kind("through") + self._of_kind("owned"):
            if {c.key for c in shape.table.columns} - {shape.tenant_key} == {
                k.parent.key for k in shape.table.foreign_keys
            } - {shape.tenant_key}:
                pairs = [p for p in self._pairs_of(shape) if p.parent.placed.kind == "owned"]
                if len(pairs) == 2:
                    return Bridge(shape, *pairs)
        raise NotApplicable("the schema has no association between two owned tables")

    @cached_property
    def extension(self) -> Pair:
        """Return the child of joined-table inheritance, and its base."""
        found = [
            self._pair(shape, constraint, parent)
            for shape in self.shapes.values()
            for constraint, parent in links(shape.table)
            if self._is_extension(shape.table) and shape.placed.kind == "through" and parent in self.shapes
        ]
        return _best(found, lambda p: len(p.child.texts), "joined-table inheritance")

    @cached_property
    def view(self) -> Table:
        """Return a view that is mapped as an owned table."""
        for metadata in self.tenancy.metadata:
            for table in metadata.tables.values():
                if table.info.get("is_view") and self.tenancy.of(table).kind == "owned":
                    return table
        raise NotApplicable("the schema has no view mapped as a table")

    @cached_property
    def subclass(self) -> Mapper[Any]:
        """Return a mapper of the schema's own that shares its table with its base."""
        for mapper in self.mappers:
            if mapper.single and mapper.local_table in self.shapes:
                return mapper
        raise NotApplicable("the schema has no single-table inheritance")

    def _parts(self) -> list[Pair]:
        return [
            p for p in self._pairs("through") if p.child.placed.parent is p.parent.table and p.child.texts
        ]

    def _pairs(self, kind: str, *, itself: bool = False) -> list[Pair]:
        return [
            p
            for s in self._of_kind(kind)
            for p in self._pairs_of(s)
            if (p.child.table is p.parent.table) == itself
        ]

    def _pairs_of(self, shape: Shape) -> list[Pair]:
        return [
            self._pair(shape, constraint, parent)
            for constraint, parent in links(shape.table)
            if parent in self.shapes and shape.tenant_key not in {c.key for c in constraint.columns}
        ]

    def _pair(self, shape: Shape, constraint: Any, parent: Table) -> Pair:
        link = tuple((e.parent, e.column) for e in constraint.elements)
        itself = parent is shape.table
        child_cls, parent_cls = map_pair(self._mappings, shape.table, parent, link, itself=itself)
        top = self.shapes[parent]
        return Pair(
            self._shape(shape.table, shape.placed, shape.a, shape.b, child_cls),
            self._shape(parent, top.placed, top.a, top.b, parent_cls),
            link,
        )

    def map(self, table: Table, **properties: Any) -> Any:
        """Map one more class to a table, until the vector is over."""
        mappings = registry()
        self._stack.callback(mappings.dispose)
        return map_plain(mappings, table, **properties)

    # -- the database

    def snapshot(self) -> Snapshot:
        """Read the whole database."""
        with self.admin.connect() as connection:
            return Snapshot.take(connection, self.tenancy, self.tables)

    def reset(self) -> None:
        """Put every row back as it was seeded."""
        with self.admin.begin() as connection:
            if self.dialect in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=0")
            if self.dialect == "postgresql":
                quote = self.admin.dialect.identifier_preparer.format_table
                connection.exec_driver_sql(f"TRUNCATE {', '.join(quote(t) for t in self.tables)} CASCADE")
            else:
                for table in reversed(self.tables):
                    connection.execute(table.delete())
            self._insert(connection)
            if self.dialect in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=1")

    def _create(self) -> None:
        with self.admin.begin() as connection:
            for metadata in self.tenancy.metadata:
                metadata.create_all(connection, tables=[t for t in self.tables if t.metadata is metadata])
            self._insert(connection)

    def _insert(self, connection: Connection) -> None:
        for table, rows in self._seeds:
            for row in rows:
                connection.execute(table.insert().values({table.c[key]: value for key, value in row.items()}))


def _best(found: Sequence[Any], rank: Callable[[Any], Any], wanted: str) -> Any:
    if not found:
        raise NotApplicable(f"the schema has not {wanted}")
    return max(found, key=rank)


def _simple(shape: Shape) -> int:
    """Rank a table by how much a vector can do with it."""
    plain_key = len(shape.table.primary_key.columns) == 1
    return 4 * bool(shape.texts) + 2 * bool(shape.numbers) + plain_key


def _tables_of(tenancy: Tenancy) -> list[Table]:
    """Return every table that is no view, parents first."""
    tables = [t for metadata in tenancy.metadata for t in metadata.sorted_tables]
    return [table for table in tables if not table.info.get("is_view")]


def _mappers_of(tenancy: Tenancy) -> list[Mapper[Any]]:
    """Return the mappers of the application, in no order that matters."""
    known: set[MetaData] = set(tenancy.metadata)
    return [
        m for r in _all_registries() for m in r.mappers if getattr(m.local_table, "metadata", None) in known
    ]


def _two_tenants(tenancy: Tenancy) -> tuple[Any, Any]:
    """Return two tenant ids of the type that the tenant columns hold."""
    owned = [placed for placed in tenancy if placed.kind == "owned"]
    if not owned:
        raise NotApplicable("the tenancy has no owned table, so there is nothing to attack")
    kinds = {placed.python_type for placed in owned}
    if int in kinds:
        return 5001, 5002
    if uuid.UUID in kinds:
        return _UUIDS
    return _WORDS[0], _WORDS[1]


def _strict_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _loose_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.close()
