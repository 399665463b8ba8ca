"""Compare two commits: the same statements under both packages, in alternation, in one run.

The harness is this commit's; only ``tenantguard`` is taken from the other one. A ratio is said to have
moved where its 95 % interval leaves out 1 and it is off by more than the run could tell anyway.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.cores import beside_the_measured
from benchmarks.environments import ROOT
from benchmarks.figures import Ratio
from benchmarks.machine import describe
from benchmarks.micro.cases import CASES, COLD
from benchmarks.micro.run import SLICE, Plan, Series, Worker, merged, run_case
from benchmarks.micro.table import compared
from benchmarks.micro.variants import SQLITE
from benchmarks.results_file import write

BEFORE, AFTER = "before", "after"
TELLS = 0.01  # a smaller difference is not worth a word, however narrow its interval


class _OfCommit:
    """Ask a worker that imports the package of one commit."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def ask(self, do: str, **command: Any) -> Any:
        """Return the worker's answer for tenantguard, whatever the commit is called here."""
        return self._worker.ask(do, **{**command, "variant": "tenantguard"})


def compare(
    base: str, cases: Sequence[str] = tuple(CASES), rounds: int = 60, slice_ns: int = SLICE
) -> dict[str, Any]:
    """Return the raw results of both commits, on SQLite in memory."""
    plan = Plan(cases=cases, rounds=rounds, slice_ns=slice_ns)
    series: list[Series] = []
    facts = describe()
    with beside_the_measured(), tempfile.TemporaryDirectory() as home:
        _unpack(base, Path(home))
        for _ in range(plan.restarts):
            with ExitStack() as stack:
                workers = {}
                for name, root in ((BEFORE, Path(home)), (AFTER, ROOT)):
                    worker = Worker(Path(sys.executable), root)
                    stack.callback(worker.close)
                    workers[name] = _OfCommit(worker)
                    workers[name].ask("open", url="sqlite://")
                for case in cases:
                    series += run_case(plan, SQLITE, case, False, workers)
                    if case in COLD:
                        series += run_case(plan, SQLITE, case, True, workers)
    return {"part": "compare", **facts, "base": base, "series": [asdict(one) for one in merged(series)]}


def _unpack(base: str, home: Path) -> None:
    """Put the package of a commit beside a link to the harness of this one."""
    done = subprocess.run(["git", "archive", base, "tenantguard"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(home, filter="data")
    (home / "benchmarks").symlink_to(ROOT / "benchmarks")


def verdict(one: Ratio) -> str:
    """Say whether a ratio moved beyond its noise."""
    if one.low <= 1 <= one.high or abs(one.value - 1) < TELLS:
        return "the same"
    return "slower" if one.value > 1 else "faster"


def table(raw: dict[str, Any]) -> str:
    """Return the comparison as a Markdown table."""
    found: dict[tuple[str, bool], dict[str, dict[str, Any]]] = {}
    for one in raw["series"]:
        found.setdefault((one["case"], one["cold"]), {})[one["variant"]] = one
    lines = [f"| case | cache | against {raw['base']} | 95 % interval | |", "|---|---|---|---|---|"]
    for (case, cold), by_name in found.items():
        title, state = CASES[case].title, "cold" if cold else "warm"
        before, after = by_name[BEFORE], by_name[AFTER]
        moved = compared(after["cpu"], before["cpu"])
        if moved is None:
            why = (before["missing"] or after["missing"]).splitlines()[0][:100]
            lines.append(f"| {title} | {state} | - | - | {why} |")
            continue
        span = f"{moved.low:.3f} to {moved.high:.3f}" if moved.low != moved.high else "-"
        lines.append(f"| {title} | {state} | {moved.value:.3f} | {span} | {verdict(moved)} |")
    return "\n".join(lines)


def main() -> None:
    """Compare this tree with another commit, write the raw results and print what moved."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=main.__doc__)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(".cache/compare.json"))
    given = parser.parse_args()
    raw = compare(given.base, given.cases, given.rounds)
    write(given.out, raw)
    print(table(raw))


if __name__ == "__main__":
    main()
