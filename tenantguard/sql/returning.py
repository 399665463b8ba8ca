"""RETURNING: the columns that a write returns to the guard come before those its author asked for."""

from __future__ import annotations

_WORD = "RETURNING "


def with_columns(statement: str, columns: list[str], clause: str | None) -> str:
    """Return a statement that returns more columns, before those that it returns already.

    Args:
        statement: the statement.
        columns: the columns to return.
        clause: its own RETURNING clause, with which it ends.

    Raises:
        ValueError: it does not end so.
    """
    more = ", ".join(columns)
    if clause is None:
        return f"{statement} {_WORD}{more}"
    if not statement.endswith(clause) or not clause.startswith(_WORD):
        raise ValueError(f"the statement does not end with {clause!r}")
    return f"{statement.removesuffix(clause)}{_WORD}{more}, {clause[len(_WORD) :]}"
