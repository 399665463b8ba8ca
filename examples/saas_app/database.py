"""The database: an engine, and a session for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from starlette.requests import HTTPConnection


def make_engine(url: str, **options: Any) -> AsyncEngine:
    """Return an engine; on SQLite with foreign keys enforced."""
    engine = create_async_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _enforce_keys)
    return engine


def _enforce_keys(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


async def _session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    async with connection.app.state.sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(_session)]
