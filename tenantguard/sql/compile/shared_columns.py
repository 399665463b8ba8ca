"""Writes to rows that tenants share: only some columns, and nothing that affects others' rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tenantguard.errors import CrossTenantError
from tenantguard.tenancy import Placement


def verify_allowed(compiler: Any, verb: str, placement: Placement, columns: Collection[str] = ()) -> None:
    """Refuse a write to rows that do not belong to one tenant, or that cascades to others' rows.

    Args:
        compiler: the guarded compiler.
        verb: ``"insert"``, ``"update"`` or ``"delete"``.
        placement: how the table belongs.
        columns: the columns that an UPDATE sets.
    """
    if placement.kind == "shown":
        fault = _not_changeable(verb, placement, columns)
        kind = "shared_write"
    elif placement.visible is not None and verb != "insert":
        fault = _carried(compiler, verb, placement, columns)
        kind = "cascade"
    else:
        return
    if fault is not None:
        compiler.tg.refuse(CrossTenantError(fault, kind=kind, table=placement.name))


def _not_changeable(verb: str, placement: Placement, columns: Collection[str]) -> str | None:
    others = sorted(set(columns) - placement.changeable)
    if verb == "update" and not others:
        return None
    what = f"of {', '.join(others)} " if others else ""
    return (
        f"{verb} {what}on {placement.name} was tried, but a row rule shows its rows to several tenants. Write them "
        f'inside `with bypass(reason="..."):`, or set changeable={{"{placement.name}": {{"column"}}}} for columns of '
        "the rows that the rule shows"
    )


def _carried(compiler: Any, verb: str, placement: Placement, columns: Collection[str]) -> str | None:
    for reference in compiler.tg_guard.ties.carrying(placement.key):
        action = reference.deletes if verb == "delete" else reference.rekeys
        moved = verb == "delete" or not {theirs for _, theirs in reference.pairs}.isdisjoint(columns)
        if action is not None and moved:
            return (
                f"{verb} on {placement.name} was tried, whose row rule shows rows to others: by {reference.name} "
                f"(ON {verb.upper()} {action}) the database would change their rows along with it. Do it inside "
                '`with bypass(reason="..."):`, or leave the action out of the foreign key'
            )
    return None
