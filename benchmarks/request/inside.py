"""The request path in process: the application is called as a server would call it, with no server around.

All kinds share one process and one event loop; a little of each in turn, round after round.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from time import perf_counter_ns, thread_time_ns
from typing import Any

from benchmarks.request.apps import KINDS, App, Kind
from benchmarks.tokens import ALGORITHMS, Signer, signer

REQUESTS = 300  # of one turn
SEEN = 100  # different tokens that take turns where tokens were seen before


@dataclass
class Series:
    """Hold what was measured of one kind: nanoseconds for one request, one figure per round, by start."""

    kind: str
    wall: list[list[float]] = field(default_factory=lambda: [[]])
    cpu: list[list[float]] = field(default_factory=lambda: [[]])


def measure(rounds: int, starts: int = 1) -> list[dict[str, Any]]:
    """Return the series of every kind; each start is a new process, since layouts of memory differ."""
    found = []
    for _ in range(starts):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            found.append(process.submit(measure_here, max(1, rounds // starts)).result())
    return merged(found)


def merged(starts: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one series of each kind where several starts measured it."""
    whole = starts[0]
    for start in starts[1:]:
        for first, one in zip(whole, start, strict=True):
            first["wall"] += one["wall"]
            first["cpu"] += one["cpu"]
    return whole


def measure_here(
    rounds: int, kinds: Sequence[str] = tuple(KINDS), requests: int = REQUESTS
) -> list[dict[str, Any]]:
    """Return the series of every kind, measured in this process."""
    return [asdict(one) for one in asyncio.run(_measure(rounds, kinds, requests))]


async def _measure(rounds: int, kinds: Sequence[str], requests: int) -> list[Series]:
    signers = {name: signer(name) for name in ALGORITHMS}
    tokens = {name: _headers(signers[name], max(requests, SEEN) + 1) for name in ALGORITHMS}
    apps = {name: KINDS[name].make(signers[KINDS[name].algorithm]) for name in kinds}
    series = {name: Series(name) for name in kinds}
    for turn in range(rounds):
        start = turn % len(kinds)
        for name in (*kinds[start:], *kinds[:start]):
            kind = KINDS[name]
            if kind.fresh:  # a new verifier has seen no token
                apps[name] = kind.make(signers[kind.algorithm])
            wall, cpu = await _turn(apps[name], kind, tokens[kind.algorithm], requests)
            series[name].wall[0].append(wall / requests)
            series[name].cpu[0].append(cpu / requests)
    return list(series.values())


def _headers(signed_by: Signer, count: int) -> list[list[tuple[bytes, bytes]]]:
    signed = (signed_by.sign(f"user-{i}", f"company-{i % 10}") for i in range(count))
    return [[(b"host", b"test"), (b"authorization", f"Bearer {token}".encode())] for token in signed]


async def _turn(
    app: App, kind: Kind, headers: list[list[tuple[bytes, bytes]]], requests: int
) -> tuple[int, int]:
    turns = itertools.cycle(headers[:-1] if kind.fresh else headers[:SEEN])
    scopes = [scope_of(next(turns)) for _ in range(requests)]
    if not kind.fresh:
        for one in headers[:SEEN]:
            await app(scope_of(one), _receive, _send)
    else:  # the first request builds the stack of middleware; its token is not among the measured
        await app(scope_of(headers[-1]), _receive, _send)
    gc.collect()
    gc.disable()
    cpu, wall = thread_time_ns(), perf_counter_ns()
    for scope in scopes:
        await app(scope, _receive, _send)
    taken = perf_counter_ns() - wall, thread_time_ns() - cpu
    gc.enable()
    return taken


def repeat(kind: str, seconds: float) -> None:
    """Answer requests for a while, for a profiler, and print the nanoseconds of CPU time that one took."""
    signed_by = signer(KINDS[kind].algorithm)
    app, headers = KINDS[kind].make(signed_by), _headers(signed_by, SEEN)
    done, worked, until = 0, 0, perf_counter_ns() + seconds * 1e9
    while perf_counter_ns() < until:
        worked += asyncio.run(profiled(app, [scope_of(one) for one in headers]))
        done += len(headers)
    print(worked // done)


async def profiled(app: App, scopes: list[dict[str, Any]]) -> int:
    """Answer requests; of the samples, those that have this function on their stack count."""
    began = thread_time_ns()
    for scope in scopes:
        await app(scope, _receive, _send)
    return thread_time_ns() - began


def scope_of(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    return None


if __name__ == "__main__":
    repeat(sys.argv[1], float(sys.argv[2]))
