"""Parts of writes: columns, rows and defaults in a statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Integer
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    ColumnElement,
    ExpressionClauseList,
    Grouping,
    Null,
)
from sqlalchemy.sql.selectable import TableClause
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TupleType

from tenantguard.sql.compile.targets import key_of

PICKED: Any = object()  # a value that the database computes, or picks
EXCLUDED: Any = object()  # in a conflict clause, the value that was to be inserted
# what a condition may be made of to be asked a second time: nothing that does anything
_PLAIN = (
    BinaryExpression,
    BooleanClauseList,
    ColumnClause,
    ExpressionClauseList,
    Grouping,
    Null,
)


class Named:
    """The name of a parameter whose value is given at execution."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def with_state(statement: Any, state: Any, **changed: Any) -> Any:
    """Return a copy of a statement that keeps the given compile state."""
    clone = statement._clone()
    clone.__dict__.update(changed)
    state.statement = clone
    clone.__dict__["_compile_state_factory"] = lambda *args, **kw: state
    return clone


def is_plain(criteria: Iterable[Any]) -> bool:
    """Return whether conditions can be evaluated a second time with the same values."""
    return all(_is_plain(part) for clause in criteria for part in iterate(clause))


def _is_plain(part: Any) -> bool:
    if isinstance(part, BindParameter):
        return not (part.callable is not None or part.literal_execute or isinstance(part.type, TupleType))
    return isinstance(part, _PLAIN) and not getattr(part, "is_literal", False)  # text may call anything


def base_of(from_: Any) -> Any:
    while not isinstance(from_, TableClause) and hasattr(from_, "element"):
        from_ = from_.element
    return from_


def bound_row(row: Mapping[Any, Any], columns: Mapping[str, Any]) -> dict[Any, Any]:
    """Return a row of VALUES whose literals are parameters."""
    bound = {}
    for key, value in row.items():
        column = columns.get(key_of(key))
        literal = column is not None and (value is None or coercions._is_literal(value))
        bound[key] = (
            BindParameter(None, value, type_=column.type, unique=True)
            if literal and column is not None
            else value
        )
    return bound


def element_of(value: Any) -> ColumnElement[Any]:
    if isinstance(value, Named):
        return BindParameter(value.name, required=True)
    found: ColumnElement[Any] = coercions.expect(roles.ExpressionElementRole, value)
    return found


def values_of_defaults(compiler: Any, verb: str, columns: Iterable[Any], row: int = 0) -> dict[str, Any]:
    """Return the defaults of columns that a statement leaves out, by name: a parameter, or ``PICKED``.

    Args:
        compiler: the compiler, after it rendered the statement.
        verb: ``"insert"`` or ``"update"``.
        columns: the columns.
        row: which of the rows of one VALUES.
    """
    found = {column.name: _default(compiler, verb, column, row) for column in columns}
    return {name: value for name, value in found.items() if value is not None}


def _default(compiler: Any, verb: str, column: Any, row: int) -> Any:
    """Return the parameter of a default, ``PICKED``, or ``None`` if the column is unchanged or NULL."""
    key = column.key if row == 0 else f"{column.key}_m{row}"
    for fetched in getattr(compiler, f"{verb}_prefetch") or ():
        if fetched is column or (row and fetched.key == key):
            return Named(compiler._get_bind_name_for_col(fetched))
    inserts = verb == "insert"
    ours = getattr(column, "default" if inserts else "onupdate", None)
    theirs = getattr(column, "server_default" if inserts else "server_onupdate", None)
    by_database = ours is not None and (ours.is_clause_element or ours.is_sequence)
    if by_database or theirs is not None or (inserts and is_picked(compiler, column)):
        return PICKED
    return None


def is_picked(compiler: Any, column: Any) -> bool:
    """Return whether the database generates a number for a NULL key, as SQLite does for an INTEGER PRIMARY KEY."""
    if not getattr(column, "primary_key", False) or column.type._type_affinity is not Integer:
        return False
    return column.autoincrement is True or (
        compiler.dialect.name == "sqlite" and len(column.table.primary_key) == 1
    )
