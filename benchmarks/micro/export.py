"""Write the raw results in pyperf's format, so that its tools can read, draw and compare them.

pyperf itself runs one benchmark to its end before the next begins, and cannot alternate between processes; what it
brings besides, its statistics and its files, serves these results as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyperf

from benchmarks.micro.table import clock


def suites(raw: dict[str, Any]) -> dict[str, pyperf.BenchmarkSuite]:
    """Return a suite for each variant: a benchmark for each case, a run for each start of its process."""
    found: dict[str, list[pyperf.Benchmark]] = {}
    for one in raw["series"]:
        runs = list(_runs(one, raw))
        if runs:
            found.setdefault(one["variant"], []).append(pyperf.Benchmark(runs))
    return {variant: pyperf.BenchmarkSuite(benchmarks) for variant, benchmarks in found.items()}


def _runs(one: dict[str, Any], raw: dict[str, Any]) -> Iterator[pyperf.Run]:
    state = "cold" if one["cold"] else "warm"
    told = {
        "name": f"{one['backend']}: {one['case']}, {state}",
        "loops": one["loops"],
        "unit": "second",
        "timer": clock(one["backend"]),
        "cpu_model_name": raw["processor"],
        "python_version": raw["python"],
    }
    for start in one[clock(one["backend"])]:
        if start:
            yield pyperf.Run([ns / 1e9 for ns in start], metadata=told, collect_metadata=False)


def main() -> None:
    """Write one file for each variant, for ``python -m pyperf compare_to --table`` and the like."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro.export", description=main.__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/micro.json"))
    parser.add_argument("--out", type=Path, default=Path(".cache/pyperf"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for variant, suite in suites(json.loads(given.results.read_text())).items():
        suite.dump(str(given.out / f"{variant}.json"), replace=True)
    print(given.out)


if __name__ == "__main__":
    main()
