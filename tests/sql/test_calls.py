"""Calls: a function of the database is known to read no table, or declared, and no other has its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    column,
    event,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.exc import ProgrammingError

from tenantguard import Guard, RawSQLError, Tenancy, bind, bypass, guard
from tenantguard.sql import install
from tenantguard.sql.servers.natives import foreign_names
from tests.models import Call
from tests.servers import Database
from tests.sql.world import World

METADATA = MetaData()
CALLS = Table(
    "calls",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("company_id", String(40), nullable=False),
    Column("note", String(40)),
)
MADE = (
    "CREATE FUNCTION note_of(n int) RETURNS text LANGUAGE sql AS 'SELECT note FROM calls WHERE id = n'",
    "CREATE FUNCTION lower(n int) RETURNS text LANGUAGE sql AS 'SELECT note FROM calls WHERE id = n'",
    "CREATE FUNCTION others(calls) RETURNS text LANGUAGE sql AS 'SELECT max(note) FROM calls'",
    "CREATE FUNCTION \"every one\"(calls) RETURNS text LANGUAGE sql AS 'SELECT max(note) FROM calls'",
    "CREATE FUNCTION either(int, int) RETURNS text LANGUAGE sql AS 'SELECT max(note) FROM calls'",
    "CREATE OPERATOR @@@ (leftarg = int, rightarg = int, function = either)",
    "CREATE TYPE picked AS (x text)",
    "CREATE FUNCTION topick(int) RETURNS picked LANGUAGE sql AS 'SELECT row(max(note))::picked FROM calls'",
    "CREATE CAST (int AS picked) WITH FUNCTION topick(int)",
    "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2'",
)


def made(database: Database, *statements: str, **tenancy: Any) -> Engine:
    """Return a guarded engine on a database that its users have given functions."""
    engine = database.create_engine()
    METADATA.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        connection.execute(insert(CALLS).values(id=1, company_id="acme", note="Mine"))
        connection.execute(insert(CALLS).values(id=7, company_id="globex", note="Theirs"))
        for statement in statements:
            connection.exec_driver_sql(statement)
    return guard(database.create_engine(), Tenancy(METADATA, column="company_id", **tenancy))


@pytest.fixture
def connection(postgresql_database: Database) -> Iterator[Connection]:
    """Give a connection to PostgreSQL under acme, where the users have made functions of every kind."""
    engine = made(postgresql_database, *MADE, functions={"twice"})
    with bind("acme"), engine.connect() as opened:
        yield opened


@pytest.mark.parametrize(
    "statement",
    [
        select(func.note_of(7)),
        select(func.public.lower(7)),
        select(func.lower(7)),
        select(CALLS.c.id).where(func.note_of(7) == "Theirs"),
        update(CALLS).values(note=func.note_of(7)).where(CALLS.c.id == 1),
        select(literal_column("*")).select_from(func.note_of(7)),
        select(func.note_of(7).column_valued("note")),
        select(literal(7).op("@@@")(7)),
        select(column("others", _selectable=CALLS)).select_from(CALLS),
        select(literal_column("calls.others")).select_from(CALLS),
        select(literal_column("calls.OTHERS")).select_from(CALLS),
        select(literal_column('calls."every one"')).select_from(CALLS),
        select(literal_column('"c.".others')).select_from(CALLS.alias("c.")),
        select(literal_column("'x'").label("a'"), literal_column("c.others")).select_from(CALLS.alias("c")),
        select(literal_column("CAST(7 AS picked)")),
        select(literal_column("CAST(7 AS PICKED)")),
        select(literal_column('CAST(7 AS public."picked")')),
        select(literal_column("CAST(ARRAY[7] AS public.picked[])")),
        select(CALLS.c.id).where(text("lower(7) = 'Theirs'")),
    ],
    ids=str,
)
def test_what_the_users_have_made_is_not_called(connection: Connection, statement: Any) -> None:
    """As a function of any name, an operator, a field or a cast: its work is out of sight."""
    with pytest.raises(RawSQLError, match=r"known to read no rows|user-defined function"):
        connection.execute(statement)


def test_known_functions_are_called(connection: Connection) -> None:
    """Beside one of the users' that has the name, for other arguments."""
    grouped = select(func.lower(CALLS.c.note), func.count()).group_by(CALLS.c.note)
    assert connection.execute(grouped).all() == [("mine", 1)]
    assert connection.scalars(select(func.generate_series(1, 2))).all() == [1, 2]
    assert connection.scalar(select(func.aggregate_strings(CALLS.c.note, ","))) == "Mine"
    assert connection.scalar(select(func.percentile_cont(0.5).within_group(CALLS.c.id))) == 1
    assert connection.scalar(select(func.row_number().over(order_by=CALLS.c.id))) == 1
    assert connection.scalar(select(func.coalesce(func.substring(CALLS.c.note, 1, 2), "x"))) == "Mi"
    assert connection.scalar(select(func.now() >= func.current_date()))
    assert connection.scalars(select(CALLS.c.id).where(CALLS.c.note.match("mine"))).all() == [1]
    assert len(connection.execute(select(CALLS.tablesample(100))).all()) == 1


