"""The request path over HTTP: uvicorn on the loopback interface, kept-alive connections, one kind at a time."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict
from time import perf_counter_ns
from typing import Any

from benchmarks.cores import beside_the_measured
from benchmarks.request.apps import KINDS, App
from benchmarks.request.inside import SEEN, Series, merged
from benchmarks.servers import HOST, Served, served
from benchmarks.tokens import Signer, signer

OVER_HTTP = ("bare", "base_http", "seen", "auth_RS256")
CONNECTIONS = 8
REQUESTS = 400  # of one turn


def create_app() -> App:
    """Return the application that the environment names; uvicorn calls this."""
    kind = KINDS[os.environ["BENCH_KIND"]]
    public = os.environ["BENCH_KEY"]
    return kind.make(Signer(kind.algorithm, None, public))


def measure(rounds: int, starts: int = 1) -> list[dict[str, Any]]:
    """Return the series of every kind: wall time of a request in a full pipe, and the server's CPU time."""
    with beside_the_measured():
        return merged([measure_once(max(1, rounds // starts)) for _ in range(starts)])


def measure_once(
    rounds: int, kinds: Sequence[str] = OVER_HTTP, requests: int = REQUESTS
) -> list[dict[str, Any]]:
    """Return the series of every kind from servers that are started once."""
    signed_by = {name: signer(KINDS[name].algorithm) for name in kinds}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                served("benchmarks.request.outside:create_app", _environ(name, signed_by[name]))
            )
            for name in kinds
        }
        return [asdict(one) for one in asyncio.run(_measure(rounds, servers, signed_by, requests))]


def _environ(kind: str, signed_by: Signer) -> dict[str, str]:
    return {"BENCH_KIND": kind, "BENCH_KEY": signed_by.public}


async def _measure(
    rounds: int, servers: dict[str, Served], signed_by: dict[str, Signer], requests: int
) -> list[Series]:
    kinds = list(servers)
    series = {name: Series(name) for name in kinds}
    wires = {name: _wires(signed_by[name]) for name in kinds}
    async with AsyncExitStack() as stack:
        clients = {}
        for name in kinds:
            clients[name] = [_Client(servers[name].port) for _ in range(CONNECTIONS)]
            for client in clients[name]:
                await client.open()
                stack.push_async_callback(client.close)
            await _turn(clients[name], wires[name], SEEN)
        for turn in range(rounds):
            start = turn % len(kinds)
            for name in kinds[start:] + kinds[:start]:
                worked, clock = servers[name].cpu_ns(), perf_counter_ns()
                await _turn(clients[name], wires[name], requests)
                series[name].wall[0].append((perf_counter_ns() - clock) / requests)
                series[name].cpu[0].append((servers[name].cpu_ns() - worked) / requests)
    return list(series.values())


def _wires(signed_by: Signer) -> list[bytes]:
    signed = (signed_by.sign(f"user-{i}", f"company-{i % 10}") for i in range(SEEN))
    return [
        f"GET / HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        for token in signed
    ]


async def _turn(clients: Sequence[_Client], wires: list[bytes], requests: int) -> None:
    left = itertools.cycle(wires)
    work = [left] * len(clients)
    shares = [requests // len(clients) + (i < requests % len(clients)) for i in range(len(clients))]
    await asyncio.gather(
        *(client.ask(wire, share) for client, wire, share in zip(clients, work, shares, strict=True))
    )


class _Client:
    """Ask over one kept-alive connection; small enough not to be what is measured."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)

    async def ask(self, wires: Any, count: int) -> None:
        """Send requests one after the other and read their answers."""
        for _ in range(count):
            self._writer.write(next(wires))
            head = await self._reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the server answered {head.splitlines()[0]!r}")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await self._reader.readexactly(int(length))

    async def close(self) -> None:
        """Disconnect."""
        self._writer.close()
        await self._writer.wait_closed()
