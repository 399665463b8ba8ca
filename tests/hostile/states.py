"""States: what a session has done, and how its transaction stands, when it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from tests.hostile.world import Call, Note, Tag

State = Callable[[Engine], Any]


@contextmanager
def _fresh(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
        session.commit()


@contextmanager
def _loaded(engine: Engine) -> Iterator[Session]:
    """Hold every row of the company."""
    with Session(engine) as session:
        held = [session.scalars(select(model)).all() for model in (Call, Tag, Note)]
        yield session
        session.commit()
        del held


@contextmanager
def _in_a_savepoint(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        with session.begin_nested():
            yield session
        session.commit()


@contextmanager
def _after_a_rollback(engine: Engine) -> Iterator[Session]:
    """Hold a call that a savepoint has taken back."""
    with Session(engine) as session:
        nested = session.begin_nested()
        session.execute(insert(Call).values(id=777, company_id="acme"))
        session.add(Note(id=778, company_id="acme", call_id=777))
        session.flush()
        nested.rollback()
        yield session
        session.commit()


@contextmanager
def _after_an_error(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        with suppress(Exception), session.begin_nested():
            session.execute(insert(Tag).values(id=1, call_id=1))
        yield session
        session.commit()


@contextmanager
def _known(engine: Engine) -> Iterator[Session]:
    """Name a parent again that was named in this transaction."""
    with Session(engine) as session:
        session.execute(insert(Tag).values(id=9, call_id=1))
        session.execute(insert(Note).values(id=9, company_id="acme", call_id=1, tag_id=1))
        yield session
        session.commit()


@contextmanager
def _committed(engine: Engine) -> Iterator[Session]:
    """Go on with what an earlier transaction loaded."""
    with Session(engine, expire_on_commit=False) as session:
        held = session.scalars(select(Call)).all()
        session.commit()
        yield session
        session.commit()
        del held


@contextmanager
def _autocommit(engine: Engine) -> Iterator[Session]:
    with Session(engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        yield session
        session.commit()


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Session]:
    level = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "REPEATABLE READ"
    with Session(engine.execution_options(isolation_level=level)) as session:
        session.scalars(select(Note)).all()
        yield session
        session.commit()


@contextmanager
def _joined(engine: Engine) -> Iterator[Session]:
    """Join a transaction that somebody else began."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
            session.commit()
        outer.commit()


STATES: dict[str, State] = {
    "fresh": _fresh,
    "loaded": _loaded,
    "in a savepoint": _in_a_savepoint,
    "after a rollback": _after_a_rollback,
    "after an error": _after_an_error,
    "known": _known,
    "committed": _committed,
    "autocommit": _autocommit,
    "snapshot": _snapshot,
    "joined": _joined,
}
