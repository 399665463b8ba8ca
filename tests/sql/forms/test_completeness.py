"""The table forgets no construct of SQLAlchemy, points at proofs that exist, and the page is made from it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlalchemy

from tenantguard.testing.vectors import VECTORS
from tests.sql.forms import ledger, page, walk
from tests.sql.forms.form import Elsewhere
from tests.sql.forms.table import GROUPS

ROOT = Path(__file__).parents[3]
ROWS = [row for group in GROUPS for row in group]
MENTIONED = {name for row in ROWS for name in row.names} | {
    name for names in ledger.PARTS.values() for name in names
}
on_this_line = pytest.mark.skipif(
    not sqlalchemy.__version__.startswith("2.1"), reason="the table is that of SQLAlchemy 2.1"
)


@on_this_line
def test_no_construct_is_forgotten() -> None:
    """Every construct, function and method is mentioned by a row, or is a part of statements in the ledger."""
    assert sorted(walk.names() - MENTIONED) == []


@on_this_line
def test_nothing_is_mentioned_that_is_gone() -> None:
    """A name that SQLAlchemy no longer has leaves the table too."""
    assert sorted(MENTIONED - walk.names()) == []


def test_a_row_has_a_name_of_its_own() -> None:
    """The rows of a group are told apart by name, on the page and in the tests."""
    for group in GROUPS:
        found = [row.name for row in group]
        assert sorted(set(found)) == sorted(found)


def _pointing() -> list[Elsewhere]:
    return [row for row in ROWS if isinstance(row, Elsewhere)]


def test_a_proof_that_a_row_points_at_exists() -> None:
    """Vectors by name, tests by file and function; a row that runs nothing points at something."""
    known = {vector.name for vector in VECTORS}
    for row in _pointing():
        assert row.vectors or row.tests, row.name
        assert set(row.vectors) <= known, row.name
        for test in row.tests:
            path, _, function = test.partition("::")
            tree = ast.parse((ROOT / path).read_text())
            defined = {
                n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert function in defined, test


def test_the_page_is_made_from_the_table() -> None:
    """What is committed is what `make statements` writes."""
    assert page.PAGE.read_text() == page.written(), "run `make statements`"
