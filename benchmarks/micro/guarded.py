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
from tenantguard import Principal, Tenancy, bind, guard
from tenantguard.sql import Observing


def tenantguard(url: str) -> Ready:
    """Return a guarded engine, and a second one that rewrites SQL text, made when a case sends some."""
    return _ready(url, {})


def observed(url: str) -> Ready:
    """Return an engine that is observed; where its database is a file, or a server, results are compared beside."""
    return _ready(url, {"mode": "observe", "observing": Observing(directory=mkdtemp(prefix="tg-bench-"))})


def permitted(url: str) -> Ready:
    """Return a guarded engine, each table of which takes permissions, which whoever is bound has."""
    return _ready(url, {}, takes=("read", "write"))


def _ready(url: str, options: dict[str, Any], takes: tuple[str, ...] = ()) -> Ready:
    models = make_models()
    names = [table.name for table in models.Base.metadata.sorted_tables]
    permissions = {name: {act: f"{name}:{act}" for act in takes} for name in names} if takes else None
    tenancy = Tenancy(
        models.Base.metadata, column="company_id", through={"tags": "call_id"}, permissions=permissions
    )
    held = frozenset(f"{name}:{act}" for name in names for act in takes)
    who = Principal("ada", models.tenant, held) if takes else models.tenant
    engine = guard(make_engine(url, models), tenancy, **options)
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        with bind(who), sessions() as session:
            yield session

    @contextmanager
    def connect(to: Engine) -> Iterator[Connection]:
        with bind(who), to.connect() as connection:
            yield connection

    def raw_connection() -> AbstractContextManager[Connection]:
        if ready.raw_engine is None:
            # In memory each engine has a database of its own; elsewhere the rows are there already.
            second = make_engine(url, models) if url.startswith(SQLITE) else connect_only(url)
            ready.raw_engine = guard(second, tenancy, raw_sql="rewrite", **options)
        return connect(ready.raw_engine)

    ready = Ready(models, engine, open_session, lambda: connect(engine), raw_connection)
    return ready
