"""Count what the guard adds to SQL text that is sent straight to the driver again and again.

It counts in callgrind, on SQLite in memory, as ``benchmarks.micro.instructions`` does.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, StaticPool, String, Table, create_engine

from benchmarks.environments import ROOT
from tenantguard import Tenancy, bind, guard

SETTLE, LOOPS = 150, 50
TEXT = "select id, status from calls where id = ?"


def _engine(variant: str) -> Engine:
    metadata = MetaData()
    key = Column("id", Integer, primary_key=True)
    calls = Table(
        "calls", metadata, key, Column("company_id", Integer, nullable=False), Column("status", String(20))
    )
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": one, "company_id": 1 + one % 2, "status": "open"} for one in range(1, 101)]
        connection.execute(calls.insert(), rows)
    if variant == "unguarded":
        return engine
    return guard(engine, Tenancy(metadata, column="company_id"), raw_sql="rewrite")


def work(variant: str) -> None:
    """Send the text between marks, once ``LOOPS`` times and once twice as often."""
    engine = _engine(variant)
    gc.disable()
    bound: Any = nullcontext() if variant == "unguarded" else bind(2)
    with bound, engine.connect() as connection:
        for _ in range(SETTLE):
            connection.exec_driver_sql(TEXT, (7,)).fetchall()
        print("ready", flush=True)
        sys.stdin.readline()
        for loops in (LOOPS, 2 * LOOPS):
            os.getppid()
            for _ in range(loops):
                connection.exec_driver_sql(TEXT, (7,)).fetchall()
            os.getppid()


def count(variant: str) -> float:
    """Return the instructions of one execution: the difference of the two counts, so that marks cost nothing."""
    with tempfile.TemporaryDirectory() as home:
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-before=getppid",
            f"--callgrind-out-file={home}/out", sys.executable, "-m", "benchmarks.micro.driver_text", variant,
        ]  # fmt: skip
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=ROOT, env=environ, text=True, **pipes) as process:
            assert process.stdout is not None
            if process.stdout.readline():
                switch = ["callgrind_control", "--instr=on", str(process.pid)]
                subprocess.run(switch, capture_output=True, check=True)
            process.communicate("go\n")
        once, twice = (_total(Path(home) / f"out.{part}") for part in (2, 4))
    return (twice - once) / LOOPS


def _total(path: Path) -> int:
    return int(re.findall(r"^totals: (\d+)", path.read_text(), re.MULTILINE)[0])


def main() -> None:
    """Print the counts and their ratio."""
    if len(sys.argv) > 1:
        work(sys.argv[1])
        return
    plain, guarded = count("unguarded"), count("tenantguard")
    print(f"unguarded {plain:,.0f}, guarded {guarded:,.0f} instructions: {guarded / plain:.3f}")


if __name__ == "__main__":
    main()
