"""Changes: UPDATE and DELETE carry the predicate of their table and of every table they read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ClauseList, ColumnClause, ExpressionClauseList
from sqlalchemy.sql.selectable import Join, TableClause
from sqlalchemy.sql.util import tables_from_leftmost

from tenantguard.sql.compile.access import ask_change
from tenantguard.sql.compile.assignments import (
    given_values,
    is_verified,
    parameter_name,
    values_with_defaults,
)
from tenantguard.sql.compile.leaves import holding
from tenantguard.sql.compile.pieces import base_of, is_plain, with_state
from tenantguard.sql.compile.readback import returned
from tenantguard.sql.compile.reads import guarded, leaf_of, predicates_of, preserved_leaves
from tenantguard.sql.compile.shared_columns import verify_allowed
from tenantguard.sql.compile.targets import key_of
from tenantguard.sql.compile.verified_columns import Given, same_column, watch, watch_rows
from tenantguard.sql.plans import WritePlan
from tenantguard.tenancy import Key, table_key

_LISTS = (ClauseList, ExpressionClauseList)


class Change(NamedTuple):
    """An UPDATE or DELETE during compilation.

    Attributes:
        statement: the statement to render, with its predicates.
        verb: ``"update"`` or ``"delete"``.
        core: the statement as SQLAlchemy's compile state holds it.
        state: that compile state.
        toplevel: whether it is not inside another statement.
        criteria: its WHERE, including predicates.
        written: the tables that it writes.
        outer: the table that the enclosing statement writes.
    """

    statement: Any
    verb: str
    core: Any
    state: Any
    toplevel: bool
    criteria: tuple[Any, ...]
    written: list[Any]
    outer: Key | None


def guarded_change(compiler: Any, verb: str, statement: Any, visiting_cte: Any, **kw: Any) -> Change:
    """Return an UPDATE or DELETE with the predicates of its table and of every table it reads."""
    state = statement._compile_state_factory(statement, compiler, **kw)
    core = state.statement
    toplevel = visiting_cte is None and not compiler.stack
    compiler.tg.levels.append(set())
    target = [core.table]
    main = list(tables_from_leftmost(core.table))
    extra = [from_ for from_ in state._extra_froms if from_ not in set(main)]
    compiler.tg.changing = main[0]
    criteria = guarded(compiler, target, core._where_criteria, read=False)
    written = _written(main[0], state)
    if extra:
        criteria = (*extra_predicates(compiler, target, extra, core._where_criteria), *criteria)
    if len(written) > 1:
        criteria = (*unwidened(compiler, [*target, *extra], written), *criteria)
    compiler.tg.changing = None
    outer, compiler.tg.target = compiler.tg.target, table_key(base_of(main[0]))
    guarded_statement = with_state(core, state, _where_criteria=criteria)
    return Change(guarded_statement, verb, core, state, toplevel, criteria, written, outer)


def plan_changes(compiler: Any, change: Change, text: str) -> str:
    """Record what must be verified when a rendered change executes, and return its text."""
    compiler.tg.target = change.outer
    compiler.tg.levels.pop()
    plans = [plan for table in change.written if (plan := _plan(compiler, change, table)) is not None]
    compiler.tg.writes = (*compiler.tg.writes, *plans)
    if change.verb == "update":
        for plan in plans:
            text = returned(compiler, plan, change.core.table, text, toplevel=change.toplevel)
    return text


def extra_predicates(
    compiler: Any, target: list[Any], extra: list[Any], where: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return the predicates of the other tables; a table joined to the target on its key needs none."""
    conditions: list[Any] = list(holding(where))
    around = [leaf for from_ in target for leaf in preserved_leaves(compiler, from_, conditions)]
    leaves = [leaf for from_ in extra for leaf in preserved_leaves(compiler, from_, conditions)]
    return tuple(predicates_of(compiler, leaves, around, conditions, read=True))


def unwidened(compiler: Any, froms: Iterable[Any], written: Iterable[Any]) -> list[Any]:
    """Return the predicates of written tables with a row rule; rows it makes visible can be joined, but not written."""
    keys = {table_key(table) for table in written}
    leaves = [
        leaf_of(compiler, part)
        for from_ in froms
        for part in from_._from_objects
        if not isinstance(part, Join)
    ]
    return [
        compiler.tg_predicates.owns(leaf.source, leaf.placement)
        for leaf in leaves
        if leaf is not None and leaf.placement.visible is not None and leaf.placement.key in keys
    ]


