"""The tree: the parts of one statement, by the indexes of their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tenantguard.sql.text.tokens import Token

Span = tuple[int, int]  # the index of the first token, and the index after the last
JoinKind = Literal["INNER", "LEFT", "RIGHT", "FULL"]


@dataclass(slots=True)
class Source:
    """An element of a FROM, or the target of a write: a name, a query, joins in parentheses or a call.

    Attributes:
        parts: the name of a table, part by part; empty for other elements.
        span: the tokens of the name, from ONLY or the first part to the last part.
        query: the query that it is.
        inner: the joins that it holds in parentheses.
        alias: its alias.
        columns: the new names of its columns.
        plain: a query can take its place, because no sample or index hint follows it.
        only: it has ONLY, which a common table expression cannot have.
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
        """Return the token by which a table is referred to."""
        return self.alias or self.parts[-1]


@dataclass(slots=True)
class Joined:
    """One element of a FROM with the elements joined to it, each with its kind of join and its ON."""

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
        room: where a WHERE can be inserted.
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
    """One ``column = value`` of a SET: the names on its left, and the value."""

    names: list[Token]
    value: Span
    single: bool


@dataclass(slots=True)
class Write:
    """One INSERT, UPDATE or DELETE.

    Attributes:
        verb: which of them.
        target: the table; none for MariaDB's writes of several tables.
        body: the FROM and WHERE of an UPDATE or a DELETE.
        emptied: the names of the tables of a DELETE of several.
        columns: the columns that an INSERT names, if it names any.
        list_end: the parenthesis that closes them.
        rows: the values of an INSERT, row by row, each with the index after its last value.
        defaults: where DEFAULT VALUES stands.
        query: the query of an INSERT.
        assigned: the assignments of an UPDATE, or of MariaDB's INSERT ... SET.
        conflicts: the assignments of the conflict clauses of an INSERT, with their WHERE.
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
        parts: the parts of its set operations.
        write: the write, if it is one.
        nested: the queries in its ORDER BY and LIMIT.
    """

    ctes: list[Cte] = field(default_factory=list)
    recursive: bool = False
    parts: list[Select | Query] = field(default_factory=list)
    write: Write | None = None
    nested: list[Query] = field(default_factory=list)
