"""Scopes: what one SELECT, UPDATE or DELETE reads, by the names it gives its tables."""

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
        source: how it stands in the statement.
        name: what it goes by, as the database compares it.
        place: where its predicate goes.
    """

    placement: Placement
    source: Source
    name: str
    place: Literal["where", "on", "derived"] = "where"

    @property
    def qualifier(self) -> Token:
        """Return the token that its columns are qualified with."""
        return self.source.word.copy()


@dataclass(slots=True)
class View:
    """A query that is read by a name: in a FROM, or as a common table expression.

    Attributes:
        scopes: what each part of it reads; none where that is not known.
        columns: the names that are given to its columns, as the database compares them.
    """

    scopes: list[Scope] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Scope:
    """What one part of a statement reads.

    Attributes:
        placed: its tables.
        names: every name in its FROM, to find one that stands twice.
        width: how many elements its FROM has; less than none for VALUES.
        items: the columns of a SELECT, or of a RETURNING.
        views: the queries in its FROM, by name.
        filled: the names of what an outer join may fill up with NULL.
    """

    placed: list[Placed] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    width: int = 0
    items: list[Span] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)


# common table expressions by name; None where dialects differ on what it means
Environment = dict[str, View | None]
