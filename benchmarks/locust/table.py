"""The table of a load test from its raw results."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.figures import Ratio, ratio
from benchmarks.locust.kinds import HAND, KINDS, NOTHING

Run = dict[str, Any]
HEAD = (
    "database", "server", "requests/s", "of hand-written", "of no security", "requests per CPU second of the server",
    "of hand-written", "of no security", "p50 / p95 / p99 ms", "errors", "leaks", "attempts refused", "server busy",
    "memory, MB",
)  # fmt: skip


def by_kind(raw: dict[str, Any], backend: str) -> dict[str, list[Run]]:
    """Return the runs of one database by kind of server, in the order of the rounds."""
    found: dict[str, list[Run]] = {}
    for run in sorted(raw["runs"], key=lambda one: one["round"]):
        if run["backend"] == backend:
            found.setdefault(run["kind"], []).append(run)
    return found


def per_second(run: Run) -> float:
    """Return the requests per second."""
    rate: float = run["rate"]
    return rate


def per_cpu_second(run: Run) -> float:
    """Return the requests that a second of the server's CPU time answers: what who loads it cannot slow down."""
    served: float = run["requests"] / run["cpu_seconds"]
    return served


def rates(runs: dict[str, list[Run]], base: str, of: Callable[[Run], float] = per_second) -> dict[str, Ratio]:
    """Return each server's rate as a multiple of the base's, round by round."""
    found = {}
    for kind, mine in runs.items():
        pairs = [(of(a), of(b)) for a, b in zip(mine, runs.get(base, []), strict=False)]
        told = [(a, b) for a, b in pairs if a and b]  # a round in which nothing was answered has no ratio
        if told:
            found[kind] = ratio([[a for a, _ in told]], [[b for _, b in told]])
    return found


def table(raw: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for backend in dict.fromkeys(run["backend"] for run in raw["runs"]):
        runs = by_kind(raw, backend)
        against = [rates(runs, base, of) for of in (per_second, per_cpu_second) for base in (HAND, NOTHING)]
        for kind, found in runs.items():
            told = [_told(one, kind) for one in against]
            cells = [
                backend,
                KINDS[kind].title,
                f"{median(map(per_second, found)):.0f}",
                *told[:2],
                f"{median(map(per_cpu_second, found)):.0f}",
                *told[2:],
                " / ".join(f"{median(run[p] for run in found):.0f}" for p in ("p50", "p95", "p99")),
                *(str(sum(run[name] for run in found)) for name in ("failures", "leaks", "attempts")),
                f"{median(run['cpu_seconds'] / run['seconds'] if run['seconds'] else 0 for run in found):.0%}",
                f"{max(run['memory_mb'] for run in found):.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(found: dict[str, Ratio], kind: str) -> str:
    return found[kind].shown(2) if kind in found else "-"
