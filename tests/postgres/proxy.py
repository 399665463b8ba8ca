"""A proxy between a driver and PostgreSQL that counts flights: message groups to the server that are waited for."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from sqlalchemy import URL

_CHUNK = 65_536


class Proxy:
    """A listening socket on loopback, and what went through it.

    Args:
        url: of the server.

    Attributes:
        port: where it listens.
        flights: how often a client's message followed an answer, or was the first.
        packets: how often a client sent something.
        sent: what clients sent.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.flights = self.packets = 0
        self.sent = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def through(self, url: URL) -> URL:
        """Return a URL that leads through the proxy."""
        return url.set(host="127.0.0.1", port=self.port, query={})

    def _server(self) -> socket.socket:
        host = self._url.host or str(self._url.query.get("host", ""))
        port = self._url.port or 5432
        if host.startswith("/"):
            made = socket.socket(socket.AF_UNIX)
            made.connect(f"{host}/.s.PGSQL.{port}")
            return made
        return socket.create_connection((host or "127.0.0.1", port))

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with (
            client,
            closing(self._server()) as server,
            selectors.DefaultSelector() as ready,
            suppress(OSError),
        ):
            others: dict[Any, socket.socket] = {client: server, server: client}
            for one in others:
                if one.family != socket.AF_UNIX:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(one, selectors.EVENT_READ)
            answered = True
            while True:
                for key, _ in ready.select():
                    source: Any = key.fileobj
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if source is client:
                        self.flights += answered
                        self.packets += 1
                        self.sent += data
                    answered = source is server
                    others[source].sendall(data)

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Yield a list that holds the number of flights once the block ends."""
        begun, told = self.flights, list[int]()
        yield told
        told.append(self.flights - begun)

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()
