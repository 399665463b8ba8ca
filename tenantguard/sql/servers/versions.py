"""Versions: a server older than the guard supports is refused at the first connection."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tenantguard.errors import ConfigurationError
from tenantguard.sql.servers.collations import verify_columns
from tenantguard.sql.servers.security import ask_policies

# What the guard's own SQL and its look-ups rely on, and what still gets repairs of its makers, or nearly.
OLDEST = {"sqlite": (3, 35), "postgresql": (13,), "mariadb": (10, 5)}
# SQLite's own fault: a nested EXISTS, as that of a table which belongs through another, answers wrongly
_BROKEN = {"sqlite": {(3, 51, 0), (3, 51, 1)}}
_POOL_CLOSES = not sqlalchemy.__version__.startswith("2.0.")  # what failed to begin; 2.0 leaves it open
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}


def verify_server(dialect: Any) -> None:
    """Raise where the server that a dialect has met is not one on which the guard is proven.

    Raises:
        ConfigurationError: it is too old, it is known to answer wrongly, it is MySQL, which is not MariaDB, or it reads
            strings in the old way.
    """
    kind = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    found = getattr(dialect, "server_version_info", None)
    if not found or kind not in _NAMES:
        return
    told = f"{_NAMES[kind]} {'.'.join(map(str, found))}"
    if kind not in OLDEST:
        raise ConfigurationError(
            f"the server is {told}, and the guard is tested on SQLite, PostgreSQL and MariaDB; use "
            "guard(..., dialect_unproven=True) to use it anyway"
        )
    # SQLAlchemy asks for standard_conforming_strings; without it a backslash opens a string that we take for closed
    if kind == "postgresql" and getattr(dialect, "_backslash_escapes", False):
        raise ConfigurationError(
            "standard_conforming_strings is off on this connection, so text would be read differently from how it "
            "was verified; set it to on, PostgreSQL's default"
        )
    if tuple(found) in _BROKEN.get(kind, ()):
        raise ConfigurationError(
            f"the server is {told}, which evaluates nested EXISTS wrongly, and the guard's predicates use them; use "
            "another version, or use guard(..., dialect_unproven=True) to use it anyway"
        )
    if tuple(found) < OLDEST[kind]:
        oldest = ".".join(map(str, OLDEST[kind]))
        raise ConfigurationError(
            f"the server is {told}, and the guard is tested on {_NAMES[kind]} from {oldest} on; use "
            "guard(..., dialect_unproven=True) to use it anyway"
        )


def verify_next(engine: Engine, guard: Any) -> None:
    """Look at the database when a connection of an engine's pool is next handed out."""
    if engine.dialect.name != "postgresql" or not guard.enforces:
        return

    verified = False  # a listener that removed itself would change the list of listeners in use

    def verify(driver: Any, record: Any, fairy: Any) -> None:
        nonlocal verified
        if not verified:
            try:
                verify_columns(driver, guard.tenancy, "postgresql")
                ask_policies(driver, engine.dialect, guard)
            finally:
                driver.rollback()  # whoever gets the connection begins anew
            verified = True

    event.listen(engine.pool, "checkout", verify)


def verified(initialize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a dialect's ``initialize``, which runs on the first connection, with the check of the server added."""

    @functools.wraps(initialize)
    def call(self: Any, connection: Any) -> Any:
        found = initialize(self, connection)
        try:
            verify_server(self)
            if self.name == "postgresql" and self.tg_guard.enforces:
                driver = connection.connection.dbapi_connection
                verify_columns(driver, self.tg_guard.tenancy, "postgresql")
                ask_policies(driver, self, self.tg_guard)
        except ConfigurationError:
            if not _POOL_CLOSES:
                driver = connection.connection.dbapi_connection
                connection.invalidate()
                self.do_close(driver)
            raise
        return found

    return call
