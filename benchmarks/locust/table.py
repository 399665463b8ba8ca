"""The table of a load test from its raw results."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.figures import Ratio, ratio
from benchmarks.locust.kinds import KINDS

HAND, NOTHING = "handwritten", "nothing"


def by_kind(raw: dict[str, Any], backend: str) -> dict[str, list[dict[str, Any]]]:
    """Return the runs of one database by kind of server, in the order of the rounds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in sorted(raw["runs"], key=lambda one: one["round"]):
        if run["backend"] == backend:
            found.setdefault(run["kind"], []).append(run)
    return found


def cpu_of_one(run: dict[str, Any]) -> float:
    """Return the milliseconds of the server's CPU time that one request took."""
    taken: float = 1_000 * run["cpu_seconds"] / max(1, run["requests"])
    return taken


def rates(runs: dict[str, list[dict[str, Any]]], base: str) -> dict[str, Ratio]:
    """Return each server's requests per second as a multiple of the base's, round by round."""
    if base not in runs:
        return {}
    against = [run["rate"] for run in runs[base]]
    return {kind: ratio([run["rate"] for run in found], against) for kind, found in runs.items()}


def table(raw: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    head = (
        "| database | server | requests/s | of hand-written | of no security | p50 / p95 / p99 ms | errors "
    )
    lines = [head + "| leaks | server CPU, ms a request | memory, MB |", "|---" * 10 + "|"]
    for backend in dict.fromkeys(run["backend"] for run in raw["runs"]):
        runs = by_kind(raw, backend)
        hand, nothing = rates(runs, HAND), rates(runs, NOTHING)
        for kind, found in runs.items():
            cells = [
                backend,
                KINDS[kind].title,
                f"{median(run['rate'] for run in found):.0f}",
                _told(hand, kind),
                _told(nothing, kind),
                " / ".join(f"{median(run[p] for run in found):.0f}" for p in ("p50", "p95", "p99")),
                str(sum(run["failures"] for run in found)),
                str(sum(run["leaks"] for run in found)),
                f"{median(cpu_of_one(run) for run in found):.2f}",
                f"{max(run['memory_mb'] for run in found):.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(found: dict[str, Ratio], kind: str) -> str:
    return (
        f"{found[kind].value:.2f} ({found[kind].low:.2f} to {found[kind].high:.2f})" if kind in found else "-"
    )
