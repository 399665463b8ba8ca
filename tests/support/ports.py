"""Ports for servers that cannot be handed a socket which listens already."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import suppress

# Below those that systems hand out: another test's connection would be given a port in between. Processes begin apart.
_LOWEST, _COUNT = 20_000, 12_000
_NUMBERS = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """Return a port of this machine alone on which nobody listens."""
    for number in itertools.islice(_NUMBERS, _COUNT):
        port = _LOWEST + number % _COUNT
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")
