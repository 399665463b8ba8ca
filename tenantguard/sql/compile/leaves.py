"""The leaves of a FROM: tables and aliases with their placements, and how joins connect them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    ColumnClause,
    False_,
    GroupedElement,
    Grouping,
    True_,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import ReturnsRows

from tenantguard.tenancy import Placement, table_key

_COMPARISONS = frozenset({operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge})
_TEXT = frozenset({"textclause", "tstring"})
_CLOSED = (
    BindParameter,
    FunctionElement,
    GroupedElement,
    ReturnsRows,
)  # rendered in parentheses of their own


class Leaf:
    """A table or an alias in a FROM, with its placement."""

    __slots__ = ("placement", "source")

    def __init__(self, source: Any, placement: Placement) -> None:
        self.source = source
        self.placement = placement


class Filtered(ClauseElement):
    """A derived table with only the tenant's rows, which replaces a table in a FULL JOIN."""

    __visit_name__ = "tenantguard_filtered"

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf

    @property
    def _from_objects(self) -> list[Any]:
        return list(self.leaf.source._from_objects)


def enclosed(where: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the user's criteria in parentheses, so that they bind at least as tightly as the guard's AND.

    A column that is compared with a value needs none. Beside text that may bind weaker than AND, all of them stand in
    one pair, so that they mean what SQLAlchemy alone would send.
    """
    if len(where) > 1 and not holding(where):
        count, clauses = BooleanClauseList._process_clauses_for_boolean(
            operators.and_, True_._singleton, False_._singleton, where
        )
        return (
            Grouping(clauses[0] if count == 1 else BooleanClauseList._construct_raw(operators.and_, clauses)),
        )
    return tuple([clause if _is_tight(clause) else Grouping(clause) for clause in where])


def holding(clauses: Sequence[Any]) -> Sequence[Any]:
    """Return clauses that AND joins as they hold on every row: none beside text that may bind weaker than AND."""
    if len(clauses) > 1 and any(not _is_tight(clause) and _may_be_loose(clause) for clause in clauses):
        return ()
    return clauses


def _may_be_loose(clause: Any) -> bool:
    """Return whether a clause contains text or a custom construct outside parentheses."""
    pending = [clause]
    while pending:
        element = pending.pop()
        if (
            not _as_made(type(element))
            or element.__visit_name__ in _TEXT
            or getattr(element, "is_literal", False)
        ):
            return True
        if not isinstance(element, _CLOSED):
            pending.extend(element.get_children())
    return False


def _is_tight(clause: Any) -> bool:
    """Return whether a condition compares a plain column with a plain value, without custom rendering."""
    if type(clause) is not BinaryExpression or clause.operator not in _COMPARISONS:
        return False
    column, value = clause.left, clause.right
    return (
        _plain(column)
        and type(value) is BindParameter
        and not value.type._has_bind_expression
        and not column.type._has_bind_expression
        and _as_made(type(column))
        and _as_made(BinaryExpression)
        and _as_made(BindParameter)
    )


def _as_made(cls: Any) -> bool:
    """Return whether SQLAlchemy itself renders a class, without ``@compiles``."""
    return cls._compiler_dispatch is cls._original_compiler_dispatch


def equalities(conditions: Sequence[Any]) -> set[tuple[int, str, int, str]]:
    """Return the column pairs that are equal on every row: source and name of both sides."""
    found: set[tuple[int, str, int, str]] = set()
    pending = list(conditions)
    while pending:
        clause = pending.pop()
        if isinstance(clause, Grouping):
            pending.append(clause.element)
        elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
            pending.extend(holding(clause.clauses))
        elif isinstance(clause, BinaryExpression) and clause.operator is operators.eq:
            left, right = clause.left, clause.right
            if _plain(left) and _plain(right):
                found.add((hash(left.table), left.name, hash(right.table), right.name))
                found.add((hash(right.table), right.name, hash(left.table), left.name))
    return found


def _plain(element: Any) -> bool:
    return (
        isinstance(element, ColumnClause)
        and not isinstance(element, BindParameter)
        and not element.is_literal
        and element.table is not None
    )


def linked(child: Leaf, parent: Leaf, equalities: set[tuple[int, str, int, str]]) -> bool:
    """Return whether the child's foreign key equals the key of this parent in every row."""
    placement = child.placement
    if placement.parent is None or table_key(placement.parent) != parent.placement.key or child is parent:
        return False
    # an annotated copy of a table has the hash of the table itself, and its columns may name either
    return all(
        (hash(child.source), ours, hash(parent.source), theirs) in equalities
        for ours, theirs in placement.link
    )


def root_first(leaves: list[Leaf]) -> Leaf:
    """Return a leaf whose parent is not among the leaves, on which the others can depend."""
    keys = {leaf.placement.key for leaf in leaves}
    for leaf in leaves:
        if leaf.placement.parent is None or table_key(leaf.placement.parent) not in keys:
            return leaf
    return leaves[0]
