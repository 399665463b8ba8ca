"""Inserts: a new row is stamped with the tenant, and may only reference the tenant's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import literal_column, select
from sqlalchemy.sql.elements import Null, TextClause
from sqlalchemy.sql.selectable import Select

from tenantguard.errors import CrossTenantError, RawSQLError
from tenantguard.sql.compile.access import ask_change
from tenantguard.sql.compile.assignments import (
    given_values,
    is_verified,
    kept_columns,
    named_values,
    values_with_defaults,
)
from tenantguard.sql.compile.pieces import PICKED, bound_row, with_state
from tenantguard.sql.compile.readback import returned
from tenantguard.sql.compile.shared_columns import verify_allowed
from tenantguard.sql.compile.targets import key_of
from tenantguard.sql.compile.upserts import with_select_apart
from tenantguard.sql.compile.verified_columns import Given, watch, watch_rows
from tenantguard.sql.plans import WritePlan
from tenantguard.sql.text import orphan
from tenantguard.tenancy import Placement

_STAMP = "tenantguard_tenant"


class Insert(NamedTuple):
    """An INSERT during compilation.

    Attributes:
        statement: the statement to render, stamped.
        core: the statement as SQLAlchemy's compile state holds it.
        state: that compile state.
        placement: how its table belongs.
        toplevel: whether it is not inside another statement.
        stamped: whether the tenant was added to its SELECT.
    """

    statement: Any
    core: Any
    state: Any
    placement: Placement | None
    toplevel: bool
    stamped: bool


def guarded_insert(compiler: Any, statement: Any, visiting_cte: Any, **kw: Any) -> Insert:
    """Return an INSERT, stamped if the tenant is missing."""
    toplevel = visiting_cte is None and not compiler.stack
    given = with_columns_of_text(compiler, statement)
    stamped = stamped_select(compiler, given)
    statement = with_select_apart(compiler, stamped)
    state = statement._compile_state_factory(statement, compiler, **kw)
    core = state.statement
    placement = compiler.tg.place(core.table)
    compiler.tg.count(core.table)
    if state._has_multi_parameters:
        # parameters of our own finding: a literal gets a name that depends on where it stands
        kept = kept_columns(compiler, core.table, placement) if placement is not None else {}
        rows = [bound_row(row, kept) for row in state._multi_parameters]
        state._multi_parameters, state._dict_parameters = rows, rows[0]
    if placement is not None and placement.kind == "owned" and not core._select_names:
        stamp(compiler, core.table, state, placement, toplevel)
    if placement is not None and placement.kind != "shared":
        refuse_replace(compiler, core, placement)
    return Insert(with_state(core, state), core, state, placement, toplevel, stamped is not given)


def plan_insert(compiler: Any, insert: Insert, text: str) -> str:
    """Record what must be verified when a rendered INSERT executes, and return its text."""
    placement, core, state = insert.placement, insert.core, insert.state
    if placement is None:
        return text
    verify_allowed(compiler, "insert", placement)
    if placement.permitted is not None:
        looked_at = (*core._returning, *_conflicting(core._post_values_clause))
        ask_change(compiler, core.table, placement, looked_at)
    plan = WritePlan("insert", core.table, placement)
    if is_verified(placement):
        _plan_values(compiler, plan, insert)
        if compiler.tg.conflict:
            watch(compiler, plan, Given(compiler.tg.conflict, core.table, fresh=False))
        watch_rows(compiler, plan, None)
        plan.upserts = (
            placement.kind != "shared"
            and compiler.tg.upserts
            and insert.toplevel
            and not core._select_names
            and not core._returning
            and not state._has_multi_parameters
        )
    compiler.tg.writes = (*compiler.tg.writes, plan)
    return returned(compiler, plan, core.table, text, toplevel=insert.toplevel)


def _conflicting(clause: Any) -> Iterable[Any]:
    """Return the values and conditions of a conflict clause, which can read the conflicting row."""
    if clause is None:
        return ()
    values = getattr(clause, "update_values_to_set", None) or getattr(clause, "update", None) or {}
    wheres = (getattr(clause, name, None) for name in ("update_whereclause", "inferred_target_whereclause"))
    return (*dict(values).values(), *[where for where in wheres if where is not None])


def stamp(compiler: Any, table: Any, state: Any, placement: Placement, toplevel: bool) -> None:
    """Set the tenant column to the bound tenant in every row that leaves it out."""
    column = next((c for c in table.c if c.name == placement.column), None)
    if column is None:
        compiler.tg.refuse(
            CrossTenantError(
                f"an INSERT into {placement.name} names no {placement.column}, and the table that it goes through has "
                "no such column, like that of a data frame without it. Add the column to the rows, with the tenant's "
                "id, or insert through a table that has it",
                kind="unstamped",
                table=placement.name,
            )
        )
        return
    if toplevel and column.key in map(str, compiler.column_keys or ()):
        return
    if compiler.tg_mode != "tenant":
        verify_named(compiler, placement, column, state)
        return
    parameter = compiler.tg_predicates.stamp(placement)
    if state._has_multi_parameters:
        rows = [_stamped_row(row, column, parameter) for row in state._multi_parameters]
        state._multi_parameters, state._dict_parameters = rows, rows[0]
    else:
        state._dict_parameters = _stamped_row(state._dict_parameters or {}, column, parameter)
        state._no_parameters = False


def verify_named(compiler: Any, placement: Placement, column: Any, state: Any) -> None:
    """Refuse a row without a tenant while several are bound; a default is verified like a value."""
    if column.default is not None or column.server_default is not None:
        return
    rows = state._multi_parameters if state._has_multi_parameters else [state._dict_parameters or {}]
    for row in rows:
        if not any(key_of(key) == column.key for key in row):
            compiler.tg.refuse(
                CrossTenantError(
                    f"an INSERT into {placement.name} names no tenant while several are bound; "
                    f"give {placement.column}, or bind the one you mean",
                    kind="unstamped",
                    table=placement.name,
                )
            )


def with_columns_of_text(compiler: Any, statement: Any) -> Any:
    """Return an INSERT from a SELECT in which a ``text()`` among the columns counts as one, or refuse it."""
    if not statement._select_names:
        return statement
    parts = getattr(statement.select, "selects", [statement.select])
    if not any(
        isinstance(column, TextClause) for part in parts for column in getattr(part, "_raw_columns", ())
    ):
        return statement
    columns = [
        column_of_text(compiler, column) for column in getattr(statement.select, "_raw_columns", [None])
    ]
    if any(column is None for column in columns):
        compiler.tg.refuse_fragment(
            "text() among the columns of an INSERT ... SELECT must be one value without parameters; use "
            "literal_column() or literal()",
            "INSERT ... SELECT",
        )
        return statement
    select_ = statement.select._generate()
    select_._raw_columns = columns
    clone = statement._clone()
    clone.select = select_
    return clone


def column_of_text(compiler: Any, column: Any) -> Any:
    """Return a column for a ``text()`` that is a single value, ``None`` for other text, and other columns unchanged."""
    if not isinstance(column, TextClause):
        return column
    texts, name = compiler.tg_guard.texts, compiler.dialect.name
    single = not column._bindparams and texts.fragment(column.text, name, style="none").width == 1
    return literal_column(column.text).label(None) if single else None


def stamped_select(compiler: Any, statement: Any) -> Any:
    """Return an INSERT from a SELECT with the tenant added to the columns."""
    placement = compiler.tg_guard.placed.find(statement.table) if statement._select_names else None
    if placement is None or placement.kind != "owned":
        return statement
    column = next((c for c in statement.table.c if c.name == placement.column), None)
    names = [key_of(name) for name in statement._select_names]
    if column is None or column.key in names:
        return statement
    parameter = compiler.tg_predicates.parameter(placement) if compiler.tg_mode == "tenant" else None
    if parameter is None:
        compiler.tg.refuse(
            CrossTenantError(f"an INSERT into {placement.name} names no tenant", kind="unstamped")
        )
        return statement
    source = statement.select
    if isinstance(source, Select):  # of which a column more makes no other rows
        source = source.add_columns(parameter.label(_STAMP))
    else:
        inner = source.subquery()
        source = select(*inner.c, parameter.label(_STAMP)).select_from(inner)
    clone = statement._clone()
    clone.select, clone._select_names = source, [*statement._select_names, column.key]
    return clone


def _plan_values(compiler: Any, plan: WritePlan, insert: Insert) -> None:
    core, state = insert.core, insert.state
    columns = compiler.tg_guard.ties.columns(core.table)
    sure = plan.certain = core._post_values_clause is None and not core._prefixes
    if core._select_names:
        # by place, as the database takes them: what a column of a SELECT is called says nothing
        names = [key_of(name) for name in core._select_names]
        given: dict[str, Any] = {columns[name].name: PICKED for name in names if name in columns}
        given = values_with_defaults(compiler, plan, given)
        if plan.placement.kind == "owned" and insert.stamped:
            given.pop(plan.placement.column or "", None)
        watch(compiler, plan, Given(given, core.table, fresh=True))
        verify_parent_given(compiler, plan, given)
        return
    rows = state._multi_parameters if state._has_multi_parameters else None
    if rows is None:
        given = given_values(compiler, plan, state, insert.toplevel)
        given = values_with_defaults(compiler, plan, given)
        watch(compiler, plan, Given(given, core.table, fresh=True, sure=sure))
        verify_parent_given(compiler, plan, given)
        return
    for number, row in enumerate(rows):
        given = named_values(compiler, plan.placement, row, columns)
        given = values_with_defaults(compiler, plan, given, number)
        watch(compiler, plan, Given(given, core.table, fresh=True, first=number == 0, sure=sure))
        verify_parent_given(compiler, plan, given)


def verify_parent_given(compiler: Any, plan: WritePlan, given: Mapping[str, Any]) -> None:
    """Refuse a row of a ``through`` table without a parent, because it would belong to nobody."""
    placement = plan.placement
    if placement.kind != "through":
        return
    missing = [ours for ours, _ in placement.link if ours not in given or isinstance(given[ours], Null)]
    columns = {c.name: c for c in plan.table.c}
    if any(getattr(columns.get(name), "nullable", False) for name in missing):
        compiler.tg.refuse(orphan(placement, ", ".join(missing)))


def refuse_replace(compiler: Any, core: Any, placement: Placement) -> None:
    for prefix, _ in core._prefixes:
        if "replace" in str(getattr(prefix, "text", "")).lower():
            compiler.tg.refuse(
                RawSQLError(
                    f"INSERT OR REPLACE into {placement.name} deletes whatever row holds the key, another "
                    "tenant's too. Use insert(...).on_conflict_do_update(...)",
                    kind="replace",
                    table=placement.name,
                )
            )


def _stamped_row(row: Mapping[Any, Any], column: Any, parameter: Any) -> dict[Any, Any]:
    """Return a row of VALUES with the tenant; ``None`` is stamped like a missing value."""
    stamped = dict(row)
    for key, value in row.items():
        if key_of(key) == column.key:
            if isinstance(value, Null):
                stamped[key] = parameter
            return stamped
    stamped[column] = parameter
    return stamped
