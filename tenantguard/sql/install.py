"""Installation: verify the tenancy and the database, then put the guard into an engine."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.engine import Engine

from tenantguard.errors import ConfigurationError
from tenantguard.sql.compile.bypass_compiler import bypassing_compiler
from tenantguard.sql.compile.compiler import guarded_compiler
from tenantguard.sql.compile.identifiers import guarded_preparer, guarded_type_compiler
from tenantguard.sql.definitions import watch_definitions
from tenantguard.sql.exactness import inexact
from tenantguard.sql.execute.cursors import sending_methods
from tenantguard.sql.execute.doors import asking, composing_methods
from tenantguard.sql.execute.engines import GuardedEngine, guarded_pool
from tenantguard.sql.execute.execution import guarded_context
from tenantguard.sql.execute.shortcuts import short_context
from tenantguard.sql.execute.two_phase import prepared_methods
from tenantguard.sql.guard import Guard, Mode, RawSQL, permitting
from tenantguard.sql.observe import Observer, Observing
from tenantguard.sql.observe.engine import (
    announce,
    install_observer,
    observed,
    observed_context,
    verify_enforced,
)
from tenantguard.sql.patches import patch_sqlalchemy
from tenantguard.sql.predicates import Predicates
from tenantguard.sql.servers.database_mode import verify_row_security
from tenantguard.sql.servers.versions import verified, verify_next, verify_server
from tenantguard.sql.telling.drivers import connecting, verify_told
from tenantguard.sql.telling.row_security import RowSecurity, row_security_of
from tenantguard.tenancy import Placement, Tenancy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet, which a synchronous application may lack

EngineT = TypeVar("EngineT", Engine, "AsyncEngine")
PROVEN = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
SHORTCUTS = True  # tests leave them out


def guard(
    engine: EngineT,
    tenancy: Tenancy,
    *,
    raw_sql: RawSQL = "refuse",
    dialect_unproven: bool = False,
    row_security: RowSecurity | bool | None = None,
    mode: Mode = "enforce",
    enforce: Collection[str] | None = None,
    observing: Observing | None = None,
) -> EngineT:
    """Install enforcement on an engine, sync or async, and return the same object.

    Args:
        engine: the engine of the application.
        tenancy: how every table belongs.
        raw_sql: what happens to SQL text: ``"refuse"`` it, ``"rewrite"`` it with the predicates, or leave it to the
            ``"database"`` and its row security.
        dialect_unproven: accept a database, or a version, on which the guard has not been proven.
        row_security: whether and how the tenant is sent to PostgreSQL. By default it is sent if the database's policies
            ask for it; ``True`` tells it in any case, ``False`` never.
        mode: ``"enforce"``; or ``"observe"``, which changes nothing and records what would be changed or refused.
        enforce: tables that are enforced all the same, while the others are observed.
        observing: where records are written, and how results are compared.

    Raises:
        ConfigurationError: the tenancy has faults (all are listed), the engine is already guarded, or the
            database is not SQLite, PostgreSQL or MariaDB. If the server is too old, the first connection raises it.

    Example:
        >>> from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
        >>> metadata = MetaData()
        >>> calls = Table("calls", metadata, Column("id", Integer, primary_key=True),
        ...               Column("company_id", String, nullable=False))
        >>> engine = guard(create_engine("sqlite://"), Tenancy(metadata, column="company_id"))
    """
    sync: Any = getattr(engine, "sync_engine", engine)
    _verify_start(sync, tenancy, raw_sql, dialect_unproven)
    enforced, observer = _observer(sync, tenancy, raw_sql, dialect_unproven, mode, enforce, observing)
    installed = Guard(
        tenancy,
        raw_sql,
        dialect=sync.dialect.name,
        unproven=dialect_unproven,
        row_security=row_security_of(row_security),
        enforced=enforced,
        observer=observer,
    )
    if observer is not None:
        announce(sync, installed, observer)
        if not installed.enforces:
            install_observer(sync, installed)
            return engine
    verify_told(sync.dialect, installed)
    if not dialect_unproven:
        verify_server(sync.dialect)
    if raw_sql == "database":
        verify_row_security(engine, tenancy)
    if not dialect_unproven and getattr(sync.dialect, "server_version_info", None):
        verify_next(sync, installed)  # it was connected to, and is not initialised again
    _install(sync, installed)
    return engine


def _observer(
    engine: Engine,
    tenancy: Tenancy,
    raw_sql: RawSQL,
    unproven: bool,
    mode: str,
    enforce: Collection[str] | None,
    observing: Observing | None,
) -> tuple[frozenset[str] | None, Observer | None]:
    """Return the tables that are enforced where not all are, and what observes the others."""
    if mode not in ("enforce", "observe"):
        raise ConfigurationError(f'mode is "enforce" or "observe", not {mode!r}')
    if mode == "enforce":
        if enforce is not None or observing is not None:
            raise ConfigurationError(
                'enforce= and observing= need mode="observe"; otherwise every table is enforced'
            )
        return None, None
    enforced = verify_enforced(tenancy, enforce or ())
    # the comparison asks no policies, so it reads SQL text itself
    readable: RawSQL = "rewrite" if raw_sql == "database" else raw_sql
    whole = Guard(tenancy, readable, dialect=engine.dialect.name, unproven=unproven)
    permitting.discard(whole)  # it serves nobody
    return enforced, observed(engine, whole, _install, observing or Observing(), enforced)


def _verify_start(engine: Engine, tenancy: Tenancy, raw_sql: str, unproven: bool) -> None:
    if not isinstance(engine, Engine):
        raise ConfigurationError(f"guard() takes an Engine or an AsyncEngine, not {type(engine).__name__}")
    if getattr(engine.dialect, "tg_guard", None) is not None:
        raise ConfigurationError(
            "the engine is already guarded; call guard() once, where the engine is created"
        )
    if raw_sql not in ("refuse", "rewrite", "database"):
        raise ConfigurationError(f'raw_sql is "refuse", "rewrite" or "database", not {raw_sql!r}')
    if engine.dialect.name not in PROVEN and not unproven:
        raise ConfigurationError(
            f"the guard is tested on SQLite, PostgreSQL and MariaDB, not on {engine.dialect.name!r}; "
            "pass dialect_unproven=True to use it anyway"
        )
    tenancy.verify()
    faults = [fault for placement in tenancy if (fault := _collation_fault(placement, engine.dialect.name))]
    if faults:
        raise ConfigurationError("the tenancy cannot be enforced:\n" + "\n".join(f"  - {f}" for f in faults))


def _collation_fault(placement: Placement, dialect: str) -> str | None:
    """Tell why two tenants' ids would be one to the database, or return ``None``."""
    cause = inexact(placement.type, dialect) if placement.kind == "owned" else None
    if cause is None:
        return None
    return (
        f"the tenant column {placement.name}.{placement.column} may ignore case or spaces ({cause}), "
        "so two tenants could be one; give it an exact collation"
    )


