"""Observations: what a report says of the records of an application."""

from __future__ import annotations

import pytest

from tenantguard.adoption.observations import by_change, observations, unbound_everywhere
from tenantguard.sql.observe import Record


def _record(
    line: int, *, unbound: int, changes: tuple[str, ...] = ("filters calls by company_id",)
) -> Record:
    return Record(
        "app.py", line, "recent", f"app.py:{line} recent", "select", "SELECT ?", str(line),
        changes=list(changes), seen=2, unbound=unbound,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([_record(1, unbound=2), _record(2, unbound=2)], True),
        ([_record(1, unbound=2), _record(2, unbound=0, changes=())], True),
        ([_record(1, unbound=2), _record(2, unbound=1)], False),
        ([_record(1, unbound=0, changes=())], False),
        ([], False),
    ],
)
def test_the_middleware_comes_first_where_no_tenant_was_ever_bound(records: list[Record], said: bool) -> None:
    """Otherwise every place is named, and none of them tells whether it reaches other companies."""
    assert ("TenantMiddleware" in unbound_everywhere(observations(records))) is said


def test_lines_of_a_function_are_one_place_where_to_bind() -> None:
    """To bind where the work begins settles all of them; what reaches other companies is changed line by line."""
    unbound = [_record(1, unbound=2), _record(2, unbound=2)]
    assert [len(group) for group in by_change(observations(unbound))] == [2]
    alike = [_record(1, unbound=0), _record(2, unbound=0)]
    assert [len(group) for group in by_change(observations(alike))] == [1, 1]
