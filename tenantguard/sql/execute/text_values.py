"""Values and settings in SQL text, verified like those of any other statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.execute.parents import verify_parents
from tenantguard.sql.execute.storable import bound_as
from tenantguard.sql.execute.tenants import verify_tenant, verify_whole
from tenantguard.sql.plans import Link
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.text import Bound, SettingUse, TenantUse, is_harmless_setting, orphan
from tenantguard.tenancy import Placement


def verify_text(checks: Iterable[Any], compiler: Any, rows: Iterable[Any], context: Any) -> None:
    """Verify the values that SQL text will write.

    Args:
        checks: the results of parsing the text.
        compiler: the guarded compiler, or its class.
        rows: the sets of parameters.
        context: SQLAlchemy's execution context.

    Raises:
        CrossTenantError: a value names another tenant, or a parent that is not the tenant's.
        NoTenantError: nothing is bound.
        RawSQLError: a setting of the database is not known to be harmless.
    """
    binding = peek()
    if binding is None or binding.mode == "closed":
        refuse(no_tenant(binding, "A write by SQL text was tried"))
    rows = list(rows)
    guard = compiler.tg_guard
    for check in checks:
        if isinstance(check, SettingUse):
            _verify_settings([setting for row in rows for setting in check.values(row)], binding, context)
            continue
        values = [value for row in rows for value in check.values(row)]
        placement = guard.tenancy.find_key(check.table_key)
        if isinstance(check, TenantUse):
            verify_tenant(placement, check.verb, values, binding, context)
            if not check.given:
                verify_whole(placement, binding, context)
        elif check.required and any(None in key for key in values):
            fault = orphan(placement, ", ".join(check.columns))
            fault.tenant, fault.statement = told(binding), sent(context)
            refuse(fault)
        else:
            keys = _with_tenant(values, placement, binding, context)
            verify_parents(
                context, [(_link(guard, check), keys)], f"{check.verb} on {placement.name}", binding
            )


def _with_tenant(
    keys: list[tuple[Any, ...]], placement: Placement, binding: Binding, context: Any
) -> list[tuple[Any, ...]]:
    """Return keys with the tenant where a row has that of the binding."""
    if not any(isinstance(value, Bound) for key in keys for value in key):
        return keys
    tenant = bound_as(binding._tenant, placement.type, context.dialect)
    return [tuple([tenant if isinstance(value, Bound) else value for value in key]) for key in keys]


def _link(guard: Any, check: Any) -> Link:
    """Return a foreign key in a text, with the columns that store it."""
    parent, child = guard.ties.table(check.parent_key), guard.ties.table_with(check.table_key, check.columns)
    return Link(parent, check.parent_key, check.parent_columns, [], child=child, ours=check.columns)


def _verify_settings(settings: Iterable[tuple[Any, Any]], binding: Binding, context: Any) -> None:
    for name, local in settings:
        if not is_harmless_setting(name, local):
            refuse(
                RawSQLError(
                    f"set_config({name!r}, ..., {local!r}) was tried under tenant {told(binding)}: the setting is not "
                    "known to be harmless, or outlives the transaction",
                    kind="setting",
                    tenant=told(binding),
                    statement=sent(context),
                )
            )
