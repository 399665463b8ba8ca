"""What a write stores under a permission rule: a row that the rule grants to whoever writes it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy import Connection, Engine, bindparam, column, insert, literal, select, table, text, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from tenantguard import PermissionDeniedError, Tenancy, Violation, bind, bypass, guard
from tests.servers import Database
from tests.sql.test_permissions import PERMISSIONS, Call, calls, filled, metadata, someone

Work = Callable[[Connection], Any]
KEPT = [(1, "ada", ""), (2, "bob", ""), (3, "ada", "")]


@pytest.fixture
def engine(database: Database) -> Engine:
    """Give a guarded engine on calls of two agents, and of another company's agent of the same name."""
    made: Engine = filled(database, raw_sql="rewrite")
    return made


def call(number: int, owner: str) -> dict[str, Any]:
    """Return the values of a call."""
    return {"id": number, "owner": owner, "note": ""}


def upsert(number: int, owner: str, then: str) -> Work:
    """Return what writes a call, or changes the owner of the one that has its number."""

    def work(connection: Connection) -> Any:
        if connection.dialect.name == "mysql" or connection.dialect.name == "mariadb":
            into = mysql.insert(calls).values(call(number, owner))
            return connection.execute(into.on_duplicate_key_update(owner=then))
        make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        into = make(calls).values(call(number, owner))
        return connection.execute(into.on_conflict_do_update(index_elements=["id"], set_={"owner": then}))

    return work


def by_unit_of_work(connection: Connection) -> None:
    """Change an object that was loaded."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.get_one(Call, 1).owner = "bob"
        session.flush()


def from_calls(owner: Any) -> Any:
    """Return an INSERT of a copy of each call."""
    copied = select(calls.c.id + 50, calls.c.company_id, owner, calls.c.note)
    return insert(calls).from_select(["id", "company_id", "owner", "note"], copied)


def within(statement: Any) -> Work:
    """Return what executes an INSERT inside another statement, where the database has such."""
    inside = select(statement.returning(calls.c.id).cte("made"))
    return lambda connection: connection.execute(
        inside if connection.dialect.name == "postgresql" else statement
    )


AWAY: dict[str, Any] = {
    "a row": insert(calls).values(call(10, "bob")),
    "a row whose owner is left to be NULL or a default": insert(calls).values(id=10, owner=literal("b") + "ob"),
    "a row that is returned": insert(calls).values(call(10, "bob")).returning(calls.c.id),
    "rows": lambda connection: connection.execute(insert(calls), [call(10, "ada"), call(11, "bob")]),
    "rows of VALUES": insert(calls).values([call(10, "ada"), call(11, "bob")]),
    "rows of a query": from_calls(literal("bob")),
    "a row inside a statement": within(insert(calls).values(call(10, "bob"))),
    "a conflict clause that inserts": upsert(10, "bob", "ada"),
    "a conflict clause that updates": upsert(1, "ada", "bob"),
    "an UPDATE": update(calls).values(owner="bob"),
    "an UPDATE of another spelling": update(table("calls", column("OWNER"))).values(OWNER="bob"),
    "an UPDATE by an expression": update(calls).values(owner=calls.c.owner + "x"),
    "an UPDATE through an alias": update(cast("Any", calls.alias("theirs"))).values(owner="bob"),
    "UPDATEs": lambda connection: connection.execute(
        update(calls).where(calls.c.id == bindparam("of")).values(owner=bindparam("to")), [{"of": 1, "to": "bob"}]
    ),
    "an object": by_unit_of_work,
    "an INSERT as text": text("INSERT INTO calls (id, owner, note) VALUES (10, 'bob', '')"),
    "an INSERT of a query as text": text("INSERT INTO calls (id, owner, note) SELECT id + 50, 'bob', '' FROM calls"),
    "an UPDATE as text": text("UPDATE calls SET note = 'x', \n owner = 'bob'"),
    "text for the driver": lambda connection: connection.exec_driver_sql(
        "INSERT INTO calls (id, owner, note) VALUES (10, 'bob', '')"
    ),
}  # fmt: skip


def do(connection: Connection, work: Any) -> Any:
    """Execute a statement, or do what is more than one."""
    return work(connection) if not hasattr(work, "compile") else connection.execute(work)


def stored(connection: Connection) -> list[Any]:
    """Return what is stored, whose ever it is."""
    with bypass(reason="look"):
        return [
            tuple(row)
            for row in connection.execute(
                select(calls.c.id, calls.c.owner, calls.c.note).order_by(calls.c.id)
            )
        ]


def test_no_write_makes_a_row_of_somebody_else(engine: Engine) -> None:
    """In whatever form, a new row or a changed one; what the transaction did before stays."""
    for name, work in AWAY.items():
        if "spelling" in name and engine.dialect.name == "postgresql":
            continue  # it is another column there
        with bind(someone("ada")), engine.connect() as connection:
            connection.execute(insert(calls).values(call(9, "ada")))
            with pytest.raises(Violation):
                do(connection, work)
            assert stored(connection) == [*KEPT, (9, "ada", "")], name


def test_what_the_rule_grants_is_written(engine: Engine) -> None:
    """One's own rows, a team's, and everybody's for who is granted all; and what the rule does not look at."""
    ada, team, all_of_them = someone("ada"), someone("eve", team=["ada", "bob"]), someone("eve", "calls:all")
    is_mariadb = engine.dialect.name in ("mysql", "mariadb")
    granted: list[tuple[Any, Any]] = [
        (ada, insert(calls).values(call(10, "ada"))),
        (ada, lambda connection: connection.execute(insert(calls), [call(10, "ada"), call(11, "ada")])),
        (ada, from_calls(calls.c.owner)),
        (ada, upsert(10, "ada", "ada")),
        (ada, upsert(1, "ada", "ada")),
        (ada, update(calls).values(note="x", owner=calls.c.owner)),
        (ada, text("UPDATE calls SET note = 'x'")),
        (team, insert(calls).values(call(10, "bob"))),
        (all_of_them, text("INSERT INTO calls (id, owner, note) VALUES (10, 'eve', '')")),
        (all_of_them, update(calls).values(owner="eve")),
        (all_of_them, within(insert(calls).values(call(10, "bob")))),
    ]
    if not is_mariadb:  # its UPDATE returns nothing
        granted.append((team, update(calls).values(owner="bob")))
    for who, work in granted:
        with bind(who), engine.connect() as connection:
            do(connection, work)


