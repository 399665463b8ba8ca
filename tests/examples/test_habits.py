"""What applications have around their sessions goes on as before: listeners, comments, replicas, rollbacks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Delete, Insert, Update

from tenantguard import NoTenantError, bind, carry, guard
from tests.models import Call, Comment, create_schema, make_tenancy, seed
from tests.servers import Database
from tests.sql.world import World, memory_world


@pytest.fixture
def world() -> Iterator[World]:
    """Give a seeded world in memory."""
    made = memory_world()
    yield made
    made.engine.dispose()
    made.plain.dispose()


@contextmanager
def listening(target: Any, name: str, listener: Callable[..., Any], **how: Any) -> Iterator[None]:
    """Listen for a block."""
    event.listen(target, name, listener, **how)
    try:
        yield
    finally:
        event.remove(target, name, listener)


def calls(session: Session) -> int:
    """Return how many calls there are."""
    return session.scalar(select(func.count()).select_from(Call)) or 0


def new_call(session: Session) -> Call:
    """Return a call like the first one, which is not added yet."""
    first = session.scalars(select(Call).order_by(Call.id)).first()
    assert first is not None
    columns = [c.key for c in Call.__table__.c if c.key not in ("id", "company_id")]
    return Call(**{name: getattr(first, name) for name in columns})


def test_a_listener_that_writes_before_a_flush(world: World) -> None:
    """The row that an audit adds is stamped as every other."""

    def note(session: Session, *_: Any) -> None:
        for changed in [found for found in session.dirty if isinstance(found, Call)]:
            session.add(Comment(call_id=changed.id, body="changed"))

    with bind("globex"), Session(world.engine) as session, listening(session, "before_flush", note):
        call = session.scalars(select(Call)).first()
        assert call is not None
        call.note = "changed"
        session.commit()
        companies = session.scalars(select(Comment.company_id).where(Comment.body == "changed")).all()
    assert companies == ["globex"]


def test_a_listener_that_writes_on_the_connection(world: World) -> None:
    """What a mapper's listener inserts with Core is stamped too."""

    def note(_mapper: Any, connection: Any, call: Call) -> None:
        connection.execute(insert(Comment).values(call_id=call.id, body="made"))

    with bind("acme"), Session(world.engine) as session, listening(Call, "after_insert", note):
        session.add(new_call(session))
        session.commit()
        assert session.scalars(select(Comment.company_id).where(Comment.body == "made")).all() == ["acme"]


def test_listeners_that_count_and_comment(world: World) -> None:
    """A comment behind each statement, as tracing adds it, changes nothing; neither does counting."""
    sent: list[str] = []

    def comment(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        sent.append(statement)
        return f"{statement} /*route='%2Fcalls',traceparent='00-ab'*/", parameters

    tracing = listening(world.engine, "before_cursor_execute", comment, retval=True)
    with tracing, bind("acme"), Session(world.engine) as session:
        before = calls(session)
        session.add(new_call(session))
        session.commit()
        assert calls(session) == before + 1
    assert len(sent) >= 4


def test_a_session_that_chooses_its_engine() -> None:
    """Primary and replica are guarded one by one; each session asks both as one company."""
    primary, replica = memory_world(), memory_world()

    class Routed(Session):
        def get_bind(self, mapper: Any = None, *, clause: Any = None, **how: Any) -> Engine:
            writes = self._flushing or isinstance(clause, Insert | Update | Delete)
            return primary.engine if writes else replica.engine

    with bind("acme"), Routed() as session:
        before = calls(session)
        session.add(new_call(session))
        session.flush()
        assert calls(session) == before
        session.commit()
    with bind("acme"), Session(primary.engine) as plain:
        assert calls(plain) == before + 1


def test_a_fixture_that_rolls_everything_back(postgresql_database: Database) -> None:
    """Sessions of two companies on one connection commit into savepoints, and nothing stays."""
    plain = postgresql_database.create_engine()
    create_schema(plain)
    seed(plain)
    engine = guard(postgresql_database.create_engine(), make_tenancy())
    with engine.connect() as connection:
        outer = connection.begin()
        for company in ("acme", "globex"):
            with bind(company), Session(connection, join_transaction_mode="create_savepoint") as session:
                before = calls(session)
                session.add(new_call(session))
                session.commit()
                assert calls(session) == before + 1
        outer.rollback()
    with bind("globex"), Session(engine) as session:
        assert calls(session) == before


@pytest.mark.parametrize("carried", [True, False])
def test_a_worker_thread(world: World, carried: bool) -> None:
    """A thread works for the company that it was given along, and for nobody otherwise."""
    found: list[Any] = []

    def work() -> None:
        try:
            with Session(world.engine) as session:
                found.append(calls(session))
        except NoTenantError as error:
            found.append(error)

    with bind("acme"):
        thread = threading.Thread(target=carry(work) if carried else work)
        thread.start()
        thread.join()
    assert isinstance(found[0], int if carried else NoTenantError)
