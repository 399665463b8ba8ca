"""Prefixes, suffixes, hints and operators given as text."""

from __future__ import annotations

import pytest

from tenantguard.sql.text import hint, operator_fault, prefix, suffix


@pytest.mark.parametrize(
    "text",
    [
        "DISTINCT",
        "SQL_NO_CACHE",
        "HIGH_PRIORITY SQL_CALC_FOUND_ROWS",
        "OR IGNORE",
        "or  abort",
        "/*+ NO_INDEX(t) */",
        "/*+ SeqScan(calls) */ DISTINCT",
        "DISTINCT ON (a, b)",
        "NOT MATERIALIZED",
        "TEMPORARY",
        "IGNORE",
    ],
)
def test_a_known_prefix_passes(text: str) -> None:
    """Prefixes that every manual lists pass."""
    assert prefix(text, "mysql")[1] is None


@pytest.mark.parametrize(
    "text",
    [
        "OR REPLACE",
        "* FROM calls --",
        "1 AS x,",
        "DISTINCT ON (SELECT 1)",
        "/*! 1 */",
        "/*+ x */ * FROM calls",
        "/*+ */ */",
        "DISTINCT ON (a) * FROM (calls)",
        "calls",
    ],
)
def test_any_other_prefix_does_not(text: str) -> None:
    """What is not on the list is refused, ``OR REPLACE`` because it deletes another tenant's row."""
    assert prefix(text, "postgresql")[1] is not None


@pytest.mark.parametrize(
    "text",
    [
        "USE INDEX (ix_a)",
        "FORCE INDEX FOR ORDER BY (a, b)",
        "IGNORE INDEX (a) USE INDEX (b)",
        "INDEXED BY ix_a",
        "NOT INDEXED",
        "ONLY",
        "/*+ INDEX(%(name)s ix) */",
        "FOR UPDATE NOWAIT",
        "USE INDEX ()",
    ],
)
def test_a_known_hint_passes(text: str) -> None:
    """Index hints and optimizer comments pass."""
    assert hint(text, "mysql")[1] is None


@pytest.mark.parametrize(
    "text",
    [
        "USE INDEX (a), calls",
        "JOIN calls",
        "/*+ x",
        ", calls AS c",
        "AS c, other",
        f"/*+ {'INDEX(%(name)s ix) ' * 30}*/",
    ],
)
def test_any_other_hint_does_not(text: str) -> None:
    """A hint that could name a table is refused, and one that is too long with its placeholders."""
    assert hint(text, "mysql")[1] is not None


@pytest.mark.parametrize(
    "text",
    [
        "FOR UPDATE",
        "for update of calls skip locked",
        "LOCK IN SHARE MODE",
        "LIMIT 10",
        "LIMIT 10 OFFSET 5",
        "SEARCH DEPTH FIRST BY id SET ordercol",
        "CYCLE id SET is_cycle USING path",
        "FETCH FIRST 5 ROWS ONLY",
    ],
)
def test_a_known_suffix_passes(text: str) -> None:
    """Locking clauses, limits and the clauses of a recursive CTE pass."""
    assert suffix(text, "postgresql")[1] is None


@pytest.mark.parametrize(
    "text",
    [
        "DISTINCT ON (set_config(:name, 'x', true))",
        "DISTINCT ON (pg_catalog.set_config('search_path', 'x', true))",
        "DISTINCT ON (:tenantguard)",
        "DISTINCT ON (a) /* b */ UNION",
    ],
)
def test_a_prefix_sets_nothing(text: str) -> None:
    """A prefix calls no set_config, whose setting a parameter could name, and uses no name of ours."""
    assert prefix(text, "postgresql")[1] is not None


def test_a_clause_is_composed_anew() -> None:
    """Only the tokens that were read are sent, and optimizer comments."""
    assert prefix("/*+ x */ distinct  on ( a,b ) /* c */", "postgresql")[0] == "/*+ x */ distinct on (a, b)"
    assert hint("USE  INDEX( a,b ) -- c", "mysql")[0] == "USE INDEX(a, b)"
    assert suffix("LIMIT 1 /* c */ OFFSET 2", "sqlite")[0] == "LIMIT 1 OFFSET 2"


@pytest.mark.parametrize(
    "text", ["UNION ALL SELECT 1", "LIMIT (SELECT 1)", "INTO OUTFILE 'x'", "FOR UPDATE;", "-- x"]
)
def test_any_other_suffix_does_not(text: str) -> None:
    """A suffix that could begin a query is refused."""
    assert suffix(text, "postgresql")[1] is not None


@pytest.mark.parametrize(
    "text",
    [
        "~*",
        "@>",
        "REGEXP",
        "IS NOT DISTINCT FROM",
        "SIMILAR TO",
        'COLLATE "C"',
        "->>",
        "#>>",
        "= ANY",
        "::",
        "<->",
        "AT TIME ZONE",
        "not regexp",
        "OPERATOR(pg_catalog.+)",
        "||",
        "&&",
        "%%",
    ],
)
def test_a_known_operator_passes(text: str) -> None:
    """Symbols and the words that make operators pass."""
    assert operator_fault(text, "postgresql") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "OR",
        "AND",
        "IN",
        "NOT IN",
        "= 1 OR 1 =",
        "UNION SELECT",
        "FROM",
        "--",
        "/*",
        "-- =",
        ")",
        "= (",
        ";",
        ",",
        "BETWEEN",
        "USING",
        "'",
        ":=",
        "query_to_xml",
        "<>--",
        "LIKE LIKE LIKE LIKE LIKE LIKE LIKE LIKE LIKE",
    ],
)
def test_any_other_operator_does_not(text: str) -> None:
    """A word that is no operator, a comment, or nothing at all is refused."""
    assert operator_fault(text, "postgresql") is not None


@pytest.mark.parametrize(("text", "dialect"), [("#", "mysql"), ("||", "mysql"), ("#>", "sqlite"), ("#-", "")])
def test_an_operator_that_means_something_else_elsewhere_is_refused_there(text: str, dialect: str) -> None:
    """``#`` begins a comment on MySQL and ``||`` is OR there."""
    assert operator_fault(text, dialect) is not None
