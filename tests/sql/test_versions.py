"""Servers on which the guard is not proven are refused where they are met, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, func, select

from tenantguard import ConfigurationError, bind, guard
from tenantguard.sql.servers import versions
from tests.models import Call, make_tenancy
from tests.servers import Database
from tests.sql.world import memory_world


@pytest.fixture
def future(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every server too old."""
    monkeypatch.setattr(versions, "OLDEST", dict.fromkeys(versions.OLDEST, (99, 1)))


@pytest.mark.usefixtures("future")
def test_an_old_server_is_refused_when_it_is_first_met(database: Database) -> None:
    """Each connection is refused, with the version and what to do, and nothing is read."""
    engine = guard(database.create_engine(), make_tenancy())
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"from 99\.1 on; use guard\(\.\.\., dialect_unproven=True\)"
        ):
            engine.connect()


@pytest.mark.usefixtures("future")
def test_an_engine_that_was_connected_before_is_refused_at_once(database: Database) -> None:
    """Where the version is known, guard() speaks, and installs nothing."""
    engine = database.create_engine()
    with engine.connect():
        pass
    with pytest.raises(ConfigurationError, match="is tested on"):
        guard(engine, make_tenancy())
    assert not hasattr(engine.dialect, "tg_guard")


@pytest.mark.usefixtures("future")
def test_an_old_server_can_be_insisted_on() -> None:
    """dialect_unproven=True takes it, and the guard is as ever."""
    world = memory_world()
    with world.plain.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    engine = guard(create_engine("sqlite://", creator=lambda: driver), make_tenancy(), dialect_unproven=True)
    with bind("acme"), engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Call)) == 3
    world.engine.dispose()
    world.plain.dispose()


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        (
            SimpleNamespace(name="mysql", is_mariadb=False, server_version_info=(8, 4, 3)),
            "the server is MySQL 8.4.3",
        ),
        (
            SimpleNamespace(name="mysql", is_mariadb=True, server_version_info=(10, 1, 2)),
            "MariaDB from 10.5 on",
        ),
        (SimpleNamespace(name="postgresql", server_version_info=(9, 6)), "PostgreSQL from 13 on"),
        (SimpleNamespace(name="sqlite", server_version_info=(3, 8, 1)), "SQLite from 3.35 on"),
        (SimpleNamespace(name="sqlite", server_version_info=(3, 51, 0)), "nested EXISTS wrongly"),
        (SimpleNamespace(name="sqlite", server_version_info=(3, 51, 1)), "nested EXISTS wrongly"),
    ],
)
def test_each_server_is_told_by_name(dialect: Any, told: str) -> None:
    """MySQL is not MariaDB, though one dialect of SQLAlchemy speaks to both."""
    with pytest.raises(ConfigurationError, match=told):
        versions.verify_server(dialect)


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "oracle"])
def test_nothing_is_known_before_a_connection(name: str) -> None:
    """A dialect that has met no server is let through until it has."""
    versions.verify_server(SimpleNamespace(name=name, server_version_info=None))


def test_a_fault_of_sqlites_was_mended() -> None:
    """The versions after it answer as those before."""
    for version in ((3, 50, 4), (3, 51, 2), (3, 52, 0)):
        versions.verify_server(SimpleNamespace(name="sqlite", server_version_info=version))


def test_strings_that_are_read_in_the_old_way_are_refused(postgresql_database: Database) -> None:
    """Without standard_conforming_strings a backslash hides the end of a string, and text is read otherwise."""
    options = {"options": "-c standard_conforming_strings=off"}
    engine = postgresql_database.create_engine(connect_args=options, poolclass=NullPool)
    guard(engine, make_tenancy(), raw_sql="rewrite")
    with pytest.raises(ConfigurationError, match="standard_conforming_strings"):
        engine.connect()
