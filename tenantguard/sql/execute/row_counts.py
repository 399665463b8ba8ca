"""Row counts: a write that matched too few rows gets an error if another tenant's row is the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, literal_column, or_, select

from tenantguard.audit import notice, refuse
from tenantguard.context import peek
from tenantguard.errors import CrossTenantError, MissingRowError
from tenantguard.sql.execute.lookups import MOST
from tenantguard.sql.mappers import all_mappers
from tenantguard.sql.predicates import named, trusted
from tenantguard.sql.refusals import refuse_again, sent, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantguard.sql.plans import WritePlan


def verify_inserted(context: Any, plans: Any) -> None:
    """Refuse an upsert whose key belongs to another tenant's row, which stays unchanged."""
    if len(context.compiled_parameters) == 1 and context.cursor.rowcount == 0:
        name = plans[-1].placement.name
        refuse_again(
            CrossTenantError(
                f"an upsert into {name} hit a key that another tenant's row holds; that row was not changed. Let the "
                "key include the tenant",
                kind="foreign_row",
                table=name,
            ),
            context.compiled.string,
        )


def verify_matched(context: Any, plans: Any) -> None:
    """Raise the same error in a unit of work for another tenant's row and for a missing row."""
    expected = len(context.compiled_parameters)
    sane = expected == 1 or context.dialect.supports_sane_multi_rowcount
    if (not sane or context.cursor.rowcount != expected) and _is_flushed(context):
        _unmatched(plans, context, raises=sane and context.isupdate and _is_counted(context))


def _is_counted(context: Any) -> bool:
    """Return whether SQLAlchemy raises an error for an UPDATE that matches too few rows."""
    return len(context.invoked_statement._where_criteria) == 1


def _is_flushed(context: Any) -> bool:
    """Return whether a unit of work sends the statement; only units of work use a mapper's compiled cache."""
    cache = context.execution_options.get("compiled_cache")
    if cache is None:  # as a mapper without one has
        return False
    return any(mapper.__dict__.get("_compiled_cache") is cache for mapper in all_mappers())


def _unmatched(plans: Iterable[WritePlan], context: Any, *, raises: bool) -> None:
    """Look for the rows that were not matched.

    Args:
        plans: the writes.
        context: SQLAlchemy's execution context.
        raises: whether to refuse a row that is not the tenant's; otherwise another tenant's row is only recorded.

    Raises:
        MissingRowError: a row is another tenant's, or missing.
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
            ((counted, foreign),) = context.root_connection.tg_probe(_by_key(plan, context, chunk), {})
            fault = MissingRowError(
                f"{plan.verb} of a row of {plan.placement.name} by its key: there is no such row for tenant "
                f"{told(binding)}, which is bound",
                tenant=told(binding),
                table=plan.placement.name,
                statement=sent(context),
            )
            if raises and counted < len(set(chunk)):
                refuse(fault, reason="the row is another tenant's" if foreign else "the row is not there")
            elif foreign:
                notice(fault, reason="the row is another tenant's")


def _by_key(plan: WritePlan, context: Any, keys: list[tuple[Any, ...]]) -> Any:
    """Return the query of how many rows with the keys are the tenant's, and whether one is another tenant's."""
    types = {column.name: column.type for column in plan.table.c}
    predicates = context.compiled.tg_predicates

    def picked(source: Any) -> Any:
        columns = [named(source, name, types[name]) for name in plan.key]
        return or_(*(and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))

    source = trusted(plan.table.alias())
    mine = (
        select(func.count())
        .select_from(source)
        .where(picked(source), predicates.owns(source, plan.placement))
    )
    foreign = predicates.foreign(picked, plan.table)
    return select(mine.scalar_subquery(), case((foreign, literal_column("1")), else_=literal_column("0")))
