"""The end of a transaction: keys whose parent could not be locked, or may be written later, are verified first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.types import NullType

from tenantguard.context import bind, peek
from tenantguard.sql.execute.known_keys import Noted
from tenantguard.sql.execute.locks import release
from tenantguard.sql.execute.lookups import compiler_of, equal, find_each
from tenantguard.sql.execute.moves import verify_moved
from tenantguard.sql.execute.orphans import verify_orphans
from tenantguard.sql.execute.parent_refusals import refuse_parent
from tenantguard.sql.predicates import named, trusted


def verify_ending(connection: Any) -> None:
    """Refuse a commit that would leave a row without its parent."""
    if connection.tg_orphans:
        verify_orphans(connection)
    if connection.tg_noted:
        verify_noted(connection)
    if connection.tg_moved:
        verify_moved(connection)


def verify_noted(connection: Any) -> None:
    """Refuse to commit a row whose parent does not belong to the tenant now.

    Raises:
        ParentError: a key that was noted leads to another tenant's row, or to none.
    """
    noted, connection.tg_noted = connection.tg_noted, ()
    for one in noted:
        names, connection.tg_names = connection.tg_names, one.names
        try:
            with bind(one.tenants) as binding:
                context = _Ending(connection)
                if not find_each(context, [(one.link, one.key)])[0] and _is_written(context, one):
                    refuse_parent(context, one.link, one.key, one.tried, binding)
        finally:
            connection.tg_names = names


def end_alone(context: Any) -> None:
    """Commit a statement's own transaction after its rows were fetched."""
    cursor = context.cursor
    if cursor.description is not None and context.execute_style is not ExecuteStyle.INSERTMANYVALUES:
        rows = cursor.fetchall()
        context.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(cursor, initial_buffer=rows)
    verify_ending(context.root_connection)
    release(context, commit=True)


def leave(context: Any) -> None:
    """End the savepoint of a read-back, or the own transaction, of a failed statement."""
    if not hasattr(context, "tg_stored"):
        return  # somebody gave the dialect contexts of another class, which begin neither
    try:
        if context.tg_stored is not None:
            context.tg_stored.abandon()
        release(context, commit=False)
    except Exception:  # what cannot be ended is not used again; the statement's own error is raised
        context.root_connection.invalidate()


class _Ending(SimpleNamespace):
    """A stand-in for an execution context, for look-ups at the end of a transaction."""

    compiled = statement = None
    tg_alone = False

    def __init__(self, connection: Any) -> None:
        binding = peek()
        mode = None if binding is None else binding.mode
        super().__init__(root_connection=connection, dialect=connection.engine.dialect.tg_variants[mode])


def _is_written(context: Any, one: Noted) -> bool:
    """Return whether a row of the tenant still has the key; it may have been deleted, changed or rolled back since.

    For a row that belongs through the key, its owner is unknown.
    """
    link, compiler = one.link, compiler_of(context)
    source = trusted(link.child.alias())
    placement = compiler.tg_guard.tenancy.of(link.child)
    columns = [named(source, name, NullType()) for name in link.ours]
    names = [f"key_0_{j}" for j in range(len(columns))]
    asked = select(*columns).select_from(source).where(*equal(columns, names, link, context.dialect)).limit(1)
    if placement.kind == "owned" or (
        placement.kind == "through" and {ours for ours, _ in placement.link}.isdisjoint(link.ours)
    ):
        asked = asked.where(compiler.tg_predicates.owns(source, placement))
    values = dict(zip(names, one.key, strict=True))
    return bool(context.root_connection.tg_probe(asked, values))
