"""Measure the request path, write the raw results and print the ratios: ``python -m benchmarks.request``."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import flat, ratio, spread
from benchmarks.machine import describe
from benchmarks.request import inside, outside
from benchmarks.request.apps import KINDS
from benchmarks.results_file import write


def table(series: list[dict[str, Any]], clock: str) -> str:
    """Return cost and ratios as a Markdown table."""
    by_kind = {one["kind"]: one[clock] for one in series}
    bare, base = by_kind["bare"], by_kind["base_http"]
    lines = [
        "| application | µs a request | against the route alone | against BaseHTTPMiddleware |",
        "|---|---|---|---|",
    ]
    for name, ns in by_kind.items():
        against = ratio(ns, bare)
        lines.append(
            f"| {KINDS[name].title} | {median(flat(ns)) / 1_000:.1f} ± {spread(flat(ns)) / 1_000:.1f} "
            f"| {against.shown()} | {ratio(ns, base).value:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the request path in process and over HTTP."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="turns of each kind")
    parser.add_argument("--starts", type=int, default=3, help="how often the processes are started")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/request.json"))
    given = parser.parse_args()
    raw = {"part": "request", **describe(), "rounds": given.rounds}
    raw["inside"] = inside.measure(given.rounds, given.starts)
    raw["outside"] = outside.measure(given.rounds, given.starts)
    write(given.out, raw)
    print("in process (CPU time)\n" + table(raw["inside"], "cpu"))
    print("\nover HTTP (wall time)\n" + table(raw["outside"], "wall"))
    print("\nover HTTP (the server's CPU time)\n" + table(raw["outside"], "cpu"))


if __name__ == "__main__":
    main()
