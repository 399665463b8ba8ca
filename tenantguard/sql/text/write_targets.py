"""What a text writes, as far as it can be read: whether it does at all, and for a bypass, which may send any text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.grammar.queries import statement
from tenantguard.sql.text.lexer import tokens_of
from tenantguard.sql.text.tokens import Unreadable, family, unquoted, words
from tenantguard.sql.text.tree import Query
from tenantguard.tenancy import Key

_BEGINS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:insert|update|replace|merge|with|load)\b", re.DOTALL | re.IGNORECASE
)
_WRITES = words("INSERT UPDATE DELETE MERGE REPLACE")


def writes(statement: str, dialect: str, style: str) -> bool:
    """Tell whether a text may write; one that cannot be read may."""
    try:
        tokens = tokens_of(statement, family(dialect), style)
    except Unreadable:
        return True
    before = ["", *(token.upper for token in tokens)]  # FOR UPDATE locks
    return any(
        t.upper in _WRITES and word not in ("FOR", "KEY") for word, t in zip(before, tokens, strict=False)
    )


def may_write(sql: str) -> bool:
    """Tell whether a text begins as one does that inserts or updates rows."""
    return _BEGINS.match(sql) is not None


@dataclass(frozen=True)
class Written:
    """A text that was read.

    Attributes:
        verb: ``"select"``, ``"insert"``, ``"update"`` or ``"delete"``.
        name: the table that is written, without its schema, in lower case; nothing for an UPDATE of MariaDB's, which
            may write several.
        columns: the columns that an UPDATE sets, in lower case.
        beside: a common table expression writes.
        alone: its RETURNING can name the columns of the table by themselves.
        room: where columns can be put into its RETURNING, or a RETURNING can be put in.
        returns: it has one.
    """

    verb: str
    name: str = ""
    columns: frozenset[str] = frozenset()
    beside: bool = False
    alone: bool = False
    room: int = -1
    returns: bool = False

    def may_write(self, key: Key, columns: Iterable[str]) -> bool:
        """Tell whether one of some columns of a table may be written."""
        named = self.name in ("", key[1].lower())
        return named and (
            self.verb == "insert" or not self.columns.isdisjoint(column.lower() for column in columns)
        )

    def returning(self, sql: str, columns: list[str]) -> str:
        """Return the text with columns at the beginning of what it returns."""
        more = ", ".join(columns)
        # on a line of its own, since a comment may stand before it
        put = f" {more}," if self.returns else f"\nRETURNING {more}"
        return f"{sql[: self.room]}{put}{sql[self.room :]}"


def read_written(sql: str, dialect: str, style: str, tenancy: Any) -> Written | None:
    """Return what a text writes, or ``None`` where it cannot be read.

    Args:
        sql: the text.
        dialect: SQLAlchemy's name of the dialect.
        style: the driver's ``paramstyle``.
        tenancy: declares functions.
    """
    try:
        cursor = Cursor(sql, dialect, style, tenancy)
        query = statement(cursor)
    except Unreadable:
        return None
    write, beside = query.write, any(_writes(cte.body) for cte in query.ctes)
    if write is None:
        return Written("select", beside=beside)
    columns = frozenset(unquoted(name.text).lower() for one in write.assigned for name in one.names)
    if write.target is None:
        return Written(write.verb, columns=columns, beside=beside)
    if write.returned is not None:
        room = cursor.tokens[write.returned[0][0] - 1].end
    else:
        room = next(token.end for token in reversed(cursor.tokens) if token.text != ";")
    return Written(
        write.verb,
        unquoted(write.target.parts[-1].text).lower(),
        columns,
        beside,
        alone=not beside and not write.body.sources,
        room=room,
        returns=write.returned is not None,
    )


def _writes(query: Query) -> bool:
    inserts = query.write is not None and query.write.verb != "delete"
    return inserts or any(_writes(cte.body) for cte in query.ctes)
