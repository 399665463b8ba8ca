"""The companies of the load test, and how their rows tell whose they are.

Texts hold the company's id, and every number of seconds leaves the company's index as the remainder of a
division by ``MODULUS``: sums and maxima over another company's rows give themselves away too. The users
import this and no database.
"""

from __future__ import annotations

import random

COMPANIES = 60
CALLS, NUMBERS = 400, 5  # of each company
MODULUS = 100
HOSTILE = "hostile: "  # how the names of requests begin that are no part of the work
MARK = r"\b(co-\d{3})\b"
TAGS = ("angry", "call-back", "complaint", "invoice", "praise", "returns", "vip")


def company_id(index: int) -> str:
    """Return the id of a company."""
    return f"co-{index:03}"


def seconds_of(index: int, rng: random.Random) -> int:
    """Return a duration that tells whose it is."""
    return index + MODULUS * rng.randrange(50)


def popularity(count: int = COMPANIES) -> list[float]:
    """Return how often each company is asked for: Zipf's law, the first one most."""
    return [1 / rank for rank in range(1, count + 1)]
