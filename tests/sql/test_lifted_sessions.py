"""A session, a bypass inside its tenant's work, and other sessions on its connection: each is judged by itself."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, update
from sqlalchemy.orm import Session, column_property, registry, relationship, selectinload
from sqlalchemy.orm.loading import merge_frozen_result

from tenantguard import NoTenantError, TenantGuardError, TenantSwitchError, bind, bypass
from tests.models import Call, Country, Label, Number, SessionLog
from tests.sql.world import World, memory_world


@pytest.fixture
def world() -> Iterator[World]:
    """Give a world of one connection, on which savepoints are SQLite's own."""
    made = memory_world()
    with made.plain.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.isolation_level = None
    event.listen(made.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    yield made
    made.engine.dispose()
    made.plain.dispose()


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    """Give a connection with an outer transaction, as test suites use one."""
    with bypass(reason="the test's transaction"):
        opened = world.engine.connect()
        outer = opened.begin()
    yield opened
    with bypass(reason="the test's end"):
        outer.rollback()
        opened.close()


def joined(connection: Connection) -> Session:
    """Return a session that joins the outer transaction by savepoints."""
    return Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)


# several sessions on a connection


def test_a_session_that_is_kept_does_not_stand_in_the_next_ones_way(connection: Connection) -> None:
    """Closed, committed or still in its transaction: what it holds is its own."""
    kept = []
    for company, first in (("acme", 1), ("globex", 101), ("acme", 1)):
        with bind(company):
            for end in ("close", "commit", "flush"):
                session = joined(connection)
                kept.append(session)
                assert session.scalars(select(Call.id).order_by(Call.id)).first() == first
                session.add(Label(name="x"))
                session.flush()
                getattr(session, end)()
    with bind("globex"), pytest.raises(TenantSwitchError):
        kept[-1].get(Call, 1)


def test_a_fixtures_session_lives_beside_those_of_requests(connection: Connection) -> None:
    """It seeds rows of two companies in a bypass, and looks at what the requests wrote."""
    with bypass(reason="seed"):
        fixture = joined(connection)
        seeded = [SessionLog(what="a"), Label(company_id="globex", name="b")]
        fixture.add_all(seeded)
        fixture.commit()
    with bind("acme"), joined(connection) as session:
        session.add(Label(name="acme's"))
        session.commit()
    with bypass(reason="look"):
        names = set(fixture.scalars(select(Label.name).where(Label.company_id == "acme")))
    assert "acme's" in names
    assert [type(one).__name__ for one in seeded] == ["SessionLog", "Label"]


def test_the_connection_itself_is_nobodys(connection: Connection) -> None:
    """A statement of Core on the connection is judged by the binding alone."""
    with bind("acme"):
        session = joined(connection)
        assert session.get(Call, 1) is not None
    with bind("globex"):
        assert connection.scalar(select(func.count()).select_from(Call)) == 3
    with bind("acme"):
        assert session.get(Call, 2) is not None


# a bypass inside a tenant's work


def test_a_relationship_that_a_bypass_loaded_is_loaded_anew(world: World) -> None:
    """On an object that the tenant had before: it holds the tenant's rows only."""
    with bind("acme"), Session(world.engine) as session:
        country = session.get_one(CountryWithCalls, "DE")
        own = session.scalar(select(func.count()).select_from(Call).where(Call.country_code == "DE"))
        with bypass(reason="look"):
            assert len(country.calls) > (own or 0)
        assert len(country.calls) == own


def test_a_count_that_a_bypass_refreshed_is_counted_anew(world: World) -> None:
    """A column property that a refresh in the bypass filled is the tenant's after it."""
    with bind("acme"), Session(world.engine) as session:
        country = session.get_one(CountryWithCalls, "DE")
        own = country.count
        with bypass(reason="look"):
            session.refresh(country)
            assert country.count > own
        assert country.count == own


def test_an_eager_load_of_a_bypass_is_not_served(world: World) -> None:
    """Neither through objects that it loaded, nor through those it filled."""
    with bind("acme"), Session(world.engine) as session:
        held = session.get_one(CountryWithCalls, "DE")
        with bypass(reason="look"):
            session.scalars(select(CountryWithCalls).options(selectinload(CALLS))).all()
        assert {call.company_id for call in held.calls} == {"acme"}
        again = session.scalars(select(CountryWithCalls)).all()
        assert {call.company_id for country in again for call in country.calls} == {"acme"}


