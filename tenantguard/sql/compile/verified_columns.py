"""Verified columns: a write's values for the tenant and the keys, and how they are verified.

What a plain parameter holds is looked up before the write. Whatever else a column is given is read back after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.sql.elements import BindParameter, ColumnClause, Null

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.access import may_lose
from tenantguard.sql.compile.alike import binds_alike
from tenantguard.sql.compile.assignments import parameter_name, verify_spelling
from tenantguard.sql.compile.pieces import EXCLUDED, is_picked
from tenantguard.sql.elements import TenantParameter
from tenantguard.sql.plans import Link, ReadBack, WritePlan
from tenantguard.sql.text import orphan


@dataclass
class Given:
    """A write's values for its verified columns.

    Attributes:
        values: an element, a parameter, ``PICKED`` or ``EXCLUDED`` for each column, by its name.
        target: the table, or the alias of it, that is written.
        fresh: the row is a new one, where what is left out is NULL.
        first: SQLAlchemy gives a parameter without a type its column's; it does so in the first row of VALUES.
        sure: each row that is given is inserted, so that others of the same statement may point at it.
        plain: the parameters that hold what verified columns store, as it is bound.
    """

    values: Mapping[str, Any]
    target: Any
    fresh: bool
    first: bool = True
    sure: bool = False
    plain: dict[str, str] = field(default_factory=dict)


def watch(compiler: Any, plan: WritePlan, given: Given) -> None:
    """Fill in a plan what must be verified of the columns that a write gives, after it was rendered."""
    placement, ties = plan.placement, compiler.tg_guard.ties
    verify_spelling(compiler, placement, given.values)
    given.plain = _plain_names(compiler, plan, given)
    if placement.kind == "owned" and placement.column is not None and placement.column in given.values:
        _watch_tenant(compiler, plan, given, placement.column)
    for link in ties.verified(placement):
        if given.sure and link.parent_key == placement.key:
            _note_row(plan, given, link.columns)
        if not given.values.keys().isdisjoint(link.ours):
            _watch_link(compiler, plan, given, link)


def _plain_names(compiler: Any, plan: WritePlan, given: Given) -> dict[str, str]:
    """Return the parameters whose bound values the verified columns and the row's own keys store."""
    ties = compiler.tg_guard.ties
    columns, found = ties.columns(plan.table), {}
    for name in ties.kept(plan.placement).intersection(given.values):
        value, column = given.values[name], columns.get(name)
        parameter = parameter_name(compiler, value)
        if parameter is None or column is None:
            continue
        own = value if isinstance(value, BindParameter) else None
        if isinstance(value, TenantParameter) or binds_alike(
            own, column.type, compiler.dialect, first=given.first
        ):
            found[name] = parameter
    return found


def _note_row(plan: WritePlan, given: Given, columns: tuple[str, ...]) -> None:
    """Note the parameters of a new row's own key, where another row of the statement may point at it."""
    if all(name in given.plain for name in columns):
        rows = plan.beside.setdefault(columns, [])
        rows.append(tuple([given.plain[name] for name in columns]))


def _watch_tenant(compiler: Any, plan: WritePlan, given: Given, name: str) -> None:
    value = given.values[name]
    if name in given.plain:
        plan.tenant.append(given.plain[name])
    elif value is EXCLUDED or same_column(value, given.target, name):
        return
    elif plan.verb == "insert":
        _read_back(plan).tenant = True
    else:
        compiler.tg.refuse(
            CrossTenantError(
                f"update on {plan.placement.name} sets {name} to an expression, and a row may not change its "
                "tenant. Leave the column out",
                kind="tenant_change",
                table=plan.placement.name,
            )
        )


def _watch_link(compiler: Any, plan: WritePlan, given: Given, link: Link) -> None:
    values, names = given.values, link.ours
    if all(values.get(name) is EXCLUDED for name in names):
        return  # verified as what was to be inserted
    columns = compiler.tg_guard.ties.columns(plan.table)
    picked = plan.verb == "insert" and _are_picked(compiler, columns, names)
    required = picked or (link.belongs and _may_be_null(columns, names))
    if any(isinstance(values.get(name), Null) for name in names) and not picked:
        if required:
            compiler.tg.refuse(orphan(plan.placement, ", ".join(names)))
        return
    if given.fresh and any(name not in values for name in names):
        return  # a part of it is NULL, so that it leads nowhere
    if all(same_column(values[name], given.target, name) for name in names if name in values):
        return
    tenant = plan.placement.column
    is_one = compiler.tg_predicates.shape == "tenant"  # each row of several has its own, which is read back
    if tenant in names and tenant not in values and is_one and _keeps_tenant(compiler, plan, link):
        given.plain[tenant] = compiler.bind_names[compiler.tg_predicates.parameter(plan.placement)]
    is_plain = given.plain.keys() >= set(names)
    link = link.given([tuple([given.plain[name] for name in names])] if is_plain else [], required=required)
    if is_plain:
        plan.links.append(link)
        return
    stored = _read_back(plan)
    if all((known.ours, known.parent_key) != (names, link.parent_key) for known in stored.links):
        stored.links.append(link)


def watch_rows(compiler: Any, plan: WritePlan, columns: Iterable[str] | None) -> None:
    """Read back the stored row if a permission rule might not grant it to the current principal.

    Args:
        compiler: the compiler.
        plan: the write.
        columns: what an UPDATE sets, ``None`` for a new row.
    """
    if may_lose(compiler, plan.placement, columns):
        _read_back(plan).granted = True


def _keeps_tenant(compiler: Any, plan: WritePlan, link: Link) -> bool:
    """Return whether a key includes the tenant of the changed rows beside its new values."""
    pairs = tuple(zip(link.ours, link.columns, strict=True))
    return plan.verb == "update" and bool(
        compiler.tg_guard.ties.includes_tenant(plan.placement, link.parent, pairs)
    )


def _read_back(plan: WritePlan) -> ReadBack:
    if plan.stored is None:
        plan.stored = ReadBack(plan)
    return plan.stored


def _may_be_null(columns: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Tell whether the database lets a key be NULL."""
    return any(getattr(columns.get(name), "nullable", False) for name in names)


def _are_picked(compiler: Any, columns: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(name in columns and is_picked(compiler, columns[name]) for name in names)


def same_column(value: Any, target: Any, name: str) -> bool:
    """Tell whether an expression is the row's own column, so that nothing changes."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and hash(value.table) == hash(target)
    )
