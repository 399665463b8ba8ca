"""Write targets: whether a text writes, and, for a bypass, which table and columns."""

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
    """Tell whether a text can write; one that cannot be read can."""
    try:
        tokens = tokens_of(statement, family(dialect), style)
    except Unreadable:
        return True
    before = ["", *(token.upper for token in tokens)]  # FOR UPDATE locks
    return any(
        t.upper in _WRITES and word not in ("FOR", "KEY") for word, t in zip(before, tokens, strict=False)
    )


def may_write(sql: str) -> bool:
    """Tell whether a text begins like one that inserts or updates rows."""
    return _BEGINS.match(sql) is not None


@dataclass(frozen=True)
class Written:
    """What a text writes.

    Attributes:
        verb: ``"select"``, ``"insert"``, ``"update"`` or ``"delete"``.
        name: the table that is written, without its schema, in lower case; empty for MariaDB's UPDATE, which can
            write several.
        columns: the columns that an UPDATE sets, in lower case.
        beside: a common table expression writes.
        alone: its RETURNING can name the columns of the table without a qualifier.
        room: where columns, or a RETURNING, can be inserted.
        returns: it has a RETURNING.
    """

    verb: str
    name: str = ""
    columns: frozenset[str] = frozenset()
    beside: bool = False
    alone: bool = False
    room: int = -1
    returns: bool = False

    def may_write(self, key: Key, columns: Iterable[str]) -> bool:
        """Tell whether the text can write one of some columns of a table."""
        named = self.name in ("", key[1].lower())
        return named and (
            self.verb == "insert" or not self.columns.isdisjoint(column.lower() for column in columns)
        )

    def returning(self, sql: str, columns: list[str]) -> str:
        """Return the text with more columns at the beginning of its RETURNING."""
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
