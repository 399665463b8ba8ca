"""Count instructions with callgrind: a cost that does not depend on how busy the machine is.

The worker calls ``getppid`` before and after each case; callgrind writes what it has counted at each call
and starts again from zero. Start-up and imports are thereby left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, MissingEnvironmentError, environment
from benchmarks.machine import describe
from benchmarks.micro.cases import CASES
from benchmarks.micro.run import BASE
from benchmarks.micro.variants import SQLITE, VARIANTS
from benchmarks.micro.worker import operation_of

LOOPS = 20


def count(variants: Sequence[str], cases: Sequence[str], loops: int = LOOPS) -> dict[str, Any]:
    """Return the instructions of one operation, by variant and case, on SQLite in memory.

    Raises:
        MissingEnvironmentError: callgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        raise MissingEnvironmentError("valgrind is not installed; instructions are not counted")
    facts = describe()
    counted = {name: _count_one(name, cases, loops) for name in variants if SQLITE in VARIANTS[name].backends}
    return {"part": "instructions", **facts, "loops": loops, "instructions": counted}


def _count_one(name: str, cases: Sequence[str], loops: int) -> dict[str, float]:
    package = VARIANTS[name].package
    python = Path(sys.executable) if package is None else environment(package).python
    able = [case for case in cases if _has(name, case)]
    with tempfile.TemporaryDirectory() as home:
        command = [
            "valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={home}/out",
            str(python), "-m", "benchmarks.micro.worker", "--count", name, ",".join(able), "sqlite://", str(loops),
        ]  # fmt: skip
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "BENCH_CALLS": "150"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        if done.returncode:
            raise MissingEnvironmentError(f"{name}: {done.stderr[-2000:]}")
        # part 1 ends where the first case begins; then case and what lies between cases take turns
        totals = [_total(Path(home) / f"out.{2 * i + 2}") for i in range(len(able))]
    return {case: total / loops for case, total in zip(able, totals, strict=True)}


def _has(name: str, case: str) -> bool:
    try:
        operation_of(VARIANTS[name], CASES[case])
    except LookupError:
        return False
    return True


def _total(part: Path) -> int:
    found = re.search(r"^totals: (\d+)", part.read_text(), re.MULTILINE)
    if found is None:
        raise MissingEnvironmentError(f"callgrind wrote no total into {part.name}")
    return int(found[1])


def table(raw: dict[str, Any]) -> str:
    """Return the ratios of instructions to the base's as a Markdown table."""
    counted: dict[str, dict[str, float]] = raw["instructions"]
    base = counted.get(BASE, {})
    names = list(counted)
    lines = [
        f"| case | {' | '.join(VARIANTS[name].title for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for case in dict.fromkeys(case for one in counted.values() for case in one):
        cells = [_cell(counted[name].get(case), base.get(case), name == BASE) for name in names]
        lines.append(f"| {CASES[case].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None, base: float | None, is_base: bool) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if is_base or not base else f"{value / base:.3f}"


def main() -> None:
    """Count what the command line asks for, write the raw results and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro.instructions", description=main.__doc__)
    parser.add_argument(
        "--variants", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS), metavar="NAME"
    )
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES), metavar="NAME")
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/instructions.json"))
    given = parser.parse_args()
    raw = count(given.variants, given.cases, given.loops)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(raw, indent=1))
    print(table(raw))


if __name__ == "__main__":
    main()
