"""Measure the curves, write the raw results and print the slopes: ``python -m benchmarks.scale``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import slope
from benchmarks.machine import describe
from benchmarks.results_file import write
from benchmarks.scale.curves import CURVES


def table(curves: list[dict[str, Any]]) -> str:
    """Return the curves with their fitted slopes as a Markdown table."""
    lines = ["| what | over | line | values | slope |", "|---|---|---|---|---|"]
    for curve in curves:
        for name, ys in curve["lines"].items():
            points = ", ".join(f"{x:,}: {y:.3g}" for x, y in zip(curve["xs"], ys, strict=True))
            lines.append(
                f"| {curve['title']}, {curve['y']} | {curve['x']} | {name} | {points} | {fitted(curve, name)} |"
            )
    return "\n".join(lines)


def fitted(curve: dict[str, Any], line: str) -> str:
    """Return the exponent of the power law through a line, 0 being flat; none fits where a value is 0."""
    ys = curve["lines"][line]
    return f"{slope(curve['xs'], ys):+.2f}" if min(ys) > 0 else "-"


def main() -> None:
    """Measure what grows and what does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=main.__doc__)
    parser.add_argument("--curves", nargs="+", choices=tuple(CURVES), default=tuple(CURVES), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scale.json"))
    given = parser.parse_args()
    facts = describe()
    curves = [asdict(curve) for name in given.curves for curve in CURVES[name]()]
    write(given.out, {"part": "scale", **facts, "curves": curves})
    print(table(curves))


if __name__ == "__main__":
    main()
