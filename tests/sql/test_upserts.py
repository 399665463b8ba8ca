"""Upserts of many rows: the batch goes through as it does without the guard, and leaves what is another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, delete, literal, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from tenantguard import bind, bypass
from tests.models import Call, CallTag, Comment, Label, TagNote
from tests.sql.world import World


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    """Give a guarded connection whose changes are rolled back."""
    with world.engine.connect() as connection:
        yield connection
        connection.rollback()


def _upsert(backend: str, model: Any, name: str) -> Any:
    """Return an upsert that sets a column to what was to be inserted."""
    if backend == "mariadb":
        made = mysql.insert(model)
        return made.on_duplicate_key_update({name: made.inserted[name]})
    dialect: Any = sqlite if backend == "sqlite" else postgresql
    other = dialect.insert(model)
    return other.on_conflict_do_update(index_elements=["id"], set_={name: other.excluded[name]})


def _names(connection: Connection, column: Any, *ids: int) -> list[Any]:
    with bypass(reason="looking at what was written"):
        return list(
            connection.scalars(select(column).where(column.class_.id.in_(ids)).order_by(column.class_.id))
        )


@pytest.mark.parametrize("batch", ["executemany", "values"])
def test_a_batch_of_an_owned_table(world: World, connection: Connection, batch: str) -> None:
    """Own rows are updated, new ones inserted, another tenant's stay."""
    rows = [{"id": 1, "name": "x"}, {"id": 101, "name": "y"}, {"id": 5001, "name": "z"}]
    statement = _upsert(world.backend, Label, "name")
    with bind("acme"):
        if batch == "values":
            connection.execute(statement.values(rows))
        else:
            connection.execute(statement, rows)
    assert _names(connection, Label.name, 1, 101, 5001) == ["x", "urgent", "z"]


@pytest.mark.parametrize("batch", ["executemany", "values"])
def test_a_batch_of_a_through_table(world: World, connection: Connection, batch: str) -> None:
    """The same where the tenant is a parent's."""
    with bypass(reason="looking for rows"):
        (before,) = connection.scalars(select(CallTag.tag).where(CallTag.id == 101))
    rows = [
        {"id": 1, "call_id": 1, "tag": "x"},
        {"id": 101, "call_id": 1, "tag": "y"},
        {"id": 5001, "call_id": 1, "tag": "z"},
    ]
    statement = _upsert(world.backend, CallTag, "tag")
    with bind("acme"):
        if batch == "values":
            connection.execute(statement.values(rows))
        else:
            connection.execute(statement, rows)
    assert _names(connection, CallTag.tag, 1, 101, 5001) == ["x", before, "z"]


def test_a_batch_that_returns_its_rows(world: World) -> None:
    """RETURNING sends the rows in batches of SQLAlchemy's making, whose parameters are renamed."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has no ON CONFLICT")
    statement = _upsert(world.backend, Label, "name").returning(Label)
    rows = [{"id": 1, "name": "x"}, {"id": 101, "name": "y"}, {"id": 5001, "name": "z"}]
    with Session(world.engine) as session, bind("acme"):
        assert sorted(label.name for label in session.scalars(statement, rows)) == ["x", "z"]


def test_a_delete_reads_the_table_it_deletes_from(world: World, connection: Connection) -> None:
    """The predicate of a second table may lead through the first one, which MariaDB reads in no subquery."""
    if world.backend == "sqlite":
        pytest.skip("SQLite has no DELETE ... USING")
    statement = delete(CallTag).where(TagNote.id == 5000 + Call.id, CallTag.call_id == Call.id)
    with bind("acme"):
        assert connection.execute(statement, execution_options={"synchronize_session": False}).rowcount == 0


@pytest.mark.parametrize("model", [Comment, CallTag])
def test_an_upsert_counts_as_it_does_alone(world: World, connection: Connection, model: Any) -> None:
    """MariaDB counts two for a row that is changed, though it names a key of its own table, or sets one."""
    if world.backend != "mariadb":
        pytest.skip("the others count one")
    if model is Comment:
        row: dict[str, Any] = {"id": 1, "call_id": 1, "body": "x", "parent_id": 1}
        changed: dict[str, Any] = {"body": "new"}
    else:
        row, changed = {"id": 1, "tag": "x", "call_id": 1}, {"tag": "new", "call_id": 1}
    statement = mysql.insert(model).values(row).on_duplicate_key_update(changed)
    with bind("acme"):
        assert connection.execute(statement).rowcount == 2


@pytest.mark.parametrize(("model", "name"), [(Label, "name"), (CallTag, "tag")])
def test_an_upsert_from_a_query_of_its_own_table(
    world: World, connection: Connection, model: Any, name: str
) -> None:
    """MariaDB sees the names of the query in the conflict clause, too, where the table's own would be ambiguous."""
    columns = model.__table__.c
    source = select(*(literal("x").label(name) if column.name == name else column for column in columns))
    (before,) = _names(connection, getattr(model, name), 101)
    connection.rollback()
    statement = _upsert(world.backend, model, name).from_select(columns.keys(), source)
    with bind("acme"):
        connection.execute(statement)
    assert _names(connection, getattr(model, name), 1, 101) == ["x", before]
