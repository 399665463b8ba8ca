"""Names that a database takes for others do not hide what is written or read; other names are left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    exists,
    insert,
    literal,
    select,
    table,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import quoted_name

from tenantguard import Tenancy, Violation, bind, guard
from tenantguard.sql.compile.targets import folded, grouped_fault, spelling_fault
from tests.sql.world import TABLES, World, memory_engine

CALLS, NUMBERS, TAGS = TABLES["calls"], TABLES["numbers"], TABLES["call_tags"]
UPPER = table("calls", column("id"), column("COMPANY_ID"), column("NUMBER_ID"), column("note"))
UNQUOTED = table("calls", column("id"), column(quoted_name("COMPANY_ID", quote=False)))
CHILD = table("call_tags", column("id"), column("CALL_ID"), column("tag"))
TWICE: Any = {"company_id": "globex", CALLS.c.company_id: "acme"}
STOLEN = {"id": 900, "CALL_ID": 101, "tag": "x"}


def _shadow(name: str, **more: Any) -> Any:
    values = {"id": 101, "company_id": "acme", **more}
    return select(*(literal(value).label(key) for key, value in values.items())).cte(name)


def _beside(cte: Any) -> Any:
    return exists(select(cte.c.id))


ATTACKS: dict[str, Callable[[], Any]] = {
    "tenant in upper case": lambda: update(UPPER).values(COMPANY_ID="globex"),
    "tenant unquoted": lambda: update(UNQUOTED).values(COMPANY_ID="globex"),
    "tenant in upper case, many": lambda: (
        update(UPPER).where(UPPER.c.id == bindparam("k")).values(COMPANY_ID=bindparam("c")),
        [{"k": 1, "c": "globex"}],
    ),
    "key in upper case": lambda: update(UPPER).values(NUMBER_ID=101),
    "key of a new row": lambda: insert(CHILD).values(STOLEN),
    "key of many rows": lambda: (insert(CHILD), [STOLEN, {**STOLEN, "id": 901}]),
    "key of many rows in one": lambda: insert(CHILD).values([STOLEN, {**STOLEN, "id": 901}]),
    "key from a select": lambda: insert(CHILD).from_select(
        list(STOLEN), select(*map(literal, STOLEN.values()))
    ),
    "tenant twice": lambda: update(CALLS).values(TWICE),
    "tenant twice, the other way round": lambda: update(CALLS).values(dict(reversed(TWICE.items()))),
    "tenant twice, in order": lambda: update(CALLS).ordered_values(*TWICE.items()),
    "tenant of a new row twice": lambda: insert(NUMBERS).values({"id": 900, "digits": "1", **TWICE}),
    "tenant of many rows twice": lambda: insert(NUMBERS).values(
        [{"id": 900 + n, "digits": "1", **TWICE} for n in range(2)]
    ),
    "key twice": lambda: update(TAGS).values({"call_id": 101, TAGS.c.call_id: 1}),
    "tenant in a group": lambda: update(CALLS).values(
        {tuple_(CALLS.c.company_id, CALLS.c.note): select(literal("globex"), literal("x")).scalar_subquery()}
    ),
    "key in a group": lambda: update(CALLS).values(
        {tuple_(CALLS.c.note, CALLS.c.number_id): select(literal("x"), literal(101)).scalar_subquery()}
    ),
    "cte beside the look-up of a key": lambda: (
        update(CALLS)
        .values(number_id=CALLS.c.number_id + 100)
        .where(_beside(_shadow("calls", number_id=-99, seconds=1)))
    ),
    "cte as a parent": lambda: insert(CALLS).from_select(
        ["id", "number_id", "country_code", "seconds", "note", "company_id"],
        select(literal(900), _shadow("numbers").c.id, *map(literal, ("DE", 1, "", "acme"))),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_name_hides_nothing(world: World, name: str) -> None:
    """The statement is refused on each database before it runs, and the connection goes on working."""
    made = ATTACKS[name]()
    statement, rows = made if isinstance(made, tuple) else (made, None)
    with bind("acme"), world.engine.connect() as connection:
        with pytest.raises(Violation):
            connection.execute(statement, rows)
        assert connection.execute(select(NUMBERS.c.id).order_by(NUMBERS.c.id)).all() == [(1,), (2,)]


READS: dict[str, Callable[[], Any]] = {
    "cte beside a through table": lambda: select(TAGS.c.id).where(_beside(_shadow("calls"))),
    "cte in upper case": lambda: select(TAGS.c.id).where(_beside(_shadow("CALLS"))),
    "cte that nests": lambda: select(
        select(TAGS.c.id)
        .where(exists(select(_shadow("x").element.cte("calls", nesting=True).c.id)))
        .subquery()
    ),
    "alias of the guard's": lambda: select(TAGS.alias("tenantguard_1").c.id),
}


@pytest.mark.parametrize("name", READS)
def test_a_name_shows_the_own_rows(world: World, name: str) -> None:
    """The predicate reads the table, whatever else goes by its name."""
    with bind("acme"), world.engine.connect() as connection:
        assert sorted(connection.execute(READS[name]()).all()) == [(1,), (2,)]


def _upsert(world: World, connection: Connection, set_: Any) -> None:
    made = (sqlite if world.backend == "sqlite" else postgresql).insert(NUMBERS).values(id=1, digits="x")
    connection.execute(made.on_conflict_do_update(index_elements=["id"], set_=set_))


@pytest.mark.filterwarnings("ignore:Additional column names")
@pytest.mark.parametrize("key", ["COMPANY_ID", quoted_name("Company_Id", quote=False)])
def test_a_conflict_clause_hides_nothing(world: World, key: Any) -> None:
    """Names that SQLAlchemy does not know pass there with a warning, and are refused."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has another clause, which SQLAlchemy lets no such name into")
    with bind("acme"), world.engine.connect() as connection, pytest.raises(Violation):
        _upsert(world, connection, {key: "globex"})