async def test_an_asynchronous_driver_does_the_same(async_database: Database) -> None:
    """Each of them: what it has stored is read back, and taken back."""
    filled(async_database).dispose()
    tenancy = Tenancy(metadata, column="company_id", shared={"countries"}, permissions=PERMISSIONS)
    engine = guard(create_async_engine(async_database.async_urls[0]), tenancy)
    with bind(someone("ada")):
        async with engine.connect() as connection:
            await connection.execute(insert(calls), [call(9, "ada"), call(10, "ada")])
            for rows in ([call(11, "bob")], [call(11, "ada"), call(12, "bob")]):
                with pytest.raises(PermissionDeniedError):
                    await connection.execute(insert(calls), rows)
            assert list(await connection.scalars(select(calls.c.id).order_by(calls.c.id))) == [1, 9, 10]
    await engine.dispose()


def test_a_rule_that_looks_at_other_rows_judges_every_change(sqlite_database: Database) -> None:
    """A column that it does not look at in this row may be looked at in another, which this one may be."""

    def unmuted(principal: Any, row: Any) -> Any:
        other = calls.alias()
        return ~select(other.c.id).where(other.c.note == "mute", other.c.owner == row.c.owner).exists()

    engine = filled(sqlite_database, {"calls": unmuted})
    with bind(someone("ada")), engine.connect() as connection, pytest.raises(PermissionDeniedError):
        connection.execute(update(calls).where(calls.c.id == 1).values(note="mute"))
    with bind(someone("ada")), engine.connect() as connection:
        assert connection.execute(update(calls).where(calls.c.id == 1).values(note="loud")).rowcount == 1
