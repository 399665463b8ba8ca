"""Inserts: a new row is stamped with the tenant, and what it names must be the tenant's too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import cast, select
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.selectable import Select

from tenantguard.errors import CrossTenantError, RawSQLError
from tenantguard.sql.compile.pieces import bound_row, columns_of, row_where, rows_where, with_state
from tenantguard.sql.compile.spelling import key_of
from tenantguard.sql.compile.upserts import GuardedUpserts
from tenantguard.sql.plans import WritePlan
from tenantguard.sql.text import orphan
from tenantguard.tenancy import Placement

_STAMP = "tenantguard_tenant"


class GuardedInserts(GuardedUpserts):
    """Add INSERT to the guarded compiler."""

    def visit_insert(
        self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
    ) -> str:
        """Render an INSERT, stamped where the tenant is missing."""
        toplevel = visiting_cte is None and not self.stack
        insert_stmt = self._tg_stamped_select(insert_stmt)
        state = insert_stmt._compile_state_factory(insert_stmt, self, **kw)
        core = state.statement
        placement = self.tg_placement(core.table)
        self._tg_count(core.table)
        if state._has_multi_parameters:
            # parameters of our own finding: a literal gets a name that depends on where it stands
            watched = self._tg_watched(core.table, placement) if placement is not None else {}
            rows = [bound_row(row, watched) for row in state._multi_parameters]
            state._multi_parameters, state._dict_parameters = rows, rows[0]
        if placement is not None and placement.kind == "owned" and not core._select_names:
            self._tg_stamp(core.table, state, placement, toplevel)
        if placement is not None and placement.kind != "shared":
            self._tg_no_replace(core, placement)
        outer, self._tg_conflict, self._tg_upserts = self._tg_conflict, {}, False
        text: str = super().visit_insert(  # type: ignore[misc]  # of the dialect's compiler
            with_state(core, state), visiting_cte=visiting_cte, **kw
        )
        conflict, self._tg_conflict = self._tg_conflict, outer
        if placement is not None:
            plan = WritePlan("insert", core.table, placement)
            if placement.kind != "shared":
                self._tg_insert_plan(plan, core, state, toplevel)
                self._tg_watch(plan, conflict, row_where)
                plan.upserts = (
                    self._tg_upserts and toplevel and not core._select_names and not core._returning
                )
                plan.upserts = plan.upserts and not state._has_multi_parameters
            self.tg_writes = (*self.tg_writes, plan)
        return text

    def _tg_stamp(self, table: Any, state: Any, placement: Placement, toplevel: bool) -> None:
        """Give the tenant column the bound tenant, on every row that leaves it out."""
        column = next((c for c in table.c if c.name == placement.column), None)
        if column is None:
            self.tg_refuse(
                CrossTenantError(
                    f"an INSERT into {placement.name} goes through a mapping that leaves out {placement.column}; "
                    "insert through the one that has it",
                    kind="unstamped",
                    table=placement.name,
                )
            )
            return
        if toplevel and column.key in map(str, self.column_keys or ()):
            return
        if self.tg_mode != "tenant":
            self._tg_must_name(placement, column.key, state)
            return
        parameter = self.tg_predicates.stamp(placement)
        if state._has_multi_parameters:
            rows = [_stamped_row(row, column, parameter) for row in state._multi_parameters]
            state._multi_parameters, state._dict_parameters = rows, rows[0]
        else:
            state._dict_parameters = _stamped_row(state._dict_parameters or {}, column, parameter)
            state._no_parameters = False

    def _tg_must_name(self, placement: Placement, name: str, state: Any) -> None:
        rows = state._multi_parameters if state._has_multi_parameters else [state._dict_parameters or {}]
        for row in rows:
            if not any(key_of(key) == name for key in row):
                self.tg_refuse(
                    CrossTenantError(
                        f"an INSERT into {placement.name} names no tenant while several are bound; "
                        f"give {placement.column}, or bind the one you mean",
                        kind="unstamped",
                        table=placement.name,
                    )
                )

    def _tg_stamped_select(self, statement: Any) -> Any:
        """Return an INSERT from a SELECT with the tenant among the columns."""
        placement = self.tg_guard.tenancy.find(statement.table) if statement._select_names else None
        if placement is None or placement.kind != "owned":
            return statement
        column = next((c for c in statement.table.c if c.name == placement.column), None)
        names = [key_of(name) for name in statement._select_names]
        if column is None or column.key in names:
            return statement
        parameter = self.tg_predicates.parameter(placement) if self.tg_mode == "tenant" else None
        if parameter is None:
            self.tg_refuse(
                CrossTenantError(f"an INSERT into {placement.name} names no tenant", kind="unstamped")
            )
            return statement
        source = statement.select
        if isinstance(source, Select) and not source._distinct and source._limit_clause is None:
            source = source.add_columns(parameter.label(_STAMP))
        else:
            inner = source.subquery()
            source = select(*inner.c, parameter.label(_STAMP)).select_from(inner)
        clone = statement._clone()
        clone.select, clone._select_names = source, [*statement._select_names, column.key]
        return clone

    def _tg_insert_plan(self, plan: WritePlan, core: Any, state: Any, toplevel: bool) -> None:
        given: dict[str, Any] = {}
        if core._select_names:
            inner = core.select.subquery()
            columns = columns_of(core.table)
            for name, value in zip(core._select_names, inner.c, strict=False):
                key = key_of(name)
                if key in columns:
                    given[columns[key].name] = self._tg_typed(value, columns[key])
            given = self._tg_with_defaults(plan, given)
            if plan.placement.kind == "owned" and self._tg_stamp_stands_last(core, plan.placement):
                given.pop(plan.placement.column or "", None)
            self._tg_watch(plan, given, lambda condition: rows_where([inner], (), condition))
            self._tg_through_given(plan, given)
            return
        rows = state._multi_parameters if state._has_multi_parameters else None
        if rows is None:
            given = self._tg_given(core.table, state, toplevel)
            given = self._tg_with_defaults(plan, given)
            self._tg_watch(plan, given, row_where)
            self._tg_through_given(plan, given)
            return
        columns = columns_of(core.table)
        for number, row in enumerate(rows):
            given = self._tg_named(plan.placement, row, columns)
            given = self._tg_with_defaults(plan, given, number)
            self._tg_watch(plan, given, row_where)
            self._tg_through_given(plan, given)

    def _tg_typed(self, value: Any, column: Any) -> Any:
        """Return a value of a SELECT; a bare NULL in one is a text to PostgreSQL, until it is cast."""
        bare = value.type._isnull and self.dialect.name == "postgresql"
        return cast(value, column.type) if bare else value

    def _tg_stamp_stands_last(self, core: Any, placement: Placement) -> bool:
        last = list(core.select._all_selected_columns)[-1] if core.select is not None else None
        element = getattr(last, "element", last)
        return element is self.tg_predicates.parameter(placement)

    def _tg_through_given(self, plan: WritePlan, given: Mapping[str, Any]) -> None:
        """Refuse a row of a ``through`` table that names no parent: it would belong to nobody."""
        placement = plan.placement
        if placement.kind != "through":
            return
        missing = [ours for ours, _ in placement.link if ours not in given or isinstance(given[ours], Null)]
        columns = {c.name: c for c in plan.table.c}
        if any(getattr(columns.get(name), "nullable", False) for name in missing):
            self.tg_refuse(orphan(placement, ", ".join(missing)))

    def _tg_no_replace(self, core: Any, placement: Placement) -> None:
        for prefix, _ in core._prefixes:
            if "replace" in str(getattr(prefix, "text", "")).lower():
                self.tg_refuse(
                    RawSQLError(
                        f"INSERT OR REPLACE into {placement.name} deletes whatever row holds the key, another "
                        "tenant's too. Use insert(...).on_conflict_do_update(...)",
                        kind="replace",
                        table=placement.name,
                    )
                )


def _stamped_row(row: Mapping[Any, Any], column: Any, parameter: Any) -> dict[Any, Any]:
    """Return a row of VALUES with the tenant; one that names ``None`` is stamped like one that names nothing."""
    stamped = dict(row)
    for key, value in row.items():
        if key_of(key) == column.key:
            if isinstance(value, Null):
                stamped[key] = parameter
            return stamped
    stamped[column] = parameter
    return stamped
