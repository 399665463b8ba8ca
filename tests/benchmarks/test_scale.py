"""The scale benchmarks: every curve has a point for each size."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from benchmarks.scale import curves
from benchmarks.scale.__main__ import fitted, table


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("tables", (2, 4)), ("tenants", (1, 5)), ("tokens", (5, 50)), ("shapes", (2, 4)), ("tasks", (1, 3))],
)
def test_a_curve_has_a_point_for_each_size(
    name: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of each curve is as long as its axis, and fits into the table."""
    monkeypatch.setattr(curves, "REPEATS", 1)
    made = [asdict(one) for one in curves.CURVES[name](sizes)]
    assert all(len(ys) == len(sizes) for curve in made for ys in curve["lines"].values())
    assert len(table(made).splitlines()) == 2 + sum(len(curve["lines"]) for curve in made)


def test_a_flat_line_has_no_slope() -> None:
    """The slope is told with its sign; where a value is 0 there is none."""
    assert fitted({"xs": [1, 10], "lines": {"a": [2.0, 2.0], "b": [0.0, 1.0]}}, "a") == "+0.00"
    assert fitted({"xs": [1, 10], "lines": {"a": [2.0, 2.0], "b": [0.0, 1.0]}}, "b") == "-"
