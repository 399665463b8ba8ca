"""Plans: the guarded statements of ten shapes use the tenant's indexes under row security, and ask who is told once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    select,
    text,
    update,
)

from tenantguard import Tenancy, bind, guard
from tenantguard.postgres import RowSecurity, Seal
from tests.postgres.world import KEY, Secured

METADATA = MetaData()
CALLS = Table(
    "calls", METADATA, Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
    Column("at", DateTime(timezone=True)), Column("agent", Integer), Column("note", String(40)),
    Index("calls_at", "company_id", "at"), Index("calls_agent", "company_id", "agent"),
    Index("calls_note", "company_id", "note"),
)  # fmt: skip
TAGS = Table(
    "tags", METADATA, Column("id", Integer, primary_key=True), Column("call_id", ForeignKey("calls.id"), index=True),
    Column("tag", String(9)),
)  # fmt: skip
# a statement, and the index that has to serve it
SHAPES = {
    "by key": (select(CALLS.c.note).where(CALLS.c.id == 8), "calls_pkey"),
    "the last of a list": (select(CALLS.c.id).order_by(CALLS.c.at.desc()).limit(20), "calls_at"),
    "a range": (select(func.count()).where(CALLS.c.at > func.now() - text("interval '9 minutes'")), "calls_at"),
    "some of many": (select(CALLS.c.id).where(CALLS.c.agent.in_([1, 2])), "calls_agent"),
    "by two columns": (select(CALLS.c.id).where(CALLS.c.agent == 1, CALLS.c.note == "n8"), "calls_note"),
    "how many of each": (
        select(CALLS.c.agent, func.count()).where(CALLS.c.agent < 3).group_by(CALLS.c.agent), "calls_agent",
    ),
    "a join through the parent": (
        select(CALLS.c.note, TAGS.c.tag).join_from(CALLS, TAGS).where(CALLS.c.id == 8), "tags_call_id",
    ),
    "a row that has another": (
        select(CALLS.c.id).where(CALLS.c.id < 40, select(TAGS.c.id).where(TAGS.c.call_id == CALLS.c.id).exists()),
        "calls_pkey",
    ),
    "a change by key": (update(CALLS).where(CALLS.c.id == 8).values(note="x"), "calls_pkey"),
    "a deletion by key": (delete(TAGS).where(TAGS.c.id == 8), "tags_pkey"),
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(sealed_plans: Secured) -> Iterator[Engine]:
    """Give a guarded engine on 40,000 rows of a large company and a small one."""
    world = sealed_plans
    made = create_engine(world.url(world.roles.application), poolclass=NullPool)
    yield guard(made, world.tenancy, row_security=RowSecurity(Seal(KEY)))
    made.dispose()


@pytest.fixture(scope="module")
def sealed_plans(make_database: Any, worker_name: str) -> Iterator[Secured]:
    """Give sealed policies over enough rows for an index to pay."""
    world = Secured(make_database("postgresql", "plans"), worker_name)
    METADATA.create_all(world.owner)
    with world.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO calls SELECT i, CASE WHEN i % 4 = 0 THEN 'acme' ELSE 'globex' END, "
                r"now() - i * interval '1 minute', i % 500, 'n' || i FROM generate_series(1, 40000) i"
            )
        )
        connection.execute(text("INSERT INTO tags SELECT i, i, 'x' FROM generate_series(1, 40000) i"))
    world.secure(Tenancy(METADATA, column="company_id", through={"tags": "call_id"}), sealed=True)
    with world.owner.begin() as connection:
        connection.execute(text("ANALYZE calls, tags"))
    yield world
    world.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_uses_its_index(engine: Engine, sealed_plans: Secured, shape: str) -> None:
    """No table is read through, and the settings are read before the rows, not for each."""
    statement, index = SHAPES[shape]
    plan = _plan(engine, sealed_plans, statement)
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
    seals = [line for line in plan.splitlines() if "sealed_tenant()" in line]
    assert seals == [], plan  # it stands in an InitPlan, which names its number in the place of the call


def _plan(engine: Engine, world: Secured, statement: Any) -> str:
    """Return the plan of the statement as the guard composes it, for the application's role."""
    sent: list[Any] = []

    def keep(_c: Connection, _k: Any, said: str, parameters: Any, _x: Any, _m: bool) -> None:
        sent.append((said, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    with bind("acme"), engine.connect() as connection:
        connection.execute(statement)
        connection.rollback()
    event.remove(engine, "before_cursor_execute", keep)
    said, parameters = sent[-1]
    with world.told("acme") as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {said}", parameters)
        return "\n".join(explained.scalars())
