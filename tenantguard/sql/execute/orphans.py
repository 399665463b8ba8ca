"""Orphans: rows whose parent is gone, on SQLite with foreign keys off.

SQLite reuses ids, so such a row would pass to the tenant that gets the id next. If the database does not check this,
the guard counts: a transaction that leaves more orphans than it found is not committed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantguard.audit import refuse
from tenantguard.context import peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.locks import hold, send
from tenantguard.sql.refusals import told
from tenantguard.tenancy import table_key

if TYPE_CHECKING:
    from tenantguard.tenancy import Key, Placement

_ENFORCES = (
    "tenantguard_foreign_keys"  # whether a driver's connection enforces foreign keys, once it was asked
)


class Counted(NamedTuple):
    """The number of orphans in a table before a tenant's transaction deleted rows."""

    placement: Placement
    rows: int
    tenants: tuple[Any, ...]


def watch_orphans(context: Any, parents: Collection[Key] | None = None) -> None:
    """Count the orphans before a statement that may create some.

    Args:
        context: SQLAlchemy's execution context.
        parents: the tables that the statement deletes from or changes; all tables if they are unknown.
    """
    connection = context.root_connection
    if context.dialect.name != "sqlite" or _is_enforced(connection):
        return
    connection._tg_learnt = None  # a key that was found may be gone
    binding = peek()
    tenants = () if binding is None else binding.tenants
    for placement in context.dialect.tg_guard.ties.hanging(parents):
        if placement.key not in connection.tg_orphans:
            hold(context)
            counted = Counted(placement, _count(connection, placement), tenants)
            connection.tg_orphans = {**connection.tg_orphans, placement.key: counted}


def watch_text(context: Any) -> None:
    """Count the orphans before SQL text that may create some."""
    if context.dialect.name == "sqlite" and not _is_enforced(context.root_connection):
        watch_orphans(context)


def verify_orphans(connection: Any) -> None:
    """Refuse to continue, or to commit, if rows have lost their parent.

    Raises:
        CrossTenantError: there are more of them than before.
    """
    counted, connection.tg_orphans = connection.tg_orphans, {}
    for placement, before, _ in counted.values():
        if _count(connection, placement) > before:
            binding = peek()
            refuse(
                CrossTenantError(
                    f"rows of {placement.name} have lost the row of {placement.parent.name} that they belong through, "
                    "and SQLite's foreign keys are off: they would belong to whichever tenant gets its id next. "
                    "Delete them first, or set PRAGMA foreign_keys = ON on each connection",
                    kind="orphan",
                    tenant=told(binding),
                    table=placement.name,
                )
            )


def forget_enforcement(connection: Any) -> None:
    """Forget whether a connection enforces foreign keys, because a bypass may have changed it."""
    connection._dbapi_connection.info.pop(_ENFORCES, None)


def _is_enforced(connection: Any) -> bool:
    info = connection._dbapi_connection.info
    found = info.get(_ENFORCES)
    if found is None:
        info[_ENFORCES] = found = bool(send(connection, "PRAGMA foreign_keys", fetch=True)[0])
    return bool(found)


def _count(connection: Any, placement: Placement) -> int:
    """Count the orphans of a table, of every tenant."""
    preparer = connection.dialect.identifier_preparer
    child, parent = (_whole(preparer, *key) for key in (placement.key, table_key(placement.parent)))
    given = " AND ".join(f"c.{preparer.quote(ours)} IS NOT NULL" for ours, _ in placement.link)
    met = " AND ".join(
        f"p.{preparer.quote(theirs)} = c.{preparer.quote(ours)}" for ours, theirs in placement.link
    )
    row = send(
        connection,
        f"SELECT count(*) FROM {child} AS c WHERE {given} "  # noqa: S608 - names only, quoted
        f"AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {met})",
        fetch=True,
    )
    return int(row[0])


def _whole(preparer: Any, schema: str | None, name: str) -> str:
    return ".".join(preparer.quote(part) for part in (schema, name) if part)
