"""The mechanisms that are counted beside the guard do what they are known to do, so that the numbers are theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.mechanisms import QueryHooks, RowSecurity, row
from scripts.sealed_policies import SealedPolicies, account
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.vectors import VECTORS, Outcome, Result
from tenantguard.testing.vectors.models import tenancy
from tests.servers import Backend, Database

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not


@pytest.fixture
def hooks() -> Iterator[QueryHooks]:
    """Give the recipe, and take it out again."""
    made = QueryHooks(tenancy)
    yield made
    made.close()


def outcomes(url: str, protect: Any, *names: str) -> dict[str, str]:
    """Return how some vectors end under a mechanism."""
    with laboratory(tenancy, url, protect=protect) as lab:
        report = attack(lab, chosen(names=names))
    return {found.vector.name: str(found.outcome) for found in report.results}


def test_query_hooks_narrow_what_the_orm_reads(hooks: QueryHooks) -> None:
    """Entities and aliases are narrowed; a table on a connection is not."""
    found = outcomes("sqlite://", hooks, "orm_select", "orm_alias", "legacy_query", "count_rows")
    assert found["count_rows"] == "leaked"
    assert set(map(found.get, ("orm_select", "orm_alias", "legacy_query"))) == {"held"}


def test_row_security_narrows_every_statement(
    make_database: Callable[[Backend, str], Database],
) -> None:
    """A table on a connection and SQL text are narrowed; a key that points at another tenant's row is not refused."""
    database = make_database("postgresql", "mechanisms")
    names = ("count_rows", "text_select", "fk_insert_core")
    found = outcomes(database.url, RowSecurity(tenancy), *names)
    assert (found["count_rows"], found["text_select"]) == ("held", "held")
    assert found["fk_insert_core"] == "leaked"


def test_sealed_policies_hold_what_a_database_can_see(
    make_database: Callable[[Backend, str], Database],
) -> None:
    """Keys, snapshots and text are held; what is served from memory is accounted for, and nothing else gets through."""
    database = make_database("postgresql", "mechanisms_sealed")
    names = ("fk_insert_core", "fk_seen_in_an_older_snapshot", "text_select", "switch_then_get")
    with laboratory(tenancy, database.url, protect=SealedPolicies(tenancy)) as lab:
        report = attack(lab, chosen(names=names))
    found = {one.vector.name: str(one.outcome) for one in report.results}
    assert found.pop("switch_then_get") == "leaked"
    assert set(found.values()) == {"held"}, found
    assert list(account(report))[-1] == "0 that a database could see"


def test_what_has_no_reason_is_named() -> None:
    """A vector that nobody accounted for is what the database could have held."""
    vector = next(one for one in VECTORS if one.name == "text_select")
    assert list(account(Report("postgresql", [Result(vector, Outcome.LEAKED)])))[-1].endswith(
        "see, text_select"
    )


def test_a_line_counts_what_got_through() -> None:
    """By group, and in all; what has no shape is not among those that ran."""
    first, second, third = [vector for vector in VECTORS if vector.group == "reads"][:3]
    results = [
        Result(first, Outcome.LEAKED),
        Result(second, Outcome.HELD),
        Result(third, Outcome.NOT_APPLICABLE),
    ]
    assert row("none", Report("sqlite", results))[:6] == ["sqlite", "none", "2", "1", "0", "1"]
