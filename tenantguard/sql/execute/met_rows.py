"""Matched rows: MariaDB's UPDATE returns nothing, so the rows that it matches are read by their primary keys.

They are found and locked beforehand, with the UPDATE's own WHERE if that can be evaluated twice, and read again
afterwards, inside the savepoint for a refusal. The new values are computed once, by the UPDATE itself.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.types import NullType

from tenantguard.errors import ParentError
from tenantguard.sql.execute.driver_values import values_again
from tenantguard.sql.execute.lookups import MOST, has_key
from tenantguard.sql.execute.stored_rows import refuse_unverifiable, verify_stored
from tenantguard.sql.execute.stored_values import StoredCursor
from tenantguard.sql.predicates import named, trusted

_MOST_ROWS = 4096  # that are met by one set of parameters


class MeetingCursor(StoredCursor):
    """A driver's cursor that verifies the rows matched by an UPDATE."""

    _met: list[Any]

    def _execute(self, statement: str, parameters: tuple[Any, ...], place: int) -> ParentError | None:
        self._met = _met(self._context, self._read, place)
        return super()._execute(statement, parameters, place)

    def _verify(self, place: int) -> None:
        if self._cursor.rowcount != len(self._met) or len(self._met) == _MOST_ROWS:
            refuse_unverifiable(
                self._context, "it changes rows other than those its WHERE selected, or too many"
            )
        for start in range(0, len(self._met), MOST):
            keys = self._met[start : start + MOST]
            verify_stored(self._context, self._read, _stored(self._context, self._read, keys))


def _met(context: Any, read: Any, place: int) -> list[Any]:
    """Return the primary keys of the rows that a set of parameters will match, and lock them."""
    plan, compiled = read.plan, context.compiled
    query = select(*[named(plan.table, column.name, NullType()) for column in plan.table.primary_key])
    query = query.select_from(plan.table).where(*plan.where).limit(_MOST_ROWS).with_for_update()
    if plan.placement.kind != "shared":  # what a row rule shows besides is not met
        query = query.where(compiled.tg_predicates.owns(plan.table, plan.placement))
    values = values_again(context, plan.where, place)
    return [tuple(row) for row in context.root_connection.tg_probe(query, values)]


def _stored(context: Any, read: Any, keys: list[Any]) -> list[Any]:
    """Return the current values of the verified columns in these rows."""
    table = read.plan.table
    source, names = trusted(table.alias()), [column.name for column in table.primary_key]
    columns = [named(source, name, NullType()) for link in read.links for name in link.ours]
    query = select(*columns).select_from(source).where(or_(*(has_key(source, names, key) for key in keys)))
    found: list[Any] = context.root_connection.tg_probe(query.with_for_update(), {})
    return found
