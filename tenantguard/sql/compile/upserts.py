"""Upserts: the conflict clause of an INSERT changes the tenant's rows only, and gives none away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import LargeBinary, and_, case, cast
from sqlalchemy.sql.elements import BindParameter, ColumnClause

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.leaves import enclosed
from tenantguard.sql.compile.pieces import base_of, bound_row, columns_of, element_of
from tenantguard.sql.compile.spelling import grouped_fault, key_of, spelling_fault
from tenantguard.sql.compile.watched import WatchedWrites
from tenantguard.tenancy import Placement, table_key


class GuardedUpserts(WatchedWrites):
    """Add the conflict clauses to the guarded compiler."""

    _tg_conflict: dict[
        str, Any
    ] = {}  # what the conflict clause of the INSERT in hand sets, of what is watched

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        """Render ON CONFLICT DO UPDATE, which may change the tenant's rows only."""
        table = self.stack[-1]["selectable"].table
        placement = self.tg_placement(table)
        if placement is not None and placement.kind != "shared":
            # SQLAlchemy 2.0 keeps pairs, literals among them, where 2.1 keeps a mapping of elements
            values = bound_row(dict(on_conflict.update_values_to_set), columns_of(table))
            self._tg_upsert_set(table, placement, values)
            where = on_conflict.update_whereclause
            self._tg_upserts = where is None
            clone = on_conflict._clone()
            clone.update_values_to_set = values
            clone.update_whereclause = and_(
                self.tg_predicates.owns(table, placement), *enclosed((where,) if where is not None else ())
            )
            on_conflict = clone
        return super().visit_on_conflict_do_update(on_conflict, **kw)  # type: ignore[misc,no-any-return]

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> str:
        """Render ON DUPLICATE KEY UPDATE, each assignment of which keeps another tenant's value as it is."""
        table = self.stack[-1]["selectable"].table
        placement = self.tg_placement(table)
        if placement is not None and placement.kind != "shared":
            self._tg_upsert_set(table, placement, on_duplicate.update)
            columns = columns_of(table)
            mine = self._tg_met(table, placement, on_duplicate)
            clone = on_duplicate._clone()
            clone.update = {
                key: case(
                    (mine, element_of(value)),
                    else_=columns[key_of(key)],
                )
                for key, value in on_duplicate.update.items()
            }
            on_duplicate = clone
        quote, outer = self.preparer.quote, self._tg_own_text
        self._tg_own_text = frozenset(f"VALUES({quote(column.name)})" for column in table.c)
        text: str = super().visit_on_duplicate_key_update(on_duplicate, **kw)  # type: ignore[misc]
        self._tg_own_text = outer
        # PyMySQL's executemany() knows no parameters behind VALUES, unless it takes the rows one by one,
        # as it does where it does not recognise the statement
        return f"/* */ {text}" if self.for_executemany and "tenantguard" in text else text

    def _tg_met(self, table: Any, placement: Placement, on_duplicate: Any) -> Any:
        """Return the condition that the row which holds the key is the tenant's.

        The row that was to be inserted is the tenant's, which saves an owned table the parameter.
        """
        columns = columns_of(table)
        if placement.kind != "owned" or self.tg_mode != "tenant" or placement.column not in columns:
            return self.tg_predicates.owns(table, placement)
        mine = columns[placement.column]
        new = on_duplicate.inserted_alias.c[mine.key]
        if not self.tg_predicates.is_exact(placement):
            return mine == new
        return and_(mine == new, cast(mine, LargeBinary) == cast(new, LargeBinary))

    def _tg_upsert_set(self, table: Any, placement: Placement, values: Mapping[Any, Any]) -> None:
        """Refuse an upsert whose SET could move a row, or point it at another tenant's, unseen."""
        self._tg_no_target(placement, self._tg_conflict_fault(table, placement, values))
        watched = {placement.column} if placement.kind == "owned" else set()
        for parent, pairs in self.tg_guard.links(placement.key):
            if not self.tg_guard.covered(placement, parent, pairs):
                watched |= {ours for ours, _ in pairs}
        columns, met = columns_of(table), set()
        for key, value in values.items():
            column = _target(key, columns)
            if column is None or column.name not in watched:
                continue
            if column.name in met:
                self._tg_twice(placement, column.name)
            met.add(column.name)
            if _excluded(value, column.name, table):
                continue
            if isinstance(value, BindParameter):
                self._tg_conflict[column.name] = value  # verified like a value that is inserted
                continue
            self.tg_refuse(
                CrossTenantError(
                    f"the conflict clause of an INSERT into {placement.name} sets {column.name} by an expression; "
                    f"there it may be set to a value, or to excluded.{column.name}",
                    kind="upsert",
                    table=placement.name,
                )
            )

    def _tg_conflict_fault(self, table: Any, placement: Placement, values: Mapping[Any, Any]) -> str | None:
        """Tell what a conflict clause sets under another spelling: names that SQLAlchemy does not know pass there."""
        watched = self.tg_guard.watched(placement)
        columns = columns_of(table)
        fault = grouped_fault(values, columns, watched)
        names = [str(getattr(key, "name", key)) for key in values]
        return fault or spelling_fault(names, {*watched, *columns}, self.tg_guard.column_names(placement.key))


def _target(key: Any, columns: Mapping[str, Any]) -> Any:
    """Return the column that a conflict clause sets; a column that is not the table's own is rendered by its name."""
    column = columns.get(key_of(key))
    if isinstance(key, ColumnClause) and (column is None or hash(column) != hash(key)):
        return next((ours for ours in columns.values() if ours.name == key.name), None)
    return column


def _excluded(value: Any, name: str, table: Any) -> bool:
    """Tell whether an expression is the inserted value, or the row's own."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and table_key(base_of(value.table)) == table_key(table)
    )
