"""Sessions: whatever a session holds for one tenant is not served to another, however it was made."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.orm.util import identity_key

from tenantguard import (
    CrossTenantError,
    NoTenantError,
    RawSQLError,
    TenantGuardError,
    TenantSwitchError,
    bind,
    bypass,
)
from tenantguard.sql.sessions.identity import GuardedIdentityMap
from tests.models import Call, Country, Label, Number
from tests.sql.world import World, content, memory_world


class OwnSession(Session):
    """Be an application's own kind of session."""


MAKERS: dict[str, Callable[[Any], Any]] = {
    "plain": Session,
    "sessionmaker": lambda engine: sessionmaker(engine)(),
    "scoped_session": lambda engine: scoped_session(sessionmaker(engine)),
    "subclass": OwnSession,
    "binds": lambda engine: Session(binds={Call: engine}),
    "future connection": lambda engine: Session(engine.connect()),
}


@pytest.mark.parametrize("make", list(MAKERS))
def test_an_identity_map_hit_is_not_served_after_a_switch(memory: World, make: str) -> None:
    """get() of what the other tenant loaded is refused, for each kind of session."""
    session = MAKERS[make](memory.engine)
    with bind("acme"):
        assert session.get(Call, 1).id == 1
    with bind("globex"), pytest.raises(TenantSwitchError):
        session.get(Call, 1)
    session.close()


USES: dict[str, Callable[[Session], Any]] = {
    "query": lambda session: session.scalars(select(Call)).all(),
    "merge": lambda session: session.merge(Call(id=1, note="x")),
    "bulk": lambda session: session.bulk_save_objects([Label(name="x")]),
    "update": lambda session: session.execute(update(Label).values(name="x")),
    "iteration": list,
}


@pytest.mark.parametrize("use", list(USES))
def test_every_use_after_a_switch_is_refused(memory: World, use: str) -> None:
    """Not only hits: whatever the session is asked for."""
    with Session(memory.engine) as session:
        with bind("acme"):
            held = session.get(Call, 1)
            assert held is not None
        with bind("globex"), pytest.raises(TenantSwitchError):
            USES[use](session)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_end_of_a_transaction_does_not_free_a_session(memory: World, end: str) -> None:
    """A commit or rollback in mid-request keeps the objects, and so the owner."""
    with Session(memory.engine) as session:
        with bind("acme"):
            held = session.get_one(Call, 1)
            getattr(session, end)()
            assert held.seconds == 10
            getattr(session, end)()
        with bind("globex"), pytest.raises(TenantSwitchError):
            session.get(Call, 1)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_closed_session_serves_the_next_tenant(memory: World, end: str) -> None:
    """close() empties it."""
    session = Session(memory.engine)
    with bind("acme"):
        session.get_one(Call, 1)
    getattr(session, end)()
    with bind("globex"):
        assert session.get(Call, 1) is None
        assert session.get_one(Call, 101).company_id == "globex"
    session.close()


def test_expunge_all_after_the_transaction_frees_a_session(memory: World) -> None:
    """The documented way to go on with one session."""
    with Session(memory.engine) as session:
        with bind("acme"):
            session.get_one(Call, 1)
            session.rollback()
            session.expunge_all()
        with bind("globex"):
            assert session.get(Call, 1) is None


def test_rows_of_a_bypass_are_not_served_after_it(memory: World) -> None:
    """What was seen with the guard lifted is read anew, and found not to be the tenant's."""
    with Session(memory.engine) as session:
        with bypass(reason="a look"):
            held = session.get_one(Call, 101)
        with bind("acme"):
            assert session.get(Call, held.id) is None
            assert session.get_one(Call, 1).id == 1


def test_a_bypass_within_a_request_leaves_the_session_to_the_tenant(memory: World) -> None:
    """What the bypass has loaded is not served; what the tenant has loaded stays its own."""
    with bind("acme"), Session(memory.engine) as session:
        held = session.get_one(Call, 1)
        with bypass(reason="a look"):
            others = session.scalars(select(Call)).all()
        assert session.get(Call, 101) is None
        assert session.get(Call, 1) is held
        assert (held.id, len(others)) == (1, 9)
        assert [call.id for call in session.scalars(select(Call).order_by(Call.id))] == [1, 2, 3]


def test_a_session_with_rows_asks_for_a_binding(memory: World) -> None:
    """With nothing bound a hit is refused."""
    with Session(memory.engine) as session:
        with bind("acme"):
            held = session.get_one(Call, 1)
        with pytest.raises(NoTenantError):
            session.get(Call, held.id)


