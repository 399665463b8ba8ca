"""Scopes: the tables and queries that one SELECT, UPDATE or DELETE reads, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tenantguard.sql.text.tokens import Token
from tenantguard.sql.text.tree import Source, Span
from tenantguard.tenancy import Placement


@dataclass(slots=True)
class Placed:
    """A table in a scope.

    Attributes:
        placement: how it belongs.
        source: its element in the statement.
        name: its name there, as the database compares it.
        place: where its predicate goes.
    """

    placement: Placement
    source: Source
    name: str
    place: Literal["where", "on", "derived"] = "where"

    @property
    def qualifier(self) -> Token:
        """Return the token that qualifies its columns."""
        return self.source.word.copy()


@dataclass(slots=True)
class View:
    """A query with a name: in a FROM, or a common table expression.

    Attributes:
        scopes: the scope of each part; empty if unknown.
        columns: the new names of its columns, as the database compares them.
    """

    scopes: list[Scope] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Scope:
    """The scope of one part of a statement.

    Attributes:
        placed: its tables.
        names: every name in its FROM, to find duplicates.
        width: the number of elements in its FROM; negative for VALUES.
        items: the columns of a SELECT, or of a RETURNING.
        views: the queries in its FROM, by name.
        filled: the names of elements on the nullable side of an outer join.
    """

    placed: list[Placed] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    width: int = 0
    items: list[Span] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)


# common table expressions by name; None if the meaning of the name depends on the version
Environment = dict[str, View | None]
