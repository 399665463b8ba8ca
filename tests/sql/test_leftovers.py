"""What a bypass leaves on a connection does not reach whoever is served by it next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Connection, event, func, select, text

from tenantguard import RawSQLError, bind, bypass, guard
from tenantguard.sql.text.side_effects import calls_leave, leaves
from tests.models import Country, create_schema, make_tenancy, seed
from tests.servers import Database
from tests.sql.world import World, memory_world

DDL: Any = sqlalchemy.DDL  # which has no types
ONE: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
HIDES = "CREATE TEMPORARY TABLE countries AS SELECT * FROM countries WHERE 1 = 0"
MEANINGS = {
    "sqlite": [
        "CREATE TEMP VIEW countries AS SELECT * FROM main.countries",
        "CREATE TABLE temp.countries (code, name)",
    ],
    "postgresql": [
        "SELECT * INTO TEMP countries FROM countries",
        "SET search_path = pg_catalog, public",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET row_security = off",
        "DO $$ BEGIN PERFORM set_config('search_path', 'pg_catalog, public', false); END $$",
        "SELECT set_config('role', 'pg_monitor', true)",
    ],
    "mariadb": ["USE mysql", "SET sql_mode = 'ANSI_QUOTES'", "SET @a = 1, sql_mode = 'NO_BACKSLASH_ESCAPES'"],
}
WAYS: dict[str, Callable[[Connection, str], Any]] = {
    "text": lambda connection, sql: connection.execute(text(sql)),
    "driver": lambda connection, sql: connection.exec_driver_sql(sql),
    "DDL": lambda connection, sql: connection.execute(DDL(sql)),
    "cursor": lambda connection, sql: connection.connection.cursor().execute(sql),
}


@pytest.fixture(scope="module")
def world(module_database: Database) -> World:
    """Give a world whose guarded engine has one connection."""
    plain = module_database.create_engine()
    create_schema(plain)
    seed(plain)
    engine = guard(module_database.create_engine(**ONE), make_tenancy(), raw_sql="rewrite")
    return World(module_database.backend, engine, plain)


def driver(connection: Connection) -> Any:
    """Return what the pool has given."""
    with bypass(reason="the test looks"):
        return connection._dbapi_connection.dbapi_connection  # type: ignore[union-attr]  # it is open


@pytest.mark.parametrize("way", WAYS)
def test_what_hides_a_table_is_not_passed_on(world: World, way: str) -> None:
    """A temporary table that a bypass has made hides no table from a tenant, on the same connection or a later one."""
    with world.plain.connect() as plain:
        whole = len(plain.execute(select(Country)).all())
    with world.engine.connect() as connection:
        with bypass(reason="a report"):
            WAYS[way](connection, HIDES)
        if way != "cursor" or world.backend != "postgresql":  # which is not asked then
            with bind("acme"), pytest.raises(RawSQLError, match="a bypass has changed the role"):
                connection.execute(select(Country))
    with bind("acme"), world.engine.connect() as connection:
        assert len(connection.execute(select(Country)).all()) == whole


def test_what_changes_a_meaning_is_noticed(world: World) -> None:
    """A tenant is not served where a bypass has changed role, schema or mode, and is on the next connection."""
    for sql in MEANINGS[world.backend]:
        with world.engine.connect() as connection:
            with bypass(reason="maintenance"):
                connection.execute(DDL(sql.replace("%", "%%")))
            with bind("acme"), pytest.raises(RawSQLError) as refused:
                connection.exec_driver_sql("SELECT * FROM countries")
            assert refused.value.kind == "leftover"
        with bind("acme"), world.engine.connect() as connection:
            connection.execute(select(Country))


def test_what_is_put_back_is_not_refused(world: World) -> None:
    """Where the bypass has put back what it changed, its tenant goes on with the same transaction."""
    texts = {
        "sqlite": ["CREATE TEMP TABLE staging (a)"],
        "postgresql": [
            "SET ROLE pg_monitor",
            "RESET ROLE",
            "CREATE TEMP TABLE staging (a int) ON COMMIT DROP",
        ],
        "mariadb": ["SET sql_mode = ''", "SET sql_mode = DEFAULT", "CREATE TEMPORARY TABLE staging (a int)"],
    }
    with world.engine.connect() as connection, bind("acme"):
        before = connection.execute(select(Country)).all()
        with bypass(reason="maintenance"):
            for sql in texts[world.backend]:
                connection.execute(text(sql))
        assert connection.execute(select(Country)).all() == before


def test_what_leaves_nothing_keeps_the_connection(world: World) -> None:
    """Reads, writes, DDL and statements of SQLAlchemy's in a bypass cost no new connection; others do."""
    opened: list[object] = []
    with world.engine.connect():
        pass
    event.listen(world.engine, "connect", lambda *given: opened.append(given[0]))
    with bypass(reason="a job"), world.engine.begin() as connection:
        connection.execute(text("SELECT count(*) FROM calls WHERE 1 = 0"))
        connection.execute(text("CREATE TABLE kept (id INTEGER)"))
        connection.execute(text("DROP TABLE kept"))
        connection.execute(select(func.count()).select_from(Country))
    with bind("acme"), world.engine.connect() as connection:
        connection.execute(select(Country))
    assert opened == []
    with bypass(reason="a job"), world.engine.begin() as connection:
        WAYS["driver"](
            connection,
            "PRAGMA user_version"
            if world.backend == "sqlite"
            else "SET @a = 1"
            if world.backend == "mariadb"
            else "LISTEN jobs",
        )
    with bypass(reason="a job"):
        world.engine.raw_connection().close()
    with bind("acme"), world.engine.connect() as connection:
        connection.execute(select(Country))
    assert len(opened) == 2


