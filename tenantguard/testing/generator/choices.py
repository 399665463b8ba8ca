"""Choices that can be repeated and made smaller: to its generator, a program is a list of numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator


class Recorded:
    """Random choices, which are recorded."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 - programs, not secrets
        self.made: list[int] = []

    def __call__(self, most: int) -> int:
        """Choose a number from 0 to ``most``."""
        self.made.append(self._random.randint(0, most))
        return self.made[-1]


class Replayed:
    """Given choices, limited to what is possible; after the last one, 0, the simplest."""

    def __init__(self, given: list[int]) -> None:
        self._left = iter(given)
        self.made: list[int] = []

    def __call__(self, most: int) -> int:
        """Choose a number from 0 to ``most``."""
        self.made.append(min(next(self._left, 0), most))
        return self.made[-1]


def shrink(choices: list[int], fails: Callable[[list[int]], list[int] | None], tries: int = 600) -> list[int]:
    """Return smaller choices that still fail.

    Args:
        choices: those that fail.
        fails: tries some; returns those that were in fact used where they fail, ``None`` where they do not.
        tries: how many attempts to spend.
    """
    best = choices
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(best):
            if tries <= 0:
                return best
            tries -= 1
            used = fails(candidate)
            if used is not None and _size(used) < _size(best):
                best, improved = used, True
                break
    return best


def _size(choices: list[int]) -> tuple[int, list[int]]:
    return len(choices), choices


def _smaller(choices: list[int]) -> Iterator[list[int]]:
    """Yield candidates, the boldest first: runs left out, runs set to 0, single choices lowered."""
    length = len(choices) // 2
    while length:
        for start in range(0, len(choices) - length + 1, max(1, length // 2)):
            yield choices[:start] + choices[start + length :]
        for start in range(0, len(choices) - length + 1, length):
            if any(choices[start : start + length]):
                yield [*choices[:start], *[0] * length, *choices[start + length :]]
        length //= 2
    for at, value in enumerate(choices):
        for lower in {0, value // 2, value - 1}:
            if 0 <= lower < value:
                yield [*choices[:at], lower, *choices[at + 1 :]]
