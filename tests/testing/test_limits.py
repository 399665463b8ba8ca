"""What simple CHECK constraints allow is read from them, and values are made that fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from tenantguard.testing.limits import limits_of

ONE = sa.Column("one", sa.Integer)


@pytest.mark.parametrize(
    ("condition", "value", "fitting"),
    [
        ("one IN ('it''s', 'b')", "acme", "it's"),
        (ONE.in_([4, 5]), 1000, 4),
        ("one > 1900", 7, 1908),
        ("one >= 1900", 2000, 2000),
        ("(one < 0)", 7, -1),
        ("one BETWEEN 1 AND 5", 1000, 1),
        ("one >= 0 AND one <= 1", Decimal("3"), Decimal("0.75")),
        ("length(one) > 3", "acme", "acme"),
        ("one > two", 7, 7),
    ],
)
def test_a_value_is_made_to_fit(condition: Any, value: Any, fitting: Any) -> None:
    """A list of choices, a bound, a range; what cannot be read changes nothing."""
    table = sa.Table("t", sa.MetaData(), ONE._copy(), sa.CheckConstraint(condition))
    limit = limits_of(table).get("one")
    assert (value if limit is None else limit.fit(value, 0)) == fitting