def test_a_declared_function_is_called(connection: Connection) -> None:
    """By the name that it was declared by."""
    assert connection.scalar(select(func.twice(4))) == 8


def test_a_bypass_calls_any_function(connection: Connection) -> None:
    """Whoever opened it answers for that."""
    with bypass(reason="test"):
        assert connection.scalar(select(func.note_of(7))) == "Theirs"


def test_the_databases_own_function_is_named_whole(connection: Connection) -> None:
    """So that none of the users' is chosen for its arguments; what the grammar reads takes no schema."""
    compiled = str(select(func.lower("x"), func.coalesce(1, 2), func.twice(1)).compile(connection))
    assert "pg_catalog.lower(" in compiled
    assert " coalesce(" in compiled
    assert " twice(" in compiled


def test_a_function_that_only_mysql_has_is_the_users(mariadb_database: Database) -> None:
    """MariaDB's own come first; of a name that it does not know, the users' is called."""
    engine = made(
        mariadb_database,
        "CREATE FUNCTION lower(n INT) RETURNS VARCHAR(40) DETERMINISTIC RETURN 'Theirs'",
        "CREATE FUNCTION bin_to_uuid(n INT) RETURNS VARCHAR(40) READS SQL DATA"
        " RETURN (SELECT max(note) FROM calls)",
    )
    with bind("acme"), engine.connect() as connection:
        assert connection.scalar(select(func.lower(CALLS.c.note))) == "mine"
        for statement in (
            select(func.bin_to_uuid(7)),
            select(CALLS.c.id).where(text("bin_to_uuid (7) = 'Theirs'")),
        ):
            with pytest.raises(RawSQLError, match="not built into this server"):
                connection.execute(statement)


def test_a_function_is_foreign_until_its_version() -> None:
    """On MariaDB; other servers have what their lists name."""

    class Server:
        is_mariadb = True
        server_version_info = (10, 8, 1)

    called = "SELECT sformat('x'), JSON_OVERLAPS(a, b), `uuid_v7`(), lower(x), t.kdf"
    assert foreign_names(called, Server()) == ["json_overlaps", "uuid_v7"]
    Server.is_mariadb = False
    assert foreign_names(called, Server()) == []


@pytest.mark.parametrize(
    "name", ["load_extension", "pragma_table_info", "last_insert_rowid", "fts3_tokenizer"]
)
def test_sqlite_calls_nothing_that_reaches_further(memory: World, name: str) -> None:
    """What is registered on a connection is the application's own Python, and passes."""
    with bind("acme"), memory.engine.connect() as connection:
        with pytest.raises(RawSQLError, match="known to read no rows"):
            connection.execute(select(getattr(func, name)("x")))
        assert connection.scalar(select(func.upper(Call.company_id)).limit(1)) == "ACME"


