"""The databases of the oracle: one of all tenants together, and one of each tenant alone with the shared rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    DefaultClause,
    Engine,
    MetaData,
    StaticPool,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.schema import CreateSchema

from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.testing.data import Data
from tenantguard.testing.generator.schema import Schema

State = dict[str, list[str]]


class Database:
    """A database that the oracle creates and drops.

    Args:
        url: the server; SQLite databases are made in memory.
        name: what tells this database apart.
    """

    def __init__(self, url: str | URL, name: str) -> None:
        self.url = make_url(url)
        self.name = f"tenantguard_oracle_{os.getpid()}_{name}"
        self.raw: Any = None  # the driver's connection: there is one, and no guard sees what is read on it
        self.engine = self._sqlite() if self.dialect == "sqlite" else self._server()
        if self.dialect == "sqlite":
            event.listen(self.engine, "begin", lambda connection: self.raw.execute("BEGIN"))
        event.listen(self.engine, "connect", self._connected)
        self.bare = self._bare()

    @property
    def dialect(self) -> str:
        """Return the dialect's name as programs know it: MariaDB is ``mysql`` too."""
        name = self.url.get_backend_name()
        return "mysql" if name == "mariadb" else name

    def _sqlite(self) -> Engine:
        return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    def _server(self) -> Engine:
        self._administer(f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name}")
        return create_engine(self.url.set(database=self.name), poolclass=StaticPool)

    def _bare(self) -> Engine:
        """Return a second engine on the same connection, which no guard is installed on."""
        engine = create_engine(self.engine.url, poolclass=StaticPool, creator=lambda: self.raw)
        if self.dialect == "sqlite":
            event.listen(engine, "begin", lambda connection: self.raw.execute("BEGIN"))
        return engine

    def _connected(self, connection: Any, record: object) -> None:
        self.raw = connection
        if self.dialect == "sqlite":
            connection.isolation_level = None  # the driver would begin late and commit on its own
            connection.execute("PRAGMA foreign_keys = ON")

    def _administer(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def fill(
        self, schema: Schema, data: Data, tenants: Iterable[TenantId], default: TenantId | None = None
    ) -> None:
        """Create the tables and insert the tenants' rows and the shared ones.

        Args:
            default: the value of the tenant column where an INSERT leaves it out: it stands for the stamp.
        """
        metadata = copy_of(schema, self.engine, default)
        with self.engine.begin() as connection:
            self._create(connection, metadata)
            for name, rows in data.slice(*tenants):
                if rows:
                    connection.execute(schema.tables[name].table.insert(), rows)

    def _create(self, connection: Connection, metadata: list[MetaData]) -> None:
        schemas = sorted({t.schema for m in metadata for t in m.tables.values() if t.schema})
        for name in schemas:
            if self.dialect == "sqlite":
                connection.execute(text(f"ATTACH ':memory:' AS {name}"))
            elif self.dialect == "mysql":
                raise ConfigurationError(
                    "the oracle cannot separate tables with a schema on MySQL or MariaDB"
                )
            else:
                connection.execute(CreateSchema(name, if_not_exists=True))
        for one in metadata:
            one.create_all(connection)

    def state(self, schema: Schema) -> State:
        """Return every row of every table as text, read beneath the engine."""
        cursor = self.raw.cursor()
        found = {}
        try:
            for name, query in self._queries(schema).items():
                cursor.execute(query)
                found[name] = sorted(map(repr, cursor.fetchall()))
        finally:
            cursor.close()
        return found

    def _queries(self, schema: Schema) -> dict[str, str]:
        if not hasattr(self, "_texts"):
            quote = self.engine.dialect.identifier_preparer
            self._texts = {
                name: f"SELECT {', '.join(quote.format_column(c.column) for c in info.columns)} "  # noqa: S608 - names of the metadata, quoted
                f"FROM {quote.format_table(info.table)}"
                for name, info in schema.tables.items()
            }
        return self._texts

    def close(self) -> None:
        """Drop the database."""
        self.engine.dispose()
        if self.dialect != "sqlite":
            force = " WITH (FORCE)" if self.dialect == "postgresql" else ""
            self._administer(f"DROP DATABASE IF EXISTS {self.name}{force}")


def copy_of(schema: Schema, engine: Engine, default: TenantId | None) -> list[MetaData]:
    """Return the metadata, with a default on every tenant column if one is given."""
    made = []
    for one in schema.metadata:
        copied = MetaData(schema=one.schema)
        for table in one.sorted_tables:
            _copy(schema, table, copied, engine, default)
        made.append(copied)
    return made


def _copy(schema: Schema, table: Table, into: MetaData, engine: Engine, default: TenantId | None) -> None:
    copied = table.to_metadata(into)
    info = schema.tables[schema.name(table)]
    if default is None or info.tenant_column is None or info.roots:
        return
    column = next(c for c in copied.columns if c.name == info.tenant_column)
    write: Callable[[Any], str] | None = column.type.dialect_impl(engine.dialect).literal_processor(
        engine.dialect
    )
    if write is not None:
        column.server_default = DefaultClause(text(write(default).replace(":", "\\:")))