@pytest.mark.filterwarnings("ignore:Additional column names")
@pytest.mark.parametrize("key", [NUMBERS.c.company_id, column("company_id")])
def test_a_conflict_clause_sets_a_verified_column_once(world: World, key: Any) -> None:
    """SQLite takes the last of two, which need not be the last that the statement was given."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has another clause, to which SQLAlchemy takes each key once")
    with bind("acme"), world.engine.connect() as connection, pytest.raises(Violation, match="set twice"):
        _upsert(world, connection, {key: "globex", "company_id": "acme"})


@pytest.mark.filterwarnings("ignore:Additional column names")
def test_keys_that_are_other_columns_names_are_told_apart() -> None:
    """A statement goes by keys; a conflict clause takes a column that is not the table's own by its name."""
    metadata = MetaData()
    owner, note = (
        Column("company_id", String, key="owner", nullable=False),
        Column("note", String, key="company_id"),
    )
    odd = Table("odd", metadata, Column("id", Integer, primary_key=True), owner, note)
    engine = memory_engine()
    metadata.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(metadata, column="company_id"))
    made = sqlite.insert(odd).values(id=1)
    with bind(["acme", "globex"]), engine.begin() as connection:
        connection.execute(insert(odd).values({"id": 1, owner: "acme"}))
        with pytest.raises(Violation, match="names no tenant"):
            connection.execute(insert(odd).values({"id": 2, note: "acme"}))
    with bind("acme"), engine.begin() as connection:
        connection.execute(made.on_conflict_do_update(index_elements=["id"], set_={note: "globex"}))
        with pytest.raises(Violation, match="names tenant 'globex'"):
            connection.execute(
                made.on_conflict_do_update(index_elements=["id"], set_={column("company_id"): "globex"})
            )


@pytest.mark.parametrize(
    "statement",
    [
        lambda: select(NUMBERS).where(_beside(_shadow("calls"))),
        lambda: select(TAGS).where(_beside(_shadow("tags"))),
        lambda: select(TAGS.alias("tenant_1")),
        lambda: update(table("calls", column("id"), column("NOTE"))).values(NOTE="x"),
        lambda: update(table("calls", column("id"), column("note"))).values(note="x"),
    ],
)
def test_other_names_are_left_alone(world: World, statement: Callable[[], Any]) -> None:
    """A CTE of a table that the guard need not read, and other columns in any case, are fine."""
    if world.backend == "postgresql" and "NOTE" in str(statement()):
        pytest.skip("on PostgreSQL it is another column")
    with bind("acme"), world.engine.connect() as connection:
        connection.execute(statement())
        connection.rollback()


def test_names_are_folded_as_widely_as_any_database_does() -> None:
    """Case in every script, and accents: rather refuse too much."""
    assert folded("COMPANY_ID") == folded("company_id") == folded("Cömpany_\u0131d") == "company_id"
    assert folded("company_id2") != "company_id"


def test_a_column_that_the_metadata_has_is_itself() -> None:
    """Where two columns differ in case only, each goes by its name."""
    known = {"company_id", "Company_ID"}
    assert spelling_fault(["Company_ID"], {"company_id"}, known) is None
    assert spelling_fault(["COMPANY_ID"], {"company_id"}, known) is not None


def test_a_group_of_other_columns_is_fine() -> None:
    """Only what is verified must be set by itself."""
    columns = {c.name: c for c in CALLS.c}
    assert grouped_fault([tuple_(CALLS.c.note, CALLS.c.seconds)], columns, {"number_id"}) is None
    assert grouped_fault([tuple_(CALLS.c.note, CALLS.c.number_id)], columns, {"number_id"}) is not None
