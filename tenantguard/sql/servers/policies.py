"""Policies of row security: whether one holds rows to the tenant that the guard tells PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from tenantguard.sql.text.placing.catalog import SETTING
from tenantguard.tenancy import Placement

# what may stand around the setting: nothing that could give another value than it
_AROUND = (
    exp.Paren, exp.Cast, exp.Nullif, exp.Anonymous, exp.Literal, exp.Boolean, exp.DataType, exp.Alias, exp.Identifier,
    exp.Dot,
)  # fmt: skip


def restricts(expression: str | None, placement: Placement | None) -> bool:
    """Tell whether a policy's expression holds a table to the tenant that is told.

    Args:
        expression: as PostgreSQL writes it out.
        placement: how the table belongs; ``None`` for one outside the tenancy, such as a partition.
    """
    if expression is None:
        return False
    try:
        tree = sqlglot.parse_one(expression, dialect="postgres")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return False
    return any(_holds(condition, placement) for condition in conjuncts(tree))


def conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the conditions that AND joins, those in parentheses too."""
    pending = [condition]
    while pending:
        one = pending.pop()
        if isinstance(one, exp.And):
            pending += [one.left, one.right]
        elif isinstance(one, exp.Paren):
            pending.append(one.this)
        else:
            yield one


def _holds(condition: exp.Expr, placement: Placement | None) -> bool:
    if placement is not None and placement.kind == "through":
        return _leads_to_parent(condition, placement)
    if not isinstance(condition, exp.EQ):
        return False
    for mine, told in ((condition.left, condition.right), (condition.right, condition.left)):
        column = _column(mine)
        named = column is not None and (placement is None or column.name == placement.column)
        if named and _is_setting(told):
            return True
    return False


def _column(node: exp.Expr) -> exp.Column | None:
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node if isinstance(node, exp.Column) else None


def _is_setting(node: exp.Expr) -> bool:
    """Tell whether a value is the setting: cast, made NULL where it is empty, or in a query without a table."""
    while isinstance(node, exp.Paren | exp.Subquery):
        node = node.this
    if isinstance(node, exp.Select):
        if len(node.expressions) != 1 or any(
            value for key, value in node.args.items() if key != "expressions" and value
        ):
            return False
        node = node.expressions[0]
    if not all(isinstance(one, _AROUND) for one in node.walk()):
        return False
    called = [one.name.lower() for one in node.find_all(exp.Anonymous)]
    return called == ["current_setting"] and any(
        one.is_string and one.this == SETTING for one in node.find_all(exp.Literal)
    )


def _leads_to_parent(condition: exp.Expr, placement: Placement) -> bool:
    """Tell whether a condition asks that the parent is seen: its own policy holds it to the tenant."""
    parent = placement.parent
    if parent is None or not isinstance(condition, exp.Exists | exp.In):
        return False
    query = condition.this if isinstance(condition, exp.Exists) else condition.args.get("query")
    while isinstance(query, exp.Subquery | exp.Paren):
        query = query.this
    if not isinstance(query, exp.Select):
        return False
    from_ = query.args.get("from_") or query.args.get("from")
    source = from_.this if from_ is not None else None
    if (
        not isinstance(source, exp.Table)
        or source.name != str(parent.name)
        or query.args.get("joins")
        or query.find(exp.SetOperation)
    ):
        return False
    if isinstance(condition, exp.In):
        return _in_pairs(condition, query) == set(placement.link)
    where = query.args.get("where")
    return where is not None and set(placement.link) <= _equal_pairs(where.this, source.alias_or_name)


def _in_pairs(condition: exp.In, query: exp.Select) -> set[tuple[str, str]]:
    ours, theirs = _column(condition.this), [_column(item) for item in query.expressions]
    if ours is None or len(theirs) != 1 or theirs[0] is None:
        return set()
    return {(ours.name, theirs[0].name)}


def _equal_pairs(where: exp.Expr, alias: str) -> set[tuple[str, str]]:
    """Return the pairs of a column of the table itself and one of the parent that a condition asks to be equal."""
    found = set()
    for one in conjuncts(where):
        if not isinstance(one, exp.EQ):
            continue
        left, right = _column(one.left), _column(one.right)
        if left is None or right is None:
            continue
        for ours, theirs in ((left, right), (right, left)):
            if theirs.table == alias and ours.table != alias:
                found.add((ours.name, theirs.name))
    return found
