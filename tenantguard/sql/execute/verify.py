"""The execution half of writes: verify parameters against the binding, and keys against their parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.elements import TenantParameter
from tenantguard.sql.execute.parents import chunks, keys_of, verify_keys, verify_one_row
from tenantguard.sql.predicates import named
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.text import TenantUse, orphan
from tenantguard.tenancy import full_name

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link, WritePlan


def verify_defaults(plans: Iterable[WritePlan], context: Any) -> None:
    """Verify what the columns' defaults have filled in; the rest was verified before.

    Args:
        plans: what the compiler found.
        context: SQLAlchemy's execution context, with its parameters.

    Raises:
        CrossTenantError: a default names another tenant or a row of one.
    """
    binding = peek()
    for plan in plans:
        if not plan.late or plan.placement.kind == "shared" or binding is None:
            continue
        for name in plan.late.intersection(plan.tenant):
            _verify_tenant(plan, name, binding, context)
        for link in plan.links:
            if not plan.late.isdisjoint(name for row in link.rows for name in row):
                _verify_link(plan, link, binding, context)


def verify(plans: Iterable[WritePlan], context: Any) -> None:
    """Verify what a statement is about to write; stamp rows whose tenant is ``None``.

    Args:
        plans: what the compiler found.
        context: SQLAlchemy's execution context, with its parameters.

    Raises:
        CrossTenantError: a value names another tenant or a row of one.
        NoTenantError: nothing is bound.
    """
    binding = peek()
    rows = context.compiled_parameters
    row = rows[0] if len(rows) == 1 else None
    for plan in plans:
        if plan.placement.kind == "shared":
            if not plan.placement.writable:
                _refuse_shared(plan, binding, context)
            continue
        if binding is None or binding.mode == "closed":
            refuse(no_tenant(binding, f"A write to {plan.placement.name} was tried"))
        tenant = binding._tenant
        usual = row is not None and tenant is not None and plan.placement.python_type in (None, type(tenant))
        for name in plan.tenant:
            # one row that was stamped, as most are, needs no call
            if not (usual and row.get(name) is tenant) and name not in plan.late:  # type: ignore[union-attr]
                _verify_tenant(plan, name, binding, context)
        unknown = []
        for link in plan.links:
            if link.required or link.only is None or row is None:
                _verify_link(plan, link, binding, context)
                continue
            value = row.get(link.only)
            known = context.root_connection.tg_known(link.parent_key, link.columns, link.read)
            if value is not None and (value,) not in known:
                unknown.append((link, value))
        if unknown:
            verify_one_row(unknown, _tried(plan), binding, context)
        for probe in plan.probes:
            if _finds(context, probe.statement):
                refuse(
                    CrossTenantError(
                        f"an expression would set {probe.what} of {probe.table} to another tenant's, while tenant "
                        f"{told(binding)} is bound",
                        kind="foreign_value",
                        tenant=told(binding),
                        table=probe.table,
                        statement=sent(context),
                    )
                )


def _refuse_shared(plan: WritePlan, binding: Binding | None, context: Any) -> None:
    name = plan.placement.name
    if binding is None:
        refuse(no_tenant(None, f"A write to the shared table {name} was tried"))
    refuse(
        CrossTenantError(
            f"{plan.verb} on {name}, a shared table, was tried under tenant {told(binding)}; shared rows are "
            f'written inside `with bypass(reason="..."):`, or say shared_writable={{"{name}"}}',
            kind="shared_write",
            tenant=told(binding),
            table=name,
            statement=sent(context),
        )
    )


def _verify_tenant(plan: WritePlan, name: str, binding: Binding, context: Any) -> None:
    only = binding._tenant
    stamps = plan.verb == "insert" and only is not None
    expected = plan.placement.python_type
    rows = context.compiled_parameters
    for value in _distinct(name, rows):
        if value is None and stamps:
            if expected is not None and type(only) is not expected:
                refuse(
                    no_tenant(None, f"A {type(only).__name__} is bound for {plan.placement.name} and a write")
                )
            for parameters in rows:
                if parameters.get(name) is None:
                    parameters[name] = only
        elif value not in binding.tenants or (expected is not None and not isinstance(value, expected)):
            refuse(
                CrossTenantError(
                    f"{plan.verb} on {plan.placement.name} names tenant {value!r} while tenant {told(binding)} is "
                    f"bound; leave {plan.placement.column} out, or bind the tenant you mean",
                    kind="tenant_change" if plan.verb == "update" else "foreign_insert",
                    tenant=told(binding),
                    attempted=value,
                    table=plan.placement.name,
                    statement=sent(context),
                )
            )


def _distinct(name: str, rows: Sequence[Any]) -> Iterable[Any]:
    """Return the values of a parameter, each once where that is sure: a bulk insert has thousands of rows."""
    if len(rows) == 1:
        return (rows[0].get(name),)
    values = [parameters.get(name) for parameters in rows]
    if len(set(map(type, values))) == 1:  # 1 and 1.0 are equal, and not the same
        try:
            return dict.fromkeys(values)
        except TypeError:  # a value that cannot be told apart by its hash
            pass
    return values


def _verify_link(plan: WritePlan, link: Link, binding: Binding, context: Any) -> None:
    if link.required:
        _verify_parent(plan, link, binding, context)
    keys = keys_of(link, context.compiled_parameters)
    unknown = context.root_connection.tg_unknown(link.parent_key, link.columns, keys, read=link.read)
    if unknown:
        verify_keys(link.parent, link.columns, unknown, _tried(plan), binding, context, read=link.read)


def _tried(plan: WritePlan) -> str:
    return f"{plan.verb} on {plan.placement.name}"


def _verify_parent(plan: WritePlan, link: Link, binding: Binding, context: Any) -> None:
    """Refuse a row that is given no parent to belong through."""
    rows = context.compiled_parameters
    if any(row.get(name) is None for row in rows for names in link.rows for name in names):
        fault = orphan(plan.placement, ", ".join([ours for ours, _ in plan.placement.link]))
        fault.tenant, fault.statement = told(binding), sent(context)
        refuse(fault)


def verify_text(checks: Iterable[Any], compiler: Any, rows: Iterable[Any], context: Any) -> None:
    """Verify what SQL text is about to write.

    Args:
        checks: what the reader of the text found.
        compiler: the guarded compiler, or its class.
        rows: the parameters, a set each.
        context: SQLAlchemy's execution context.

    Raises:
        CrossTenantError: a value names another tenant or a row of one.
        NoTenantError: nothing is bound.
    """
    binding = peek()
    if binding is None or binding.mode == "closed":
        refuse(no_tenant(binding, "A write by SQL text was tried"))
    rows = list(rows)
    for check in checks:
        tried = f"{check.verb} on {full_name(check.table_key)}"
        values = [value for row in rows for value in check.values(row)]
        if isinstance(check, TenantUse):
            for value in values:
                if value not in binding.tenants:
                    _refuse_value(tried, value, binding, context)
        elif check.required and any(None in key for key in values):
            _refuse_value(f"{tried}, without the parent it belongs through,", None, binding, context)
        else:
            keys = dict.fromkeys(key for key in values if None not in key)
            unknown = context.root_connection.tg_unknown(check.parent_key, check.parent_columns, keys)
            if unknown:
                parent = compiler.tg_guard.ties.table(check.parent_key)
                verify_keys(parent, check.parent_columns, unknown, tried, binding, context)


def _refuse_value(tried: str, value: Any, binding: Binding, context: Any) -> None:
    refuse(
        CrossTenantError(
            f"{tried} names tenant {value!r} while tenant {told(binding)} is bound; leave it out, or bind the "
            "tenant you mean",
            kind="foreign_insert",
            tenant=told(binding),
            attempted=value,
            statement=sent(context),
        )
    )


def _finds(context: Any, statement: Any) -> bool:
    """Run a probe with the values that this execution has for the parameters it shares with the statement."""
    compiled = context.compiled
    for parameters in context.compiled_parameters:
        values = {
            parameter.key: parameters[name]
            for parameter, name in compiled.bind_names.items()
            if parameter.callable is None
            and name in parameters
            and not isinstance(parameter, TenantParameter)
        }
        if context.root_connection.tg_probe(statement, values)[0][0]:
            return True
    return False


def unmatched(plans: Iterable[WritePlan], context: Any) -> None:
    """Raise our error where the unit of work changed a row by its key and the row is another tenant's.

    Raises:
        CrossTenantError: a row with the key exists, and it is not the tenant's.
    """
    binding = peek()
    for plan in plans:
        if not plan.key or plan.placement.kind == "shared" or binding is None:
            continue
        keys = [
            tuple(parameters[name] for name in plan.key.values())
            for parameters in context.compiled_parameters
        ]
        for chunk in chunks(keys):
            if context.root_connection.tg_probe(_by_key(plan, context, chunk), {})[0][0]:
                refuse(
                    CrossTenantError(
                        f"{plan.verb} of a row of {plan.placement.name} by its key: the row belongs to another "
                        f"tenant than {told(binding)}, which is bound",
                        kind="foreign_row",
                        tenant=told(binding),
                        table=plan.placement.name,
                        statement=sent(context),
                    )
                )


def _by_key(plan: WritePlan, context: Any, keys: list[tuple[Any, ...]]) -> Any:
    types = {column.name: column.type for column in plan.table.c}

    def picked(source: Any) -> Any:
        columns = [named(source, name, types[name]) for name in plan.key]
        return or_(*(and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))

    return select(context.compiled.tg_predicates.foreign(picked, plan.table))
