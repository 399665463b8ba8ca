"""Servers in processes of their own, on 127.0.0.1 only: started, waited for, measured, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.cores import give_a_core
from benchmarks.environments import ROOT

HOST = "127.0.0.1"
ATTEMPTS, PAUSE = 300, 0.1  # how often, and after how many seconds again, a starting server is asked


class Served:
    """Give the address of a running server, and what it has used."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port
        self.url = f"http://{HOST}:{port}"

    def cpu_ns(self) -> int:
        """Return the nanoseconds that the server's threads have worked."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks)

    def memory_mb(self) -> float:
        """Return the resident memory in MB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def served(application: str, environ: Mapping[str, str], path: str = "/") -> Iterator[Served]:
    """Serve ``module:factory`` with one uvicorn process until the block ends.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "--factory", application, "--host", HOST, "--port", str(port),
        "--log-level", "warning", "--no-access-log", "--timeout-keep-alive", "600",
    ]  # fmt: skip
    told = {**os.environ, **environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=said, stderr=said)
        give_a_core(process.pid)
        server = Served(process, port)
        try:
            _wait(process, server.url + path, said)
            yield server
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str, said: IO[str]) -> None:
    for _ in range(ATTEMPTS):
        if process.poll() is not None:
            said.seek(0)
            raise RuntimeError(f"the server ended before it answered: {said.read()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # an answer is an answer, 401 too
        except OSError:
            time.sleep(PAUSE)
    raise RuntimeError(f"the server did not answer within {ATTEMPTS * PAUSE:.0f} seconds")
