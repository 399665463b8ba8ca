"""tenantguard itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.micro.models import make_models
from benchmarks.micro.variants import SQLITE, Ready, connect_only, make_engine
from tenantguard import Tenancy, bind, guard
from tenantguard.sql import Observing


def tenantguard(url: str) -> Ready:
    """Return a guarded engine, and a second one that rewrites SQL text, made when a case sends some."""
    return _ready(url, {})


def observed(url: str) -> Ready:
    """Return an engine that is observed; where its database is a file, or a server, results are compared beside."""
    return _ready(url, {"mode": "observe", "observing": Observing(directory=mkdtemp(prefix="tg-bench-"))})


def _ready(url: str, options: dict[str, Any]) -> Ready:
    models = make_models()
    tenancy = Tenancy(models.Base.metadata, column="company_id", through={"tags": "call_id"})
    engine = guard(make_engine(url, models), tenancy, **options)
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        with bind(models.tenant), sessions() as session:
            yield session

    @contextmanager
    def connect(to: Engine) -> Iterator[Connection]:
        with bind(models.tenant), to.connect() as connection:
            yield connection

    def raw_connection() -> AbstractContextManager[Connection]:
        if ready.raw_engine is None:
            # In memory each engine has a database of its own; elsewhere the rows are there already.
            second = make_engine(url, models) if url.startswith(SQLITE) else connect_only(url)
            ready.raw_engine = guard(second, tenancy, raw_sql="rewrite", **options)
        return connect(ready.raw_engine)

    ready = Ready(models, engine, open_session, lambda: connect(engine), raw_connection)
    return ready