def test_what_a_bypass_wrote_is_read_after_it(world: World) -> None:
    """A shared row that the bypass made is pointed at by the tenant's, and its changes are kept."""
    with bind("acme"), Session(world.engine) as session:
        session.add(Label(name="first"))  # not flushed before the bypass
        with bypass(reason="a new country"):
            country = Country(code="XX", name="Xanadu")
            session.add(country)
            session.flush()
        number = session.scalars(select(Number)).first()
        session.add(Call(number=number, country=country, seconds=1))
        session.commit()
        assert session.get_one(Country, "XX").name == "Xanadu"
        names = session.execute(select(Label.name, Label.company_id).where(Label.name == "first")).all()
    assert names == [("first", "acme")]


def test_what_a_tenant_added_is_stamped_in_a_bypass(world: World) -> None:
    """A flush inside the bypass writes the tenant's new object as the tenant's."""
    with bind("acme"), Session(world.engine) as session:
        label = Label(name="mine")
        session.add(label)
        with bypass(reason="flush"):
            session.flush()
        assert label.company_id == "acme"
        assert session.get_one(Label, label.id) is label


def test_a_change_that_was_not_flushed_outlives_the_bypass(world: World) -> None:
    """It belongs to whoever made it, and is flushed where the tenant flushes."""
    with bind("acme"), Session(world.engine) as session:
        call = session.get_one(Call, 1)
        call.note = "changed"
        with bypass(reason="look"), session.no_autoflush:
            session.scalars(select(Call).execution_options(populate_existing=False)).all()
        assert call.note == "changed"
        session.commit()
        assert session.scalar(select(Call.note).where(Call.id == 1)) == "changed"


def test_a_bypass_object_that_was_changed_is_written_under_the_guard(world: World) -> None:
    """Its UPDATE carries the predicate, and meets no row of the tenant's."""
    with bind("acme"), Session(world.engine) as session:
        with bypass(reason="look"):
            other = session.get_one(Call, 101)
            other.note = "taken"
        with pytest.raises(TenantGuardError):
            session.commit()


def test_a_rollback_after_a_bypass_is_whole(world: World) -> None:
    """Objects that the bypass deleted or expunged come back without a refusal."""
    with bind("acme"), Session(world.engine) as session:
        kept = session.get_one(Call, 1)
        with bypass(reason="clean up"):
            session.delete(session.get_one(SessionLog, 1))
            session.flush()
        session.rollback()
        assert session.get(Call, 1) is kept
        assert session.get(SessionLog, 1) is not None


def test_nothing_bound_serves_nothing_of_a_bypass(world: World) -> None:
    """Not even from the identity map."""
    with Session(world.engine) as session:
        with bypass(reason="look"):
            held = session.get_one(Call, 1)
        with pytest.raises(NoTenantError):
            session.get(Call, held.id)


def test_a_listing_shows_what_is_the_tenants(world: World) -> None:
    """Iterating over a session leaves the bypass's objects out."""
    with bind("acme"), Session(world.engine) as session:
        held = [session.get_one(Call, 1)]
        with bypass(reason="look"):
            held += session.scalars(select(Call))
            assert len(list(session)) == len(set(held))
        assert list(session) == [held[0]]


# caches


def test_an_unpickled_object_is_still_its_tenants(world: World) -> None:
    """``merge(load=False)`` and ``add`` refuse it to another, and serve it to its own."""
    with bind("acme"), Session(world.engine) as session:
        kept = pickle.dumps(session.get_one(Call, 1))
    uses: tuple[Callable[[Session, Any], Any], ...] = (
        lambda session, given: session.merge(given, load=False),
        lambda session, given: session.add(given),
    )
    for use in uses:
        with bind("acme"), Session(world.engine) as session:
            use(session, pickle.loads(kept))
        with bind("globex"), Session(world.engine) as session, pytest.raises(TenantSwitchError):
            use(session, pickle.loads(kept))


def test_an_object_pickled_twice_is_still_its_tenants(world: World) -> None:
    """Going through a process that does not load it changes nothing."""
    with bind("acme"), Session(world.engine) as session:
        kept = pickle.dumps(session.get_one(Call, 1))
    kept = pickle.dumps(pickle.loads(kept))
    with bind("globex"), Session(world.engine) as session, pytest.raises(TenantSwitchError):
        session.merge(pickle.loads(kept), load=False)


