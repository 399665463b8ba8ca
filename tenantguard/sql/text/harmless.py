"""Texts that name no row, and that applications send as a matter of course."""

from __future__ import annotations

import re

_LONGEST = 100  # characters; on a megabyte of spaces the patterns would take an hour
_HEALTH_CHECK = re.compile(r"\s*select\s+\d+\s*;?\s*", re.IGNORECASE)
# SQLAlchemy's documentation has applications send it from a listener, because pysqlite would not in time
_SQLITE_BEGIN = re.compile(
    r"\s*begin(\s+(deferred|immediate|exclusive))?(\s+transaction)?\s*;?\s*", re.IGNORECASE
)


def is_harmless(statement: str, dialect: str) -> bool:
    """Tell whether a text may pass as it is, whatever is bound: a health check, or SQLite's own ``BEGIN``."""
    if len(statement) > _LONGEST:
        return False
    if _HEALTH_CHECK.fullmatch(statement):
        return True
    return dialect == "sqlite" and _SQLITE_BEGIN.fullmatch(statement) is not None
