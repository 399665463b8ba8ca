"""Assigned values: the values that a write gives its columns, explicitly or by defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.sql.elements import BindParameter

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.pieces import Named, base_of, values_of_defaults
from tenantguard.sql.compile.targets import grouped_fault, key_of, spelling_fault
from tenantguard.sql.plans import WritePlan
from tenantguard.tenancy import Placement, table_key


def given_values(
    compiler: Any, plan: WritePlan, state: Any, toplevel: bool, *, several: bool = False
) -> dict[str, Any]:
    """Return the value of each column in a statement, by the column's name: an element, or a parameter's name.

    Args:
        compiler: the compiler, after it rendered the statement.
        plan: the write, to the table whose columns are asked for.
        state: SQLAlchemy's compile state.
        toplevel: whether the statement is not inside another one.
        several: whether SET names columns of several tables, as MariaDB allows.
    """
    given: dict[str, Any] = {}
    placement, ties = plan.placement, compiler.tg_guard.ties
    columns = ties.columns(plan.table)
    keys = state._dict_parameters or ()
    refuse_target(compiler, placement, grouped_fault(keys, columns, ties.watched(placement)))
    if toplevel:
        for key in compiler.column_keys or ():
            column = columns.get(key)
            if column is not None:
                given[column.name] = Named(compiler._get_bind_name_for_col(column))
    row = state._dict_parameters or {}
    if several:
        own = (None, table_key(plan.table))
        row = {key: value for key, value in row.items() if _source(key) in own}
    return given | named_values(compiler, placement, row, columns)


def is_verified(placement: Placement) -> bool:
    """Return whether writes to a table are verified; a shared table that is not writable accepts none."""
    return placement.kind != "shared" or placement.writable


def named_values(
    compiler: Any, placement: Placement | None, row: Mapping[Any, Any], columns: Any
) -> dict[str, Any]:
    """Return the values of a row by their columns' names; a verified one that is given twice is refused."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        column = columns.get(key_of(key))
        if column is None:
            continue
        if column.name in found:
            refuse_twice(compiler, placement, column.name)
        found[column.name] = value
    return found


def refuse_twice(compiler: Any, placement: Placement | None, name: str) -> None:
    """Refuse a verified column that is named twice: which of the values is written depends on the statement."""
    if placement is not None and is_verified(placement) and name in compiler.tg_guard.ties.watched(placement):
        refuse_target(compiler, placement, f"{name!r} is set twice; set it once")


def values_with_defaults(
    compiler: Any, plan: WritePlan, given: Mapping[str, Any], row: int = 0
) -> dict[str, Any]:
    """Return the values in a statement, with the defaults of the verified columns that it leaves out.

    A mapping of the table may know less of a column than the tenancy's own metadata does.
    """
    ties = compiler.tg_guard.ties
    missing = ties.watched(plan.placement).difference(given)
    if not missing:
        return dict(given)
    own = ties.table(plan.placement.key)
    known = ties.columns(plan.table)
    if plan.table is not own:
        known = {**ties.columns(own), **known}
    columns = {column.name: column for column in known.values() if column.name in missing}
    found = values_of_defaults(compiler, plan.verb, columns.values(), row)
    plan.late |= {value.name for value in found.values() if isinstance(value, Named)}
    return {**given, **found}


def kept_columns(compiler: Any, table: Any, placement: Placement) -> dict[str, Any]:
    """Return the columns, by key and by name, whose values a write notes."""
    ties = compiler.tg_guard.ties
    kept = ties.kept(placement)
    return {name: column for name, column in ties.columns(table).items() if column.name in kept}


def verify_spelling(compiler: Any, placement: Placement, names: Iterable[str]) -> None:
    """Refuse a different spelling of a verified column."""
    known = compiler.tg_guard.ties.column_names(placement.key)
    if not known.issuperset(names):
        watched = compiler.tg_guard.ties.watched(placement)
        refuse_target(compiler, placement, spelling_fault(names, watched, known))


def refuse_target(compiler: Any, placement: Placement, fault: str | None) -> None:
    if fault is not None:
        compiler.tg.refuse(
            CrossTenantError(
                f"a write to {placement.name} was refused: {fault}", kind="target", table=placement.name
            )
        )


def parameter_name(compiler: Any, value: Any) -> str | None:
    """Return the name of a value's parameter, or ``None`` for an expression."""
    if isinstance(value, Named):
        return value.name
    if isinstance(value, BindParameter):
        found = compiler.bind_names.get(value)
        return found or next((n for p, n in compiler.bind_names.items() if _is_copy(p, value)), None)
    return None


def _is_copy(parameter: Any, value: BindParameter[Any]) -> bool:
    """Return whether a parameter was rendered for a value; ON DUPLICATE KEY UPDATE renders copies with other keys."""
    return parameter.key == value.key or value in parameter._cloned_set


def _source(key: Any) -> Any:
    """Return the table of a column in SET, if it names one."""
    source = base_of(getattr(key, "table", None))
    return None if source is None else table_key(source)
