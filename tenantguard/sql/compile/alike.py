"""Parameters whose own type stores what the column's type would store of the same value."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, String
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.types import TypeEngine


def binds_alike(
    parameter: BindParameter[Any] | None, type_: TypeEngine[Any], dialect: Any, *, first: bool
) -> bool:
    """Tell whether what a parameter holds is stored as the column's type would bind it, and nothing else.

    Args:
        parameter: the parameter, ``None`` for one that SQLAlchemy made of the column's own type.
        type_: the column's type.
        dialect: the dialect.
        first: SQLAlchemy gives the parameter the column's type, where it has none.
    """
    if type_._has_bind_expression:
        return False
    if parameter is None:
        return True
    own = parameter.type
    if own._has_bind_expression or parameter.literal_execute or parameter.expanding:
        return False
    if own._isnull:
        return first or not _processes(type_, dialect)
    if own is type_ or (
        own._static_cache_key is not NO_CACHE and own._static_cache_key == type_._static_cache_key
    ):
        return True
    if (
        own._type_affinity is not type_._type_affinity
        or _processes(own, dialect)
        or _processes(type_, dialect)
    ):
        return False
    if own._type_affinity is Integer:
        return True
    return own._type_affinity is String and getattr(own, "length", None) in (
        None,
        getattr(type_, "length", None),
    )


def _processes(type_: TypeEngine[Any], dialect: Any) -> bool:
    return type_._cached_bind_processor(dialect) is not None
