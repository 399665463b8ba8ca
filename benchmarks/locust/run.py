"""Serve the example in each way, load one server after the other, round after round, and write it all down."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.databases import Server, postgresql
from benchmarks.locust.data import CALLS, COMPANIES, fill
from benchmarks.locust.kinds import KINDS
from benchmarks.locust.load import Load, run
from benchmarks.locust.table import table
from benchmarks.machine import describe
from benchmarks.servers import Served, served
from benchmarks.tokens import Signer, signer

BACKENDS = ("sqlite", "postgresql")
WARM_UP = 3  # seconds of load that do not count, for everyone


@dataclass
class Plan:
    """Say what to load, and how."""

    load: Load
    backends: Sequence[str] = BACKENDS
    kinds: Sequence[str] = tuple(KINDS)
    rounds: int = 3
    companies: int = COMPANIES
    calls: int = CALLS
    warm_up: int = WARM_UP


def measure(plan: Plan) -> dict[str, Any]:
    """Return the raw results: for each database, server and round what Locust counted and the server used."""
    facts = describe()
    runs: list[dict[str, Any]] = []
    for backend in plan.backends:
        with _databases(backend) as home:
            runs += _measure_backend(plan, backend, home)
    return {"part": "locust", **facts, "load": asdict(plan.load), "companies": plan.companies, "runs": runs}


@contextmanager
def _databases(backend: str) -> Iterator[Path | Server]:
    if backend == "postgresql":
        with postgresql() as server:
            yield server
        return
    home = Path(tempfile.mkdtemp(prefix="bench-load-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure_backend(plan: Plan, backend: str, home: Path | Server) -> list[dict[str, Any]]:
    signed_by = signer("RS256")
    runs = []
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(_serve(kind, _prepare(plan, kind, home), signed_by))
            for kind in plan.kinds
        }
        for kind, server in servers.items() if plan.warm_up else ():
            _load(plan, kind, server, signed_by, plan.warm_up)
        for turn in range(plan.rounds):
            start = turn % len(plan.kinds)
            for kind in (*plan.kinds[start:], *plan.kinds[:start]):
                found = _load(plan, kind, servers[kind], signed_by, plan.load.seconds)
                runs.append({"backend": backend, "kind": kind, "round": turn, **found})
    return runs


def _prepare(plan: Plan, kind: str, home: Path | Server) -> str:
    """Fill a database for one server and return the URL that its asynchronous driver takes."""
    if isinstance(home, Server):
        url = home.database(f"load_{kind}")
        driver = url
    else:
        url, driver = f"sqlite:///{home}/{kind}.sqlite", f"sqlite+aiosqlite:///{home}/{kind}.sqlite"
    engine = create_engine(url)
    fill(engine, range(1) if KINDS[kind].alone else range(plan.companies), plan.calls)
    if isinstance(home, Server):
        _analyze(url)
    engine.dispose()
    return driver


def _analyze(url: str) -> None:
    with create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def _serve(kind: str, database: str, signed_by: Signer) -> Iterator[Served]:
    environ = {"BENCH_KIND": kind, "BENCH_DATABASE": database, "BENCH_KEY": signed_by.public}
    with served("benchmarks.locust.kinds:create_app", environ, "/health") as server:
        yield server


def _load(plan: Plan, kind: str, server: Served, signed_by: Signer, seconds: int) -> dict[str, Any]:
    alone = KINDS[kind].alone  # a single company has nobody to be protected from
    load = Load(**{**asdict(plan.load), "seconds": seconds, "hostile": 0 if alone else plan.load.hostile})
    companies = 1 if alone else plan.companies
    environ = {
        "BENCH_SIGNER": signed_by.private,
        "BENCH_COMPANIES": str(companies),
        "BENCH_COMPANY_CALLS": str(plan.calls),
    }
    before = server.cpu_ns()
    found = run(server.url, load, environ)
    worked = server.cpu_ns() - before
    return {**found, "cpu_seconds": worked / 1e9, "memory_mb": server.memory_mb()}


def main() -> None:
    """Load what the command line asks for, write the raw results and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.locust", description=main.__doc__)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS, metavar="NAME")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--seconds", type=int, default=10, help="of one run")
    parser.add_argument("--hostile", type=int, default=2, help="users who try what must not succeed")
    parser.add_argument("--processes", type=int, default=2, help="of Locust")
    parser.add_argument("--distributed", action="store_true", help="one master and that many workers")
    parser.add_argument("--companies", type=int, default=COMPANIES)
    parser.add_argument("--calls", type=int, default=CALLS, help="of each company")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/locust.json"))
    given = parser.parse_args()
    load = Load(given.users, given.seconds, given.hostile, given.processes, given.distributed)
    plan = Plan(load, given.backends, given.kinds, given.rounds, given.companies, given.calls)
    raw = measure(plan)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(raw, indent=1))
    print(table(raw))
