"""What a live database adds to the models: tables without a model, and rows without a company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from tenantguard.adoption.plan import Plan
from tenantguard.placements.placement import table_key

_OWN = frozenset({"alembic_version", "spatial_ref_sys"})


def look(plan: Plan, connection: Connection, step: Callable[[str], None]) -> Iterator[str]:
    """Yield what to look at, and add row counts to the plan.

    Args:
        plan: the proposal; rows are counted for it.
        connection: a connection to the database; nothing is changed.
        step: a function that receives the description of the next step.
    """
    known = set(plan.schema.tables)
    inspector = inspect(connection)
    schemas = {key[0] for key in known}
    there = {(schema, name) for schema in schemas for name in inspector.get_table_names(schema=schema)}
    unknown = sorted(name for _, name in there - known if name not in _OWN)
    if unknown:
        yield f"these tables of the database are not in the models, so the guard refuses them: {', '.join(unknown)}"
    missing = sorted(
        plan.tables[key].name for key in known - there if not plan.tables[key].table.info.get("is_view")
    )
    if missing:
        yield f"the database has no table for these models: {', '.join(missing)}"
    for key, one in list(plan.tables.items()):
        if not one.nullable or one.column is None or table_key(one.table) not in there:
            continue
        step(f"counting rows without a company in {one.name}")
        column = next(found for found in one.table.columns if found.name == one.column)
        try:
            many = connection.scalar(select(func.count()).select_from(one.table).where(column.is_(None)))
        except SQLAlchemyError:
            connection.rollback()
            continue
        told = (
            f"{many} rows have no company" if many else f"no row lacks a company: make {one.column} NOT NULL"
        )
        plan.tables[key] = replace(one, note=told)
