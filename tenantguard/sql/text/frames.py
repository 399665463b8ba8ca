"""What one SELECT, UPDATE or DELETE reads: its tables, by the names it gives them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from tenantguard.tenancy import Placement

Span = tuple[int, int]  # indexes of tokens, the second one behind the last


@dataclass
class Source:
    """Hold a table as it stands in a FROM.

    Attributes:
        placement: how it belongs.
        qualifier: what its columns are qualified with, as it is written.
        name: the same, as the database compares it.
        span: its tokens, from ONLY or the first part of its name to the last part.
        table_word: the last part of its name, as it is written.
        aliased: an alias follows.
        plain: nothing follows that cannot stand behind a derived table.
        renamed: its columns go by other names.
        place: where its predicate goes.
    """

    placement: Placement
    qualifier: str
    name: str
    span: Span
    table_word: str
    aliased: bool
    plain: bool = True
    renamed: bool = False
    place: Literal["where", "on", "derived"] = "where"


@dataclass
class Derived:
    """Hold a query that stands in a FROM, or a common table expression that is named there.

    Attributes:
        frames: what each part of it reads.
        columns: the names that its alias gives to its columns, as the database compares them.
    """

    frames: list[Frame]
    columns: list[str | None]


@dataclass
class Frame:
    """Hold what one part of a statement reads.

    Attributes:
        sources: its tables.
        names: every name in its FROM, to find one that stands twice.
        width: how many elements its FROM has; less than none for VALUES.
        items: the columns of a SELECT, or of a RETURNING.
        derived: the queries in its FROM, by name.
    """

    sources: list[Source] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    width: int = 0
    items: list[Span] = field(default_factory=list)
    derived: dict[str, Derived] = field(default_factory=dict)


def derive(sources: Iterable[Source]) -> None:
    """Mark tables that a join may fill up with NULL: their predicate needs a derived table."""
    for source in sources:
        if source.place == "where":
            source.place = "derived"
