"""The kit's own database: created empty, dropped afterwards."""

from __future__ import annotations

import importlib.util
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, Table, create_engine, event, make_url
from sqlalchemy.schema import CreateSchema

from tenantguard.errors import ConfigurationError
from tenantguard.testing.vectors.table import NotApplicable

_ASYNC = {
    "sqlite": ("aiosqlite",),
    "postgresql": ("asyncpg", "psycopg"),
    "mysql": ("aiomysql", "asyncmy"),
    "mariadb": ("aiomysql", "asyncmy"),
}
_SYNC = {"sqlite": "pysqlite", "postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}


@contextmanager
def fresh_database(url: str | URL) -> Iterator[URL]:
    """Make an empty database beside the one that the URL names, and drop it at the end.

    Args:
        url: where to make it. On SQLite the path is not touched, a temporary file is used; on PostgreSQL and
            MariaDB the user must be allowed to create databases.

    Yields:
        The URL of the new database, with the driver that was given.

    Raises:
        ConfigurationError: the database is none of these.
    """
    url = make_url(url)
    name = f"tenantguard_attack_{secrets.token_hex(6)}"
    if url.get_backend_name() == "sqlite":
        with tempfile.TemporaryDirectory(prefix="tenantguard-") as folder:
            yield url.set(database=str(Path(folder) / f"{name}.db"), query={})
        return
    if url.get_backend_name() not in _SYNC:
        raise ConfigurationError(
            f"no copy can be made on {url.get_backend_name()}; use SQLite, PostgreSQL or MariaDB"
        )
    server = create_engine(sync_url(url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    quoted = server.dialect.identifier_preparer.quote_identifier(name)
    force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    try:
        yield url.set(database=name)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {quoted}{force}")


def sync_url(url: URL) -> URL:
    """Return the URL with a synchronous driver, for the kit's own work."""
    if not url.get_dialect().is_async:
        return url
    return url.set(drivername=f"{url.get_backend_name()}+{_SYNC[url.get_backend_name()]}")


def async_url(url: URL) -> URL:
    """Return the URL with an asynchronous driver that is installed.

    Raises:
        NotApplicable: there is none, so a synchronous application is not attacked through one.
    """
    if url.get_dialect().is_async:
        return url
    backend = url.get_backend_name()
    found = next((name for name in _ASYNC[backend] if _installed(name)), None)
    if found is None or not _installed("greenlet"):
        wanted = " or ".join(_ASYNC[backend]) if found is None else "greenlet"
        raise NotApplicable(f"asynchronous engines need {wanted}, which is not installed")
    return url.set(drivername=f"{backend}+{found}")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # the module was put out of reach: sys.modules holds None
        return False


def schemas_of(tables: Iterable[Table]) -> list[str]:
    """Return the schemas that tables name."""
    return sorted({table.schema for table in tables if table.schema is not None})


def refuse_foreign_schemas(dialect: str, schemas: list[str]) -> None:
    """Refuse schemas where they would be databases that were there before: the kit touches only its own.

    Raises:
        ConfigurationError: it is MySQL or MariaDB, and tables name a schema.
    """
    if schemas and dialect in ("mysql", "mariadb"):
        raise ConfigurationError(
            f"tables name the schemas {', '.join(schemas)}, which are databases of their own on {dialect}, "
            "and the attack kit touches only the one it made; leave the schema out of the models for this run"
        )


def attach_schemas(engine: Engine, schemas: list[str]) -> None:
    """Attach a file per schema to each connection of a SQLite database, beside the database's own file."""
    folder = Path(engine.url.database or "").parent

    def attach(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for schema in schemas:
            quoted = engine.dialect.identifier_preparer.quote_identifier(schema)
            cursor.execute(f"ATTACH DATABASE ? AS {quoted}", (str(folder / f"{schema}.attached.db"),))
        cursor.close()

    if schemas:
        event.listen(engine, "connect", attach)


def create_schemas(connection: Connection, schemas: list[str]) -> None:
    """Create the schemas that tables name, where a database has schemas of its own."""
    if connection.dialect.name == "postgresql":
        for schema in schemas:
            connection.execute(CreateSchema(schema, if_not_exists=True))
