"""Statements broken and joined at random: refused, or no row of the other tenant in what they return."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, StaticPool, create_engine

from tenantguard.errors import Violation
from tenantguard.sql.text import rewrite
from tests.sql.text.statements import READS, WRITES
from tests.sql.text.world import MINE, THEIRS, belongs, fill, tenancy

TOKENS = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[a-z]+\]|--[^\n]*\n?|/\*.*?\*/|[\w:]+|\s+|.", re.DOTALL
)
TEXTS = [sql for backends, sql in READS if not backends or "sqlite" in backends]
WRITTEN = [sql for backends, sql, _ in WRITES if not backends or "sqlite" in backends]
EXTRA = [
    "OR", "AND", "(", ")", ",", ";", "--", "/*", "*/", "'", '"', "`", "[", "]", "\n", "UNION", "ALL", "SELECT", "*",
    "FROM", "calls", "numbers", "call_tags", "main.", "AS", "c", "JOIN", "LEFT", "RIGHT", "FULL", "NATURAL", "CROSS",
    "ON", "USING", "(id)", "WHERE", "1=1", "WITH", "RECURSIVE", "calls AS (SELECT 1 AS id)", "IN", "EXISTS", "VALUES",
    "(1)", "ORDER BY", "LIMIT", "1", "GROUP BY", "HAVING", "WINDOW", "w", "BETWEEN", "CASE", "END", "NOT", "INDEXED",
    "MATERIALIZED", "RETURNING", "INTO", "SET", "DISTINCT", "EXCEPT", "TABLE", "company_id", "'globex'", ".", "=",
    "OFFSET", "INTERSECT", "OUTER", "INNER", "DEFAULT", "DO", "UPDATE", "DELETE", "INSERT", "countries",
]  # fmt: skip


def broken(seed: int, texts: list[str]) -> str:
    """Return a statement with tokens taken out, doubled, swapped, and put in from elsewhere."""
    dice = random.Random(seed)
    tokens = TOKENS.findall(dice.choice(texts))
    other = TOKENS.findall(dice.choice(texts))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(tokens) + 1)
        match dice.randrange(6):
            case 0:
                tokens[at : at + dice.randint(1, 3)] = []
            case 1:
                begun = dice.randrange(len(other))
                tokens[at:at] = [" ", *other[begun : begun + dice.randint(1, 12)], " "]
            case 2 if tokens:
                tokens[at:at] = tokens[dice.randrange(len(tokens)) :][: dice.randint(1, 8)]
            case 3 if len(tokens) > 1:
                one, two = dice.randrange(len(tokens)), dice.randrange(len(tokens))
                tokens[one], tokens[two] = tokens[two], tokens[one]
            case _:
                tokens[at:at] = [" ", dice.choice(EXTRA), " "]
    return "".join(tokens)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Connection, Connection]]:
    """Give connections to two companies' rows and to the slice, in memory."""
    engines = [create_engine("sqlite://", poolclass=StaticPool) for _ in range(2)]
    fill(engines[0], MINE, THEIRS)
    fill(engines[1], MINE)
    with engines[0].connect() as whole, engines[1].connect() as slice_:
        yield whole, slice_
    for engine in engines:
        engine.dispose()


PARAMETERS = {"low": 2, "state": "open", "mine": MINE, "call": 2}


def outcome(connection: Connection, sql: str, parameters: dict[str, object]) -> Counter[str] | None:
    """Return the rows of a statement, or ``None`` where the database refuses it."""
    cursor = connection.connection.cursor()
    try:
        return Counter(map(repr, cursor.execute(sql, parameters).fetchmany(5000)))
    except Exception:
        return None
    finally:
        cursor.close()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_broken_query_is_refused_or_returns_what_the_slice_returns(
    pair: tuple[Connection, Connection], seed: int
) -> None:
    """Whatever passes the reader and the database returns what the database of one tenant returns."""
    sql = broken(seed, TEXTS)
    try:
        rewritten = rewrite(sql, tenancy=tenancy, dialect="sqlite", style="driver_named")
    except Violation:
        return
    if set(rewritten.verbs) - {"select"}:
        return
    found = outcome(pair[0], rewritten.text, rewritten.bind(PARAMETERS, MINE))
    expected = outcome(pair[1], sql, PARAMETERS)
    if expected is not None and not re.search(r"LIMIT|OFFSET", sql, re.IGNORECASE):
        assert found == expected, sql
    assert THEIRS not in str(found), sql
    assert not re.search(r"\b10\d\b", str(found)) or re.search(r"\b10\d\b", sql), sql


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_broken_write_is_refused_or_leaves_the_other_tenant_alone(
    pair: tuple[Connection, Connection], seed: int
) -> None:
    """Whatever passes the reader and the database changes no row of another tenant and makes none."""
    sql = broken(seed, WRITTEN)
    try:
        rewritten = rewrite(sql, tenancy=tenancy, dialect="sqlite", style="driver_named")
    except Violation:
        return
    if rewritten.checks:
        return  # what it gives would be verified first
    whole = pair[0]
    before = belongs(whole, THEIRS)
    whole.connection.cursor().execute("SAVEPOINT fuzz")
    outcome(whole, rewritten.text, rewritten.bind(PARAMETERS, MINE))
    after = belongs(whole, THEIRS)
    whole.connection.cursor().execute("ROLLBACK TO fuzz")
    assert after == before, sql
