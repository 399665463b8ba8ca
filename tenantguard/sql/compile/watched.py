"""Verified columns: what a write gives for the tenant and for the keys, and what must be asked about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.sql.elements import BindParameter, ColumnClause, Grouping, Null

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.pieces import Named, columns_of, element_of, with_defaults
from tenantguard.sql.compile.spelling import grouped_fault, key_of, spelling_fault
from tenantguard.sql.plans import Link, Probe, WritePlan
from tenantguard.sql.predicates import named
from tenantguard.sql.text import orphan
from tenantguard.tenancy import Placement, table_key


def given_values(
    compiler: Any, table: Any, state: Any, toplevel: bool, *, several: bool = False
) -> dict[str, Any]:
    """Return what a statement gives for each column, by the column's name: an element, or a parameter's name."""
    given: dict[str, Any] = {}
    columns = columns_of(table)
    placement = compiler.tg_guard.tenancy.find(table)
    if placement is not None and placement.kind != "shared":
        keys = state._dict_parameters or ()
        refuse_target(
            compiler, placement, grouped_fault(keys, columns, compiler.tg_guard.ties.watched(placement))
        )
    if toplevel:
        for key in compiler.column_keys or ():
            column = columns.get(key)
            if column is not None:
                given[column.name] = Named(compiler._get_bind_name_for_col(column))
    row = state._dict_parameters or {}
    if several:
        own = (None, table_key(table))
        row = {key: value for key, value in row.items() if _source(key) in own}
    return given | named_values(compiler, placement, row, columns)


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
    if (
        placement is not None
        and placement.kind != "shared"
        and name in compiler.tg_guard.ties.watched(placement)
    ):
        refuse_target(compiler, placement, f"{name!r} is set twice; set it once")


def values_with_defaults(
    compiler: Any, plan: WritePlan, given: Mapping[str, Any], row: int = 0
) -> dict[str, Any]:
    """Return what a statement gives, with what the defaults of the columns that are verified give."""
    missing = compiler.tg_guard.ties.watched(plan.placement).difference(given)
    columns = [column for column in plan.table.c if column.name in missing] if missing else ()
    found = with_defaults(compiler, plan.verb, columns, given, row)
    plan.late |= {value.name for key, value in found.items() if key not in given and isinstance(value, Named)}
    return found


def watched_columns(compiler: Any, table: Any, placement: Placement) -> dict[str, Any]:
    """Return the columns, by key and by name, whose values are verified."""
    names = compiler.tg_guard.ties.watched(placement)
    return columns_of(table, names)


def watch(compiler: Any, plan: WritePlan, given: Mapping[str, Any], rows: Any) -> None:
    """Fill in a plan what must be verified of the columns that a statement gives."""
    placement, ties = plan.placement, compiler.tg_guard.ties
    verify_spelling(compiler, placement, given)
    if placement.kind == "owned" and placement.column is not None and placement.column in given:
        value = given[placement.column]
        name = parameter_name(compiler, value)
        if name is not None:
            plan.tenant.append(name)
        elif not _same_column(value, plan.table, placement.column):
            element = Grouping(element_of(value))
            differs = compiler.tg_predicates.differs(element, placement)
            plan.probes.append(Probe(rows(differs), placement.name, "the tenant column"))
    for parent, pairs in ties.links(placement.key):
        if not given.keys().isdisjoint([ours for ours, _ in pairs]) and not ties.covered(
            placement, parent, pairs
        ):
            watch_link(compiler, plan, given, parent, pairs, rows)


def verify_spelling(compiler: Any, placement: Placement, names: Iterable[str]) -> None:
    """Refuse a column that is written under another spelling of one that is verified."""
    watched = compiler.tg_guard.ties.watched(placement)
    if watched.issuperset(names):
        return
    refuse_target(
        compiler,
        placement,
        spelling_fault(names, watched, compiler.tg_guard.ties.column_names(placement.key)),
    )


def refuse_target(compiler: Any, placement: Placement, fault: str | None) -> None:
    if fault is not None:
        compiler.tg.refuse(
            CrossTenantError(
                f"a write to {placement.name} was refused: {fault}", kind="target", table=placement.name
            )
        )


def watch_link(
    compiler: Any, plan: WritePlan, given: Mapping[str, Any], parent: Any, pairs: Any, rows: Any
) -> None:
    required = _belongs_by(plan, pairs)
    names = [parameter_name(compiler, given[ours]) if ours in given else None for ours, _ in pairs]
    columns = tuple([theirs for _, theirs in pairs])
    read = compiler.tg_guard.tenancy.of(parent).visible is not None and plan.placement.link != tuple(pairs)
    if None not in names:
        row = tuple([name for name in names if name is not None])
        ours = tuple([name for name, _ in pairs])
        plan.links.append(Link(parent, table_key(parent), columns, [row], read, required, plan.table, ours))
        return
    if any(isinstance(given.get(ours), Null) for ours, _ in pairs):
        if required:
            compiler.tg.refuse(orphan(plan.placement, ", ".join(ours for ours, _ in pairs)))
        return
    if all(_same_column(given[ours], plan.table, ours) for ours, _ in pairs if ours in given):
        return
    values = [
        element_of(given[ours]) if ours in given else named(plan.table, ours, None) for ours, _ in pairs
    ]
    condition = compiler.tg_predicates.foreign(
        lambda source: and_(
            *(named(source, c, None) == Grouping(v) for c, v in zip(columns, values, strict=True))
        ),
        parent,
        read=read,
    )
    if required:
        condition = or_(condition, *(Grouping(value).is_(None) for value in values))
    plan.probes.append(Probe(rows(condition), plan.placement.name, f"a key of {parent.name}"))


def parameter_name(compiler: Any, value: Any) -> str | None:
    """Return the name of the parameter that holds a value, or ``None`` where it is an expression."""
    if isinstance(value, Named):
        return value.name
    if isinstance(value, BindParameter):
        found = compiler.bind_names.get(value)
        return found or next((n for p, n in compiler.bind_names.items() if p.key == value.key), None)
    return None


def _source(key: Any) -> Any:
    """Return the table that a column of SET is of, if it says so."""
    source = getattr(key, "table", None)
    return None if source is None else table_key(source)


def _belongs_by(plan: WritePlan, pairs: Any) -> bool:
    """Tell whether a row belongs through a key that the database lets be NULL."""
    if plan.placement.link != tuple(pairs):
        return False
    columns = columns_of(plan.table)
    return any(getattr(columns.get(ours), "nullable", False) for ours, _ in pairs)


def _same_column(value: Any, table: Any, name: str | None) -> bool:
    """Tell whether an expression is the row's own column, so that nothing changes."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and hash(value.table) == hash(table)
    )