def test_a_database_in_memory_is_kept() -> None:
    """A SQLite database in memory is not thrown away with its connection, but asked at each checkout."""
    made = memory_world()
    with bypass(reason="a report"), made.engine.begin() as connection:
        connection.exec_driver_sql(HIDES)
    for way in ("text", "driver"):
        with bind("acme"), made.engine.connect() as connection, pytest.raises(RawSQLError, match="a bypass"):
            WAYS[way](connection, "SELECT 2")
    with bypass(reason="a report"), made.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE temp.countries")
    with bind("acme"), made.engine.connect() as connection:
        assert connection.execute(select(Country)).all()
    made.engine.dispose()
    made.plain.dispose()


@pytest.mark.parametrize(
    ("sql", "dialect", "left"),
    [
        ("CREATE TABLE a (id INT); DROP TABLE a", "postgresql", False),
        ("CREATE TABLE a (id INT); SET ROLE b", "postgresql", True),
        ("CREATE /* x */ TEMP TABLE a (id INT)", "postgresql", True),
        ("CREATE TABLE a AS SELECT f(1)", "postgresql", True),
        ("ALTER TABLE a ADD COLUMN b TEXT DEFAULT '; SET ROLE b'", "postgresql", False),
        ("SET LOCAL statement_timeout = '5s'", "postgresql", False),
        ("SET LOCAL ROLE b", "postgresql", True),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "postgresql", False),
        ("EXPLAIN ANALYZE EXECUTE a", "postgresql", True),
        ("LOCK TABLE a", "postgresql", False),
        ("LOCK TABLES a WRITE", "mariadb", True),
        ("/*! SET sql_mode = '' */", "mariadb", True),
        ("ATTACH 'other' AS other", "sqlite", True),
        ("PRAGMA foreign_keys = OFF", "sqlite", True),
        ("", "sqlite", False),
    ],
)
def test_texts_are_told_by_what_they_leave(sql: str, dialect: str, left: bool) -> None:
    """What may outlast its transaction, or run what nobody reads, leaves something."""
    assert leaves(sql, dialect, "none", read=False) is left


def test_calls_are_told_by_what_they_leave() -> None:
    """A function that sets or locks leaves something, and so does one that nobody knows."""
    assert calls_leave("SELECT pg_catalog.pg_advisory_lock(1)", "postgresql")
    assert calls_leave("SELECT my_job(1)", "postgresql")
    assert not calls_leave("INSERT INTO my_table (a) VALUES (1) RETURNING lower(a)", "postgresql")