def _plan(compiler: Any, change: Change, table: Any) -> WritePlan | None:
    core, state = change.core, change.state
    placement = compiler.tg.place(table)
    if placement is None:
        return None
    if placement.permitted is not None:
        looked_at = (*core._where_criteria, *core._returning, *_set_values(state))
        ask_change(compiler, table, placement, looked_at)
    plan = WritePlan(change.verb, table, placement)
    if not is_verified(placement):
        return plan
    if change.toplevel:
        plan.key = key_parameters(compiler, core.table, table, core._where_criteria)
    referenced = compiler.tg_guard.ties.referenced(placement.key)
    plan.frees = change.verb == "delete" and bool(referenced)
    if change.verb == "delete":
        verify_allowed(compiler, "delete", placement)
    else:
        # elsewhere than on MariaDB a column of SET is the target's, whatever it is named as a column of
        several = state.include_table_with_column_exprs
        given = given_values(compiler, plan, state, change.toplevel, several=several)
        verify_allowed(compiler, "update", placement, given)
        plan.frees = not referenced.isdisjoint(given)
        given = values_with_defaults(compiler, plan, given)
        watch(compiler, plan, Given(given, core.table, fresh=False))
        if placement.has_rows:
            watch_rows(compiler, plan, _set_names(compiler, core.table, state, table))
        if change.toplevel and not compiler.dialect.update_returning and _finds_rows(change, table, given):
            plan.where = core._where_criteria
    return plan


def _set_names(compiler: Any, target: Any, state: Any, table: Any) -> set[str]:
    """Return the names of the columns that an UPDATE sets, explicitly or automatically."""
    columns, of_table = compiler.tg_guard.ties.columns(table), table_key(table)
    named = columns.keys() & (compiler.column_keys or ())
    for key, value in (state._dict_parameters or {}).items():
        name, source = key_of(key), base_of(getattr(key, "table", None))
        if source is not None and table_key(source) != of_table:
            continue  # MariaDB sets columns of several tables
        if name not in columns or not same_column(value, target, columns[name].name):
            named.add(name)
    own = {
        name
        for name, column in columns.items()
        if column.onupdate is not None or column.server_onupdate is not None
    }
    return {columns[name].name if name in columns else name for name in map(str, named | own)}


def _finds_rows(change: Change, table: Any, given: Collection[str]) -> bool:
    """Return whether an UPDATE's rows can be found by its WHERE beforehand, and by their keys afterwards."""
    keys = {column.name for column in getattr(table, "primary_key", ())}
    is_single = change.core.table is table and not change.state._extra_froms
    return bool(keys) and is_single and keys.isdisjoint(given) and is_plain(change.core._where_criteria)


def _set_values(state: Any) -> Iterable[Any]:
    """Return the values that an UPDATE sets."""
    return (getattr(state, "_dict_parameters", None) or {}).values()


def key_parameters(compiler: Any, target: Any, table: Any, where: Iterable[Any]) -> dict[str, str]:
    """Return the parameters that select a row by its primary key, if every key column has one.

    Args:
        compiler: the compiler, after it rendered the statement.
        target: the written table or its alias.
        table: the table.
        where: the conditions, joined by AND.
    """
    found: dict[str, str] = {}
    for clause in where:
        together = isinstance(clause, _LISTS) and clause.operator is operators.and_
        for part in clause.clauses if together else (clause,):
            if isinstance(part, BinaryExpression) and part.operator is operators.eq:
                name = parameter_name(compiler, part.right)
                if isinstance(part.left, ColumnClause) and name is not None and _is_of(part.left, target):
                    found[part.left.name] = name
    keys = [column.name for column in getattr(table, "primary_key", ())]
    return {key: found[key] for key in keys} if keys and all(key in found for key in keys) else {}


def _is_of(column: ColumnClause[Any], source: Any) -> bool:
    return column.table is not None and hash(column.table) == hash(source)


def _written(main: Any, state: Any) -> list[Any]:
    """Return the tables that a statement writes: its own and, on MariaDB, the tables of all columns in SET."""
    own = base_of(main)
    found = {table_key(own): own}
    if getattr(state, "isupdate", False):
        for key in state._dict_parameters or ():
            table = base_of(getattr(key, "table", None))
            if table is not own and isinstance(table, TableClause):
                found.setdefault(table_key(table), table)
    return list(found.values())
