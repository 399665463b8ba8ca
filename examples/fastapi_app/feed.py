"""The websocket of live calls."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from examples.fastapi_app import queries
from examples.fastapi_app.schemas import CallOut

feed_router = APIRouter()


@feed_router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Send each new call as it comes, until the client hangs up."""
    news = socket.app.state.live.subscribe()
    try:
        await socket.accept()
        await _send_calls(socket, news)
    finally:
        socket.app.state.live.unsubscribe(news)


async def _send_calls(socket: WebSocket, news: asyncio.Event) -> None:
    async with socket.app.state.sessions() as session:
        last = await session.scalar(queries.last_call_id()) or 0
    await socket.send_json({"watching_from": last})
    hung_up = asyncio.create_task(_until_hung_up(socket))
    try:
        while await _woken(news, hung_up):
            last = await _send_after(socket, last)
    finally:
        hung_up.cancel()


async def _send_after(socket: WebSocket, last: int) -> int:
    """Send the calls that came since ``last``, and return the id of the latest."""
    async with socket.app.state.sessions() as session:
        for call in await session.scalars(queries.calls_after(last)):
            last = call.id
            await socket.send_json(CallOut.model_validate(call).model_dump(mode="json"))
    return last


async def _woken(news: asyncio.Event, hung_up: asyncio.Task[None]) -> bool:
    """Wait for news; return False where the client hung up instead."""
    waiting = asyncio.create_task(news.wait())
    await asyncio.wait({waiting, hung_up}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    news.clear()
    return not hung_up.done()


async def _until_hung_up(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return
