"""A Redis of the tests' own: in a directory of its own, stopped and started as a test wants."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.servers import MissingServerError, wait_for


class RedisServer:
    """Run a server at a socket below a directory; it keeps nothing on disk, so that a new start is empty.

    Raises:
        MissingServerError: Redis is not installed, or does not start.
    """

    def __init__(self, directory: Path) -> None:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise MissingServerError("no Redis: redis-server is not installed (Debian: redis-server)")
        self._command = [
            found, "--port", "0", "--unixsocket", str(directory / "redis.sock"), "--save", "", "--dir", str(directory),
        ]  # fmt: skip
        self.url = f"unix://{directory / 'redis.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        with Redis.from_url(self.url) as client:
            wait_for(lambda: _answers(client), "Redis")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None


def _answers(client: Redis) -> bool:
    with suppress(RedisError):
        return bool(client.ping())
    return False