def _install(engine: Engine, installed: Guard) -> None:
    """Swap the classes of dialect, engine and pool for guarded ones; the objects stay the same."""
    dialect: Any = engine.dialect
    if dialect.name == "sqlite" and dialect.paramstyle.startswith("numeric"):
        # sqlite3 binds :1 and :2 in the order in which they first stand, whatever their numbers are
        dialect.paramstyle = "qmark"
    variants: dict[Any, Any] = {
        mode: _variant(dialect, mode, installed) for mode in ("tenant", "tenants", "bypass")
    }
    only = variants["tenant"]
    dialect.tg_variants = installed.dialects = {**variants, "closed": only, None: only}
    if installed.tenancy.is_unrestricted:
        dialect.tg_variants = dict.fromkeys(dialect.tg_variants, only)
    if engine._compiled_cache is not None:
        installed.compiled.append(engine._compiled_cache)
    watch_definitions(installed)
    # copies of the engine may hold the dialect already; the engine gets another, since what was compiled
    # before stands in caches under the old one
    dialect.__class__ = type(only)
    engine.dialect = only
    engine.pool.__class__ = guarded_pool(_class_of(engine.pool))
    if installed.enforces:
        for name, guarded in (
            ("identifier_preparer", guarded_preparer),
            ("type_compiler_instance", guarded_type_compiler),
        ):
            part = getattr(dialect, name)
            part.__class__ = guarded(_class_of(part))
    engine.__class__ = GuardedEngine
    patch_sqlalchemy()


def _class_of(thing: object) -> Any:
    return type(thing)


def _variant(dialect: Any, mode: str, installed: Guard) -> Any:
    """Return the same dialect with another compiler: it shares all state, and is another key in every cache."""
    variant = object.__new__(_dialect_class(type(dialect), mode, installed))
    variant.__dict__ = dialect.__dict__
    return variant


def _dialect_class(cls: Any, mode: str, installed: Guard) -> Any:
    if mode == "bypass":
        compiler = bypassing_compiler(cls.statement_compiler, installed)
    else:
        predicates = Predicates(installed.tenancy, "tenants" if mode == "tenants" else "tenant", cls.name)
        compiler = guarded_compiler(cls.statement_compiler, installed, mode, predicates)
    context = guarded_context(cls.execution_ctx_cls)
    if SHORTCUTS:
        context = short_context(context)
    if installed.observer is not None:
        context = observed_context(context, installed.observer)
    members: dict[str, Any] = {
        "statement_compiler": compiler,
        "execution_ctx_cls": context,
        "tg_guard": installed,
        "tg_shape": None,
        "supports_statement_cache": cls.__dict__.get("supports_statement_cache", False),
    }
    members |= sending_methods(cls) | composing_methods(cls)
    members |= prepared_methods(members)
    if installed.row_security is not None and installed.enforces:
        members |= connecting(cls)
    if cls.name in ("postgresql", "sqlite"):
        installed.ask_at = 0.0 if installed.enforces else math.inf
    if cls.name == "postgresql":
        members["initialize"] = asking(members["initialize"])
    if not installed.unproven:
        members["initialize"] = verified(members["initialize"])
    members["__module__"] = cls.__module__
    return type(f"Guarded{cls.__name__}", (cls,), members)
