"""Orphans: a row of a through table keeps its parent, for without one it would belong to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    null,
    select,
    update,
)

from tenantguard import CrossTenantError, Tenancy, bind, guard
from tests.sql.world import TABLES, World, memory_engine

METADATA = MetaData()
CALLS = Table(
    "calls",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("company_id", String(9), nullable=False),
)
TAGS = Table(
    "tags",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("call_id", ForeignKey("calls.id")),
    Column("n", Integer),
)
NO_PARENT: dict[str, Any] = {
    "a value": insert(TAGS).values(id=2, call_id=None),
    "nothing": insert(TAGS).values(id=2),
    "a null": insert(TAGS).values(id=2, call_id=null()),
    "a select": insert(TAGS).from_select(["id", "call_id"], select(TAGS.c.id + 1, null())),
    "a select without it": insert(TAGS).from_select(["id"], select(TAGS.c.id + 1)),
    "an update": update(TAGS).values(call_id=None),
    "an update to a null": update(TAGS).values(call_id=null()),
    "an update by expression": update(TAGS).values(call_id=func.nullif(TAGS.c.call_id, 1)),
}


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Give a guarded connection to a call and its tag, whose foreign key may be NULL."""
    engine = memory_engine()
    METADATA.create_all(engine, checkfirst=False)
    with engine.begin() as plain:
        plain.execute(CALLS.insert().values(id=1, company_id="acme"))
        plain.execute(TAGS.insert().values(id=1, call_id=1))
    guard(engine, Tenancy(METADATA, column="company_id", through={"tags": "call_id"}))
    with engine.connect() as connection, bind("acme"):
        yield connection
    engine.dispose()


@pytest.mark.parametrize("how", list(NO_PARENT))
def test_a_row_without_a_parent_is_refused(connection: Connection, how: str) -> None:
    """Its own tenant could never read it again."""
    with pytest.raises(CrossTenantError):
        connection.execute(NO_PARENT[how])
    assert connection.execute(select(TAGS.c.id, TAGS.c.call_id)).all() == [(1, 1)]


def test_many_rows_without_a_parent_are_refused(connection: Connection) -> None:
    """One row among several is enough."""
    with pytest.raises(CrossTenantError, match="must name its parent by call_id"):
        connection.execute(insert(TAGS), [{"id": 2, "call_id": 1}, {"id": 3, "call_id": None}])


def test_a_key_that_nothing_belongs_through_may_be_null(world: World) -> None:
    """A bare NULL in a SELECT is of no type, which PostgreSQL takes for a text."""
    calls = TABLES["calls"]
    names = ["id", "number_id", "user_id", "country_code", "seconds", "note"]
    columns = [
        calls.c.id + 9000,
        calls.c.number_id,
        null(),
        calls.c.country_code,
        calls.c.seconds,
        calls.c.note,
    ]
    with world.engine.connect() as connection, bind("acme"):
        before = len(connection.execute(select(calls.c.id)).all())
        connection.execute(insert(calls).from_select(names, select(*columns)))
        assert len(connection.execute(select(calls.c.id)).all()) == 2 * before
        connection.rollback()
