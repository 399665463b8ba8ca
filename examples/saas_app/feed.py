"""The feed: a websocket that shows how many tasks are open, whenever something changes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy import func, select

from examples.saas_app.models import Task

router = APIRouter()


class Feed:
    """A signal to everybody who watches; it carries no data."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Event] = set()

    def announce(self) -> None:
        """Say that something changed."""
        for watcher in self._watchers:
            watcher.set()

    def watch(self) -> asyncio.Event:
        """Return an event that is set whenever something changes."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: asyncio.Event) -> None:
        """Forget a watcher."""
        self._watchers.discard(watcher)


@router.websocket("/feed")
async def feed(socket: WebSocket) -> None:
    """Send the number of open tasks now, and after each change."""
    await socket.accept()
    signal: Feed = socket.app.state.feed
    watcher = signal.watch()
    try:
        while True:
            async with socket.app.state.sessions() as session:
                open_ = await session.scalar(
                    select(func.count()).select_from(Task).where(Task.done.is_(False))
                )
            await socket.send_json({"open": open_})
            await watcher.wait()
            watcher.clear()
    except WebSocketDisconnect:
        pass
    finally:
        signal.leave(watcher)
