"""Upserts: the conflict clause of an INSERT changes the tenant's rows only, and gives none away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, case, select
from sqlalchemy.sql.elements import BindParameter, ColumnClause
from sqlalchemy.sql.selectable import Select

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.access import granted
from tenantguard.sql.compile.assignments import refuse_target, refuse_twice
from tenantguard.sql.compile.leaves import enclosed
from tenantguard.sql.compile.pieces import EXCLUDED, base_of, bound_row, element_of
from tenantguard.sql.compile.targets import grouped_fault, key_of, spelling_fault
from tenantguard.sql.elements import Exact
from tenantguard.sql.exactness import MARIADB
from tenantguard.tenancy import Placement, table_key


def guarded_conflict(compiler: Any, clause: Any) -> Any:
    """Return ON CONFLICT DO UPDATE so that it changes the tenant's rows only."""
    table = compiler.stack[-1]["selectable"].table
    placement = compiler.tg.place(table)
    if placement is None or _is_free(compiler, placement):
        return clause
    # SQLAlchemy 2.0 keeps pairs, literals among them, where 2.1 keeps a mapping of elements
    values = bound_row(dict(clause.update_values_to_set), compiler.tg_guard.ties.columns(table))
    verify_set(compiler, table, placement, values)
    where = clause.update_whereclause
    compiler.tg.upserts = where is None
    clone = clause._clone()
    clone.update_values_to_set = values
    mine = [compiler.tg_predicates.owns(table, placement)] if placement.kind != "shared" else []
    if placement.has_rows:
        mine.append(granted(compiler, table, placement))
    if mine:
        clone.update_whereclause = and_(*mine, *enclosed((where,) if where is not None else ()))
    return clone


def guarded_duplicate(compiler: Any, clause: Any) -> Any:
    """Return ON DUPLICATE KEY UPDATE so that each assignment keeps another tenant's value as it is."""
    table = compiler.stack[-1]["selectable"].table
    placement = compiler.tg.place(table)
    if placement is None or _is_free(compiler, placement):
        return clause
    columns = compiler.tg_guard.ties.columns(table)
    values = bound_row(clause.update, columns)
    verify_set(compiler, table, placement, values)
    clone = clause._clone()
    clone.update = values
    met = [row_met(compiler, table, placement, clause)] if placement.kind != "shared" else []
    if placement.has_rows:
        met.append(granted(compiler, table, placement))
    if met:
        mine = and_(*met)
        clone.update = {
            key: case((mine, _typed(value, columns[key_of(key)])), else_=columns[key_of(key)])
            for key, value in values.items()
        }
    return clone


def with_select_apart(compiler: Any, statement: Any) -> Any:
    """Return an INSERT whose SELECT leaves the table's name to the conditions of ON DUPLICATE KEY UPDATE.

    MariaDB sees the names of a SELECT there, too, so that a column of a table that it also reads is ambiguous.
    """
    source = statement.select if statement._select_names else None
    if compiler.dialect.name not in MARIADB or statement._post_values_clause is None or source is None:
        return statement
    froms = source.get_final_froms() if isinstance(source, Select) else ()
    names = {getattr(part, "name", None) for from_ in froms for part in from_._from_objects}
    if statement.table.name not in names:
        return statement
    clone = statement._clone()
    clone.select = select(source.subquery())
    return clone


def _is_free(compiler: Any, placement: Placement) -> bool:
    """Tell whether a conflict clause may change any row, and nothing that it sets is verified."""
    watched = placement.writable and compiler.tg_guard.ties.watched(placement)
    return placement.kind == "shared" and not watched and not placement.has_rows


def _typed(value: Any, column: Any) -> Any:
    """Return a value of SET with the column's type, as SQLAlchemy gives it to a value that is set alone."""
    if isinstance(value, BindParameter) and value.type._isnull:
        return value._with_binary_element_type(column.type)
    return element_of(value)


def inserted_names(compiler: Any) -> frozenset[str]:
    """Return what SQLAlchemy writes, as literal columns, for the values that were to be inserted."""
    table = compiler.stack[-1]["selectable"].table
    return frozenset(f"VALUES({compiler.preparer.quote(column.name)})" for column in table.c)


def row_met(compiler: Any, table: Any, placement: Placement, on_duplicate: Any) -> Any:
    """Return the condition that the row which holds the key is the tenant's.

    The row that was to be inserted is the tenant's, which saves an owned table the parameter.
    """
    columns = compiler.tg_guard.ties.columns(table)
    if placement.kind != "owned" or compiler.tg_mode != "tenant" or placement.column not in columns:
        return compiler.tg_predicates.owns(table, placement)
    mine = columns[placement.column]
    new = on_duplicate.inserted_alias.c[mine.key]
    if compiler.tg_predicates.exactly(placement) is None:
        return mine == new
    return and_(mine == new, Exact(mine) == Exact(new))


def verify_set(compiler: Any, table: Any, placement: Placement, values: Mapping[Any, Any]) -> None:
    """Refuse an upsert whose SET could move a row unnoticed, and record the key columns that it sets."""
    refuse_target(compiler, placement, conflict_fault(compiler, table, placement, values))
    watched = {placement.column} if placement.kind == "owned" else set()
    watched.update(*[link.ours for link in compiler.tg_guard.ties.verified(placement)])
    columns, met = compiler.tg_guard.ties.columns(table), set()
    for key, value in values.items():
        column = _target(key, columns)
        if column is None or column.name not in watched:
            continue
        if column.name in met:
            refuse_twice(compiler, placement, column.name)
        met.add(column.name)
        if _same_name(value, column.name, table):
            if hash(value.table) != hash(table):  # otherwise it stays as it is
                compiler.tg.conflict[column.name] = EXCLUDED
            continue
        if isinstance(value, BindParameter) or placement.kind != "owned" or column.name != placement.column:
            # verified like a value that is inserted, or read back
            compiler.tg.conflict[column.name] = value
            continue
        compiler.tg.refuse(
            CrossTenantError(
                f"the conflict clause of an INSERT into {placement.name} sets {column.name} to an expression; "
                f"set it to a value, or to excluded.{column.name}",
                kind="upsert",
                table=placement.name,
            )
        )


def conflict_fault(compiler: Any, table: Any, placement: Placement, values: Mapping[Any, Any]) -> str | None:
    """Return the fault of a conflict clause that names a column by another spelling, which SQLAlchemy lets pass."""
    watched = compiler.tg_guard.ties.watched(placement)
    columns = compiler.tg_guard.ties.columns(table)
    fault = grouped_fault(values, columns, watched)
    names = [str(getattr(key, "name", key)) for key in values]
    return fault or spelling_fault(
        names, {*watched, *columns}, compiler.tg_guard.ties.column_names(placement.key)
    )


def _target(key: Any, columns: Mapping[str, Any]) -> Any:
    """Return the column that a conflict clause sets; a column that is not the table's own is rendered by its name."""
    column = columns.get(key_of(key))
    if isinstance(key, ColumnClause) and (column is None or hash(column) != hash(key)):
        return next((ours for ours in columns.values() if ours.name == key.name), None)
    return column


def _same_name(value: Any, name: str, table: Any) -> bool:
    """Tell whether an expression is the inserted value, or the row's own."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and table_key(base_of(value.table)) == table_key(table)
    )
