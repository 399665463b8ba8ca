"""SQL text under several tenants: the union is read, and a write names one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from tenantguard import CrossTenantError, RawSQLError, bind, bypass, guard
from tenantguard.sql.text import rewrite
from tests.servers import BACKENDS, Backend, Database
from tests.sql.text.world import MINE, THEIRS, fill, tenancy

PLACES = {"qmark": "?", "format": "%s", "pyformat": "%s"}


@pytest.fixture(scope="module", params=BACKENDS)
def connection(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Connection]:
    """Give a connection to two companies' rows, guarded in rewrite mode."""
    database = make_database(request.param, "text_sets")
    fill(database.create_engine(), MINE, THEIRS)
    engine = guard(database.create_engine(), tenancy, raw_sql="rewrite")
    with engine.connect() as opened:
        yield opened
        opened.rollback()
    database.close()


def test_the_union_is_read(connection: Connection) -> None:
    """One text serves one tenant, another one, and both together, on one connection in turn."""
    query = text("SELECT count(*) FROM call_tags WHERE id > :low OR 1 = 1")
    place = PLACES[connection.dialect.paramstyle]
    sent = f"SELECT count(*) FROM tag_notes WHERE id > {place} OR 1 = 1"
    for tenants, tags, notes in (
        ([MINE], 4, 2),
        ([MINE, THEIRS], 8, 4),
        ([THEIRS], 4, 2),
        ([THEIRS, MINE], 8, 4),
    ):
        with bind(tenants[0] if len(tenants) == 1 else tenants):
            assert connection.execute(query, {"low": 0}).scalar() == tags
            assert connection.exec_driver_sql(sent, (0,)).scalar() == notes


def test_a_write_reaches_the_union(connection: Connection) -> None:
    """An update changes rows of each tenant that is bound, and of no other one."""
    changed = text("UPDATE calls SET status = 'x' WHERE id > 0 OR 1 = 1")
    with bind([MINE, "initech"]):
        assert connection.execute(changed).rowcount == 5
    with bind([MINE, THEIRS]):
        assert connection.exec_driver_sql("DELETE FROM tag_notes").rowcount == 4
    connection.rollback()


def test_an_insert_names_its_tenant(connection: Connection) -> None:
    """Which of several tenants a new row belongs to is never guessed."""
    insert = text("INSERT INTO numbers (id, company_id) VALUES (500, :tenant)")
    with bind([MINE, THEIRS]):
        connection.execute(insert, {"tenant": THEIRS})
        with pytest.raises(CrossTenantError, match="names tenant 'initech'"):
            connection.execute(insert, {"tenant": "initech"})
        with pytest.raises(RawSQLError, match="several tenants are bound"):
            connection.execute(text("INSERT INTO numbers (id) VALUES (501)"))
    with bypass(reason="look"):
        found = connection.execute(text("SELECT company_id FROM numbers WHERE id >= 500")).scalars().all()
    assert found == [THEIRS]
    connection.rollback()


@pytest.mark.parametrize(
    ("style", "sql", "wanted", "given", "bound"),
    [
        ("qmark", "SELECT ?, id FROM calls", 'SELECT ?, id FROM calls WHERE calls."company_id" IN (?, ?)', (1,),
         (1, "a", "b")),
        ("format", "SELECT %s FROM calls", 'SELECT %s FROM calls WHERE calls."company_id" IN (%s, %s)', (1,),
         (1, "a", "b")),
        ("pyformat", "SELECT %(x)s FROM calls",
         'SELECT %(x)s FROM calls WHERE calls."company_id" IN (%(tenantguard_0)s, %(tenantguard_1)s)', {"x": 1},
         {"x": 1, "tenantguard_0": "a", "tenantguard_1": "b"}),
        ("numeric_dollar", "SELECT $1 FROM calls", 'SELECT $1 FROM calls WHERE calls."company_id" IN ($2, $3)', (1,),
         (1, "a", "b")),
        ("named", "SELECT 1 FROM calls", 'SELECT 1 FROM calls WHERE calls."company_id" IN :tenantguard', {},
         {"tenantguard": ["a", "b"]}),
    ],
)  # fmt: skip
def test_each_way_of_writing_parameters_takes_a_set(
    style: str, sql: str, wanted: str, given: object, bound: object
) -> None:
    """Each tenant has a parameter of its own, except where SQLAlchemy expands the one."""
    rewritten = rewrite(sql, tenancy=tenancy, dialect="postgresql", style=style, several=2)
    assert rewritten.text == wanted
    assert rewritten.bind(given, ["a", "b"]) == bound
