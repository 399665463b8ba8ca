"""RETURNING: what a write returns to the guard of the rows that it stored stands before what its author asked for."""

from __future__ import annotations

_WORD = "RETURNING "


def with_columns(statement: str, columns: list[str], clause: str | None) -> str:
    """Return a statement that returns more columns, before those that it returns already.

    Args:
        statement: the statement.
        columns: the columns to return.
        clause: its own RETURNING clause, with which it ends; a comment may follow.

    Raises:
        ValueError: it does not end so.
    """
    more = ", ".join(columns)
    if clause is None:
        return f"{statement}\n{_WORD}{more}"  # on a line of its own: a listener may have added a comment
    before, found, after = statement.rpartition(clause)
    if not found or not clause.startswith(_WORD):
        raise ValueError(f"the statement does not end with {clause!r}")
    return f"{before}{_WORD}{more}, {clause[len(_WORD) :]}{after}"
