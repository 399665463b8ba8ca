"""Serve the example in each way, load one server after the other, round after round, and write it all down."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from benchmarks.cores import beside_the_measured
from benchmarks.databases import Server, postgresql
from benchmarks.locust.companies import CALLS, COMPANIES
from benchmarks.locust.data import fill, restore
from benchmarks.locust.kinds import KINDS, POSTGRESQL, SQLITE
from benchmarks.locust.load import Load, run
from benchmarks.locust.table import table
from benchmarks.machine import describe
from benchmarks.results_file import write
from benchmarks.servers import Served, served
from benchmarks.tokens import Signer, signer

BACKENDS = (SQLITE, POSTGRESQL)
WARM_UP = 3  # seconds of load that do not count, for everyone


@dataclass
class Plan:
    """Say what to load, and how."""

    load: Load
    backends: Sequence[str] = BACKENDS
    kinds: Sequence[str] = tuple(KINDS)
    rounds: int = 5
    companies: int = COMPANIES
    calls: int = CALLS
    warm_up: int = WARM_UP
    apart: bool = True  # whoever loads keeps off the server's core


def measure(plan: Plan) -> dict[str, Any]:
    """Return the raw results: for each database, server and round what Locust counted and the server used."""
    facts = describe()
    runs: list[dict[str, Any]] = []
    with beside_the_measured() if plan.apart else nullcontext():
        for backend in plan.backends:
            with _databases(backend) as home:
                runs += _measure_backend(plan, backend, home)
    return {"part": "locust", **facts, "plan": asdict(plan), "runs": runs}


@contextmanager
def _databases(backend: str) -> Iterator[Path | Server]:
    if backend == POSTGRESQL:
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
    kinds = [kind for kind in plan.kinds if backend in KINDS[kind].backends]
    runs = []
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(_serve(kind, _prepare(plan, kind, home), signed_by)) for kind in kinds
        }
        for kind, server in servers.items() if plan.warm_up else ():
            _load(plan, kind, server, signed_by, plan.warm_up)
        for turn in range(plan.rounds):
            start = turn % len(kinds)
            for kind in (*kinds[start:], *kinds[:start]):
                _restore(plan, kind, home)
                found = _load(plan, kind, servers[kind], signed_by, plan.load.seconds)
                runs.append({"backend": backend, "kind": kind, "round": turn, **found})
    return runs


def _companies(plan: Plan, kind: str) -> range:
    return range(1) if KINDS[kind].alone else range(plan.companies)


def _prepare(plan: Plan, kind: str, home: Path | Server) -> str:
    """Fill a database for one server and return the URL that its asynchronous driver takes."""
    if isinstance(home, Server):
        url = driver = home.database(f"load_{kind}")
    else:
        url, driver = f"sqlite:///{home}/{kind}.sqlite", f"sqlite+aiosqlite:///{home}/{kind}.sqlite"
    engine = create_engine(url)
    fill(engine, _companies(plan, kind), plan.calls)
    prepare = KINDS[kind].prepare
    if prepare is not None:
        prepare(engine)
    engine.dispose()
    return driver


def _restore(plan: Plan, kind: str, home: Path | Server) -> None:
    """Give each round the same rows, and a database that has tidied up."""
    engine: Engine
    if isinstance(home, Server):
        engine, tidy = home.superuser(f"load_{kind}"), "VACUUM ANALYZE"
    else:
        engine, tidy = create_engine(f"sqlite:///{home}/{kind}.sqlite"), "PRAGMA wal_checkpoint(TRUNCATE)"
    with engine.connect() as connection:
        restore(connection, _companies(plan, kind), plan.calls)
        connection.commit()
        connection.execute(text(tidy))
    engine.dispose()


@contextmanager
def _serve(kind: str, database: str, signed_by: Signer) -> Iterator[Served]:
    environ = {"BENCH_KIND": kind, "BENCH_DATABASE": database, "BENCH_KEY": signed_by.public}
    with served("benchmarks.locust.kinds:create_app", environ, "/health") as server:
        yield server


def _load(plan: Plan, kind: str, server: Served, signed_by: Signer, seconds: int) -> dict[str, Any]:
    load = replace(plan.load, seconds=seconds, hostile=plan.load.hostile if KINDS[kind].attacked else 0)
    environ = {
        "BENCH_SIGNER": signed_by.private,
        "BENCH_COMPANIES": str(len(_companies(plan, kind))),
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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--seconds", type=int, default=6, help="of one run")
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
    write(given.out, raw)
    print(table(raw))
