"""Run Locust against one server and return what it counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.locust.companies import HOSTILE
from benchmarks.servers import HOST, free_port

LOCUSTFILE = ROOT / "benchmarks" / "locust" / "locustfile.py"
LEAK = "LEAK"  # tenantguard.testing.locust.LEAK; importing that would import gevent's patches as well


class LoadError(Exception):
    """Say that Locust did not run."""


@dataclass(frozen=True)
class Load:
    """Say how hard to load.

    Attributes:
        users: who work at the same time, each waiting for an answer before it asks again.
        seconds: how long.
        hostile: how many more try what must not succeed, one attempt a second.
        processes: how many Locust processes share the work.
        distributed: a master and workers that speak over the network, instead of forks of one process.
        requests: after how many it ends, though time is left; 0 means never.
    """

    users: int = 24
    seconds: int = 10
    hostile: int = 0
    processes: int = 2
    distributed: bool = False
    requests: int = 0


def run(host: str, load: Load, environ: Mapping[str, str]) -> dict[str, Any]:
    """Load the server and return requests, failures, leaks, rate and percentiles.

    Attempts of intruders are counted apart: they are no work, and a server that holds a single company gets none.

    Raises:
        LoadError: Locust ended without results.
    """
    with tempfile.TemporaryDirectory() as home:
        told = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
        told |= {"BENCH_HOSTILE": str(load.hostile), "BENCH_REQUESTS": str(load.requests)}
        command = [
            sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--skip-log", "--headless", "--only-summary",
            "--host", host, "-u", str(load.users + load.hostile), "-r", str(load.users), "-t", f"{load.seconds}s",
            "--exit-code-on-error", "0", "--json-file", f"{home}/stats",
            "--expect-workers", str(load.processes),
        ]  # fmt: skip
        if load.distributed:
            said = _distributed(command, load.processes, told)
        else:
            said = _finish(_start([*command, "--processes", str(load.processes)], told))
        found = list(Path(home).glob("stats*"))
        if not found:
            raise LoadError(f"Locust left no results: {said[-2000:]}")
        return summary(json.loads(found[0].read_text()))


def _distributed(command: list[str], workers: int, environ: dict[str, str]) -> str:
    port = str(free_port())
    master = [*command, "--master", "--master-bind-host", HOST, "--master-bind-port", port]
    leader = _start(master, environ)
    worker = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--skip-log", "--worker",
        "--master-host", HOST, "--master-port", port,
    ]  # fmt: skip
    followers = [_start(worker, environ) for _ in range(workers)]
    said = _finish(leader)
    for follower in followers:
        _finish(follower)
    return said


def _start(command: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _finish(process: subprocess.Popen[str], seconds: int = 120) -> str:
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        process.kill()


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up Locust's rows; those of the type LEAK are no requests, and those of intruders are no work."""
    sent = [row for row in rows if row["method"] != LEAK]
    requests = [row for row in sent if not row["name"].startswith(HOSTILE)]
    times: Counter[float] = Counter()
    for row in requests:
        times.update({float(at): count for at, count in row["response_times"].items()})
    began = min((row["start_time"] for row in requests), default=0.0)
    ended = max((row["last_request_timestamp"] or 0.0 for row in requests), default=0.0)
    count = sum(row["num_requests"] for row in requests)
    return {
        "requests": count,
        "attempts": sum(row["num_requests"] for row in sent) - count,
        "failures": sum(row["num_failures"] for row in sent),
        "leaks": sum(row["num_failures"] for row in rows if row["method"] == LEAK),
        "seconds": ended - began,
        "rate": count / (ended - began) if ended > began else 0.0,
        **{f"p{share}": _percentile(times, share / 100) for share in (50, 95, 99)},
        "by_name": {f"{row['method']} {row['name']}": row["num_requests"] for row in sent},
    }


def _percentile(times: Counter[float], share: float) -> float:
    wanted, seen = share * times.total(), 0
    for at in sorted(times):
        seen += times[at]
        if seen >= wanted:
            return at
    return 0.0
