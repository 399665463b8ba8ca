"""Input that is wrong, hostile or large: a clear refusal in bounded time, and a connection that goes on working."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from tenantguard import NoTenantError, RawSQLError, Tenancy, bind, bypass, guard
from tests.models import Call
from tests.servers import Database
from tests.sql.world import World

ONE = UUID("00000000-0000-0000-0000-00000000abcd")
KINDS: dict[str, tuple[Any, Any]] = {
    "int": (Integer(), 7),
    "uuid": (Uuid(), ONE),
    "str": (String(40), "seven"),
}
WRONG: list[tuple[str, Any]] = [
    ("int", "7"),
    ("int", " 7"),
    ("int", "7 OR 1=1"),
    ("int", ONE),
    ("uuid", str(ONE)),
    ("uuid", str(ONE).upper()),
    ("uuid", ONE.hex),
    ("uuid", 43981),
    ("str", 7),
    ("str", ONE),
]
STRANGE = [
    "o'hara", 'say "hi"', "back\\slash", "trailing\\", "100%", "%s", "%(x)s", ":name", "?", "a;--", "/* x */", "{0}",
    "naïve", "__[POSTCOMPILE_x]", "NULL", "0", "' OR '1'='1",
]  # fmt: skip


def _notes(kind: Any) -> Table:
    return Table(
        "notes",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("company_id", kind, nullable=False),
        Column("body", String(40), nullable=False, default=""),
    )


def _made(database: Database, kind: Any) -> tuple[Engine, Table]:
    notes = _notes(kind)
    notes.metadata.create_all(database.create_engine(), checkfirst=False)
    return guard(database.create_engine(), Tenancy(notes.metadata, column="company_id")), notes


def test_a_tenant_of_another_type_is_refused(database: Database) -> None:
    """It is neither read nor written with, is never coerced, and the connection serves the right one at once."""
    for name, (kind, right) in KINDS.items():
        notes = _notes(kind)
        plain = database.create_engine()
        notes.metadata.drop_all(plain)
        notes.metadata.create_all(plain, checkfirst=False)
        engine = guard(database.create_engine(), Tenancy(notes.metadata, column="company_id"))
        with engine.connect() as connection:
            for wrong in [value for wanted, value in WRONG if wanted == name]:
                for statement in (select(notes), insert(notes).values(id=2), update(notes).values(body="x")):
                    with bind(wrong), pytest.raises(NoTenantError, match="is bound"):
                        connection.execute(statement)
                with bind(right):
                    assert connection.execute(select(notes)).all() == []
            with bind(right):
                connection.execute(insert(notes).values(id=1))
                assert connection.scalars(select(notes.c.company_id)).all() == [right]
        engine.dispose()


def test_a_tenant_that_is_written_another_way_is_another(database: Database) -> None:
    """Case, spaces at the end and accents tell tenants apart, whatever the database's collation says."""
    engine, notes = _made(database, String(40))
    names = ["acme", "ACME", "acme ", "acmé", "Acme"]
    for number, name in enumerate(names):
        with bind(name), engine.begin() as connection:
            connection.execute(insert(notes).values(id=number))
    for number, name in enumerate(names):
        with bind(name), engine.begin() as connection:
            assert connection.scalars(select(notes.c.id)).all() == [number]
            assert connection.execute(update(notes).values(body=name)).rowcount == 1


def test_strange_ids_are_values_and_nothing_else(database: Database) -> None:
    """Quotes, backslashes, placeholders and comments in an id reach the database as the id."""
    engine, notes = _made(database, String(40))
    with engine.begin() as connection:
        for number, name in enumerate(STRANGE):
            with bind(name):
                connection.execute(insert(notes).values(id=number))
        for number, name in enumerate(STRANGE):
            with bind(name):
                assert connection.execute(select(notes.c.id, notes.c.company_id)).all() == [(number, name)]
        with bind(STRANGE):
            assert connection.scalar(select(func.count()).select_from(notes)) == len(STRANGE)


