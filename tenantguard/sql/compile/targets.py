"""Targets of SET and INSERT: a verified column may not be written under another spelling or in a group."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import ClauseElement, ColumnClause
from sqlalchemy.sql.visitors import iterate

_KEYS = frozenset(
    {"rowid", "_rowid_", "oid", "ctid"}
)  # what SQLite and PostgreSQL call a row's key, or its place


def key_of(target: Any) -> Any:
    """Return the key of the column that a statement writes to, which it may name by its key or by an attribute.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no column.
    """
    # what most statements hold when they are compiled, where the coercion would make an annotated copy
    if type(target) is str or isinstance(target, ColumnClause):
        return getattr(target, "key", target)
    return coercions.expect_as_key(roles.DMLColumnRole, target)


def folded(name: str) -> str:
    """Return a name so that two which any database takes for one are equal: without case and accents."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part)).replace(
        "\u0131", "i"
    )  # the dotless i


def spelling_fault(names: Iterable[str], watched: Collection[str], known: Collection[str]) -> str | None:
    """Tell which column is written under another spelling of one that is verified, or return ``None``.

    Args:
        names: the columns that are written, as the statement names them.
        watched: the columns whose values are verified.
        known: every column that the tenancy's metadata has.
    """
    strange = [name for name in names if name not in watched and name not in known]
    if not strange:
        return None
    originals = {folded(name): name for name in watched}
    for name in strange:
        if folded(name) in _KEYS:
            return f"{name!r} may be the database's own name for a key; name the column as the metadata does"
        meant = originals.get(folded(name))
        if meant is not None:
            return f"{name!r} may be {meant!r} to the database; name the column as the metadata does"
    return None


def grouped_fault(keys: Iterable[Any], columns: Mapping[str, Any], watched: Collection[str]) -> str | None:
    """Tell which verified column a SET writes as a part of something else, ``(a, b) = (...)``, or return ``None``."""
    grouped = [key for key in keys if isinstance(key, ClauseElement) and not isinstance(key, ColumnClause)]
    if not grouped:
        return None
    originals = {folded(name) for name in watched}
    for key in grouped:
        if columns.get(_as_key(key)) is not None:
            continue
        for part in iterate(key):
            if isinstance(part, ColumnClause) and folded(part.name) in originals:
                return f"{part.name!r} is set as part of an expression; set it by itself"
    return None


def _as_key(key: Any) -> Any:
    try:
        return key_of(key)
    except Exception:  # SQLAlchemy raises several kinds; what has no key is looked into
        return None
