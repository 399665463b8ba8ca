"""The second opinion: sqlglot reads the rewritten text too, and must find what our own reader found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import sqlglot
from sqlglot import exp

from tenantguard.sql.text.lexer import ascii_lower
from tenantguard.sql.text.names import refusal

_DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "sqlite": "sqlite"}
_ROOTS = (exp.Select, exp.SetOperation, exp.Insert, exp.Update, exp.Delete, exp.Values, exp.Subquery)
_FORBIDDEN = (
    exp.Command, exp.Into, exp.Create, exp.Drop, exp.Alter, exp.Merge, exp.Set, exp.Use, exp.Pragma, exp.Attach,
    exp.Detach, exp.Copy, exp.Transaction, exp.Commit, exp.Rollback, exp.Describe, exp.LoadData, exp.TruncateTable,
    exp.SessionParameter,
)  # fmt: skip
MARK = "tenantguard-mark"


def agree(text: str, which: str, mentioned: Iterable[str], guarded: Iterable[str]) -> None:
    """Refuse a text of which sqlglot finds other tables than our reader, or one of them without its predicate.

    Args:
        text: the rewritten statement, its values taken out, with a mark where the tenant's parameter stands.
        which: the family of the dialect.
        mentioned: the name of every table and common table expression in a FROM, as our reader found them.
        guarded: the names of those that need a predicate.

    Raises:
        RawSQLError: the two readers differ.
    """
    tree = _parsed(text, which)
    tables = [table for table in tree.find_all(exp.Table) if _stands(table)]
    found = Counter(ascii_lower(table.name) for table in tables)
    if found != Counter(ascii_lower(name) for name in mentioned):
        raise refusal("two readers find different tables in it")
    needing = {ascii_lower(name) for name in guarded}
    shadowing = {ascii_lower(cte.alias) for cte in tree.find_all(exp.CTE)}
    for table in tables:
        if ascii_lower(table.name) in needing - shadowing and not _predicated(table):
            raise refusal(f"two readers differ on the predicate of {table.name!r}")


def _parsed(text: str, which: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(text, dialect=_DIALECTS[which])
    except (
        sqlglot.errors.SqlglotError,
        RecursionError,
        ValueError,
        AttributeError,
        IndexError,
        TypeError,
    ) as error:
        raise refusal("it cannot be parsed") from error
    if len(trees) != 1 or not isinstance(trees[0], _ROOTS):
        raise refusal("it is no single SELECT, INSERT, UPDATE or DELETE")
    tree = trees[0]
    if tree.find(*_FORBIDDEN) is not None:
        raise refusal("it holds a form that changes more than rows")
    return tree


def _stands(table: exp.Table) -> bool:
    """Tell whether a name stands for a table: not a function in a FROM, nor a name in FOR UPDATE OF."""
    return isinstance(table.this, exp.Identifier) and not isinstance(table.parent, exp.Lock)


def _predicated(table: exp.Table) -> bool:
    """Tell whether the statement that a table stands in asks for the mark on the table's own name."""
    if isinstance(table.parent, exp.Insert | exp.Schema):
        return (
            True  # the target of an INSERT is stamped, and its conflict clause was read by our reader alone
        )
    alias = ascii_lower(table.alias_or_name)
    node = table.find_ancestor(exp.Select, exp.Update, exp.Delete)
    return node is not None and any(_asks(condition, alias) for condition in _conditions(node))


def _conditions(node: exp.Expr) -> Iterator[exp.Expr]:
    where = node.args.get("where")
    if where is not None:
        yield from _conjuncts(where.this)
    for join in node.find_all(exp.Join):
        on = join.args.get("on")
        if on is not None and join.find_ancestor(exp.Select, exp.Update, exp.Delete) is node:
            yield from _conjuncts(on)


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    pending = [condition]
    while pending:
        one = pending.pop()
        if isinstance(one, exp.And):
            pending += [one.left, one.right]
        elif isinstance(one, exp.Paren):
            pending.append(one.this)
        else:
            yield one


def _asks(condition: exp.Expr, alias: str) -> bool:
    if isinstance(condition, exp.Exists):
        marked = any(literal.name == MARK for literal in condition.find_all(exp.Literal))
        return marked and any(ascii_lower(column.table) == alias for column in condition.find_all(exp.Column))
    if not isinstance(condition, exp.EQ) or not isinstance(condition.right, exp.Literal):
        return False
    left = condition.left
    return isinstance(left, exp.Column) and ascii_lower(left.table) == alias and condition.right.name == MARK