@pytest.mark.parametrize(
    "name", ["", " ", "\n", "a\x00b", "a\tb", "a\r\nb", "\x1b[2J", "a\u200bb", "\u202eacme"]
)
def test_ids_of_control_characters_are_refused(name: str) -> None:
    """They are refused where they are bound, alone or among others."""
    for who in (name, ["acme", name]):
        with pytest.raises(NoTenantError):
            bind(who)


@pytest.fixture
def disagreeing(database: Database) -> tuple[Engine, Table, Table]:
    """Give an engine whose database lacks one table, and the tenant column of another."""
    metadata = MetaData()
    notes = Table(
        "notes",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
    )
    absent = Table(
        "absent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
    )
    real = MetaData()
    rows = Table(
        "notes", real, Column("id", Integer, primary_key=True, autoincrement=False), Column("sound", Integer)
    )
    plain = database.create_engine()
    real.create_all(plain)
    with plain.begin() as connection:
        connection.execute(rows.insert(), {"id": 1})
    return guard(database.create_engine(), Tenancy(metadata, column="company_id")), notes, absent


def test_a_database_that_disagrees_gives_nothing(disagreeing: tuple[Engine, Table, Table]) -> None:
    """Where the tenant column or the table is not there, the database says so, and no row comes back or changes."""
    engine, notes, absent = disagreeing
    with engine.connect() as connection, bind("acme"):
        for statement in (
            select(notes.c.id),
            notes.delete(),
            notes.update().values(id=9),
            notes.insert().values(id=2),
            select(absent.c.id),
        ):
            with pytest.raises(DBAPIError, match=r"company_id|absent"):
                connection.execute(statement)
            connection.rollback()
        assert connection.scalar(select(1)) == 1
    with engine.connect() as connection, bypass(reason="what is left"):
        assert connection.execute(select(notes.c.id)).all() == [(1,)]


@pytest.mark.parametrize(
    "written",
    [
        "SELECT " + "1, " * 300_000 + "1",
        "select 1" + " " * 1_000_000 + "x",
        "BEGIN" + " " * 1_000_000 + "x",
        "(" * 1000 + "SELECT 1" + ")" * 1000,
        "/*" * 500_000,
        "'" * 1_000_001,
    ],
    ids=["long", "spaces", "begin", "deep", "comments", "quotes"],
)
def test_large_text_is_refused_at_once(memory: World, written: str) -> None:
    """A megabyte, and a thousand levels, as a statement, as a fragment and straight to the driver."""
    with memory.engine.connect() as connection, bind("acme"):
        with pytest.raises(RawSQLError):
            connection.execute(text(written.replace(":", "")))
        with pytest.raises(RawSQLError):
            connection.exec_driver_sql(written)
        with pytest.raises(RawSQLError):
            connection.execute(select(Call.id).where(text(written)))
        assert connection.scalar(select(func.count()).select_from(Call)) == 3


def test_a_set_of_thousands_is_read(memory: World) -> None:
    """A large set costs a large statement, and nothing of it stays."""
    with memory.engine.connect() as connection:
        with bind([f"t{n}" for n in range(5000)] + ["acme"]):
            assert connection.scalar(select(func.count()).select_from(Call)) == 3
        with bind("globex"):
            assert connection.scalars(select(Call.id).order_by(Call.id)).all() == [101, 102, 103]


def test_a_tenancy_that_names_nothing_is_told_at_once() -> None:
    """Every name that the metadata does not have is listed, at start and in one error."""
    metadata = _notes(String(40)).metadata
    tenancy = Tenancy(
        metadata, column="company_id", columns={"gone": "id"}, through={"lost": "x"}, shared={"none"}
    )
    with pytest.raises(Exception, match=r"(?s)gone.*lost.*none"):
        guard(create_engine("sqlite://"), tenancy)
