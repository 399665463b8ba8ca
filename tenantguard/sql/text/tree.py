"""The tree: what the grammar finds in one statement, by the places of its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tenantguard.sql.text.tokens import Token

Span = tuple[int, int]  # indexes of tokens, the second one behind the last
JoinKind = Literal["INNER", "LEFT", "RIGHT", "FULL"]


@dataclass(slots=True)
class Source:
    """An element of a FROM, or the table that a statement writes: a name, a query, joins in parentheses or a call.

    Attributes:
        parts: the name of a table, part by part; none for the others.
        span: the tokens of the name, from ONLY or the first part to the last part.
        query: the query that it is.
        inner: the joins that it holds in parentheses.
        alias: the name it is given.
        columns: the names that its columns are given.
        plain: nothing stands beside it that cannot stand beside a query in its place.
        only: ONLY stands before it, which a common table expression cannot have.
    """

    parts: list[Token] = field(default_factory=list)
    span: Span = (0, 0)
    query: Query | None = None
    inner: list[Joined] = field(default_factory=list)
    alias: Token | None = None
    columns: list[Token] = field(default_factory=list)
    plain: bool = True
    only: bool = False

    @property
    def word(self) -> Token:
        """Return the token that a table goes by."""
        return self.alias or self.parts[-1]


@dataclass(slots=True)
class Joined:
    """One element of a FROM with what is joined to it; each of these has its kind of join and its ON."""

    first: Source
    kind: JoinKind = "INNER"
    steps: list[Joined] = field(default_factory=list)
    on: Span | None = None


@dataclass(slots=True)
class Select:
    """One SELECT, the FROM and WHERE of a write, or the WHERE of its conflict clause.

    Attributes:
        items: its columns.
        sources: the elements of its FROM.
        where: its condition.
        room: where a WHERE can be put in.
        nested: the queries in its expressions.
        table_word: where the word of ``TABLE name`` stands.
        from_values: it is VALUES.
    """

    items: list[Span] = field(default_factory=list)
    sources: list[Joined] = field(default_factory=list)
    where: Span | None = None
    room: int = 0
    nested: list[Query] = field(default_factory=list)
    table_word: int = -1
    from_values: bool = False


@dataclass(slots=True)
class Cte:
    """One common table expression."""

    name: Token
    columns: list[Token]
    body: Query


@dataclass(slots=True)
class Assignment:
    """One ``column = value`` of a SET: every name on its left, and the value."""

    names: list[Token]
    value: Span
    single: bool


@dataclass(slots=True)
class Write:
    """One INSERT, UPDATE or DELETE.

    Attributes:
        verb: which of them.
        target: the table that is written; MariaDB's writes of several tables have none.
        body: the FROM and WHERE of an UPDATE or a DELETE.
        emptied: the names of the tables of a DELETE of several.
        columns: the columns of an INSERT, if it names them.
        list_end: the parenthesis that closes them.
        rows: the values of an INSERT, row by row, each with the place behind its last value.
        defaults: where DEFAULT VALUES stands.
        query: the query that an INSERT takes its rows from.
        assigned: what an UPDATE, or an INSERT of MariaDB, sets.
        conflicts: what the conflict clauses of an INSERT set, with their WHERE.
        duplicate: the conflict clause is MariaDB's, which has no WHERE.
        returned: its RETURNING.
    """

    verb: Literal["insert", "update", "delete"]
    target: Source | None = None
    body: Select = field(default_factory=Select)
    emptied: list[Token] = field(default_factory=list)
    columns: list[Token] | None = None
    list_end: int = -1
    rows: list[tuple[list[Span], int]] = field(default_factory=list)
    defaults: int = -1
    query: Query | None = None
    assigned: list[Assignment] = field(default_factory=list)
    conflicts: list[tuple[list[Assignment], Select]] = field(default_factory=list)
    duplicate: bool = False
    returned: list[Span] | None = None


@dataclass(slots=True)
class Query:
    """A query or a write with its WITH.

    Attributes:
        ctes: its common table expressions.
        recursive: its WITH is recursive.
        parts: what set operations join.
        write: the write that it is instead.
        nested: the queries in what orders and limits it.
    """

    ctes: list[Cte] = field(default_factory=list)
    recursive: bool = False
    parts: list[Select | Query] = field(default_factory=list)
    write: Write | None = None
    nested: list[Query] = field(default_factory=list)
