"""What docs/guarantees.md says is not protected against: each limit as a test that is expected to fail.

One that begins to pass is a limit that is gone, and its line on the page goes with it.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, String, create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantguard import Tenancy, bind, bypass, guard
from tests.servers import Database


class Base(DeclarativeBase):
    """Gather the tables."""


class Letter(Base):
    """A letter, under a reference that has to be unlike every other."""

    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    office: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(20), unique=True)


@pytest.fixture
def engine(sqlite_database: Database) -> Engine:
    """Guard a database in which two offices have a letter each."""
    engine = guard(sqlite_database.create_engine(), Tenancy(Base.metadata, column="office"))
    with bypass(reason="creating the tables of a test"), engine.begin() as connection:
        Base.metadata.create_all(connection)
    for office in ("north", "south"):
        with bind(office), Session(engine) as session:
            session.add(Letter(reference=f"{office}-1"))
            session.commit()
    return engine


def _offices(cursor: Any) -> set[str]:
    return {office for (office,) in cursor.execute("SELECT office FROM letters").fetchall()}


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the cursor of a result is the driver's own")
def test_cursor_of_a_result(engine: Engine) -> None:
    """What runs on the cursor of a result would have to be guarded."""
    with bind("north"), engine.connect() as connection:
        result: Any = connection.execute(select(Letter.id))
        assert _offices(result.cursor) == {"north"}


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="the events of a pool hand out the driver's connection"
)
def test_connection_from_an_event(engine: Engine) -> None:
    """What runs on a connection that a listener kept would have to be guarded."""
    kept: list[Any] = []
    event.listen(engine, "checkout", lambda connection, *_: kept.append(connection))
    with bind("north"), engine.connect():
        assert _offices(kept[0].cursor()) == {"north"}


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="an engine that nobody guarded is not guarded")
def test_second_engine(engine: Engine) -> None:
    """A second engine on the same database would have to be guarded."""
    other = create_engine(engine.url)
    with bind("north"), Session(other) as session:
        found = set(session.scalars(select(Letter.office)))
    other.dispose()
    assert found == {"north"}


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="what an object holds in memory is Python's")
def test_attribute_already_loaded(engine: Engine) -> None:
    """An attribute that was loaded under one tenant would have to be unreadable under another."""
    with bind("south"), Session(engine) as session:
        letter = session.scalars(select(Letter)).one()
        with bind("north"):
            assert letter.reference != "south-1"


@pytest.mark.xfail(
    strict=True, raises=IntegrityError, reason="a unique key without the tenant collides across tenants"
)
def test_unique_key_without_the_tenant(engine: Engine) -> None:
    """A reference that only another tenant uses would have to be free."""
    with bind("north"), Session(engine) as session:
        session.add(Letter(reference="south-1"))
        session.flush()
