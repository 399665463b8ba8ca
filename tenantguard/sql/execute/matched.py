"""Matched rows: a write that met fewer rows than it named is told why, where another tenant's row is the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import mapperlib

from tenantguard.audit import refuse
from tenantguard.context import peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.lookups import MOST
from tenantguard.sql.predicates import named
from tenantguard.sql.refusals import refuse_again, sent, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantguard.sql.plans import WritePlan


def verify_inserted(context: Any, plans: Any) -> None:
    """Tell an upsert that the key it named belongs to another tenant's row, which stays as it is."""
    if len(context.compiled_parameters) == 1 and context.cursor.rowcount == 0:
        name = plans[-1].placement.name
        refuse_again(
            CrossTenantError(
                f"an upsert into {name} met a key that another tenant's row holds; it stays as it is. Let the "
                "key include the tenant",
                kind="foreign_row",
                table=name,
            ),
            context.compiled.string,
        )


def verify_matched(context: Any, plans: Any) -> None:
    """Tell a unit of work that its row is another tenant's, before it is told that the row is gone."""
    expected = len(context.compiled_parameters)
    sane = expected == 1 or context.dialect.supports_sane_multi_rowcount
    if (not sane or context.cursor.rowcount != expected) and _is_flushed(context):
        _unmatched(plans, context)


def _is_flushed(context: Any) -> bool:
    """Tell whether a unit of work sends the statement: it alone uses the cache that a mapped class has."""
    cache = context.execution_options["compiled_cache"]
    mappers = (mapper for registry in mapperlib._all_registries() for mapper in registry.mappers)
    return any(mapper.__dict__.get("_compiled_cache") is cache for mapper in mappers)


def _unmatched(plans: Iterable[WritePlan], context: Any) -> None:
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
        for start in range(0, len(keys), MOST):
            chunk = keys[start : start + MOST]
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
