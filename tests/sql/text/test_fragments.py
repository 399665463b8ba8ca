"""Text inside a statement: what may stand there and what may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantguard.sql.text import read_fragment


def fragment_fault(text: str, dialect: str) -> str | None:
    """Return why a fragment is refused."""
    return read_fragment(text, dialect).fault


ALL = ("sqlite", "postgresql", "mysql", "mariadb")

HARMLESS = [
    "a = 1",
    "calls.status = 'x'",
    "a = 1 OR b = 2",
    "lower(name) LIKE 'a%'",
    "count(*)",
    "x IN (1, 2, 3)",
    "x NOT IN (:a, :b)",
    "x IN :ids",
    "created_at > :since AND created_at < :until",
    "name DESC NULLS LAST",
    "CASE WHEN a THEN 1 ELSE 0 END",
    "a BETWEEN 1 AND 2",
    "a BETWEEN :x AND :y AND b = 3",
    "row_number() OVER (PARTITION BY x ORDER BY y)",
    "sum(x) FILTER (WHERE y > 1)",
    "EXTRACT(year FROM created_at) = 2024",
    "a IS NOT DISTINCT FROM b",
    "CAST(x AS INTEGER)",
    "replace(name, 'a', 'b')",
    "'it''s; -- SELECT /* nothing */ FROM'",
    "1",
    "-1.5e3",
    "NULL",
    "coalesce(a, 'x') || 'y'",
    "calls.update_count + 1",
    "selected = 1",
    "x ->> 'a' = 'b'",
    "x AS y",
    "naïve = 1",
]

HARMFUL = {
    "id IN (SELECT call_id FROM tags)": "SELECT",
    "(select 1)": "SELECT",
    "EXISTS (WITH x AS (VALUES (1)) TABLE x)": "WITH",
    "x IN (VALUES (1))": "VALUES",
    "x IN (TABLE calls)": "TABLE",
    "1 UNION ALL TABLE calls": "UNION",
    "x) OR (1=1": "parentheses",
    "1) OR (1=1": "parentheses",
    "(1": "parentheses",
    "x' OR '1'='1": "quote",
    "'open": "quote",
    '"open': "quote",
    "1; DROP TABLE calls": "semicolon",
    "1 /* the rest": "comment",
    "1 /*! OR 1=1 */": "comment",
    "1 */": "comment",
    "1=1 ORDER BY 1": "ORDER",
    "1=1 GROUP BY x": "GROUP",
    "1=1 LIMIT 5": "LIMIT",
    "1=1 FOR UPDATE": "FOR",
    "1=1 WHERE 1=1": "WHERE",
    "1 INTO OUTFILE '/tmp/x'": "INTO",
    "a BETWEEN 1": "BETWEEN",
    "CASE WHEN a THEN 1": "CASE",
    "END": "CASE",
    "1, * FROM calls": "FROM",
    "a JOIN b": "JOIN",
    "": "empty",
    "   ": "empty",
    "a \x00 b": "control",
    "a\x0bb": "control",
    "a = ' :name'": "parameter",
    "a \\ b": "backslash",
    "x\u00a0= 1": "neither a letter",
}


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("text", HARMLESS)
def test_an_expression_passes(text: str, dialect: str) -> None:
    """An expression that names columns and no table passes on every database."""
    assert fragment_fault(text, dialect) is None


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("text", HARMFUL)
def test_what_could_reach_a_table_does_not_pass(text: str, dialect: str) -> None:
    """A query, a table or a way out of the place is refused on every database, with the reason."""
    fault = fragment_fault(text, dialect)
    assert fault is not None
    assert HARMFUL[text] in fault


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a <@@> b", "postgresql"),  # one operator there, if anybody made it
        ("a != -1 AND b !=-1", "postgresql"),
        ("1 -|--b", "postgresql"),
        ("a %%% b", "postgresql"),
        ("x IN calls", "sqlite"),
        ("x IN main.calls", "sqlite"),
        ('x IN "calls"', "sqlite"),
        ("x IN pragma_table_info('calls')", "sqlite"),
        ("x IN", "sqlite"),
        ("a = ?", "sqlite"),
        ("a = ?1", "sqlite"),
        ("a = @x", "sqlite"),
        ("a = $x", "sqlite"),
        ("load_extension('x')", "sqlite"),
        ('"load_extension"(1)', "sqlite"),
        ("[load_extension](1)", "sqlite"),
        ("load_extension (1)", "sqlite"),
        ("last_insert_rowid()", "sqlite"),
        (r"a = 'x\' OR 1=1 OR \''", "mysql"),
        (r'a = "x\" OR 1=1 OR \""', "mysql"),
        ("@x := 1", "mysql"),
        ("@@secure_file_priv", "mysql"),
        ("load_file('/etc/passwd')", "mysql"),
        ("`load_file`('/etc/passwd')", "mariadb"),
        ("a = 1 PROCEDURE ANALYSE()", "mysql"),
        ("a = $1", "postgresql"),
        ("query_to_xml('select 1', true, true, '')", "postgresql"),
        ("pg_catalog.query_to_xml('select 1', true, true, '')", "postgresql"),
        ("pg_catalog . \"query_to_xml\" ('select 1')", "postgresql"),
        ("lower(QUERY_TO_XML('select 1', true, true, '')::text)", "postgresql"),
        (r'U&"query\005fto_xml"(1)', "postgresql"),
        ("E'a'\n'b\\' OR 1=1 --'", "postgresql"),
        (r"E'\' OR 1=1", "postgresql"),
        ("CURRENT OF c", "postgresql"),
        ("pg_relation_size('calls')", "postgresql"),
        ("a = 1 LATERAL b", "postgresql"),
        ("a = 'x' UESCAPE 'y' U&'\\0041'", "postgresql"),
    ],
)
def test_what_one_database_alone_understands_does_not_pass(text: str, dialect: str) -> None:
    """Forms of one database that name a table, run SQL or shift parameters are refused there."""
    assert fragment_fault(text, dialect) is not None


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("data ? 'key'", "postgresql"),
        ("data @> '{}'::jsonb", "postgresql"),
        ("data #>> '{a,b}' = 'x'", "postgresql"),
        (r"x\:\:int = 1", "postgresql"),
        ("x::timestamp with time zone", "postgresql"),
        (r"name LIKE '50\%' ESCAPE '\'", "postgresql"),
        (r"E'it\'s' = name", "postgresql"),
        ("tags[1:2]", "postgresql"),
        ("to_char(x, 'HH24:MI')", "postgresql"),
        ("percentile_cont(0.5) WITHIN GROUP (ORDER BY x)", "postgresql"),
        ("nextval('ids')", "postgresql"),
        ("pg_sleep(1)", "postgresql"),
        ("strftime('%H:%M', x)", "sqlite"),
        ("[status] = 1 AND `name` = 2", "sqlite"),
        ("MATCH (a) AGAINST (:x IN BOOLEAN MODE)", "mysql"),
        ("INSERT(name, 1, 2, 'x')", "mysql"),
        ("group_concat(x ORDER BY y SEPARATOR ',')", "mysql"),
        (r"name LIKE '50\%'", "mysql"),
        ("CONVERT(x USING utf8mb4)", "mysql"),
        ('a = "text"', "mysql"),
    ],
)
def test_expressions_of_one_database_pass_there(text: str, dialect: str) -> None:
    """What is an expression on one database passes there."""
    assert fragment_fault(text, dialect) is None


def test_an_unknown_dialect_is_refused() -> None:
    """Text of a database that was never proven is not judged harmless."""
    assert "oracle" in (fragment_fault("a = 1", "oracle") or "")


@pytest.mark.parametrize("text", ["x" * 100_001, "(" * 101 + "1" + ")" * 101])
def test_size_and_depth_are_bounded(text: str) -> None:
    """A text that is too long or too deep is refused."""
    assert fragment_fault(text, "sqlite") is not None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.sampled_from(ALL))
def test_any_text_gets_an_answer(text: str, dialect: str) -> None:
    """No text makes the reader fail otherwise than by refusing."""
    fault = fragment_fault(text, dialect)
    assert fault is None or fault
