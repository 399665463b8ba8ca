"""What the users of a PostgreSQL server have made is noticed where a statement could mean it, and only there."""

from __future__ import annotations

import pytest

from tenantguard.sql.servers.catalogue import Catalogue, calls_something
from tenantguard.sql.servers.meanings import meanings

MADE = Catalogue(
    {"function": frozenset({"lower"}), "operator": frozenset({"+", "@@@"}), "cast": frozenset({"mood"})},
    frozenset({("total", "calls"), ("secret", ""), ("odd name", "calls")}),
)
COLUMNS = {"calls": {"id", "note"}, "tags": {"id", "total", "secret"}}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lower(note) FROM calls",
        'SELECT "lower" (note) FROM calls',
        "SELECT LOWER(note) FROM calls",
        "SELECT /*+ SeqScan(calls) */ lower(note) FROM calls",
        "SELECT a @@@ b FROM tags",
        "SELECT a +-1 FROM tags",
        "SELECT CAST(a AS mood) FROM tags",
        "SELECT a::public.Mood FROM tags",
        "SELECT JSON_VALUE(a, '$' RETURNING mood) FROM tags",
        "SELECT calls.total FROM calls",
        "SELECT calls.TOTAL FROM calls, tags",
        "SELECT public.calls.total FROM public.calls",
        "SELECT c.total FROM tags t JOIN public.calls c ON true",
        'SELECT "C".total FROM calls AS "C"',
        "SELECT c.total FROM calls * c",
        "SELECT c.total FROM ONLY (calls) c",
        "SELECT (c).total FROM calls c",
        "SELECT r.total FROM json_populate_record(NULL::calls, a) AS r",
        "SELECT s.total FROM (SELECT id AS total FROM calls) AS s",
        'SELECT c."odd name" FROM calls c',
        "UPDATE calls SET note = calls.total",
        "SELECT c.secret FROM calls c",
        "SELECT s.secret FROM (SELECT 1) AS s",
        "SELECT x.secret FROM tags t",
    ],
)
def test_what_could_be_the_users_is_told(statement: str) -> None:
    """A function, an operator, a cast or a field of the users' is found, however the statement spells it."""
    assert "may be a user-defined function here" in (MADE.fault(statement, COLUMNS) or "")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT upper(note), calls.note FROM calls WHERE id = 'lower(x) @@@ c.total'",
        "SELECT t.total, c.id FROM tags AS t JOIN calls c ON c.id = t.id",
        "SELECT tags.total, tags.secret FROM calls, tags",
        "SELECT s.total FROM (SELECT total FROM tags) AS s",
        "SELECT tags.total(1), id AS mood FROM tags",
        "SELECT count(*), a::text FROM tags /* lower(x) */",
    ],
)
def test_what_is_a_column_of_its_table_is_not(statement: str) -> None:
    """A field that its own table has as a column comes before a function, whatever other tables have."""
    assert MADE.fault(statement, COLUMNS) is None


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_catalog.count(*) AS mood FROM calls",
        "SELECT pg_catalog.max(c.note) AS max_1 FROM calls AS c WHERE c.id = $1::INTEGER AND (c.note = $2::mood)",
        "SELECT s.n, s.id FROM (SELECT calls.id, pg_catalog.count(*) AS n FROM calls GROUP BY calls.id) AS s",
        "WITH RECURSIVE tree(id, up) AS (SELECT calls.id, 1 FROM calls) SELECT tree.up FROM tree",
        "SELECT v.a FROM shop.calls JOIN (VALUES (%(p)s::INTEGER)) AS v (a) ON v.a = shop.calls.id",
        "SELECT CAST(calls.id AS VARCHAR(10)) || '%%' FROM calls WHERE calls.id %% %(n)s::INTEGER = -1.5",
        "INSERT INTO calls (id, note) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET note = excluded.note",
        "SELECT e.key, EXTRACT(year FROM c.id) FROM calls c, pg_catalog.jsonb_each(c.id) AS e FETCH FIRST (2) ROWS",
    ],
)
def test_ordinary_statements_call_nothing(statement: str) -> None:
    """Neither labels, nor the columns of queries, nor the types of parameters are what users could make."""
    assert not calls_something(statement, COLUMNS | {"excluded": {"note"}}, {"tree"})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT calls.others FROM calls",
        "SELECT c.others AS others FROM calls AS c",
        "SELECT (c).note FROM calls AS c",
        "SELECT s.others FROM (SELECT calls.id FROM calls) AS s",
        "SELECT 7 @@@ 7",
        "SELECT CAST(calls.id AS mood), $1::mood FROM calls",
        "SELECT calls.id::mood FROM calls",
        "SELECT 1 FROM calls WHERE calls.note = %(x)s::VARCHAR AND substring(calls.note, 1, 2) = 'x'",
        "SELECT count(*) FROM calls",
    ],
)
def test_what_only_the_users_could_have_made_is_a_call(statement: str) -> None:
    """Whatever stands before it, and whatever else in the statement has the name."""
    assert calls_something(statement, COLUMNS)


def test_nothing_is_read_where_nothing_was_made() -> None:
    """A server whose users have made nothing costs no reading."""
    assert Catalogue({"function": frozenset()}).fault("SELECT lower(a)", {}) is None


def test_a_column_of_one_mapping_is_not_that_of_another_table() -> None:
    """What stands before a dot is told with the name, and what it stands for with the FROM."""
    found = meanings('SELECT c.a, (d).b, "E".f FROM x AS c, y."Z" d, LATERAL (SELECT 1) AS "E"')
    assert found.fields["a"] == {"c"}
    assert found.fields["b"] == {""}
    assert found.relations["c"] == {"x"}
    assert found.relations["d"] == {"Z"}
    assert found.relations["E"] == {""}
