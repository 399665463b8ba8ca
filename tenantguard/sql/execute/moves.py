"""Moved rows: if a bypass moves rows to another tenant, the rows that reference them must not stay behind.

Related rows move in several statements, in any order that their keys allow, so they are checked when the transaction
ends or, under AUTOCOMMIT, with the statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tenantguard.audit import notice, refuse
from tenantguard.context import peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.doors import own
from tenantguard.sql.execute.known_keys import translation
from tenantguard.sql.execute.locks import hold
from tenantguard.sql.execute.tied_rows import Tied, are_left, tied_of, tied_rows
from tenantguard.sql.refusals import sent


@dataclass(frozen=True)
class Moved:
    """Rows that a bypass may have given to another tenant.

    Attributes:
        tied: their table.
        keys: their primary keys; none where the database does not tell which rows were changed.
        before: the tied rows of the tables below it as they were, where no keys are known.
        meant: the bypass was given leave to tie rows.
        statement: the statement.
        names: the ``schema_translate_map`` in force.
    """

    tied: Tied
    keys: tuple[tuple[Any, ...], ...]
    before: Mapping[Any, Counter[Any]]
    meant: bool
    statement: str | None
    names: Any


def note_moved(context: Any, tied: Tied, rows: Sequence[Mapping[str, Any]]) -> None:
    """Check later the rows that reference written rows, which may have moved."""
    if rows and tied.key:
        keys = tuple([tuple([row[name] for name in tied.key]) for row in rows])
        _note(context, tied, keys, {})


def note_left(context: Any, tied: Tied) -> None:
    """Check later all tables that reference a table, before a statement that may move its rows."""
    if tied.below:
        before = {below.placement.key: tied_rows(context, below) for below in _below(context, tied)}
        _note(context, tied, (), before)


def _note(context: Any, tied: Tied, keys: tuple[Any, ...], before: Mapping[Any, Counter[Any]]) -> None:
    hold(context)
    connection = context.root_connection
    meant = bool(getattr(peek(), "ties", False))
    moved = Moved(tied, keys, before, meant, sent(context), translation(connection))
    connection.tg_moved = (*connection.tg_moved, moved)


def verify_moved(connection: Any) -> None:
    """Refuse to commit if rows were left behind, or record it if the bypass allows that.

    Raises:
        CrossTenantError: the bypass was not given ``ties=True``.
    """
    moved, connection.tg_moved = connection.tg_moved, ()
    for one in moved:
        context = _Ending(connection, one.names)
        for below in _below(context, one.tied):
            if one.keys:
                is_left = are_left(context, below, one.tied, one.keys)
            else:
                is_left = bool(tied_rows(context, below) - one.before[below.placement.key])
            if is_left:
                tell(f"a write to {one.tied.placement.name}", below, one.statement, meant=one.meant)


def tell(what: str, tied: Tied, statement: str | None, *, meant: bool) -> None:
    """Refuse a write that connects rows of two tenants, or record it if the bypass allows that.

    Args:
        what: what was tried.
        tied: the table of the rows.
        statement: the statement.
        meant: the bypass was given leave.
    """
    name = tied.placement.name
    fault = CrossTenantError(
        f"{what} would link rows of two tenants, in {name}, inside a bypass. If that is "
        "intended, use bypass(reason=..., ties=True)",
        kind="tie",
        table=name,
        statement=statement,
    )
    if meant:
        notice(fault)
    else:
        refuse(fault)


def _below(context: Any, tied: Tied) -> list[Tied]:
    found = (tied_of(context.dialect.tg_guard, placement) for placement in tied.below)
    return [one for one in found if one is not None]


class _Ending(SimpleNamespace):
    """What a look-up needs of an execution, where a transaction ends and whatever is bound."""

    def __init__(self, connection: Any, names: Any) -> None:
        options = {} if names is None else {"schema_translate_map": names}

        def probe(query: Any, values: Mapping[str, Any]) -> list[Any]:
            return list(own(connection).execute(query, values, execution_options=options).all())

        dialect = connection.engine.dialect.tg_variants["bypass"]
        super().__init__(root_connection=SimpleNamespace(tg_probe=probe), dialect=dialect)
