"""Medians, spreads, ratios and slopes: the few figures that every part of the benchmarks reports."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from statistics import median

RESAMPLES = 500
QUIET = 0.25  # of the rounds are taken as undisturbed

# Figures of the rounds, by the start of the processes they were taken in.
Starts = Sequence[Sequence[float]]
_Frozen = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Ratio:
    """Hold how many times more one thing costs than another.

    Attributes:
        value: the median of the ratios of each round.
        low: the lower end of the 95 % interval of that median; see :func:`interval`.
        high: the upper end.
        quiet: the ratio of the two lower quartiles: what other work on the machine moves least, since it only adds.
    """

    value: float
    low: float
    high: float
    quiet: float

    def __str__(self) -> str:
        return f"{self.value:.2f}"

    def shown(self, digits: int = 3) -> str:
        """Return the value with its interval, which a single round does not give."""
        if self.low == self.high:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def flat(starts: Starts) -> list[float]:
    """Return the figures of all rounds, in the order they were taken."""
    return list(chain.from_iterable(starts))


def ratio(ours: Starts, base: Starts) -> Ratio:
    """Compare two rows of measurements taken in alternation: round by round, then the median."""
    return _ratio(_frozen(ours), _frozen(base))


def _frozen(starts: Starts) -> _Frozen:
    return tuple(tuple(one) for one in starts)


@lru_cache(maxsize=4096)  # tables, pictures and targets ask for the same ones
def _ratio(ours: _Frozen, base: _Frozen) -> Ratio:
    rounds = [
        [a / b for a, b in zip(mine, theirs, strict=True)] for mine, theirs in zip(ours, base, strict=True)
    ]
    low, high = interval(rounds)
    quiet = percentile(flat(ours), QUIET) / percentile(flat(base), QUIET)
    return Ratio(median(flat(rounds)), low, high, quiet)


def interval(starts: Starts) -> tuple[float, float]:
    """Return the 95 % interval of the median, by bootstrap with a fixed seed.

    Rounds of one start share its layout of memory and are not independent, so starts are drawn first and
    rounds within them second: where the starts disagree, the interval is wide.
    """
    dice = random.Random(sum(map(len, starts)))
    medians = sorted(median(_drawn(starts, dice)) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[math.ceil(RESAMPLES * 0.975) - 1]


def _drawn(starts: Starts, dice: random.Random) -> Iterable[float]:
    drawn = dice.choices(starts, k=len(starts))
    return [value for one in drawn for value in dice.choices(one, k=len(one))]


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
