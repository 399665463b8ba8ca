"""tenantguard itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.micro.models import make_models
from benchmarks.micro.variants import SQLITE, Ready, connect_only, make_engine
from tenantguard import Tenancy, bind, guard


def tenantguard(url: str) -> Ready:
    """Return a guarded engine, and a second one that rewrites SQL text."""
    models = make_models()
    tenancy = Tenancy(models.Base.metadata, column="company_id", through={"tags": "call_id"})
    engine = guard(make_engine(url, models), tenancy)
    # In memory each engine has a database of its own; elsewhere the rows are there already.
    second = make_engine(url, models) if url.startswith(SQLITE) else connect_only(url)
    rewriting = guard(second, tenancy, raw_sql="rewrite")
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        with bind(models.tenant), sessions() as session:
            yield session

    @contextmanager
    def connect(to: Engine) -> Iterator[Connection]:
        with bind(models.tenant), to.connect() as connection:
            yield connection

    return Ready(models, engine, open_session, lambda: connect(engine), lambda: connect(rewriting), rewriting)
