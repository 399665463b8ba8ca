"""Count the instructions of a request with callgrind, in process and in a server: busy neighbours do not change it.

The server is uvicorn's protocol for httptools, fed by hand on a transport that drops what is written. What the kernel
does for a socket is not counted, so the ratio is a little higher than that of the server's CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.environments import MissingEnvironmentError
from benchmarks.micro.instructions import counted_by_callgrind, totals
from benchmarks.micro.worker import mark
from benchmarks.request.apps import KINDS, App
from benchmarks.request.inside import profiled, scope_of
from benchmarks.tokens import Signer, signer

COUNTED = ("bare", "base_http", "seen")
LOOPS, WARM = 20, 200  # requests that are counted, and that come before them
PLACES = ("in process", "in a server")
Serve = Callable[[int], Awaitable[None]]


def measure(kinds: Sequence[str] = COUNTED, loops: int = LOOPS) -> dict[str, dict[str, int]]:
    """Return the instructions of one request, by kind and place.

    Raises:
        MissingEnvironmentError: callgrind is not installed.
    """
    if shutil.which("valgrind") is None:
        raise MissingEnvironmentError("valgrind is not installed; instructions are not counted")
    return {kind: _of(kind, loops) for kind in kinds}


def _of(kind: str, loops: int) -> dict[str, int]:
    signed_by = signer(KINDS[kind].algorithm)
    told = {"BENCH_KEY": signed_by.public, "BENCH_TOKEN": signed_by.sign("user-1", "company-1")}
    command = [
        sys.executable,
        "-m",
        "benchmarks.request.instructions",
        "--count",
        kind,
        "--loops",
        str(loops),
    ]
    with counted_by_callgrind(kind, command, told) as counted:
        return {place: round(one / loops) for place, one in zip(PLACES, totals(counted), strict=True)}


async def serve(kind: str, loops: int) -> None:
    """Answer requests in both places between two marks, once whoever counts has said that it listens."""
    app = KINDS[kind].make(Signer(KINDS[kind].algorithm, None, os.environ["BENCH_KEY"]))
    token = os.environ["BENCH_TOKEN"].encode()
    places = (_in_process(app, token), _in_server(app, token))
    for serving in places:
        await serving(WARM)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    for serving in places:
        await serving(2)
        mark()
        await serving(loops)
        mark()


def _in_process(app: App, token: bytes) -> Serve:
    headers = [(b"host", b"test"), (b"authorization", b"Bearer " + token)]

    async def serving(times: int) -> None:
        await profiled(app, [scope_of(headers) for _ in range(times)])

    return serving


class _Transport(asyncio.Transport):
    """The socket of a client that has answers enough."""

    def __init__(self) -> None:
        super().__init__({"socket": None, "peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)})
        self.answered = asyncio.Event()

    def write(self, data: Any) -> None:
        """Hear that there is an answer; its head and its body come one after the other."""
        self.answered.set()

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def resume_reading(self) -> None:
        """Be read from already."""

    def pause_reading(self) -> None:
        """Go on all the same."""


def _in_server(app: App, token: bytes) -> Serve:
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="httptools")
    config.load()
    protocol, transport = HttpToolsProtocol(config, ServerState(), {}), _Transport()
    protocol.connection_made(transport)
    wire = b"GET / HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + token + b"\r\n\r\n"

    async def serving(times: int) -> None:
        for _ in range(times):
            protocol.data_received(wire)
            await transport.answered.wait()
            await asyncio.sleep(0)  # until the request's task has ended
            transport.answered.clear()

    return serving


def table(counted: dict[str, dict[str, int]]) -> str:
    """Return instructions and ratios as a Markdown table."""
    lines = ["| application | in process | ratio | in a server | ratio |", "|---" * 5 + "|"]
    for kind, found in counted.items():
        cells = (f"{found[place]:,} | {found[place] / counted['bare'][place]:.3f}" for place in PLACES)
        lines.append(f"| {KINDS[kind].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.request.instructions", description=main.__doc__
    )
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=COUNTED)
    parser.add_argument("--loops", type=int, default=LOOPS)
    parser.add_argument("--count", choices=tuple(KINDS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.count:
        asyncio.run(serve(given.count, given.loops))
    else:
        print(table(measure(given.kinds, given.loops)))


if __name__ == "__main__":
    main()