def test_an_object_is_not_carried_into_another_tenants_session(memory: World) -> None:
    """Expunged from one session, it is refused by the next."""
    with bind("acme"), Session(memory.engine) as session:
        held = session.get_one(Call, 1)
        session.expunge(held)
    with bind("globex"), Session(memory.engine) as session, pytest.raises(TenantSwitchError):
        session.add(held)


def test_what_was_added_for_one_tenant_is_not_flushed_for_another(memory: World) -> None:
    """The first operation of a fresh session is a flush, under the wrong tenant."""
    with Session(memory.engine) as session:
        with bind("acme"):
            session.add(Label(name="x"))
        with bind("globex"), pytest.raises(TenantSwitchError):
            session.flush()


def test_a_result_is_not_fetched_under_another_tenant(memory: World) -> None:
    """Rows that were asked for under one tenant."""
    with memory.engine.connect() as connection:
        with bind("acme"):
            result = connection.execute(select(Call.id))
        with bind("globex"), pytest.raises(TenantSwitchError):
            result.all()


def test_a_refreshed_stub_reads_nothing_of_another_tenant(memory: World) -> None:
    """A detached object with a foreign key value cannot be refreshed."""
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.orm import make_transient_to_detached

    stub = Call(id=101)
    make_transient_to_detached(stub)
    with bind("acme"), Session(memory.engine) as session:
        session.add(stub)
        with pytest.raises((InvalidRequestError, TenantGuardError)):
            session.refresh(stub)


def test_cleared_listeners_do_not_open_a_session(memory: World) -> None:
    """Other code may clear what listens on the Session class; the guard does not listen there."""
    for name in ("after_begin", "after_transaction_create"):
        getattr(Session.dispatch, name)._clslevel[Session].clear()
    with Session(memory.engine) as session:
        with bind("acme"):
            held = session.get_one(Call, 1)
        with bind("globex"), pytest.raises(TenantSwitchError):
            session.get(Call, held.id)


def test_a_foreign_update_in_a_fresh_session_is_our_error(memory: World) -> None:
    """The first statement of a session is an UPDATE of another tenant's row by its key."""
    with bind("acme"), Session(memory.engine) as session, pytest.raises(CrossTenantError):
        session.execute(update(Label), [{"id": 101, "name": "x"}])


def test_a_listener_that_binds_another_tenant_is_noticed(memory: World) -> None:
    """It acts after the connection was made ready for the binding that it leaves."""
    other = bind("globex")

    def switch(*_: Any) -> None:
        other.__enter__()

    with bind("acme"), Session(memory.engine) as session:
        session.get_one(Call, 1)
        event.listen(memory.engine, "before_execute", switch)
        try:
            with pytest.raises(TenantSwitchError):
                session.scalars(select(Call)).all()
        finally:
            other.__exit__(None, None, None)


def test_a_statement_of_a_bypass_is_not_executed_under_a_tenant(memory: World) -> None:
    """It was compiled for the bypass, without predicates, when a listener bound a tenant."""
    inner = bind("acme")

    def switch(*_: Any) -> None:
        inner.__enter__()

    with bypass(reason="count"), memory.engine.connect() as connection:
        event.listen(memory.engine, "before_execute", switch)
        try:
            with pytest.raises(RawSQLError, match="executed under another binding"):
                connection.execute(select(Call.id))
        finally:
            inner.__exit__(None, None, None)


def _routed(guarded: Engine, plain: Engine, model: type) -> Session:
    """Return a session that reads one class through an engine that is not guarded."""

    class Routed(Session):
        def get_bind(self, mapper: Any = None, **_kw: Any) -> Any:
            return plain if mapper is not None and mapper.class_ is model else guarded

    return Routed()


def test_rows_that_another_engine_still_gives_are_the_sessions(memory: World) -> None:
    """What loads them when the session first meets the guarded engine goes on with a map that the session keeps."""
    plain = memory_world().plain
    with bind("acme"), _routed(memory.engine, plain, Country) as session:
        countries = session.scalars(select(Country))
        assert session.scalars(select(Call.id).order_by(Call.id)).first() == 1
        for country in countries:
            country.name = "renamed"
        session.commit()
    assert {name for _, name in content(plain, "countries")["countries"]} == {"renamed"}


