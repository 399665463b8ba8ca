"""The figures that the benchmarks report."""

from __future__ import annotations

import pytest

from benchmarks.figures import interval, percentile, ratio, slope, spread


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    """Noise that hits both sides of a round leaves the ratio alone."""
    found = ratio([[2.0, 20.0], [4.0]], [[1.0, 10.0], [2.0]])
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_the_quiet_ratio_leaves_disturbed_rounds_out() -> None:
    """Where other work hits most rounds of one side, the lower quartiles still tell the cost."""
    found = ratio([[2.0, 2.0, 9.0, 9.0, 9.0]], [[1.0] * 5])
    assert (found.value, found.quiet) == (9.0, 2.0)


def test_an_interval_holds_its_median() -> None:
    """The interval narrows around what most rounds say, whatever one outlier does."""
    low, high = interval([[1.0] * 20 + [9.0]])
    assert (low, high) == (1.0, 1.0)


def test_starts_that_disagree_widen_the_interval() -> None:
    """Many rounds of a start are no evidence about the next start."""
    low, high = interval([[1.0] * 50, [1.1] * 50, [1.2] * 50])
    assert (low, high) == (1.0, 1.2)


@pytest.mark.parametrize(("power", "told"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_a_slope_is_the_exponent(power: int, told: float) -> None:
    """A flat line has the slope 0, a proportional one 1."""
    assert slope([1, 10, 100], [3.0 * x**power for x in (1, 10, 100)]) == pytest.approx(told)


def test_a_spread_forgives_an_outlier() -> None:
    """One wild value does not change the median deviation."""
    assert spread([1.0, 2.0, 3.0, 2.0, 1_000.0]) == 1.0


def test_a_percentile_is_one_of_the_values() -> None:
    """The highest share gives the highest value."""
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 1.0)] == [1.0, 2.0, 3.0]
