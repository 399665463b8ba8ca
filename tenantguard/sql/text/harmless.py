"""Texts that name no row, which applications send as a matter of course, and which pass whatever is bound."""

from __future__ import annotations

import re

_LONGEST = 100  # characters; on a megabyte of spaces the patterns would take an hour
_HEALTH_CHECK = re.compile(r"\s*select\s+\d+\s*;?\s*", re.IGNORECASE)
# SQLAlchemy's documentation has applications send it from a listener, because pysqlite would not in time
_SQLITE_BEGIN = re.compile(
    r"\s*begin(\s+(deferred|immediate|exclusive))?(\s+transaction)?\s*;?\s*", re.IGNORECASE
)


def is_health_check(statement: str) -> bool:
    """Tell whether a text is ``SELECT 1``."""
    return len(statement) <= _LONGEST and _HEALTH_CHECK.fullmatch(statement) is not None


def is_begin(statement: str, dialect: str) -> bool:
    """Tell whether a text only begins a transaction, on SQLite."""
    return (
        dialect == "sqlite" and len(statement) <= _LONGEST and _SQLITE_BEGIN.fullmatch(statement) is not None
    )