def test_a_session_keeps_the_map_that_it_began_with(memory: World) -> None:
    """It is of the guarded class from the start, because CPython is slow where the class of an object was changed."""
    session = Session(memory.engine)
    held: Any = session.identity_map
    assert type(held) is GuardedIdentityMap
    with bind("acme"), session:
        assert session.get_one(Call, 1).id == 1
        assert session.identity_map is held


def test_the_map_of_an_unguarded_session_serves_whoever_is_bound(memory: World) -> None:
    """A guard elsewhere in the process changes nothing for it."""
    with Session(memory.plain) as session:
        with bind("acme"):
            call = session.get_one(Call, 1)
        with bind("globex"):
            assert session.get_one(Call, 1) is call
            assert call in session
            session.expunge(call)
            session.add(call)
            assert list(session.identity_map.values()) == [call]
        held: Any = session.identity_map
        assert not held.tg_watches


@pytest.mark.parametrize("routed", [False, True])
def test_a_map_that_was_asked_for_early_serves_no_other_tenant(memory: World, *, routed: bool) -> None:
    """Whoever holds a session's map before its first use holds the guarded one."""
    session = _routed(memory.engine, memory.plain, Country) if routed else Session(memory.engine)
    held = session.identity_map
    with bind("acme"):
        call = session.get_one(Call, 1)
    with bind("globex"), pytest.raises(TenantSwitchError):
        held.get(identity_key(instance=call))
    session.close()


def test_a_row_of_another_engine_vouches_for_no_key(memory: World) -> None:
    """A parent that was read without the guard may be another tenant's; its key is looked up."""
    plain = memory_world().plain
    with bind("acme"), Session(binds={Number: plain, Call: memory.engine}) as session:
        number = session.get_one(Number, 101)
        session.add(Call(number_id=number.id, country_code="DE", seconds=1))
        with pytest.raises(CrossTenantError, match="references a row of numbers"):
            session.flush()


def test_a_second_engine_serves_no_row_of_a_bypass(memory: World) -> None:
    """The session began for the tenant, and loaded rows of a bypass before it reached the second engine."""
    other = memory_world()
    with bind("acme"), Session(binds={Number: other.engine, Call: memory.engine}) as session:
        session.begin()
        with bypass(reason="all of them"):
            held = session.get_one(Call, 101)
        assert {number.company_id for number in session.scalars(select(Number))} == {"acme"}
        assert session.get(Call, held.id) is None
    other.engine.dispose()
    other.plain.dispose()


def _picking(engine: Engine) -> Session:
    """Return a session that picks its engine for each statement."""

    class Picking(Session):
        def get_bind(self, *_args: Any, **_kw: Any) -> Any:
            return engine

    return Picking()


def _unbound(_engine: Engine) -> Session:
    """Return a session that is given its engine later."""
    return Session()


@pytest.mark.parametrize("make", [Session, _picking, _unbound])
@pytest.mark.parametrize("pickled", [False, True])
def test_an_object_of_another_tenant_is_not_attached(
    memory: World, make: Callable[[Engine], Session], *, pickled: bool
) -> None:
    """It would be served without a statement, whether or not the session's engine is known by then."""
    with bind("globex"), Session(memory.engine) as theirs:
        call = theirs.get_one(Call, 101)
        theirs.expunge(call)
    if pickled:
        call = pickle.loads(pickle.dumps(call))
    with bind("acme"), make(memory.engine) as session, pytest.raises(TenantSwitchError):
        session.add(call)


@pytest.mark.parametrize("make", [Session, _picking])
def test_an_object_that_was_attached_while_nothing_was_bound_stays_its_tenants(
    memory: World, make: Callable[[Engine], Session]
) -> None:
    """The session that took it in serves nobody else."""
    with bind("globex"), Session(memory.engine) as theirs:
        call = theirs.get_one(Call, 101)
        theirs.expunge(call)
    session = make(memory.engine)
    session.add(call)
    with bind("acme"), pytest.raises(TenantSwitchError):
        session.get(Call, 101)
    with bind("globex"):
        assert session.get(Call, 101) is call
    session.close()


def test_an_object_of_another_tenant_is_attached_to_a_session_of_an_engine_without_a_guard(
    memory: World,
) -> None:
    """What is not guarded is nobody's business here."""
    with bind("globex"), Session(memory.engine) as theirs:
        call = theirs.get_one(Call, 101)
        theirs.expunge(call)
    with bind("acme"), _picking(memory.plain) as session:
        session.add(call)
        assert session.get(Call, 101) is call
