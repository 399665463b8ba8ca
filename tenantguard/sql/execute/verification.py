"""Verification of writes at execution: parameters against the binding, and keys against their parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import TenantId
from tenantguard.sql.execute.authorization import refuse_read_only
from tenantguard.sql.execute.bypass_writes import BYPASSED, verify_bypassed
from tenantguard.sql.execute.driver_values import given_rows, given_values
from tenantguard.sql.execute.locks import release
from tenantguard.sql.execute.lookups import mark
from tenantguard.sql.execute.met_rows import MeetingCursor
from tenantguard.sql.execute.orphans import watch_orphans
from tenantguard.sql.execute.parent_refusals import refuse_parent
from tenantguard.sql.execute.parents import Missing, missing_parents
from tenantguard.sql.execute.storable import is_strange
from tenantguard.sql.execute.stored_values import StoredCursor, store, store_instead
from tenantguard.sql.execute.tenants import is_only, verify_tenant, verify_whole
from tenantguard.sql.execute.text_values import verify_text
from tenantguard.sql.plans import Link
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.text import orphan, shared_write

if TYPE_CHECKING:
    from tenantguard.sql.plans import ReadBack, WritePlan


def verify(plans: Iterable[WritePlan], context: Any) -> None:
    """Admit a write or refuse it, and stamp rows whose tenant is ``None``.

    Args:
        plans: the compiler's results.
        context: SQLAlchemy's execution context, with the parameters as the caller gave them.

    Raises:
        CrossTenantError: the table is shared.
        NoTenantError: nothing is bound.
    """
    binding = peek()
    refuse_read_only(context, binding)
    for plan in plans:
        if plan.placement.kind == "shared":
            if not plan.placement.writable:
                _refuse_shared(plan, binding, context)
            if not plan.links and plan.stored is None:
                continue
        if binding is None or binding.mode == "closed":
            refuse(no_tenant(binding, f"A write to {plan.placement.name} was tried"))
        if plan.stores_tenant and context.dialect.name != "sqlite":
            verify_whole(plan.placement, binding, context)
        if plan.frees:
            watch_orphans(context, {plan.placement.key})
        if plan.stamped and binding._tenant is not None:
            for name in plan.stamped:
                _stamp(plan, name, binding._tenant, context.compiled_parameters)


def stamp_defaults(plans: Iterable[WritePlan], context: Any) -> None:
    """Stamp rows whose tenant is ``None`` after a column's default."""
    binding = peek()
    if binding is not None and binding._tenant is not None:
        for plan in plans:
            for name in plan.late.intersection(plan.tenant):
                _stamp(plan, name, binding._tenant, context.compiled_parameters)


def _stamp(plan: WritePlan, name: str, tenant: TenantId, rows: Iterable[Any]) -> None:
    for row in rows:
        if row.get(name) is None:
            expected = plan.placement.python_type
            if expected is not None and type(tenant) is not expected:
                what = f"A {type(tenant).__name__} is bound for {plan.placement.name} and a write"
                refuse(no_tenant(None, what))
            row[name] = tenant


def verify_given(context: Any) -> None:
    """Verify a statement's values in the driver's form.

    Args:
        context: SQLAlchemy's execution context; its ``tg_given`` says what must be verified.

    Raises:
        CrossTenantError: a value names another tenant, or a parent that is not the tenant's.
        NoTenantError: nothing is bound.
    """
    given, context.tg_given = context.tg_given, None
    try:
        if given is BYPASSED:
            verify_bypassed(context)
        elif isinstance(given, tuple):
            text, parameters = given
            verify_text(text.checks, context.dialect.statement_compiler, parameters, context)
        else:
            if given.checks:
                verify_text(given.checks, context.compiled, given_rows(context), context)
            spare = _verify_plans(given.writes, context)
            if given.stored is not None:
                made = StoredCursor if given.stored.plan.where is None else MeetingCursor
                store(context, partial(made, context=context, read=given.stored))
            elif spare is not None:
                store_instead(context, *spare)
    except BaseException:
        release(context, commit=False)
        context.root_connection._safe_close_cursor(context.cursor)
        raise


def _verify_plans(plans: Iterable[WritePlan], context: Any) -> tuple[ReadBack, Missing] | None:
    """Verify the parameters; return what must be verified after the write, if they do not show it."""
    binding, spare = peek(), None
    if binding is None:
        return None  # refused before, but for a write to a shared table, which names nobody's row
    values = None
    for plan in plans:
        if not plan.tenant and not plan.links:
            continue
        values = values or given_values(context)
        for name in plan.tenant:
            given = values(name)
            if not is_only(given, plan.placement, binding):
                verify_tenant(plan.placement, plan.verb, given, binding, context)
        if plan.links:
            wanted = [(link, _keys(plan, link, values, binding, context)) for link in plan.links]
            missing = missing_parents(context, wanted, plan.tried, beside=partial(_beside, plan, values))
            if missing:
                spare = _spare(plan, missing) or refuse_parent(context, *missing[0], plan.tried, binding)
    return spare


def _spare(plan: WritePlan, missing: Missing) -> tuple[ReadBack, Missing] | None:
    """Return what to verify after a write that names keys which no look-up found; ``None`` where it must not be sent.

    Only the database knows what it stores of a strange value, and which rows an UPDATE or an upsert meets: it may be
    none.
    """
    if plan.spare is None or (plan.certain and not any(is_strange(key) for _, key in missing)):
        return None
    return plan.spare, missing


def _keys(plan: WritePlan, link: Link, values: Any, binding: Binding, context: Any) -> Iterable[Any]:
    """Return the keys that the rows give for a link, with a ``None`` only where the row need not name a parent."""
    found: list[Any] = []
    for names in link.rows:
        found += _together([values(name) for name in names])
    if link.required and any(value is None for key in found for value in key):
        fault = orphan(plan.placement, ", ".join([ours for ours, _ in plan.placement.link]))
        fault.tenant, fault.statement = told(binding), sent(context)
        refuse(fault)
    return found


def _together(columns: list[Sequence[Any]]) -> Iterable[Any]:
    """Return the distinct keys of some columns if they are hashable, because a bulk insert has thousands of rows."""
    if len(columns[0]) > 1 and all(len(set(map(type, column))) == 1 for column in columns):
        try:
            return dict.fromkeys(zip(*columns, strict=True))
        except TypeError:  # a value that cannot be told apart by its hash
            pass
    return zip(*columns, strict=True)


def _beside(plan: WritePlan, values: Any) -> dict[Any, set[Any]]:
    """Return the marks of the rows that the statement itself writes, by table and key.

    A conflict clause could leave one of them out, so that the key would lead to the row that is there.
    """
    return {
        (plan.placement.key, columns): {
            mark(key) for names in rows for key in zip(*map(values, names), strict=True)
        }
        for columns, rows in plan.beside.items()
    }


def _refuse_shared(plan: WritePlan, binding: Binding | None, context: Any) -> None:
    if binding is None:
        refuse(no_tenant(None, f"A write to the shared table {plan.placement.name} was tried"))
    fault = shared_write(plan.verb, plan.placement, context.dialect.tg_guard.ties)
    fault.tenant, fault.statement = told(binding), sent(context)
    refuse(fault)
