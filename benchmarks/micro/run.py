"""Drive the workers: a little of each variant in turn, round after round, and write down every duration.

Each variant has a process of its own, because some listen on SQLAlchemy's classes, which would cost the
others as well; packages of others run in environments of their own. Only one process works at a time. The
processes are started anew a few times, so that a lucky layout of memory does not decide a ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from benchmarks.cores import beside_the_measured, give_a_core
from benchmarks.databases import Server, postgresql
from benchmarks.environments import ROOT, MissingEnvironmentError, environment
from benchmarks.machine import describe
from benchmarks.micro.cases import CASES, COLD
from benchmarks.micro.table import table
from benchmarks.micro.variants import POSTGRESQL, SQLITE, VARIANTS
from benchmarks.results_file import write

SLICE = 8_000_000  # nanoseconds that one turn of one variant should take
MOST = 2_000_000_000  # nanoseconds that one variant works on one case; long operations get fewer rounds
LEAST_ROUNDS = 15
BASE = "unguarded"


class MeasurementError(Exception):
    """Say what went wrong in a worker."""


@dataclass
class Series:
    """Hold what was measured of one case, one variant.

    Attributes:
        wall: nanoseconds for one operation by the clock, one figure per round, by start of the processes.
        cpu: the same of the measuring thread's CPU time: what other work on the machine hardly moves, and
            what a database server does is not in it.
        missing: why there are no figures.
    """

    backend: str
    case: str
    cold: bool
    variant: str
    loops: int = 0
    wall: list[list[float]] = field(default_factory=list)
    cpu: list[list[float]] = field(default_factory=list)
    missing: str = ""


class Asked(Protocol):
    """Be whoever can be asked to measure."""

    def ask(self, do: str, **command: Any) -> Any:
        """Return the answer."""


class Worker:
    """Talk to one measuring process."""

    def __init__(self, python: Path, root: Path = ROOT) -> None:
        environ = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"}
        command = [str(python), "-m", "benchmarks.micro.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=root
        )
        give_a_core(self._process.pid)

    def ask(self, do: str, **command: Any) -> Any:
        """Return the worker's answer.

        Raises:
            LookupError: the variant has no such case.
            MeasurementError: it failed.
        """
        to, back = _pipes(self._process)
        try:
            to.write(json.dumps({"do": do, **command}) + "\n")
            to.flush()
            line = back.readline()
        except OSError:
            line = ""
        answer = json.loads(line) if line else {"error": "the worker died; see its output above"}
        if "missing" in answer:
            raise LookupError(answer["missing"])
        if "error" in answer:
            raise MeasurementError(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        """End the process."""
        to, back = _pipes(self._process)
        to.close()
        self._process.wait()
        back.close()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise MeasurementError("the worker was started without pipes")
    return process.stdin, process.stdout


@dataclass
class Plan:
    """Say what to measure."""

    backends: Sequence[str] = (SQLITE, POSTGRESQL)
    variants: Sequence[str] = tuple(VARIANTS)
    cases: Sequence[str] = tuple(CASES)
    cold: Sequence[str] = COLD
    rounds: int = 60
    slice_ns: int = SLICE
    restarts: int = 4


def measure(plan: Plan) -> dict[str, Any]:
    """Return the raw results of everything in the plan."""
    facts = describe()
    versions: dict[str, str] = {}
    series: list[Series] = []
    needs_server = POSTGRESQL in plan.backends
    with beside_the_measured(), postgresql() if needs_server else nullcontext() as server:
        for backend in plan.backends:
            for _ in range(plan.restarts):
                with ExitStack() as stack:
                    workers, missing = _start(plan, backend, server, stack, versions)
                    series += _run_backend(plan, backend, workers, missing)
                    series += [Series(backend, "", False, name, missing=why) for name, why in missing.items()]
    return {
        "part": "micro",
        **facts,
        "packages": versions,
        "rounds": plan.rounds,
        "restarts": plan.restarts,
        "series": [_kept(one) for one in merged(series)],
    }


def _kept(one: Series) -> dict[str, Any]:
    """Return what goes into the file: in memory nothing is waited for, and the wall's clock tells nothing more."""
    return asdict(one) | ({"wall": []} if one.backend == SQLITE else {})


