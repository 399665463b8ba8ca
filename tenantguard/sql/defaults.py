"""Defaults: what a column is given where the statement gives it nothing is verified like what is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import DefaultClause, literal_column
from sqlalchemy.sql.elements import ClauseElement


class Named:
    """Name a parameter that is given at execution."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def with_defaults(
    compiler: Any, verb: str, columns: Iterable[Any], given: Mapping[str, Any], row: int = 0
) -> dict[str, Any]:
    """Return what a statement gives for each column, with what their defaults give for the others.

    Args:
        compiler: the compiler, after it rendered the statement.
        verb: ``"insert"`` or ``"update"``.
        columns: the columns whose values are verified, and that the statement gives nothing for.
        given: what it gives, by the column's name.
        row: which of the rows of one VALUES.
    """
    found = dict(given)
    for column in columns:
        default = getattr(column, "default" if verb == "insert" else "onupdate", None)
        if default is None and verb == "insert":
            default = getattr(column, "server_default", None)
        value = _value(compiler, verb, column, default, row)
        if value is not None:
            found[column.name] = value
    return found


def _value(compiler: Any, verb: str, column: Any, default: Any, row: int) -> Any:
    """Return the element or the parameter that a default becomes, ``None`` where the database alone knows it."""
    if isinstance(default, DefaultClause):
        text = default.arg
        if isinstance(text, ClauseElement):
            return text
        return literal_column("'" + str(text).replace("'", "''") + "'")
    if default is None or getattr(default, "is_sequence", False) or not hasattr(default, "arg"):
        return None
    if default.is_clause_element:
        return default.arg
    key = column.key if row == 0 else f"{column.key}_m{row}"
    for fetched in getattr(compiler, f"{verb}_prefetch") or ():
        if fetched is column or (row and fetched.key == key):
            name = compiler._get_bind_name_for_col(fetched)
            return Named(name)
    return None
