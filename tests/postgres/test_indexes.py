"""Indexes under row security: what is found in the catalogue is what the planner does."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, text

from tenantguard import Tenancy
from tenantguard.postgres import indexes
from tests.postgres.world import Secured

# an index, a condition that it serves without row security, and whether the planner takes it with row security
INDEXES = {
    "(n)": ("n = 5", True),
    "(at)": ("at > now()", True),
    "(u)": ("u = '00000000-0000-0000-0000-000000000000'", True),
    "(v)": ("v = 'x'", True),
    "(big)": ("big = 5", True),
    "(num)": ("num = 5", False),
    "(v text_pattern_ops)": ("v LIKE 'x%'", False),
    "(company_id, v text_pattern_ops)": ("v LIKE 'x%'", False),
    "(lower(v))": ("lower(v) = 'x'", False),
    "((j ->> 'a'))": ("j ->> 'a' = 'x'", False),
    "USING gin (j)": ("j @> '{\"a\": 1}'", False),
    "USING gin (a)": ("a @> '{1}'", False),
    "USING gin (ts)": ("ts @@ 'x'::tsquery", False),
    "USING hash (v)": ("v = 'x'", True),
}


@pytest.fixture
def world(empty: Secured) -> Secured:
    """Give a table of two tenants under row security."""
    metadata = MetaData()
    Table(
        "t",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9), nullable=False),
    )
    with empty.owner.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE t (id int PRIMARY KEY, company_id varchar(9) NOT NULL, n int, at timestamptz, u uuid, "
                "v text, big bigint, num numeric, j jsonb, a int[], ts tsvector)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO t SELECT i, CASE WHEN i % 4 = 0 THEN 'b' ELSE 'a' END FROM generate_series(1, 400) i"
            )
        )
        connection.execute(text("ANALYZE t"))
    empty.secure(Tenancy(metadata, column="company_id"))
    return empty


def test_what_is_found_is_what_the_planner_leaves_unused(world: Secured) -> None:
    """Index by index: it is found if, and only if, the application's role cannot search by it."""
    for number, (index, (condition, used)) in enumerate(INDEXES.items()):
        with world.owner.connect() as connection:
            connection.execute(text(f"CREATE INDEX i{number} ON t {index}"))
            found = [one.place for one in indexes(connection, world.tenancy)]
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            explained = text(f"EXPLAIN SELECT 1 FROM t WHERE {condition}".replace(":", r"\:"))
            without = "\n".join(connection.execute(explained).scalars())
            connection.execute(text(f"SET LOCAL ROLE {world.roles.application}"))
            world.tell(connection, "a")
            plan = "\n".join(connection.execute(explained).scalars())
            connection.rollback()
        searched = (
            f"i{number}" in plan
            and condition.split()[0].strip("(") in plan.partition("Cond:")[2].partition("Filter")[0]
        )
        assert f"i{number}" in without or index.startswith("(company"), index
        assert (searched, found == []) == (used, used), f"{index}: {found}\n{plan}"


def test_a_finding_tells_the_cost_and_the_remedies(world: Secured) -> None:
    """The rows of the largest tenant, and first what needs no superuser."""
    with world.owner.connect() as connection:
        connection.execute(text("CREATE INDEX words ON t USING gin (ts)"))
        (found,) = indexes(connection, world.tenancy)
        connection.execute(text("ALTER FUNCTION textlike LEAKPROOF"))
        connection.execute(text("CREATE INDEX prefix ON t (company_id, v text_pattern_ops)"))
        assert [one.place for one in indexes(connection, world.tenancy)] == ["words"]
        connection.rollback()
    assert (found.name, found.severity, found.place) == ("index-unused", "warning", "words")
    assert "a search for the largest tenant reads 300 rows instead" in found.detail
    assert found.remedy.startswith(
        "put company_id first in its key, with btree_gin; or partition the table by tenant"
    )
    assert "LEAKPROOF (ts_match_vq(tsvector,tsquery))" in found.remedy
