"""Packages that users would otherwise pick, set up as their own documentation says.

Each function imports its package, which is installed in an environment of its own; see
``benchmarks/environments.py``. Only speed is compared here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.micro.models import TENANTS, Models, make_models, string_ids
from benchmarks.micro.variants import Ready, make_engine

INTEGERS = tuple(range(1, TENANTS + 1))


def softtenant(url: str) -> Ready:
    """Return softtenant: its mixin, its hooks on the session class, its context."""
    from softtenant import TenantScopedMixin, install_scoping_hooks, tenant_context  # type: ignore[import-not-found]  # in its own environment

    models = make_models("company_id", INTEGERS, (TenantScopedMixin,), own_column=False)
    engine = make_engine(url, models)
    install_scoping_hooks(Session)
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        with tenant_context(models.tenant), sessions() as session:
            yield session

    return Ready(models, engine, open_session)


def litestar_tenants(url: str) -> Ready:
    """Return litestar-tenants in the mode that works on any database."""
    from litestar_tenants import TenantMixin, register_tenant_scoping, scope_session_to_tenant  # type: ignore[import-not-found]  # in its own environment

    models = make_models("tenant", string_ids(), (TenantMixin,), own_column=False)
    engine = make_engine(url, models)
    register_tenant_scoping()
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        with sessions() as session:
            scope_session_to_tenant(session, models.tenant)
            yield session

    return Ready(models, engine, open_session)


def sqlalchemy_tenants(url: str) -> Ready:
    """Return sqlalchemy-tenants: row security by a role per tenant, its session manager.

    Its policies are created through Alembic; the statements are its own, run without the migration.
    """
    from sqlalchemy_tenants import core, with_rls  # type: ignore[import-not-found]  # in its own environment
    from sqlalchemy_tenants.managers import PostgresManager  # type: ignore[import-not-found]  # in its own environment

    models = make_models("tenant", string_ids())
    owned = [with_rls(model) for model in (models.Number, models.Call)]

    def policies(connection: Connection) -> None:
        run = connection.exec_driver_sql
        run(f'DROP ROLE IF EXISTS "{core.get_tenant_role_name(models.tenant)}"')  # roles outlive databases
        name = core.GET_TENANT_FUNCTION_NAME
        template = core._GET_TENANT_FUNCTION_TEMPLATE
        run(template.format(name=name, tenant_role_prefix=core.TENANT_ROLE_PREFIX))
        for model in owned:
            table = model.__tablename__
            run(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
            run(core.get_table_policy(table_name=table, column_type=str))

    engine = make_engine(url, models, policies)
    manager = PostgresManager.from_engine(engine, schema_name="public")
    manager.create_tenant(models.tenant)
    with engine.begin() as connection:
        role = f'"{core.get_tenant_role_name(models.tenant)}"'
        connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")

    def open_session() -> Any:
        return manager.new_tenant_session(models.tenant)

    return _by_session(models, engine, open_session)


def fastapi_rls(url: str) -> Ready:
    """Return fastapi-rls: row security by a setting per transaction, its session dependency."""
    from fastapi_rls import RLS, TenantPolicy  # type: ignore[import-not-found]  # in its own environment
    from fastapi_rls.registry import PolicyRegistry  # type: ignore[import-not-found]  # in its own environment

    models = make_models("tenant_id", string_ids())
    engine = make_engine(url, models)
    registry = PolicyRegistry()
    for table in ("numbers", "calls"):
        policy = TenantPolicy("tenant_isolation", column="tenant_id", context_type="text")
        policy.bind_table(table)
        registry.register(policy)
    rls = RLS(engine=engine, registry=registry)
    rls.sync()
    dependency = contextmanager(rls.session_dependency(identity=dict))

    def open_session() -> Any:
        return dependency({"tenant_id": models.tenant})

    return _by_session(models, engine, open_session)


def _by_session(models: Models, engine: Engine, open_session: Any) -> Ready:
    """Take the connection from the session: row security covers whatever runs on it."""

    @contextmanager
    def connect() -> Iterator[Connection]:
        with open_session() as session:
            yield session.connection()

    return Ready(models, engine, open_session, connect, connect)
