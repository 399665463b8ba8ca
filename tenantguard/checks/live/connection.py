"""A read-only connection to a database, or one sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tenantguard.errors import ConfigurationError

# the application's URL may name an asynchronous driver, or the one that SQLAlchemy takes by itself
_DRIVERS = {
    "postgresql": ("psycopg", "psycopg2"),
    "mysql": ("pymysql", "mysqldb"),
    "mariadb": ("pymysql", "mysqldb"),
}
_MODULES = {"mysqldb": "MySQLdb"}
_SECONDS = 10
_WITHOUT_TRANSACTIONS = "transaction blocks not allowed"  # what PgBouncer says in statement mode


class NoTransactionsError(ConfigurationError):
    """A pooler in statement mode, which refuses transactions."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Yield a read-only connection.

    Raises:
        ConfigurationError: the URL cannot be read, its driver is missing, or the database does not respond.
        NoTransactionsError: a pooler does not support transactions.
    """
    made = sync_url(url)
    shown = made.render_as_string(hide_password=True)
    try:
        engine = create_engine(made, poolclass=NullPool, connect_args=_waiting(made))
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the driver of {shown} is not installed: {error.name}") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigurationError(f"the URL {shown} cannot be used: {error}") from error
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        if _WITHOUT_TRANSACTIONS in str(error):
            raise NoTransactionsError(
                f"{shown} does not keep a transaction on one connection: {first_line(error)}"
            ) from error
        raise ConfigurationError(f"cannot connect to {shown}: {first_line(error)}") from error
    try:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        yield connection
    finally:
        connection.close()
        engine.dispose()


def sync_url(url: str) -> URL:
    """Return the URL with an installed synchronous driver.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        made = make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number
        raise ConfigurationError(
            "the URL cannot be read; write dialect+driver://user:password@host/database"
        ) from error
    backend = made.get_backend_name()
    if backend == "sqlite":
        if made.database and made.database != ":memory:" and not made.database.startswith("file:"):
            return _present(made)
        return made.set(drivername="sqlite")
    driver = made.drivername.partition("+")[2]
    wanted = _DRIVERS.get(backend, ())
    if driver in wanted or not wanted:
        return made
    installed = next((one for one in wanted if find_spec(_MODULES.get(one, one))), None)
    return made if installed is None else made.set(drivername=f"{backend}+{installed}")


def _present(made: URL) -> URL:
    """Return the URL if its file exists, because SQLite would create an empty one."""
    if not Path(str(made.database)).exists():
        raise ConfigurationError(f"there is no database file {made.database}")
    return made.set(drivername="sqlite")


def _waiting(made: URL) -> dict[str, object]:
    return {"connect_timeout": _SECONDS} if made.get_backend_name() != "sqlite" else {}


def first_line(error: Exception) -> str:
    """Return a driver's error message in one line."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.partition("\n")[0] or type(error).__name__
