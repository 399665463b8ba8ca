"""Take the example's requests apart: instructions of each, in process, every way of serving on one company's rows.

Under load a request's cost is blurred by threads, by who waits for whom, and by how a process lies in memory. What
callgrind counts is not; the numbers of different servers are those of the same answer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from benchmarks.environments import MissingEnvironmentError
from benchmarks.locust.companies import company_id
from benchmarks.locust.data import fill
from benchmarks.locust.kinds import ALONE, HAND, KINDS, NOTHING, create_app
from benchmarks.machine import describe
from benchmarks.micro.instructions import counted_by_callgrind, totals
from benchmarks.micro.worker import mark
from benchmarks.results_file import write
from benchmarks.tokens import Signer, signer

LOOPS, WARM = 10, 60  # requests that are counted, and that come before them
Body = dict[str, Any] | None
REQUESTS: dict[str, tuple[str, str, str, Body]] = {
    "list 50 calls": ("GET", "/calls", "size=50", None),
    "list an agent's calls": ("GET", "/calls", "size=20&status=answered&agent_id=1", None),
    "read a call": ("GET", "/calls/1", "", None),
    "list the numbers": ("GET", "/numbers", "", None),
    "read the company": ("GET", "/company", "", None),
    "sum up by agent": ("GET", "/statistics/agents", "", None),
    "record a call": (
        "POST",
        "/calls",
        "",
        {"number_id": 1, "agent_id": 1, "caller": "+49170000000", "seconds": 100},
    ),
    "change a call": ("PATCH", "/calls/1", "", {"status": "answered", "seconds": 200}),
    "comment on a call": ("POST", "/calls/1/comments", "", {"text": "Noted"}),
}


def measure(kinds: Sequence[str] = (NOTHING, HAND, ALONE), loops: int = LOOPS) -> dict[str, Any]:
    """Return the instructions of one request, by server and request.

    Raises:
        MissingEnvironmentError: callgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        raise MissingEnvironmentError("valgrind is not installed; instructions are not counted")
    facts, signed_by = describe(), signer("RS256")
    with tempfile.TemporaryDirectory() as home:
        found = {kind: _of(kind, Path(home), signed_by, loops) for kind in kinds}
    return {"part": "apart", **facts, "loops": loops, "instructions": found}


def _of(kind: str, home: Path, signed_by: Signer, loops: int) -> dict[str, int]:
    file = home / f"{kind}.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    fill(engine, range(1))
    engine.dispose()
    told = {
        "BENCH_KIND": kind,
        "BENCH_DATABASE": f"sqlite+aiosqlite:///{file}",
        "BENCH_KEY": signed_by.public,
        "BENCH_TOKEN": signed_by.sign("agent-1", company_id(0)),
    }
    command = [sys.executable, "-m", "benchmarks.locust.apart", "--count", str(loops)]
    with counted_by_callgrind(kind, command, told) as counted:
        return {name: round(one / loops) for name, one in zip(REQUESTS, totals(counted), strict=True)}


async def serve(loops: int) -> None:
    """Answer each request between two marks, once whoever counts has said that it listens."""
    app = create_app()
    for name in REQUESTS:
        await answer(app, name, WARM)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    for name in REQUESTS:
        await answer(app, name, 1)
        mark()
        await answer(app, name, loops)
        mark()


async def answer(app: Any, name: str, times: int) -> None:
    """Let an application answer a request some times.

    Raises:
        RuntimeError: it refused, or failed.
    """
    method, path, query, body = REQUESTS[name]
    raw = b"" if body is None else json.dumps(body).encode()
    headers = [
        (b"host", b"127.0.0.1"),
        (b"authorization", f"Bearer {os.environ['BENCH_TOKEN']}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(raw)).encode()),
    ]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) >= 300:
            raise RuntimeError(f"{name} was answered with {message['status']}")

    for _ in range(times):
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": query.encode(),
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await app(scope, receive, send)


def table(raw: dict[str, Any]) -> str:
    """Return the ratios to the server without security as a Markdown table."""
    counted = raw["instructions"]
    names = list(counted)
    lines = [
        f"| request | {' | '.join(KINDS[name].title for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for request, base in counted[names[0]].items():
        others = (f"{counted[name][request] / base:.3f}" for name in names[1:])
        lines.append(f"| {request} | {base:,} | {' | '.join(others)} |")
    return "\n".join(lines)


def main() -> None:
    """Count, write the raw results and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.locust.apart", description=main.__doc__)
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/apart.json"))
    given = parser.parse_args()
    if given.count:
        asyncio.run(serve(given.count))
        return
    raw = measure(loops=given.loops)
    write(given.out, raw)
    print(table(raw))


if __name__ == "__main__":
    main()
