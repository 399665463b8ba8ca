"""Written tenants: a row's value for the tenant column must be a bound tenant, however it is spelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import is_
from typing import Any

from tenantguard.audit import refuse
from tenantguard.context import Binding
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.storable import bound_as, is_kept, is_stored_alike
from tenantguard.sql.refusals import sent, told
from tenantguard.tenancy import Placement


def is_only(values: Sequence[Any], placement: Placement, binding: Binding) -> bool:
    """Return whether every row has exactly the one bound tenant, after bind processing."""
    only, expected = binding._tenant, placement.python_type
    return only is not None and expected in (None, type(only)) and all(map(is_, values, repeat(only)))


def verify_tenant(
    placement: Placement, verb: str, values: Sequence[Any], binding: Binding, context: Any
) -> None:
    """Refuse a value that is stored as a tenant which is not bound.

    Args:
        placement: how the written table belongs.
        verb: the kind of write.
        values: the rows' values for the tenant column, in the driver's form.
        binding: the current binding.
        context: SQLAlchemy's execution context.

    Raises:
        CrossTenantError: one of the values is another tenant.
    """
    expected = placement.python_type
    type_, dialect = placement.type, context.dialect
    # a tenant of another type than the column's is bound for some other column
    tenants = [tenant for tenant in binding.tenants if expected in (None, type(tenant))]
    bound = [bound_as(tenant, type_, dialect) for tenant in tenants]
    for value in _distinct(values):
        if not any(is_stored_alike(value, tenant, type_, dialect) for tenant in bound):
            refuse(
                CrossTenantError(
                    f"{verb} on {placement.name} names tenant {value!r} while tenant "
                    f"{', '.join(map(repr, binding.tenants))} is bound; leave {placement.column} out, or bind "
                    "the tenant you mean",
                    kind="tenant_change" if verb == "update" else "foreign_insert",
                    tenant=told(binding),
                    attempted=value,
                    table=placement.name,
                    statement=sent(context),
                )
            )


def verify_whole(placement: Placement, binding: Binding, context: Any) -> None:
    """Refuse a new row of a tenant whose id does not fit its column, if the database could turn it into another id.

    Without its strict mode, MariaDB truncates strings and uses the nearest number; it and PostgreSQL cut off blanks in
    any mode. SQLite stores longer values.

    Raises:
        CrossTenantError: an id would not be stored unchanged.
    """
    for tenant in binding.tenants:
        bound = bound_as(tenant, placement.type, context.dialect)
        if not is_kept(bound, placement.type, context.dialect):
            refuse(
                CrossTenantError(
                    f"insert on {placement.name}: {placement.column} cannot hold the id of the tenant that is bound, "
                    f"{tenant!r}. Give the column a larger type",
                    kind="foreign_insert",
                    tenant=told(binding),
                    table=placement.name,
                    statement=sent(context),
                )
            )


def _distinct(values: Sequence[Any]) -> Iterable[Any]:
    """Return the distinct values if they are hashable, because a bulk insert has thousands of rows."""
    if len(values) > 1 and len(set(map(type, values))) == 1:  # 1 and 1.0 are equal, and not the same
        try:
            return dict.fromkeys(values)
        except TypeError:  # a value that cannot be told apart by its hash
            pass
    return values
