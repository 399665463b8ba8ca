"""The database: SQLite in a file, or whatever ``DATABASE_URL`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def database_url(directory: Path) -> str:
    """Return ``DATABASE_URL``, or the URL of an SQLite file in the directory."""
    return os.environ.get("DATABASE_URL") or f"sqlite+aiosqlite:///{directory / 'calls.sqlite3'}"


def make_engine(url: str, **options: Any) -> AsyncEngine:
    """Return an async engine; on SQLite with foreign keys enforced and readers beside the writer."""
    engine = create_async_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
