"""Tables of ratios from the raw results of the micro benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.figures import Ratio, ratio, spread
from benchmarks.micro.cases import CASES
from benchmarks.micro.variants import SQLITE, VARIANTS


def clock(backend: str) -> str:
    """Return which clock counts: CPU time in memory, where nothing is waited for; otherwise the wall's."""
    return "cpu" if backend == SQLITE else "wall"


def found(raw: dict[str, Any]) -> Iterator[tuple[str, str, bool, dict[str, list[float]]]]:
    """Yield backend, case, cold and, by variant, what was measured, in the order it was taken."""
    groups: dict[tuple[str, str, bool], dict[str, list[float]]] = {}
    for one in raw["series"]:
        if not one["case"]:
            continue  # a variant that did not start
        group = groups.setdefault((one["backend"], one["case"], one["cold"]), {})
        if one["wall"]:
            group[one["variant"]] = one[clock(one["backend"])]
    for (backend, case, cold), by_variant in groups.items():
        yield backend, case, cold, by_variant


def ratios(by_variant: dict[str, list[float]], base: str) -> dict[str, Ratio]:
    """Return each variant's cost as a multiple of the base's, over the rounds that both took part in."""
    if base not in by_variant:
        return {}
    against = by_variant[base]
    return {
        name: ratio(ns, against[: len(ns)]) for name, ns in by_variant.items() if 0 < len(ns) <= len(against)
    }


def table(raw: dict[str, Any], base: str) -> str:
    """Return the ratios to one variant as a Markdown table; the base's own cost is in microseconds."""
    names = [name for name in VARIANTS if any(one["variant"] == name for one in raw["series"])]
    lines = []
    for backend, case, cold, by_variant in found(raw):
        against = ratios(by_variant, base)
        cells = [_cell(name, by_variant, against, base) for name in names]
        state = "cold" if cold else "warm"
        lines.append(f"| {backend} | {CASES[case].title} | {state} | {' | '.join(cells)} |")
    head = " | ".join(VARIANTS[name].title for name in names)
    return "\n".join([f"| database | case | cache | {head} |", "|---" * (len(names) + 3) + "|", *lines])


def _cell(name: str, by_variant: dict[str, list[float]], against: dict[str, Ratio], base: str) -> str:
    if name not in by_variant:
        return "-"
    if name == base or name not in against:
        ns = by_variant[name]
        return f"{median(ns) / 1_000:.1f} µs ± {spread(ns) / 1_000:.1f}"
    found = against[name]
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
