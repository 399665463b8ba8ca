"""A database of the kit's own: made empty, thrown away afterwards."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url

from tenantguard.errors import ConfigurationError

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
    server = create_engine(sync_url(url), isolation_level="AUTOCOMMIT")
    quoted = server.dialect.identifier_preparer.quote_identifier(name)
    force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    try:
        yield url.set(database=name)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {quoted}{force}")
        server.dispose()


def sync_url(url: URL) -> URL:
    """Return the URL with a synchronous driver, for the kit's own work."""
    if not url.get_dialect().is_async:
        return url
    return url.set(drivername=f"{url.get_backend_name()}+{_SYNC[url.get_backend_name()]}")
