"""Writes: UPDATE and DELETE carry the predicate; what an INSERT needs stands in ``inserts.py``.

The compiler half decides once per statement shape what a write needs; the execution half is ``verify.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ClauseList, ColumnClause, ExpressionClauseList
from sqlalchemy.sql.selectable import Join, TableClause
from sqlalchemy.sql.util import tables_from_leftmost

from tenantguard.sql.compile.inserts import GuardedInserts
from tenantguard.sql.compile.pieces import base_of, rows_where, with_state
from tenantguard.sql.plans import WritePlan
from tenantguard.tenancy import table_key


class GuardedWrites(GuardedInserts):
    """Add the data-modifying statements to the guarded compiler."""

    def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """Render an UPDATE with the predicate of its table and of every table it reads."""
        return self._tg_changed("update", update_stmt, visiting_cte, **kw)

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """Render a DELETE with the predicate of its table and of every table it reads."""
        return self._tg_changed("delete", delete_stmt, visiting_cte, **kw)

    def _tg_changed(self, verb: str, statement: Any, visiting_cte: Any, **kw: Any) -> str:
        state = statement._compile_state_factory(statement, self, **kw)
        core = state.statement
        toplevel = visiting_cte is None and not self.stack
        self._tg_levels.append(set())
        target = [core.table]
        main = list(tables_from_leftmost(core.table))
        extra = [from_ for from_ in state._extra_froms if from_ not in set(main)]
        criteria = self.tg_guarded(target, core._where_criteria, read=False)
        written = _written(main[0], state)
        if extra:
            criteria = (*self._tg_extra(target, extra, core._where_criteria), *criteria)
        if len(written) > 1:
            criteria = (*self._tg_unwidened([*target, *extra], written), *criteria)
        render = getattr(super(), f"visit_{verb}")
        outer, self._tg_target = self._tg_target, table_key(base_of(main[0]))
        text: str = render(with_state(core, state, _where_criteria=criteria), visiting_cte=visiting_cte, **kw)
        self._tg_target = outer
        self._tg_levels.pop()
        plans = [self._tg_changed_plan(verb, table, core, state, toplevel, criteria) for table in written]
        self.tg_writes = (*self.tg_writes, *(plan for plan in plans if plan is not None))
        return text

    def _tg_extra(self, target: list[Any], extra: list[Any], where: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the predicates of the other tables; one that hangs on a row of the target by its key needs none."""
        conditions: list[Any] = list(where)
        around = [leaf for from_ in target for leaf in self._tg_preserved(from_, conditions)]
        leaves = [leaf for from_ in extra for leaf in self._tg_preserved(from_, conditions)]
        return tuple(self._tg_conditions(leaves, around, conditions, read=True))

    def _tg_unwidened(self, froms: Iterable[Any], written: Iterable[Any]) -> list[Any]:
        """Return the predicates of written tables with a row rule: what it shows is joined to, and never written."""
        keys = {table_key(table) for table in written}
        leaves = [
            self._tg_leaf(part)
            for from_ in froms
            for part in from_._from_objects
            if not isinstance(part, Join)
        ]
        return [
            self.tg_predicates.owns(leaf.source, leaf.placement)
            for leaf in leaves
            if leaf is not None and leaf.placement.visible is not None and leaf.placement.key in keys
        ]

    def _tg_changed_plan(
        self, verb: str, table: Any, core: Any, state: Any, toplevel: bool, criteria: tuple[Any, ...]
    ) -> WritePlan | None:
        placement = self.tg_placement(table)
        if placement is None:
            return None
        plan = WritePlan(verb, table, placement)
        if placement.kind == "shared":
            return plan
        if toplevel:
            plan.key = self._tg_key(table, core._where_criteria)
        if verb == "update":
            given = self._tg_given(table, state, toplevel, several=bool(state._extra_froms))
            given = self._tg_with_defaults(plan, given)
            sources = [core.table, *(f for f in state._extra_froms if f is not core.table)]
            self._tg_watch(plan, given, lambda condition: rows_where(sources, criteria, condition))
            if plan.probes:  # they read the target in a SELECT, where a CTE of its name would stand for it
                for from_ in (table, *map(base_of, tables_from_leftmost(core.table))):
                    self._tg_rely(from_)
        return plan

    def _tg_key(self, table: Any, where: Iterable[Any]) -> dict[str, str]:
        """Return the parameters that pick a row by its primary key, where every key column has one."""
        found: dict[str, str] = {}
        for clause in where:
            for part in (
                clause.clauses if isinstance(clause, ClauseList | ExpressionClauseList) else (clause,)
            ):
                if isinstance(part, BinaryExpression) and part.operator is operators.eq:
                    name = self._tg_name(part.right)
                    if isinstance(part.left, ColumnClause) and name is not None:
                        found[part.left.name] = name
        keys = [column.name for column in getattr(table, "primary_key", ())]
        return {key: found[key] for key in keys} if keys and all(key in found for key in keys) else {}


def _written(main: Any, state: Any) -> list[Any]:
    """Return the tables that a statement writes: its own, and on MariaDB each that a column of SET belongs to."""
    own = base_of(main)
    found = {table_key(own): own}
    if getattr(state, "isupdate", False):
        for key in state._dict_parameters or ():
            table = base_of(getattr(key, "table", None))
            if table is not own and isinstance(table, TableClause):
                found.setdefault(table_key(table), table)
    return list(found.values())
