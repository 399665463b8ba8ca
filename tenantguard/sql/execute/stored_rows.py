"""Stored rows: what a write has stored is the tenant's and leads to its rows, or is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tenantguard.audit import refuse
from tenantguard.audit.events import masked
from tenantguard.errors import CrossTenantError, ParentError, PermissionDeniedError, RawSQLError
from tenantguard.sql.execute.parent_refusals import parent_error
from tenantguard.sql.execute.parents import verify_parents
from tenantguard.sql.plans import ReadBack
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.text import orphan

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link


def verify_stored(context: Any, read: ReadBack, rows: Sequence[Any]) -> None:
    """Refuse what a write has stored unless it is the tenant's, and leads to its rows.

    Args:
        context: SQLAlchemy's execution context.
        read: what the columns of the rows hold.
        rows: what the statement returned.

    Raises:
        CrossTenantError: a row, or a row that one points at, is not the tenant's.
    """
    tried, place = read.plan.tried, 0
    if read.tenant:
        if not all(row[0] == 1 for row in rows):
            _refuse_tenant(context, read, tried)
        place = 1
    if read.granted:
        if not all(row[place] == 1 for row in rows):
            _refuse_row(context, read, tried)
        place += 1
    wanted = []
    for link in read.links:
        end = place + len(link.columns)
        keys = [tuple(row[place:end]) for row in rows]
        if link.required and any(value is None for key in keys for value in key):
            _refuse_orphan(context, read, link)
        wanted.append((link, keys))
        place = end
    verify_parents(context, wanted, tried, context.tg_binding)


def is_foreign_key(error: Exception) -> bool:
    """Tell whether a database's own constraint found no parent, or its row security no parent that the tenant sees."""
    if error.args and error.args[0] == 1452:  # MariaDB
        return True
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if code == "42501" and "row-level security" in str(error):
        return True
    return code == "23503" or "FOREIGN KEY constraint failed" in str(error)  # PostgreSQL, SQLite


def missing_parent(context: Any, read: ReadBack, *, recorded: bool) -> ParentError:
    """Return the one answer for a key that leads to another tenant's row, or to none, whoever found out.

    Args:
        context: SQLAlchemy's execution context.
        read: what the statement returns.
        recorded: the look-up found out, and has recorded it.
    """
    parents = list(dict.fromkeys(link.parent.name for link in read.links))
    answer = parent_error(context, read.plan.tried, parents, context.tg_binding)
    if recorded:
        answer.statement = masked(answer.statement)
        return answer
    try:
        refuse(answer, reason="the row is not there")
    except ParentError:
        answer.__context__ = None  # the database's error
    return answer


def _refuse_tenant(context: Any, read: ReadBack, tried: str) -> NoReturn:
    placement, bound = read.plan.placement, told(context.tg_binding)
    refuse(
        CrossTenantError(
            f"{tried} gives {placement.column} a value that is not tenant {bound}, which is bound; leave the column "
            "out, or bind the tenant you mean",
            kind="foreign_insert",
            tenant=bound,
            table=placement.name,
            statement=sent(context),
        )
    )


def _refuse_row(context: Any, read: ReadBack, tried: str) -> NoReturn:
    table = read.plan.placement.name
    refuse(
        PermissionDeniedError(
            f"{tried} writes a row that the permission rule of {table} does not grant",
            tenant=told(context.tg_binding),
            table=table,
            statement=sent(context),
        )
    )


def _refuse_orphan(context: Any, read: ReadBack, link: Link) -> NoReturn:
    fault = orphan(read.plan.placement, ", ".join(link.ours))
    fault.tenant, fault.statement = told(context.tg_binding), sent(context)
    refuse(fault)


def refuse_unverifiable(context: Any, why: str) -> NoReturn:
    """Refuse a write whose rows cannot be read back."""
    refuse(
        RawSQLError(
            f"what this write stores cannot be verified: {why}. Execute it in a transaction, or give the value itself",
            kind="unverifiable",
            tenant=told(context.tg_binding),
            statement=sent(context),
        )
    )
