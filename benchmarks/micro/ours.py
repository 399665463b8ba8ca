"""What needs SQLAlchemy only: no isolation at all, and the recipe of its documentation.

SQLAlchemy evaluates the annotations of a mixin, so they are not postponed here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import String, event
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, sessionmaker, with_loader_criteria

from benchmarks.micro.models import make_models
from benchmarks.micro.variants import Ready, make_engine


def unguarded(url: str) -> Ready:
    """Return plain SQLAlchemy; the filter by hand runs on it as well."""
    models = make_models()
    engine = make_engine(url, models)
    sessions = sessionmaker(engine)

    @contextmanager
    def open_session() -> Iterator[Session]:
        # a generator as for everyone else: the benchmark's own frames are nobody's cost
        with sessions() as session:
            yield session

    return Ready(models, engine, open_session, engine.connect, engine.connect)


def recipe(url: str) -> Ready:
    """Return the recipe of SQLAlchemy's documentation, "adding global WHERE / ON criteria".

    The listener is put on a session class of its own, so that it costs nobody else anything.
    """
    tenant: ContextVar[str] = ContextVar("tenant")

    class Owned:
        company_id: Mapped[str] = mapped_column(String(40), index=True)

    models = make_models(mixins=(Owned,), own_column=False)

    class TenantSession(Session):
        pass

    @event.listens_for(TenantSession, "do_orm_execute")
    def add_criteria(state: ORMExecuteState) -> None:
        if state.is_column_load or state.is_relationship_load:
            return
        company = tenant.get()
        state.statement = state.statement.options(
            with_loader_criteria(Owned, lambda cls: cls.company_id == company, include_aliases=True)
        )

    engine = make_engine(url, models)
    sessions = sessionmaker(engine, class_=TenantSession)

    @contextmanager
    def open_session() -> Iterator[Session]:
        mark = tenant.set(models.tenant)
        try:
            with sessions() as session:
                yield session
        finally:
            tenant.reset(mark)

    return Ready(models, engine, open_session)
