"""Reads: every FROM element of every SELECT gets its predicate, or the statement is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BooleanClauseList, ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    FromGrouping,
    Join,
    ScalarValues,
    SelectBase,
    TableClause,
    Values,
)

from tenantguard.errors import RawSQLError
from tenantguard.sql.compile.access import granted_rows
from tenantguard.sql.compile.leaves import Filtered, Leaf, enclosed, equalities, holding, linked, root_first
from tenantguard.sql.compile.predicate_text import is_hidden, rely
from tenantguard.sql.compile.rule_text import within_rule
from tenantguard.sql.predicates import is_trusted

_NO_TABLE = (SelectBase, UpdateBase, FunctionElement, Values, ScalarValues)


def guarded(compiler: Any, froms: Iterable[Any], where: tuple[Any, ...], *, read: bool) -> tuple[Any, ...]:
    """Return the WHERE criteria with the predicates of every plain FROM element."""
    conditions: list[Any] = list(holding(where))
    leaves = [leaf for from_ in froms for leaf in preserved_leaves(compiler, from_, conditions)]
    predicates = predicates_of(compiler, leaves, [], conditions, read=read)
    if not predicates:
        return where
    return (*predicates, *enclosed(where))


def guarded_select(compiler: Any, select: Any, froms: Iterable[Any]) -> Any:
    """Return a SELECT whose WHERE includes the predicates of its FROM."""
    criteria = guarded(compiler, froms, select._where_criteria, read=True)
    if criteria is select._where_criteria:
        return select
    select = select._clone()
    select._where_criteria = criteria
    return select


def guarded_join(compiler: Any, join: Any) -> Any:
    """Return a join; the null-extended side of an outer join has its predicate in ON."""
    if join.full:
        return derived_join(compiler, join)
    if not join.isouter:
        return join
    conditions = [join.onclause]
    right = preserved_leaves(compiler, join.right, conditions)
    left = preserved_leaves(compiler, join.left, []) if right else []
    predicates = predicates_of(compiler, right, left, conditions, read=True)
    if predicates:
        join = join._clone()
        join.onclause = BooleanClauseList._construct_raw(
            operators.and_, (*predicates, *enclosed((join.onclause,)))
        )
    return join


def preserved_leaves(compiler: Any, from_: Any, conditions: list[Any]) -> list[Leaf]:
    """Return the leaves whose predicate belongs above ``from_``, and collect the conditions that apply there."""
    if isinstance(from_, Join):
        if from_.full:
            return []
        left = preserved_leaves(compiler, from_.left, conditions)
        if from_.isouter:
            return left
        conditions.append(from_.onclause)
        return left + preserved_leaves(compiler, from_.right, conditions)
    if isinstance(from_, FromGrouping):
        return preserved_leaves(compiler, from_.element, conditions)
    if isinstance(from_, Filtered):
        return []
    leaf = leaf_of(compiler, from_)
    return [leaf] if leaf is not None else []


def leaf_of(compiler: Any, from_: Any) -> Leaf | None:
    """Return the leaf of a FROM element that is a table; refuse unknown elements."""
    if within_rule(compiler, from_):
        return None
    level = compiler.tg.levels[-1]
    level.add(id(from_))
    element = from_
    while isinstance(element, AliasedReturnsRows):
        if is_trusted(element):
            return None
        element = element.element
        level.add(id(element))
    if isinstance(element, TableClause):
        placement = compiler.tg.place(element)
        if placement is None:
            return None
        if from_ is not compiler.tg.changing:
            compiler.tg.ask(placement, "read")
        return Leaf(from_, placement) if placement.kind != "shared" or placement.has_rows else None
    if isinstance(element, Join):
        return None  # an alias of a join renders the join, which guards itself
    if not isinstance(element, _NO_TABLE):
        name = type(element).__name__
        compiler.tg.refuse(
            RawSQLError(f"a {name} is used in place of a table; the guard cannot read it", kind="from")
        )
    return None


def predicates_of(
    compiler: Any, leaves: list[Leaf], around: list[Leaf], conditions: Sequence[Any], *, read: bool
) -> list[ColumnElement[bool]]:
    """Return the predicates; a ``through`` table joined to a guarded parent on its key needs none."""
    pending = [leaf for leaf in leaves if leaf.placement.kind == "through"]
    rows = granted_rows(compiler, leaves)
    if not pending:
        return [*_owned(compiler, leaves, read=read), *rows]
    # one with a row rule as well: who is shown the parent is shown what belongs through it
    known = [*(leaf for leaf in leaves if leaf.placement.kind == "owned"), *around]
    equal = equalities(conditions) if known or len(pending) > 1 else set()
    free: list[Leaf] = []
    progress = True
    while progress and pending:
        progress = False
        for leaf in tuple(pending):
            above = leaf.placement.parent
            if not is_hidden(compiler, above) and any(linked(leaf, p, equal) for p in known):
                rely(compiler, above)
                pending.remove(leaf)
                known.append(leaf)
                progress = True
        if not progress and pending:
            leaf = root_first(pending)
            pending.remove(leaf)
            free.append(leaf)
            known.append(leaf)
            progress = True
    others = [leaf for leaf in leaves if leaf.placement.kind != "through"]
    return [*_owned(compiler, (*others, *free), read=read), *rows]


def _owned(compiler: Any, leaves: Iterable[Leaf], *, read: bool) -> list[ColumnElement[bool]]:
    return [
        compiler.tg_predicates.owns(leaf.source, leaf.placement, read=read)
        for leaf in leaves
        if leaf.placement.kind != "shared"
    ]


def derived_join(compiler: Any, join: Any) -> Any:
    """Return a FULL JOIN in which every table is replaced by a derived table of the tenant's rows."""
    clone = join._clone()
    clone.left, clone.right = derived(compiler, join.left), derived(compiler, join.right)
    return clone


def derived(compiler: Any, from_: Any) -> Any:
    if isinstance(from_, Join):
        return derived_join(compiler, from_)
    if isinstance(from_, FromGrouping):
        return FromGrouping(derived(compiler, from_.element))
    if isinstance(from_, Filtered):
        return from_
    leaf = leaf_of(compiler, from_)
    return Filtered(leaf) if leaf is not None else from_


def verify_known(compiler: Any, table: Any, enclosing_alias: Any) -> None:
    """Refuse a table without a predicate, because it is in a form that the guard does not know."""
    statement = compiler.tg
    if statement.rule_names is not None:
        rely(compiler, table)
        return
    statement.count(table)
    if is_trusted(enclosing_alias):
        rely(compiler, table)
        return
    within = statement.within
    # a construct of the user's own has only the tables that it stands for: a SELECT around it has the others
    outside = within is not None and within.level == len(statement.levels) and not within.takes(table)
    if statement.levels and id(table) in statement.levels[-1] and not outside:
        return
    placement = statement.place(table)
    if placement is None:
        return
    statement.ask(placement, "read")
    if placement.kind != "shared" or placement.has_rows:
        statement.refuse(
            RawSQLError(
                f"table {placement.name} is used in a place that the guard does not know",
                kind="form",
                table=placement.name,
            )
        )
