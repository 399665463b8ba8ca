"""The second opinion: sqlglot reads the rewritten text too, and must find what our own reader found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import sqlglot
from sqlglot import exp

from tenantguard.sql.text.lexer import ascii_lower
from tenantguard.sql.text.names import MARK, OWN, refusal

_DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "sqlite": "sqlite"}
_ROOTS = (exp.Select, exp.SetOperation, exp.Insert, exp.Update, exp.Delete, exp.Values, exp.Subquery)
_FORBIDDEN = (
    exp.Command, exp.Into, exp.Create, exp.Drop, exp.Alter, exp.Merge, exp.Set, exp.Use, exp.Pragma, exp.Attach,
    exp.Detach, exp.Copy, exp.Transaction, exp.Commit, exp.Rollback, exp.Describe, exp.LoadData, exp.TruncateTable,
    exp.SessionParameter,
)  # fmt: skip
MOST_TABLES = 500


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
    if len(tables) > MOST_TABLES:
        raise refusal(f"it names more than {MOST_TABLES} tables")
    if found != Counter(ascii_lower(name) for name in mentioned):
        raise refusal("two readers find different tables in it")
    asked: dict[int, set[str]] = {}
    needing = {ascii_lower(name) for name in guarded}
    shadowing = {ascii_lower(cte.alias) for cte in tree.find_all(exp.CTE)}
    for table in tables:
        if ascii_lower(table.name) in needing - shadowing and not _predicated(table, asked):
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


def _predicated(table: exp.Table, asked: dict[int, set[str]]) -> bool:
    """Tell whether the statement that a table stands in asks for the mark on the table's own name."""
    if isinstance(table.parent, exp.Insert | exp.Schema):
        return (
            True  # the target of an INSERT is stamped, and its conflict clause was read by our reader alone
        )
    node = table.find_ancestor(exp.Select, exp.Update, exp.Delete)
    if node is None:
        return False
    if id(node) not in asked:
        asked[id(node)] = {name for condition in _conditions(node) for name in _asked(condition)}
    return ascii_lower(table.alias_or_name) in asked[id(node)]


def _conditions(node: exp.Expr) -> Iterator[exp.Expr]:
    where = node.args.get("where")
    if where is not None:
        yield from conjuncts(where.this)
    for join in _joins(node):
        if (on := join.args.get("on")) is not None:
            yield from conjuncts(on)


def _joins(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the joins of a statement; sqlglot hangs them on it, or on a table in its FROM."""
    pending = [*(node.args.get("joins") or ()), node.args.get("from_"), node.args.get("this")]
    while pending:
        one = pending.pop()
        if not isinstance(one, exp.Join | exp.From | exp.Table):
            continue
        if isinstance(one, exp.Join):
            yield one
        pending += [*(one.args.get("joins") or ()), one.args.get("this")]


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


def _asked(condition: exp.Expr) -> set[str]:
    """Return the names whose rows a condition asks to be the tenant's: ``a.x = mark``, or our own EXISTS."""
    if isinstance(condition, exp.Exists):
        aliases = {ascii_lower(table.alias) for table in condition.find_all(exp.Table)}
        ours = aliases and all(alias.startswith(OWN) for alias in aliases)
        return {ascii_lower(column.table) for column in condition.find_all(exp.Column)} if ours else set()
    column = condition.this
    if isinstance(condition, exp.EQ):
        given = [condition.right]
    elif isinstance(condition, exp.In):
        given = condition.expressions
    else:
        return set()
    marked = len(given) == 1 and isinstance(given[0], exp.Literal) and given[0].name == MARK
    return {ascii_lower(column.table)} if marked and isinstance(column, exp.Column) else set()
