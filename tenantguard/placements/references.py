"""Foreign keys by name, whose parents may be in another MetaData or be defined later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Table
from sqlalchemy.exc import SQLAlchemyError

Key = tuple[str | None, str]  # schema and name
Find = Callable[[Key], Table | None]
_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True)
class Reference:
    """One foreign key of a table.

    Attributes:
        table: the table that has it.
        parent: the table that it leads to; ``None`` if no MetaData has that table or column.
        parent_key: schema and name of that table.
        pairs: the names of its columns and the parent's, which are ``""`` if they are unknown.
        constraint: SQLAlchemy's object.
    """

    table: Table
    parent: Table | None
    parent_key: Key
    pairs: tuple[tuple[str, str], ...]
    constraint: ForeignKeyConstraint

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of its own columns."""
        return tuple([ours for ours, _ in self.pairs])

    @property
    def deletes(self) -> str | None:
        """Return the ON DELETE action, if it changes the row."""
        return _action(self.constraint.ondelete)

    @property
    def rekeys(self) -> str | None:
        """Return the ON UPDATE action, if it changes the row."""
        return _action(self.constraint.onupdate)

    @property
    def is_required(self) -> bool:
        """Return whether each row has a parent."""
        return not any(column.nullable for column in self.constraint.columns)

    @property
    def name(self) -> str:
        """Return the table and its columns, for a message."""
        columns = ", ".join(self.columns)
        return f"{self.table.fullname}.{columns if len(self.pairs) == 1 else f'({columns})'}"


def references(table: Table, find: Find) -> list[Reference]:
    """Return the foreign keys of a table, in the order of their columns' names.

    Args:
        table: the table.
        find: returns a table by its schema and name, from whichever MetaData.
    """
    found = [_reference(table, constraint, find) for constraint in table.foreign_key_constraints]
    return sorted(found, key=lambda one: (one.columns, one.parent_key[0] or "", one.parent_key[1]))


def _reference(table: Table, constraint: ForeignKeyConstraint, find: Find) -> Reference:
    ends = [_end(element, find) for element in constraint.elements]
    parents, key, _ = ends[0]
    names = [column for _, _, column in ends]
    pairs = tuple(
        [(element.parent.name, name or "") for element, name in zip(constraint.elements, names, strict=True)]
    )
    return Reference(table, parents if all(names) else None, key, pairs, constraint)


def _end(element: ForeignKey, find: Find) -> tuple[Table | None, Key, str | None]:
    """Return the table that one column of a key references, that table's name, and the referenced column's name."""
    try:
        column = element.column
    except SQLAlchemyError:  # SQLAlchemy looks in the table's own MetaData only
        return _by_name(element, find)
    parent: Any = column.table
    return parent, (str(parent.schema) if parent.schema else None, str(parent.name)), column.name


def _by_name(element: ForeignKey, find: Find) -> tuple[Table | None, Key, str | None]:
    schema, name, column = element._column_tokens
    child = element.parent.table
    keys: Iterable[Key] = [(schema, name)]
    if schema is None and child.metadata.schema is not None:
        keys = [(str(child.metadata.schema), name), (None, name)]
    for key in keys:
        parent = find(key)
        if parent is not None:
            wanted = column or element.parent.key
            theirs = parent.c.get(wanted)
            return parent, key, None if theirs is None else theirs.name
    return None, (schema, name), None


def _action(told: str | None) -> str | None:
    action = " ".join((told or "").upper().split())
    return action if action in _ACTIONS else None
