"""Count instructions with callgrind: a cost that does not depend on how busy the machine is.

The worker starts with counting off, which saves most of the time; it is switched on once the database is
filled. The worker calls ``getppid`` before and after each case; callgrind writes what it has counted at each
call and starts again from zero.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, MissingEnvironmentError, environment
from benchmarks.machine import describe
from benchmarks.micro.cases import CASES, COLD
from benchmarks.micro.run import BASE
from benchmarks.micro.variants import SQLITE, VARIANTS
from benchmarks.micro.worker import operation_of
from benchmarks.results_file import write

LOOPS, COLD_LOOPS, LAYOUTS = 10, 3, 1
FEWER = {"bulk_insert": 1}  # what is long in itself
Counts = dict[str, dict[str, int]]  # by variant and case


def count(
    variants: Sequence[str],
    cases: Sequence[str] = tuple(CASES),
    cold: Sequence[str] = COLD,
    loops: int = LOOPS,
    layouts: int = LAYOUTS,
) -> dict[str, Any]:
    """Return the instructions of one operation, by variant and case, warm and cold, on SQLite in memory.

    With several layouts, each is counted in processes in which CPython numbers its classes differently, and the mean is
    returned: which names miss in its type cache depends on these numbers, and a miss costs 1,000 instructions.

    Raises:
        MissingEnvironmentError: callgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        raise MissingEnvironmentError("valgrind is not installed; instructions are not counted")
    facts = describe()
    warm_counts: Counts = {}
    cold_counts: Counts = {}
    missing: dict[str, str] = {}
    for name in variants:
        if SQLITE not in VARIANTS[name].backends:
            continue
        able = [case for case in cases if _has(name, case)]
        often = {case: min(loops, FEWER.get(case, loops)) for case in able}
        again = {case: COLD_LOOPS for case in able if case in cold}
        try:
            counted = [_count_one(name, often, again, layout) for layout in range(layouts)]
            warm_counts[name] = _mean([warm for warm, _ in counted])
            cold_counts[name] = _mean([cold for _, cold in counted])
        except MissingEnvironmentError as error:
            missing[name] = str(error)
    found = {"instructions": warm_counts, "cold": cold_counts, "missing": missing}
    return {"part": "instructions", **facts, "loops": loops, "layouts": layouts, **found}


def _mean(counted: Sequence[dict[str, int]]) -> dict[str, int]:
    return {case: round(sum(one[case] for one in counted) / len(counted)) for case in counted[0]}


def _count_one(
    name: str, often: dict[str, int], again: dict[str, int], layout: int
) -> tuple[dict[str, int], ...]:
    package = VARIANTS[name].package
    python = Path(sys.executable) if package is None else environment(package).python
    command = [
        str(python), "-m", "benchmarks.micro.worker", "--count", name, "sqlite://", json.dumps(often),
        json.dumps(again),
    ]  # fmt: skip
    with counted_by_callgrind(name, command, {"BENCH_CALLS": "150", "BENCH_LAYOUT": str(layout)}) as home:
        counts = totals(home)
        warm, cold = {}, {}
        for case, loops in often.items():
            warm[case] = round(next(counts) / loops)
            if case in again:
                cold[case] = round(sum(next(counts) for _ in range(again[case])) / again[case])
    return warm, cold


@contextmanager
def counted_by_callgrind(name: str, command: Sequence[str], told: Mapping[str, str]) -> Iterator[Path]:
    """Run a worker under callgrind, and yield the directory of what it has counted.

    Args:
        name: what is counted, for the message.
        command: starts the worker, which says that it is ready, waits for a line, and makes its marks.
        told: what its environment holds besides.

    Raises:
        MissingEnvironmentError: it failed.
    """
    with tempfile.TemporaryDirectory() as home:
        _run(
            name,
            [
                "valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-before=getppid",
                f"--callgrind-out-file={home}/out", *command,
            ],
            {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **told},
        )  # fmt: skip
        yield Path(home)


def _run(name: str, command: list[str], environ: dict[str, str]) -> None:
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        if process.stdout is not None and process.stdout.readline():  # it is ready
            switch = ["callgrind_control", "--instr=on", str(process.pid)]
            subprocess.run(switch, capture_output=True, check=True)
        process.communicate("go\n")
        if process.returncode:
            said.seek(0)
            raise MissingEnvironmentError(f"{name}: {said.read()[-2000:]}")


def _has(name: str, case: str) -> bool:
    try:
        operation_of(VARIANTS[name], CASES[case])
    except LookupError:
        return False
    return True


def totals(home: Path) -> Iterator[int]:
    """Yield what was counted between the two marks of each pair; what lies between pairs is left out."""
    part = 2
    while (path := home / f"out.{part}").exists():
        found = re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
        if found is None:
            raise MissingEnvironmentError(f"callgrind wrote no total into {path.name}")
        yield int(found[1])
        part += 2


def table(raw: dict[str, Any]) -> str:
    """Return the ratios of instructions to the base's as a Markdown table."""
    names = list(raw["instructions"])
    lines = [
        f"| case | cache | {' | '.join(VARIANTS[name].title for name in names)} |",
        "|---" * (len(names) + 2) + "|",
    ]
    for state, counted in (("warm", raw["instructions"]), ("cold", raw["cold"])):
        base = counted.get(BASE, {})
        for case in dict.fromkeys(case for one in counted.values() for case in one):
            cells = [_cell(counted[name].get(case), base.get(case), name == BASE) for name in names]
            lines.append(f"| {CASES[case].title} | {state} | {' | '.join(cells)} |")
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
    parser.add_argument("--cold", nargs="*", choices=tuple(CASES), default=COLD, metavar="NAME")
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--layouts", type=int, default=LAYOUTS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/instructions.json"))
    given = parser.parse_args()
    raw = count(given.variants, given.cases, given.cold, given.loops, given.layouts)
    write(given.out, raw)
    print(table(raw))


if __name__ == "__main__":
    main()
