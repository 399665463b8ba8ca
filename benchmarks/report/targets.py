"""The targets of the design, each beside what was measured; a miss is shown as a miss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Ratio, ratio, slope
from benchmarks.locust.kinds import ALONE, HAND, NOTHING, OURS
from benchmarks.locust.table import by_kind, per_cpu_second, per_second, rates
from benchmarks.micro.cases import CASES
from benchmarks.micro.run import BASE
from benchmarks.micro.table import compared, found
from benchmarks.micro.variants import SQLITE

Raw = dict[str, dict[str, Any]]
BY_KEY = ("orm_by_key", "core_select")
TEXT = ("raw_select",)


@dataclass(frozen=True)
class Target:
    """Pair a target with a measurement.

    Attributes:
        what: what is compared.
        bound: the target; met when the value is at most this, or at least, where ``least`` says so.
        value: what was measured.
        low: the end of its 95 % interval; the same as the value where there is none.
        high: the other end.
        quiet: the ratio of the lower quartiles; 0 where there is none.
    """

    what: str
    bound: float
    value: float
    low: float
    high: float
    quiet: float = 0.0
    least: bool = False

    @property
    def verdict(self) -> str:
        """Return ``met``, ``missed``, or ``within noise`` where the interval holds the bound."""
        beyond = self.value < self.bound if self.least else self.value > self.bound
        if not beyond:
            return "met"
        return "within noise" if self.low <= self.bound <= self.high else "missed"


def targets(raw: Raw) -> list[Target]:
    """Return every target that the raw results can answer."""
    reached: list[Target] = []
    if "micro" in raw:
        reached += _statements(raw["micro"])
    if "instructions" in raw:
        reached += _instructions(raw["instructions"])
    if "request" in raw:
        reached += _requests(raw["request"])
    if "locust" in raw:
        reached += _servers(raw["locust"])
    if "scale" in raw:
        reached += _curves(raw["scale"])
    return reached


def _statements(raw: dict[str, Any]) -> Iterator[Target]:
    for backend, case, cold, by_variant in found(raw):
        if backend != SQLITE or OURS not in by_variant or BASE not in by_variant:
            continue
        title = f"{CASES[case].title}, {'first compilation' if cold else 'warm'}, against unguarded"
        against = compared(by_variant[OURS], by_variant[BASE])
        if against is None:
            continue
        yield _at_most(title, _bound(case, cold=cold), against)
        hand = compared(by_variant[OURS], by_variant.get("handwritten", []))
        if hand is not None and not cold and CASES[case].is_filtered:
            yield _at_most(f"{CASES[case].title}, warm, against hand-written", _hand_bound(case), hand)


def _bound(case: str, *, cold: bool) -> float:
    """Return what a statement may cost, as a multiple of the same one unguarded."""
    if case in TEXT:
        return 5.0 if cold else 1.06
    if cold:
        return 1.35  # it happens once
    return 1.05 if case in ("insert", "bulk_insert") else 1.03  # they name a foreign key


def _hand_bound(case: str) -> float:
    """Return what a statement may cost, as a multiple of the same one filtered by hand."""
    return 0.85 if case in BY_KEY else 1.0


def _instructions(raw: dict[str, Any]) -> Iterator[Target]:
    for state, counted in (("warm", raw["instructions"]), ("first compilation", raw["cold"])):
        for case, value in counted.get(OURS, {}).items():
            if case not in counted.get(BASE, {}):
                continue
            bound = _bound(case, cold=state != "warm")
            one = value / counted[BASE][case]
            yield Target(
                f"{CASES[case].title}, {state}, instructions, against unguarded", bound, one, one, one
            )
            hand = counted.get("handwritten", {}).get(case)
            if hand and state == "warm" and CASES[case].is_filtered:
                bound, one = _hand_bound(case), value / hand
                title = f"{CASES[case].title}, warm, instructions, against hand-written"
                yield Target(title, bound, one, one, one)


def _requests(raw: dict[str, Any]) -> Iterator[Target]:
    inside = {one["kind"]: one["cpu"] for one in raw["inside"]}
    outside = {one["kind"]: one["cpu"] for one in raw["outside"]}
    yield _at_most(
        "middleware, token seen, in process, against the bare route",
        1.5,
        ratio(inside["seen"], inside["bare"]),
    )
    yield _at_most(
        "the same against BaseHTTPMiddleware that does nothing",
        0.12,
        ratio(inside["seen"], inside["base_http"]),
    )
    against = ratio(outside["seen"], outside["bare"])
    yield _at_most("the same over HTTP, the server's CPU, against the bare route", 1.05, against)


def _servers(raw: dict[str, Any]) -> Iterator[Target]:
    for backend in dict.fromkeys(run["backend"] for run in raw["runs"]):
        runs = by_kind(raw, backend)
        compared = (
            (OURS, HAND, 1.06, "hand-written"),
            (ALONE, NOTHING, 0.98, "no security, on the same rows"),
        )
        for mine, base, bound, title in compared:
            for of, per in ((per_second, "second"), (per_cpu_second, "CPU second")):
                against = rates(runs, base, of)
                if mine in against:
                    what = f"requests per {per} of the example on {backend}, against {title}"
                    yield Target(what, bound, *_numbers(against[mine])[:3], least=True)


def _curves(raw: dict[str, Any]) -> Iterator[Target]:
    for curve in raw["curves"]:
        ys = curve["lines"].get(OURS, [])
        if curve["flat"] and "µs" in curve["y"] and min(ys, default=0) > 0:
            grown = slope(curve["xs"], ys)
            yield Target(f"{curve['title']}, slope over {curve['x']}", 0.05, grown, grown, grown)


def _at_most(what: str, bound: float, one: Ratio) -> Target:
    return Target(what, bound, *_numbers(one))


def _numbers(one: Ratio) -> tuple[float, float, float, float]:
    return one.value, one.low, one.high, one.quiet


def table(reached: list[Target]) -> str:
    """Return the targets as a Markdown table."""
    lines = ["| what | target | measured | 95 % interval | lower quartiles | |", "|---|---|---|---|---|---|"]
    for one in reached:
        sign = "≥" if one.least else "≤"
        span = (
            f"{one.low:.3f} to {one.high:.3f}"
            if one.low != one.high
            else "one round"
            if one.quiet
            else "counted"
        )
        quiet = f"{one.quiet:.3f}" if one.quiet else "-"
        cells = (one.what, f"{sign} {one.bound:.2f}", f"{one.value:.3f}", span, quiet, one.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
