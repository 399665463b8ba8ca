"""Permissions in the compiler: records what a statement reads and writes, and adds the conditions of rules.

A write needs the permission to write. It also needs the permission to read if its condition, its values or its
RETURNING use more than the key of a row, because that would reveal the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.sql.elements import ColumnClause, ColumnElement, TextClause
from sqlalchemy.sql.selectable import Alias, FromClause, TableClause
from sqlalchemy.sql.visitors import iterate

from tenantguard.errors import PermissionDeniedError
from tenantguard.sql.compile.leaves import Leaf
from tenantguard.sql.compile.pieces import base_of
from tenantguard.tenancy import Placement, table_key


def granted_rows(compiler: Any, leaves: Iterable[Leaf]) -> list[ColumnElement[bool]]:
    """Return the conditions of the permission rules on some FROM elements."""
    return [granted(compiler, leaf.source, leaf.placement) for leaf in leaves if leaf.placement.has_rows]


def granted(compiler: Any, source: FromClause, placement: Placement) -> Any:
    """Return the condition of a permission rule on one FROM element."""
    shape = compiler.dialect.tg_shape
    if shape is None:
        compiler.tg.refuse(
            PermissionDeniedError(
                f"the rows of {placement.name} depend on the principal, and the statement was compiled without one: "
                "execute the statement itself, under a principal",
                table=placement.name,
            )
        )
        return ColumnClause("NULL", is_literal=True, _selectable=None)
    return shape.condition(source, placement)


def may_lose(compiler: Any, placement: Placement, columns: Iterable[str] | None) -> bool:
    """Return whether a write may store a row that the rule does not grant to the principal.

    Args:
        compiler: the guarded compiler.
        placement: how the table belongs.
        columns: the columns that are set, ``None`` for a new row.
    """
    if not placement.has_rows:
        return False
    shape = compiler.dialect.tg_shape
    if shape is None:
        granted(compiler, TableClause(placement.name), placement)  # refused
        return False
    return bool(shape.depends_on(placement.key, columns))


def refuse_unread(compiler: Any, placement: Placement, why: str) -> None:
    """Refuse a write that may store a row which the rule does not grant, if the row cannot be read back."""
    compiler.tg.refuse(
        PermissionDeniedError(
            f"a write to {placement.name} may store a row that its permission rule does not grant: "
            f"{why}. Leave the columns that the rule looks at as they are, or let the rule grant such rows",
            table=placement.name,
        )
    )


def ask_change(compiler: Any, table: Any, placement: Placement, looked_at: Iterable[Any]) -> None:
    """Note that a table of which permissions are asked is written, and read where the write looks at more than its key.

    Args:
        compiler: the guarded compiler.
        table: the table.
        placement: how it belongs.
        looked_at: the write's conditions, values and what it returns.
    """
    compiler.tg.ask(placement, "write")
    key = {column.name for column in getattr(table, "primary_key", ())}
    if any(_looks(part, placement, key) for part in looked_at):
        compiler.tg.ask(placement, "read")


def _looks(part: Any, placement: Placement, key: set[str]) -> bool:
    """Return whether an expression uses a column of a table other than its primary key."""
    if isinstance(part, FromClause):
        return True  # returned as a whole
    if not hasattr(part, "get_children"):
        return False  # a literal
    for element in iterate(part):
        if isinstance(element, TextClause):
            return True
        if isinstance(element, ColumnClause) and element.name not in key:
            if element.is_literal or element.table is None:
                return True
            if not _is_given(element.table) and table_key(base_of(element.table)) == placement.key:
                return True
    return False


def _is_given(source: Any) -> bool:
    """Tell whether a FROM element stands for the row that was to be inserted; any other alias is a read itself."""
    return isinstance(source, Alias) and source.name in ("excluded", "inserted")
