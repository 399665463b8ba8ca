"""The ways in which the example application is served; one more is one more row in the table."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import DDL, ColumnDefault, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from benchmarks.locust import handwritten
from benchmarks.locust.companies import company_id
from benchmarks.locust.identity import company_of
from benchmarks.tokens import AUDIENCE, ISSUER, Signer
from examples.fastapi_app.app import OPEN_PATHS, create_unguarded_app, tenancy
from examples.fastapi_app.app import create_app as create_guarded_app
from examples.fastapi_app.database import make_engine
from examples.fastapi_app.live import Live
from examples.fastapi_app.models import Base, Company, Owned
from examples.fastapi_app.routes import router
from tenantguard import TenantMiddleware, TokenVerifier, guard

SQLITE, POSTGRESQL = "sqlite", "postgresql"
NOTHING, HAND, OURS, ALONE = "nothing", "handwritten", "tenantguard", "alone"


def nothing(engine: AsyncEngine, signer: Signer) -> FastAPI:
    """Return the application with no security, for a database of a single company."""
    for table in Base.metadata.tables.values():
        if "company_id" in table.c:
            ColumnDefault(company_id(0))._set_parent_with_dispatch(table.c.company_id)
    return create_unguarded_app(engine)


def by_hand(engine: AsyncEngine, signer: Signer) -> FastAPI:
    """Return the application with PyJWT in a dependency and filters by hand."""
    app = _app(engine, signer, async_sessionmaker(engine, expire_on_commit=False))
    app.include_router(handwritten.router)
    return app


def guarded(engine: AsyncEngine, signer: Signer) -> FastAPI:
    """Return the example as it is: the guard and the middleware."""
    return create_guarded_app(engine, _verifier(signer))


def recipe(engine: AsyncEngine, signer: Signer) -> FastAPI:
    """Return the example with the recipe of SQLAlchemy's documentation and PyJWT in a dependency."""
    bound: ContextVar[str] = ContextVar("company")

    class CompanySession(Session):
        pass

    @event.listens_for(CompanySession, "do_orm_execute")
    def add_criteria(state: ORMExecuteState) -> None:
        if state.is_column_load or state.is_relationship_load:
            return
        mine = bound.get()
        state.statement = state.statement.options(
            with_loader_criteria(Owned, lambda cls: cls.company_id == mine, include_aliases=True),
            with_loader_criteria(Company, lambda cls: cls.id == mine, include_aliases=True),
        )

    @event.listens_for(CompanySession, "before_flush")
    def stamp(session: Session, context: object, instances: object) -> None:
        for new in session.new:
            if isinstance(new, Owned):
                new.company_id = bound.get()

    async def bind(company: Annotated[str, Depends(company_of)]) -> None:
        bound.set(company)

    sessions = async_sessionmaker(engine, expire_on_commit=False, sync_session_class=CompanySession)
    app = _app(engine, signer, sessions)
    app.include_router(router, dependencies=[Depends(bind)])
    return app


def _app(engine: AsyncEngine, signer: Signer, sessions: async_sessionmaker[Any]) -> FastAPI:
    app = FastAPI(title="Call centre")
    app.state.engine, app.state.sessions, app.state.live, app.state.key = engine, sessions, Live(), signer.key
    return app


def over_policies(engine: AsyncEngine, signer: Signer) -> FastAPI:
    """Return the guarded example on a database whose row security is told the tenant of each transaction."""
    app = create_unguarded_app(guard(engine, tenancy, raw_sql="database"))
    app.add_middleware(TenantMiddleware, verifier=_verifier(signer), exempt=OPEN_PATHS)
    return app


def _verifier(signer: Signer) -> TokenVerifier:
    return TokenVerifier(
        key=signer.public, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, tenant_claim="company_id"
    )


def add_policies(engine: Engine) -> None:
    """Put row security on every table that companies own; the owner of the tables is not exempt."""
    own = "(SELECT current_setting('tenantguard.tenant', true))"
    conditions = dict.fromkeys(("users", "numbers", "calls", "comments"), f"company_id = {own}")
    conditions |= {"companies": f"id = {own}", "call_tags": "call_id IN (SELECT id FROM calls)"}
    with engine.begin() as connection:
        for table, condition in conditions.items():
            connection.execute(DDL(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
            connection.execute(DDL(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"))
            connection.execute(DDL(f"CREATE POLICY own ON {table} USING ({condition})"))


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        name: how the results call it.
        title: how people call it.
        make: returns the application.
        alone: its database holds a single company: nothing would keep several apart, or it is compared with that.
        attacked: intruders try it; only what promises to refuse their writes, too, is measured beside them.
        prepare: what its filled database needs besides.
        backends: the databases it is made for.
    """

    name: str
    title: str
    make: Callable[[AsyncEngine, Signer], FastAPI]
    alone: bool = False
    attacked: bool = True
    prepare: Callable[[Engine], None] | None = None
    backends: tuple[str, ...] = (SQLITE, POSTGRESQL)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(NOTHING, "no security, one company's rows", nothing, alone=True, attacked=False),
        Kind(HAND, "PyJWT dependency, filters by hand", by_hand),
        Kind(OURS, "tenantguard", guarded),
        Kind(ALONE, "tenantguard, one company's rows", guarded, alone=True, attacked=False),
        Kind("recipe", "SQLAlchemy's recipe, PyJWT dependency", recipe, attacked=False),
        Kind(
            "underneath",
            "tenantguard, row security underneath",
            over_policies,
            prepare=add_policies,
            backends=(POSTGRESQL,),
        ),
    )
}


def create_app() -> FastAPI:
    """Return the application that the environment names; uvicorn calls this."""
    # the servers of all kinds stay up at once, and PostgreSQL takes 100 connections in all
    engine = make_engine(os.environ["BENCH_DATABASE"], pool_size=12, max_overflow=0)
    signer = Signer("RS256", None, os.environ["BENCH_KEY"])
    return KINDS[os.environ["BENCH_KIND"]].make(engine, signer)
