"""Tables of ratios from the raw results of the micro benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.figures import Ratio, Starts, flat, ratio, spread
from benchmarks.micro.cases import CASES
from benchmarks.micro.variants import SQLITE, VARIANTS


def clock(backend: str) -> str:
    """Return which clock counts: CPU time in memory, where nothing is waited for; otherwise the wall's."""
    return "cpu" if backend == SQLITE else "wall"


def found(raw: dict[str, Any]) -> Iterator[tuple[str, str, bool, dict[str, Starts]]]:
    """Yield backend, case, cold and, by variant, what was measured, in the order it was taken."""
    groups: dict[tuple[str, str, bool], dict[str, Starts]] = {}
    for one in raw["series"]:
        if not one["case"]:
            continue  # a variant that did not start
        group = groups.setdefault((one["backend"], one["case"], one["cold"]), {})
        if any(one[clock(one["backend"])]):
            group[one["variant"]] = one[clock(one["backend"])]
    for (backend, case, cold), by_variant in groups.items():
        yield backend, case, cold, by_variant


def ratios(by_variant: dict[str, Starts], base: str) -> dict[str, Ratio]:
    """Return each variant's cost as a multiple of the base's."""
    if base not in by_variant:
        return {}
    against = by_variant[base]
    return {name: one for name, ns in by_variant.items() if (one := compared(ns, against)) is not None}


def compared(ours: Starts, base: Starts) -> Ratio | None:
    """Return the ratio over the starts that both took part in."""
    pairs = [(mine, theirs) for mine, theirs in zip(ours, base, strict=False) if mine and theirs]
    return ratio([mine for mine, _ in pairs], [theirs for _, theirs in pairs]) if pairs else None


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


def _cell(name: str, by_variant: dict[str, Starts], against: dict[str, Ratio], base: str) -> str:
    if name not in by_variant:
        return "-"
    if name == base or name not in against:
        ns = flat(by_variant[name])
        return f"{median(ns) / 1_000:.1f} µs ± {spread(ns) / 1_000:.1f}"
    found = against[name]
    return found.shown()
