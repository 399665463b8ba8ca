"""Medians, spreads, ratios and slopes: the few figures that every part of the benchmarks reports."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 1_000


@dataclass(frozen=True)
class Ratio:
    """Hold how many times more one thing costs than another.

    Attributes:
        value: the median of the ratios of each round.
        low: the lower end of the 95 % interval of that median, by bootstrap over rounds.
        high: the upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}"


def ratio(ours: Sequence[float], base: Sequence[float]) -> Ratio:
    """Compare two rows of measurements taken in alternation: round by round, then the median."""
    rounds = [a / b for a, b in zip(ours, base, strict=True)]
    low, high = interval(rounds)
    return Ratio(median(rounds), low, high)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median, by bootstrap with a fixed seed."""
    dice = random.Random(len(values))
    medians = sorted(median(dice.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]


def spread(values: Sequence[float]) -> float:
    """Return the median absolute deviation."""
    middle = median(values)
    return median(abs(value - middle) for value in values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))]


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the exponent of the power law through the points: 0 is flat, 1 is proportional."""
    across, up = [math.log(x) for x in xs], [math.log(y) for y in ys]
    middle_x, middle_y = sum(across) / len(across), sum(up) / len(up)
    above = sum((x - middle_x) * (y - middle_y) for x, y in zip(across, up, strict=True))
    return above / sum((x - middle_x) ** 2 for x in across)
