"""Cerbos: a row rule from the query plans of a policy decision point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.placements.permissions import PermissionRule
from tenantguard.principal import Principal


def cerbos_rule(
    plan: Callable[[Principal], Any], attributes: Mapping[str, str], **options: Any
) -> PermissionRule:
    """Return a rule for ``Tenancy(permissions={"calls": ...})`` from Cerbos query plans.

    Args:
        plan: a function that calls ``plan_resources`` for a principal; called once per binding.
        attributes: the columns for the attributes in the policies,
            ``{"request.resource.attr.owner": "owner_id"}``.
        options: further arguments of ``cerbos_sqlalchemy.get_query``, such as ``operator_override_fns``.

    Raises:
        ConfigurationError: ``cerbos-sqlalchemy`` is not installed, or a plan needs other tables.

    Example:
        >>> from tenantguard.cerbos import cerbos_rule
        >>> def plan(principal):
        ...     who = Principal(principal.subject, roles={"agent"})
        ...     return client.plan_resources("read", who, ResourceDesc("call"))
        >>> rule = cerbos_rule(plan, {"request.resource.attr.owner": "owner_id"})  # doctest: +SKIP
    """
    try:
        from cerbos_sqlalchemy import get_query
    except ImportError as error:
        raise ConfigurationError(
            "cerbos_rule() needs cerbos-sqlalchemy: pip install cerbos-sqlalchemy"
        ) from error
    if "table_mapping" in options:
        raise ConfigurationError(
            "a row rule covers one table, without joins; map attributes of other tables to a "
            "subquery with operator_override_fns"
        )

    def rule(principal: Principal, table: Any) -> Any:
        columns = {name: table.c[column] for name, column in attributes.items()}
        condition = get_query(plan(principal), table, columns, **options).whereclause
        return True if condition is None else condition  # a plan that always allows has none

    return rule
