"""A uvicorn server in a thread, on a port that was free, ready when the ``with`` block begins."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import uvicorn
from fastapi import FastAPI


class Server:
    """Serve an application on loopback for a ``with`` block.

    Args:
        app: what to serve.
        port: where; 0 takes one that is free.
    """

    def __init__(self, app: FastAPI, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        # asyncio does this only for sockets that it made itself; without it each answer waits for 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = _Announcing(uvicorn.Config(app, log_level="warning", lifespan="on"))
        self._thread = threading.Thread(
            target=self._server.run_and_announce, args=(self._socket,), daemon=True
        )

    @property
    def url(self) -> str:
        """Return where the application answers."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def wait(self) -> None:
        """Stay until the server ends."""
        self._server.ended.wait()  # and not join(), which Python 3.11 thinks done once Ctrl-C broke into it

    def __enter__(self) -> Server:
        self._thread.start()
        self._server.settled.wait()
        if not self._server.started:
            raise RuntimeError("the server did not start; what it logged says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class _Announcing(uvicorn.Server):
    """Tell by an event that the start succeeded or failed, so that nobody has to ask again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled, self.ended = threading.Event(), threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets)
        self.settled.set()

    def run_and_announce(self, listening: socket.socket) -> None:
        """Serve until told to stop."""
        try:
            self.run([listening])
        finally:
            self.settled.set()
            self.ended.set()
