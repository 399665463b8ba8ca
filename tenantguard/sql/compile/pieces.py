"""Pieces of writes: columns, rows and defaults as a statement names them, and the queries that ask about its rows."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from sqlalchemy import DefaultClause, exists, literal_column, select
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnElement
from sqlalchemy.sql.selectable import TableClause

from tenantguard.sql.compile.leaves import enclosed
from tenantguard.sql.compile.spelling import key_of


class Named:
    """Name a parameter that is given at execution."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def with_state(statement: Any, state: Any, **changed: Any) -> Any:
    """Return a copy of a statement that keeps the compile state it was given, instead of making another."""
    clone = statement._clone()
    clone.__dict__.update(changed)
    state.statement = clone
    clone.__dict__["_compile_state_factory"] = lambda *args, **kw: state
    return clone


def columns_of(table: Any, names: Container[str] | None = None) -> dict[str, Any]:
    """Return the columns by key and by name: all, or those that are named as the database does."""
    columns = [column for column in table.c if names is None or column.name in names]
    found = {column.name: column for column in columns}
    found.update({column.key: column for column in columns if column.key != column.name})
    return found


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


def rows_where(sources: list[Any], criteria: tuple[Any, ...], condition: Any) -> Any:
    """Return a query that tells whether any row that a statement reaches meets a condition."""
    inner: Any = select(literal_column("1")).select_from(*sources).where(*enclosed(criteria), condition)
    return select(exists(inner.correlate(None)))


def row_where(condition: Any) -> Any:
    """Return a query that tells whether the values of one new row meet a condition."""
    return select(exists(select(literal_column("1")).where(condition)))


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
