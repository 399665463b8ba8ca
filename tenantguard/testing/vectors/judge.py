"""The judge: what an attack learned of the victim, and which rows it changed that are not the attacker's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, inspect, select
from sqlalchemy.engine import Row
from sqlalchemy.orm import InstanceState

from tenantguard.tenancy import Placement, Tenancy
from tenantguard.testing.kinds import statement_columns
from tenantguard.testing.vectors.seed import sorted_keys, tenant_column

EVERYBODY = ("everybody",)  # the owner of shared rows; a tuple, so that no tenant id equals it
NOBODY = ("nobody",)  # the owner of rows whose parent is missing
_WORD = re.compile(r"[\w.@-]+")
DEEP = 6  # how far the judge follows containers and loaded relationships


@dataclass(frozen=True)
class Leak:
    """What an attack read, changed or learned of the victim."""

    what: str


@dataclass
class Snapshot:
    """Every row of the database, by table and owner.

    Attributes:
        rows: the rows of each table and owner.
    """

    rows: dict[Table, dict[Any, list[dict[str, Any]]]] = field(default_factory=dict)

    @classmethod
    def take(
        cls, connection: Connection, tenancy: Tenancy, tables: Sequence[Table], tenants: Sequence[Any]
    ) -> Snapshot:
        """Read the whole database through an unguarded connection; parents come before children.

        A table that a row rule alone places has no owner: a row counts as the tenant's to whom alone it is shown.
        """
        snapshot = cls()
        for table in tables:
            keys = [column.key for column in statement_columns(table)]
            rows = [dict(zip(keys, row, strict=True)) for row in connection.execute(select(table))]
            if _by_rule(tenancy.of(table)):
                snapshot._show(connection, table, tenancy.of(table).visible, rows, tenants)
            else:
                snapshot._sort(tenancy, table, rows)
        return snapshot

    def _show(
        self,
        connection: Connection,
        table: Table,
        rule: Any,
        rows: list[dict[str, Any]],
        tenants: Sequence[Any],
    ) -> None:
        """Give each row to the one tenant that the rule shows it to, or to everybody."""
        columns = list(table.primary_key.columns) or list(table.columns)
        shown = {
            tenant: set(map(tuple, connection.execute(select(*columns).where(rule(table, tenant)))))
            for tenant in tenants
        }
        mine = self.rows.setdefault(table, {})
        for row in rows:
            key = tuple(row[column.key] for column in columns)
            seers = [tenant for tenant in tenants if key in shown[tenant]]
            mine.setdefault(seers[0] if len(seers) == 1 else EVERYBODY, []).append(row)

    def _sort(self, tenancy: Tenancy, table: Table, rows: list[dict[str, Any]]) -> None:
        placed = tenancy.of(table)
        mine = self.rows.setdefault(table, {})
        for row in rows:
            if placed.kind == "shared":
                owner: Any = EVERYBODY
            elif placed.kind == "owned":
                owner = row[tenant_column(table, placed).key]
            else:
                owner = self._parents_owner(table, placed.parent, placed.link, row)
            mine.setdefault(owner, []).append(row)

    def _parents_owner(
        self, table: Table, parent: Table | None, link: Iterable[tuple[str, str]], row: Mapping[str, Any]
    ) -> Any:
        assert parent is not None
        pairs = [(_key(table, ours), _key(parent, theirs)) for ours, theirs in link]
        return self.owner_of(parent, {theirs: row[ours] for ours, theirs in pairs})

    def owner_of(self, table: Table, values: Mapping[str, Any]) -> Any:
        """Return who owns the row with these values, or ``NOBODY`` where there is none."""
        for owner, rows in self.rows.get(table, {}).items():
            if any(all(row[key] == value for key, value in values.items()) for row in rows):
                return owner
        return NOBODY

    def of(self, table: Table, owner: Any) -> list[dict[str, Any]]:
        """Return the rows of one owner."""
        return self.rows.get(table, {}).get(owner, [])


def _by_rule(placed: Placement) -> bool:
    return placed.kind not in ("owned", "through") and placed.visible is not None


def _key(table: Table, name: str) -> str:
    return next(column.key for column in table.columns if column.name == name)


def changed(before: Snapshot, after: Snapshot, tenant: Any, tenancy: Tenancy) -> Leak | None:
    """Tell what a program of this tenant did to rows that are not its own.

    Args:
        before: the database as it was.
        after: the database as it is.
        tenant: who ran the program.
        tenancy: how every table belongs.

    Returns:
        The first thing that differs, or ``None``.
    """
    for table in after.rows:
        if tenancy.of(table).writable:
            continue
        for owner in {*before.rows[table], *after.rows[table]} - {tenant}:
            was, now = _bag(before.of(table, owner)), _bag(after.of(table, owner))
            if was != now:
                gone, new = sum((was - now).values()), sum((now - was).values())
                return Leak(f"{table.fullname}: of {owner!r}, {gone} row(s) gone and {new} new")
        planted = _planted(before, after, table, tenant)
        if planted is not None:
            return planted
    return None


def _bag(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(repr(sorted(row.items())) for row in rows)


def _planted(before: Snapshot, after: Snapshot, table: Table, tenant: Any) -> Leak | None:
    """Find a new row of the tenant that refers to a row of another one."""
    old = _bag(before.of(table, tenant))
    new = [row for row in after.of(table, tenant) if not old[repr(sorted(row.items()))]]
    for constraint in sorted_keys(table):
        for row in new:
            values = {e.column.key: row[e.parent.key] for e in constraint.elements}
            if None in values.values():
                continue
            owner = after.owner_of(constraint.referred_table, values)
            if owner not in (tenant, EVERYBODY, NOBODY):
                return Leak(
                    f"{table.fullname}: a row refers to {owner!r}'s {constraint.referred_table.fullname}"
                )
    return None


class Marks:
    """Recognise values that only the victim's rows hold.

    Args:
        snapshot: the database as it was seeded.
        victim: whose rows are looked for.
        word: the word that the victim's longer texts begin with.
    """

    def __init__(self, snapshot: Snapshot, victim: Any, word: str) -> None:
        self.word = word
        theirs, others = set[Any](), set[Any]()
        for by_owner in snapshot.rows.values():
            for owner, rows in by_owner.items():
                into = theirs if owner == victim else others
                into.update(value for row in rows for value in row.values() if _marking(value))
        self.values = theirs - others

    def seen(self, result: object, depth: int = DEEP) -> Leak | None:
        """Look for the victim's values in whatever an attack brought back.

        Args:
            result: rows, objects, scalars, or containers of them; loaded attributes are looked at, and
                nothing more is loaded.
            depth: how far to follow containers.
        """
        if isinstance(result, Leak):
            return result
        for value in _leaves(result, depth):
            if isinstance(value, str | bytes):
                text = value if isinstance(value, str) else value.decode(errors="replace")
                if self.word in text or not self.values.isdisjoint(_WORD.findall(text)):
                    return Leak(f"read {text[:60]!r}")
            if _marking(value) and value in self.values:
                return Leak(f"read {value!r}")
        return None


def _marking(value: object) -> bool:
    """Tell whether a value can mark its owner: truth values and nothing do not."""
    return value is not None and not isinstance(value, bool | list | dict | set)


def _leaves(value: object, depth: int) -> Iterable[Any]:
    if depth < 0:
        return
    state = inspect(value, raiseerr=False)
    if isinstance(state, InstanceState):
        value = dict(state.dict)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Row | tuple | list | set | frozenset):
        for item in value:
            yield from _leaves(item, depth - 1)
    else:
        yield value