def _start(
    plan: Plan, backend: str, server: Server | None, stack: ExitStack, versions: dict[str, str]
) -> tuple[dict[str, Worker], dict[str, str]]:
    """Open every variant; return who measures it, and why some cannot be measured."""
    workers: dict[str, Worker] = {}
    missing: dict[str, str] = {}
    for name in plan.variants:
        variant = VARIANTS[name]
        if backend not in variant.backends:
            continue
        try:
            python = Path(sys.executable)
            if variant.package is not None:
                found = environment(variant.package)
                python, versions[variant.package] = found.python, found.versions[variant.package]
            worker = stack.enter_context(_worker(python))
            url = "sqlite://" if server is None or backend == SQLITE else server.database(f"micro_{name}")
            worker.ask("open", variant=name, url=url)
            workers[name] = worker
        except (MissingEnvironmentError, MeasurementError) as error:
            missing[name] = str(error)
    return workers, missing


def merged(series: list[Series]) -> list[Series]:
    """Return one series where several starts measured the same thing."""
    whole: dict[tuple[str, str, bool, str], Series] = {}
    for one in series:
        first = whole.setdefault((one.backend, one.case, one.cold, one.variant), one)
        if first is not one:
            first.wall += one.wall
            first.cpu += one.cpu
            first.loops = first.loops or one.loops
            first.missing = first.missing or one.missing
    return list(whole.values())


@contextmanager
def _worker(python: Path) -> Iterator[Worker]:
    worker = Worker(python)
    try:
        yield worker
    finally:
        worker.close()


def _run_backend(
    plan: Plan, backend: str, workers: dict[str, Worker], missing: dict[str, str]
) -> Iterator[Series]:
    for case in plan.cases:
        for cold in (False, True) if case in plan.cold else (False,):
            yield from run_case(plan, backend, case, cold, workers)
            # An empty start keeps those of one variant beside the same ones of another.
            yield from (Series(backend, case, cold, name, 0, [[]], [[]]) for name in missing)


def run_case(plan: Plan, backend: str, case: str, cold: bool, workers: Mapping[str, Asked]) -> list[Series]:
    """Measure one case of every worker, a little of each in turn."""
    series = {name: Series(backend, case, cold, name, 0, [[]], [[]]) for name in workers}
    for name, one in series.items():
        try:
            workers[name].ask("run", variant=name, case=case, loops=2, cold=cold)
        except (LookupError, MeasurementError) as error:
            one.missing = str(error)
    able = [name for name, one in series.items() if not one.missing]
    loops, most = _calibrate(plan, workers, able, case, cold) if able else (0, 0)
    for turn in range(max(1, min(plan.rounds, most) // plan.restarts)):
        start = turn % len(able) if able else 0
        for name in able[start:] + able[:start]:
            if series[name].missing:
                continue
            try:
                wall, cpu = workers[name].ask("run", variant=name, case=case, loops=loops, cold=cold)
            except MeasurementError as error:  # one that fails half-way must not end the others' run
                series[name] = Series(backend, case, cold, name, 0, [[]], [[]], str(error))
                continue
            series[name].wall[0].append(wall / loops)
            series[name].cpu[0].append(cpu / loops)
            series[name].loops = loops
    return list(series.values())


def _calibrate(
    plan: Plan, workers: Mapping[str, Asked], able: list[str], case: str, cold: bool
) -> tuple[int, int]:
    """Return how many operations of the first variant fill a slice, for everyone, and how many rounds to take."""
    name, loops = able[0], 1
    while True:
        taken: int = workers[name].ask("run", variant=name, case=case, loops=loops, cold=cold)[0]
        if taken >= plan.slice_ns / 2:
            most = max(LEAST_ROUNDS, MOST // taken)
            return max(1, round(loops * plan.slice_ns / taken)), most
        loops *= 2


def main() -> None:
    """Measure what the command line asks for, write the raw results and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=main.__doc__)
    names = {"backends": (SQLITE, POSTGRESQL), "variants": tuple(VARIANTS), "cases": tuple(CASES)}
    for name, known in names.items():
        parser.add_argument(f"--{name}", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--cold", nargs="*", choices=tuple(CASES), default=COLD, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each variant")
    parser.add_argument("--slice", type=float, default=SLICE / 1e6, help="milliseconds of one turn")
    parser.add_argument("--restarts", type=int, default=4, help="how often the processes are started")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/micro.json"))
    given = parser.parse_args()
    plan = Plan(
        given.backends,
        given.variants,
        given.cases,
        given.cold,
        given.rounds,
        int(given.slice * 1e6),
        given.restarts,
    )
    raw = measure(plan)
    write(given.out, raw)
    print(table(raw, BASE))
    print(f"raw results: {given.out}")
