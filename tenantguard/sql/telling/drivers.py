"""The drivers that can send the tenant with a transaction, and the connections that they make for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.sql.telling import asyncpg_begin, psycopg_pipeline
from tenantguard.sql.telling.row_security import RowSecurity

DRIVERS = frozenset({"psycopg", "psycopg_async", "asyncpg"})


def verify_driver(dialect: Any) -> None:
    """Refuse a driver that cannot send the tenant with a transaction.

    Raises:
        ConfigurationError: it is another one than psycopg and asyncpg.
    """
    if dialect.name == "postgresql" and dialect.driver not in DRIVERS:
        raise ConfigurationError(
            f"the driver is {dialect.driver}, which cannot pass the tenant to a transaction; use psycopg "
            "(postgresql+psycopg://) or asyncpg (postgresql+asyncpg://), or say guard(..., row_security=False)"
        )


def verify_told(dialect: Any, guard: Any) -> None:
    """Refuse options of row security that cannot be carried out.

    Args:
        dialect: of the engine.
        guard: what is about to be installed.

    Raises:
        ConfigurationError: it is another database, or another driver, or ``raw_sql="database"`` relies on it.
    """
    if guard.row_security is None:
        if guard.raw_sql == "database":
            raise ConfigurationError(
                'raw_sql="database" relies on row security, and row_security=False turns it off'
            )
        return
    said = guard.row_security != RowSecurity()
    if said and dialect.name != "postgresql":
        raise ConfigurationError(
            f"row security needs PostgreSQL, and the engine's database is {dialect.name}"
        )
    if said or guard.raw_sql == "database":
        verify_driver(dialect)
    if guard.maintenance is not None:
        other = guard.maintenance.dialect
        if hasattr(other, "tg_guard") or (other.driver, other.is_async) != (dialect.driver, dialect.is_async):
            raise ConfigurationError(
                "the maintenance engine must have no guard and use the same driver, synchronous or asynchronous"
            )


def connecting(cls: Any) -> dict[str, Any]:
    """Return the ``connect`` of a dialect's class that makes connections which take settings along, if there is one."""
    connect: Callable[..., Any] = cls.connect

    @functools.wraps(connect)
    def call(self: Any, *args: Any, **kw: Any) -> Any:
        if self.driver == "asyncpg":
            if "async_creator_fn" not in kw:
                kw["connection_class"] = asyncpg_begin.telling_connection(
                    kw.get("connection_class", self.dbapi.asyncpg.Connection)
                )
        elif self.is_async:
            psycopg = self.dbapi.psycopg
            telling = psycopg_pipeline.telling_connection(psycopg.AsyncConnection, psycopg)
            kw.setdefault("async_creator_fn", telling.connect)
        else:
            psycopg = self.loaded_dbapi
            return psycopg_pipeline.telling_connection(psycopg.Connection, psycopg).connect(*args, **kw)
        return connect(self, *args, **kw)

    return {"connect": call} if cls.name == "postgresql" and cls.driver in DRIVERS else {}