@pytest.mark.parametrize("by", ["another process", "a bypass"])
def test_a_function_that_is_made_later_does_not_pass(postgresql_database: Database, by: str) -> None:
    """A new statement asks the server again; one that was compiled before does when the next tenant is served."""
    engine = made(postgresql_database)
    known = select(literal(7).op("@@@")(7))
    with bind("acme"), engine.connect() as connection:
        for statement in (known, select(CALLS.c.id)):
            with suppress(ProgrammingError):  # there is no such operator yet
                connection.execute(statement)
            connection.rollback()
    if by == "a bypass":
        with bypass(reason="migration"), engine.begin() as connection:
            for made_later in MADE[:-1]:
                connection.execute(text(made_later))
    else:
        with postgresql_database.create_engine().begin() as plain:
            for made_later in MADE[:-1]:
                plain.exec_driver_sql(made_later)
    with bind("acme"), engine.connect() as connection:
        for statement in (
            select(column("others", _selectable=CALLS)).select_from(CALLS),
            select(literal_column("CAST(7 AS picked)")),
            known,
        ):
            with pytest.raises(RawSQLError):
                connection.execute(statement)
            connection.rollback()
        assert connection.scalars(select(CALLS.c.id)).all() == [1]


def _known(statement: str, how: str) -> Any:
    """Return a text to execute: in a construct, or as it is."""
    return text(statement) if how == "text" else select(literal_column(statement.removeprefix("SELECT ")))


@pytest.mark.parametrize("how", ["text", "construct"])
@pytest.mark.parametrize(
    ("called", "is_time_over"), [("SELECT 7 @@@ 7", False), ("SELECT 'a'::varchar || 'a'::varchar", True)]
)
def test_what_is_made_later_is_noticed_on_the_same_connection(
    postgresql_database: Database, how: str, called: str, is_time_over: bool
) -> None:
    """In the next transaction where only the users could have made it, and otherwise after half a minute."""
    engine = postgresql_database.create_engine()
    guard(engine, Tenancy(METADATA, column="company_id"), raw_sql="rewrite")
    known = _known(called, how)
    with bind("acme"), engine.connect() as connection:
        with suppress(ProgrammingError):  # there is no such operator yet
            connection.execute(known)
        connection.rollback()
        with postgresql_database.create_engine().begin() as plain:
            for kind in ("int", "varchar"):
                plain.exec_driver_sql(
                    f"CREATE FUNCTION either({kind}, {kind}) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'"
                )
            for name, kind in (("@@@", "int"), ("||", "varchar")):
                plain.exec_driver_sql(
                    f"CREATE OPERATOR {name} (leftarg = {kind}, rightarg = {kind}, function = either)"
                )
        if is_time_over:
            Guard.of(engine).ask_at = 0.0
        for _ in range(2):  # the refusal is kept with what was compiled
            with pytest.raises(RawSQLError, match="operator"):
                connection.execute(known)
            connection.rollback()


def test_the_server_is_asked_once_in_a_transaction_and_only_by_what_calls(
    postgresql_database: Database,
) -> None:
    """Ordinary statements cost no flight, however often they are compiled and by whichever driver."""
    engine = postgresql_database.create_engine()
    guard(engine, Tenancy(METADATA, column="company_id"))
    METADATA.create_all(engine, checkfirst=False)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    calling = select(CALLS.c.id).where(column("others", _selectable=CALLS) == "x")
    with bind("acme"), engine.connect() as connection:
        for statement, asked in ((select(func.count(CALLS.c.id).label("picked")), 0), (calling, 1)):
            for _ in range(2):
                sent.clear()
                for _ in range(2):
                    with suppress(ProgrammingError), connection.begin_nested():
                        connection.execute(statement)
                connection.rollback()
                assert sum("pg_proc" in one for one in sent) == asked


@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_text_that_is_known_is_asked_for_again(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch, shortcuts: bool
) -> None:
    """An operator that is made later fits the column's type better than PostgreSQL's own of the same name."""
    monkeypatch.setattr(install, "SHORTCUTS", shortcuts)
    engine = postgresql_database.create_engine()
    METADATA.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(METADATA, column="company_id"), raw_sql="rewrite")
    known = "SELECT note || note FROM calls"
    with bind("acme"), engine.begin() as connection:
        for _ in range(3):
            assert connection.exec_driver_sql(known).all() == []
    with bypass(reason="migration"), engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION joined(varchar, varchar) RETURNS text LANGUAGE sql AS 'SELECT max(note) FROM calls'"
            )
        )
        connection.execute(
            text("CREATE OPERATOR || (leftarg = varchar, rightarg = varchar, function = joined)")
        )
    with bind("acme"), engine.connect() as connection, pytest.raises(RawSQLError, match="operator"):
        connection.exec_driver_sql(known)
