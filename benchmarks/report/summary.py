"""The summary: the few figures that are quoted, taken once for the text and for the picture beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import ratio
from benchmarks.locust.kinds import ALONE, HAND, NOTHING, OURS
from benchmarks.locust.table import by_kind, rates
from benchmarks.micro.run import BASE
from benchmarks.micro.table import found, ratios
from benchmarks.micro.variants import SQLITE
from benchmarks.report.plots import DATABASES
from benchmarks.report.targets import Raw

# The best case, a usual one, and the plain one in which nothing hides what the guard adds.
QUOTED = {
    "orm_by_key": "an ORM select by key",
    "orm_list_100": "a list of 100 objects",
    "one_request": "a session with one select and a commit",
}


@dataclass(frozen=True)
class Figure:
    """A cost as a multiple of the same work without isolation.

    Attributes:
        what: the work.
        guarded: with the guard.
        by_hand: with a filter written by hand; ``None`` where it was not measured.
    """

    what: str
    guarded: float
    by_hand: float | None


def statements(raw: Raw) -> list[Figure]:
    """Return the quoted statements, warm, on SQLite."""
    measured = {
        case: ratios(by_variant, BASE)
        for backend, case, cold, by_variant in (found(raw["micro"]) if "micro" in raw else ())
        if backend == SQLITE and not cold
    }
    return [
        Figure(what, against[OURS].value, against[HAND].value if HAND in against else None)
        for case, what in QUOTED.items()
        if OURS in (against := measured.get(case, {}))
    ]


def sentences(raw: Raw) -> list[str]:
    """Return what the results come to, five sentences where every part was measured."""
    return [*_statements(raw), *_requests(raw), *_servers(raw)]


def _statements(raw: Raw) -> Iterator[str]:
    figures = statements(raw)
    if not figures:
        return
    yield (
        "The guard does its work when a statement is compiled, which happens once per statement, and later executions "
        "only pass one more parameter."
    )
    shown = [
        f"{one.what} takes {one.guarded:.2f} times as long"
        + (f" (a filter written by hand: {one.by_hand:.2f})" if one.by_hand is not None else "")
        for one in figures
    ]
    yield f"Compared with no isolation at all, on SQLite in memory, {_listed(shown)}."


def _requests(raw: Raw) -> Iterator[str]:
    if "request" not in raw:
        return
    series = {one["kind"]: one for one in raw["request"]["outside"]}
    if {"bare", "seen"} <= series.keys():
        more = ratio(series["seen"]["cpu"], series["bare"]["cpu"]).value
        yield f"Over HTTP, the middleware takes {more:.2f} times the server's CPU time of a route that does nothing."


def _servers(raw: Raw) -> Iterator[str]:
    if "locust" not in raw:
        return
    shown = []
    for backend in dict.fromkeys(run["backend"] for run in raw["locust"]["runs"]):
        runs = by_kind(raw["locust"], backend)
        hand, nothing = rates(runs, HAND), rates(runs, NOTHING)
        if OURS in hand and ALONE in nothing:
            shown.append(
                f"{hand[OURS].value:.2f} times the requests per second of PyJWT with filters by hand on "
                f"{DATABASES[backend]}, and {nothing[ALONE].value:.2f} times those of no security at all"
            )
    if shown:
        yield f"Under load, the example application serves {_listed(shown)}."
        runs = raw["locust"]["runs"]
        leaks, answers = (
            sum(run["leaks"] for run in runs),
            sum(run["requests"] + run["attempts"] for run in runs),
        )
        yield f"Each of its {answers:,} answers was checked for another company's data: {leaks} leaks."


def _listed(parts: list[str]) -> str:
    return "; ".join(parts)