def test_a_shared_object_may_come_from_any_cache(world: World) -> None:
    """It is the same row for all."""
    with bind("acme"), Session(world.engine) as session:
        kept = pickle.dumps(session.get_one(Country, "DE"))
    with bind("globex"), Session(world.engine) as session:
        assert session.merge(pickle.loads(kept), load=False).code == "DE"


def test_an_object_of_a_bypass_is_not_merged_unread(world: World) -> None:
    """What a bypass put into a cache is nobody's."""
    with bypass(reason="fill the cache"), Session(world.engine) as session:
        kept = pickle.dumps(session.get_one(Call, 1))
    with bind("acme"), Session(world.engine) as session, pytest.raises(TenantSwitchError):
        session.merge(pickle.loads(kept), load=False)


FROZEN = {
    "columns": select(Call.note, Call.id),
    "count": select(func.count(Call.id)),
    "core": select(Call.__table__.c.id),
    "objects": select(Call),
}


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("form", list(FROZEN))
def test_a_frozen_result_is_still_its_tenants(world: World, form: str, *, pickled: bool) -> None:
    """It is thawed and merged for its own tenant, and refused to another."""

    def used(how: str, session: Session, frozen: Any) -> int:
        if how == "thaw":
            return len(frozen().all())
        merge: Any = merge_frozen_result
        return len(merge(session, FROZEN[form], frozen, load=False)().all())

    with bind("acme"), Session(world.engine) as session:
        frozen: Any = session.execute(FROZEN[form]).freeze()
        kept = pickle.loads(pickle.dumps(frozen)) if pickled else frozen
    for how in ("thaw", "merge"):
        with bind("acme"), Session(world.engine) as session:
            assert used(how, session, kept) in (1, 3)
        with bind("globex"), Session(world.engine) as session, pytest.raises(TenantSwitchError):
            used(how, session, kept)


def test_a_frozen_result_of_shared_rows_is_everybodys(world: World) -> None:
    """No predicate stands in its statement."""
    with bind("acme"), Session(world.engine) as session:
        frozen = session.execute(select(Country.code)).freeze()
    with bind("globex"):
        assert len(frozen().all()) > 0


def test_a_result_frozen_in_a_bypass_is_no_tenants(world: World) -> None:
    """The cache of a back office does not serve a company."""
    with bypass(reason="report"), Session(world.engine) as session:
        frozen = session.execute(select(func.count(Call.id))).freeze()
        assert frozen().scalar() == 9
    with bind("acme"), pytest.raises(TenantSwitchError):
        frozen()


def test_what_was_frozen_without_the_guard_is_no_tenants(world: World) -> None:
    """Bytes that do not say whose they are are refused."""
    with bind("acme"), Session(world.engine) as session:
        frozen: Any = session.execute(select(func.count(Call.id))).freeze()
    del frozen.tg_owner
    with bind("acme"), pytest.raises(TenantSwitchError, match="an unknown tenant"):
        pickle.loads(pickle.dumps(frozen))()


# sets


def test_a_set_of_tenants_has_no_order(world: World) -> None:
    """A session and a result go on under the same tenants, named in another order."""
    with Session(world.engine) as session:
        with bind(["acme", "globex"]):
            held = session.get_one(Call, 101)
            result = session.execute(select(Call.id))
        with bind(["globex", "acme"]):
            assert session.get(Call, 101) is held
            assert len(result.all()) == 6
            held.note = "both"
            session.flush()
        with bind(["globex", "initech"]), pytest.raises(TenantSwitchError):
            session.get(Call, 101)


def test_an_update_of_a_bypass_leaves_the_session_usable(world: World) -> None:
    """A bulk UPDATE in a bypass synchronises the tenant's objects, and those alone are served."""
    with bind("acme"), Session(world.engine) as session:
        held = session.get_one(Call, 1)
        with bypass(reason="renumber"):
            session.execute(update(Call).values(seconds=7))
        assert held.seconds == 7
        session.rollback()
        assert held.seconds == 10


class CountryWithCalls:
    """Countries, mapped a second time with what hangs on them."""

    code: str
    calls: list[Call]
    count: int


registry(metadata=Country.metadata).map_imperatively(
    CountryWithCalls,
    Country.__table__,
    properties={
        "calls": relationship(Call, viewonly=True),
        "count": column_property(
            select(func.count(Call.id))
            .where(Call.country_code == Country.code)
            .correlate(Country.__table__)
            .scalar_subquery()
        ),
    },
)
CALLS: Any = CountryWithCalls.calls
