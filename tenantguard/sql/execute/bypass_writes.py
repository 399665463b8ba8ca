"""Writes in a bypass: a key that would connect the rows of two tenants is detected even there.

A bypass may write for any tenant, but each row belongs to one. An operator who puts one company's row under another's
makes a mistake that nobody would notice later. Plain parameters are checked before the write. Otherwise the write
returns what it stored or, if it cannot, the connected rows of its table are compared before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.types import NullType

from tenantguard.context import peek
from tenantguard.sql.compile.bypass_compiler import may_overwrite
from tenantguard.sql.compile.pieces import base_of, is_plain
from tenantguard.sql.execute.driver_values import given_values, values_again
from tenantguard.sql.execute.locks import hold
from tenantguard.sql.execute.moves import note_left, note_moved, tell
from tenantguard.sql.execute.parents import as_stored
from tenantguard.sql.execute.storable import is_strange
from tenantguard.sql.execute.stored_values import StoredCursor, store
from tenantguard.sql.execute.tied_rows import Row, Tied, are_tied, tied_rows, tied_table, tied_tables
from tenantguard.sql.plans import ReadBack, WritePlan
from tenantguard.sql.predicates import named
from tenantguard.sql.refusals import sent
from tenantguard.sql.returning import with_columns
from tenantguard.sql.text import Written, driver_style, may_write

BYPASSED: Final = object()  # what is verified of a statement that a bypass sends
_MARIADB = ("mysql", "mariadb")
# of an INSERT that may change a row that is there
_OVERWRITES = ("conflict", "duplicate", "replace", "merge")
_MOST = 200  # rows that are looked at before an UPDATE


def is_writing(context: Any, compiled: Any) -> bool:
    """Return whether a statement in a bypass may insert or update rows."""
    return bool(context.isinsert or context.isupdate or compiled.isplaintext or compiled.ctes)


def verify_bypassed(context: Any) -> None:
    """Detect a write that connects the rows of two tenants: refuse it, or record it if the bypass allows it.

    Raises:
        CrossTenantError: the bypass was not given ``ties=True``.
    """
    compiled = context.compiled
    if compiled is None or compiled.isplaintext:
        _verify_text(context)
        return
    if compiled.schema_translate_map:
        context.root_connection.tg_translate(context.execution_options)
    guard = context.dialect.tg_guard
    beside = [
        cte.element.table for cte in compiled.ctes or () if cte.element.is_dml and not cte.element.is_delete
    ]
    state: Any = compiled.compile_state if context.isinsert or context.isupdate else None
    main = [] if state is None else [base_of(state.dml_table)]
    if context.isupdate and state.include_table_with_column_exprs:  # MariaDB writes several
        beside += [base_of(from_) for from_ in state._extra_froms]
    found = {tied.placement.key: tied for table in (*main, *beside) if (tied := tied_table(guard, table))}
    if beside:
        _compare_all(context, list(found.values()))
    elif found:
        (tied,) = found.values()
        _verify_write(context, tied)


def _verify_write(context: Any, tied: Tied) -> None:
    """Verify what a statement writes to one table."""
    rows = context.compiled.tg_written
    if not rows or (context.isupdate and not any(rows)):
        return
    moves = bool(tied.below) and (context.isupdate or may_overwrite(context.compiled.compile_state.statement))
    moves = moves and (context.isinsert or any(not tied.places.isdisjoint(row) for row in rows))
    if not tied.links and not moves:
        return
    news = _given(context, tied, rows)
    if news is not None and context.isinsert:
        _judge(context, tied, news)
    elif news is not None and not context.dialect.update_returning and (olds := _olds(context, tied)):
        _judge(context, tied, [{**row, **new} for new, old in zip(news, olds, strict=True) for row in old])
        if moves:
            note_moved(context, tied, [row for old in olds for row in old])
    elif not _return(context, tied, _own_returning(context), moves=moves):
        if moves:
            note_left(context, tied)
        if tied.links:
            _compare(context, [tied])


# -- what parameters hold --


def _given(context: Any, tied: Tied, names: Sequence[Mapping[str, str | None]]) -> list[Row] | None:
    """Return what rows will hold in the columns that are written; ``None`` where parameters do not tell."""
    statement = context.compiled.compile_state.statement
    if context.isinsert and (
        statement._post_values_clause is not None or statement._prefixes or statement._select_names
    ):
        return None
    values, found = given_values(context), list[Row]()
    for row in names:
        if None in row.values():
            return None
        try:
            columns = {column: values(name or "") for column, name in row.items()}
        except KeyError:  # it was written into the text
            return None
        found += [dict(zip(columns, one, strict=True)) for one in zip(*columns.values(), strict=True)]
    for row in found:
        for link in tied.links:
            key = tuple([row.get(ours) for ours in link.ours])
            if None not in key and is_strange(as_stored(key, link, context.dialect)):
                return None
    return found


def _olds(context: Any, tied: Tied) -> list[Sequence[Row]] | None:
    """Return for each set of parameters the rows that a plain UPDATE changes, as they are; ``None`` for another."""
    compiled = context.compiled
    criteria, table = compiled.compile_state.statement._where_criteria, compiled.compile_state.dml_table
    if not is_plain(criteria) or compiled.compile_state._extra_froms:
        return None
    query = select(*[named(table, name, NullType()).label(name) for name in tied.columns])
    query = query.select_from(table).where(*criteria).limit(_MOST)
    found: list[Sequence[Row]] = []
    for place in range(len(context.compiled_parameters)):
        values = values_again(context, criteria, place)
        found.append([dict(row._mapping) for row in context.root_connection.tg_probe(query, values)])
    return None if any(len(rows) == _MOST for rows in found) else found


# -- what was stored --


class BypassedCursor(StoredCursor):
    """A driver's cursor that checks the rows written in a bypass.

    Args:
        look: receives the returned rows, and the index of their set of parameters.
    """

    def __init__(self, cursor: Any, context: Any, read: ReadBack, look: Callable[[Any, int], None]) -> None:
        super().__init__(cursor, context, read)
        self._look = look

    def _verify(self, place: int) -> None:
        if self._cursor.description is not None:
            self._found = self._cursor.fetchall()
        self._look(self._found, place)


def _return(
    context: Any, tied: Tied, statement: Callable[[list[str]], str | None], *, moves: bool = False
) -> bool:
    """Make a write return the stored values of the relevant columns; return whether that is possible.

    Args:
        context: SQLAlchemy's execution context.
        tied: the table.
        statement: puts the columns into its RETURNING.
        moves: it may give rows to another tenant.
    """
    dialect, quote = context.dialect, context.dialect.identifier_preparer.quote
    read = _read_back(tied, "insert" if context.isinsert else "update")
    read.texts = [quote(name) for name in tied.columns]
    key = getattr(tied.table, "_autoincrement_column", None)
    if dialect.name in _MARIADB and key is not None:  # its drivers tell none beside RETURNING
        read.texts.append(quote(key.name))
        read.key = True
    text = None if _sends_batches(context) else statement(read.texts)
    if text is None:
        return False

    def look(rows: Any, _place: int) -> None:
        stored = [dict(zip(tied.columns, row, strict=False)) for row in rows]
        _judge(context, tied, stored)
        if moves:
            note_moved(context, tied, stored)

    context.statement = context.unicode_statement = text
    store(context, lambda cursor: BypassedCursor(cursor, context, read, look))
    return True


def _own_returning(context: Any) -> Callable[[list[str]], str | None]:
    """Return what writes a RETURNING into a statement of SQLAlchemy's."""

    def write(columns: list[str]) -> str | None:
        dialect, state = context.dialect, context.compiled.compile_state
        if not (dialect.insert_returning if context.isinsert else dialect.update_returning):
            return None
        if context.isupdate and state._extra_froms:
            if dialect.name == "postgresql" and state.dml_table is not base_of(state.dml_table):
                return None
            table = dialect.identifier_preparer.quote(base_of(state.dml_table).name)
            columns = [f"{table}.{column}" for column in columns] if dialect.name == "postgresql" else columns
        try:
            return with_columns(context.statement, columns, context.compiled.tg_returning)
        except ValueError:  # its own RETURNING holds parameters, which are written out by now
            return None

    return write


def _sends_batches(context: Any) -> bool:
    """Return whether a driver combines many statements into one, as psycopg2 can."""
    mode = str(getattr(context.dialect, "executemany_mode", ""))
    return bool(context.executemany) and "batch" in mode.lower()


def _compare(context: Any, tables: Sequence[Tied]) -> None:
    """Compare the rows that connect two tenants before and after a statement."""
    if not tables:
        return
    hold(context)
    before = [tied_rows(context, tied) for tied in tables]
    by_one = context.execute_style is ExecuteStyle.EXECUTEMANY and not _sends_batches(context)
    last = len(context.parameters) - 1

    def look(_rows: Any, place: int) -> None:
        if by_one and place != last:
            return
        for tied, known in zip(tables, before, strict=True):
            if tied_rows(context, tied) - known:
                _notice(context, tied)

    read = _read_back(tables[0], "update")
    store(context, lambda cursor: BypassedCursor(cursor, context, read, look))


def _read_back(tied: Tied, verb: str) -> ReadBack:
    return ReadBack(WritePlan(verb, tied.table, tied.placement))


# -- SQL text --


def _verify_text(context: Any) -> None:
    """Verify SQL text as far as it can be read; otherwise compare the tables that it names."""
    sql, dialect = str(context.statement), context.dialect
    guard, lowered = dialect.tg_guard, sql.lower()
    tables = [tied for tied in tied_tables(guard) if tied.placement.key[1].lower() in lowered]
    if not tables or not may_write(sql):
        return
    write = guard.texts.written(sql, dialect=dialect.name, style=driver_style(dialect))
    if write is None or write.beside:
        _compare_all(context, tables)
        return
    if write.verb not in ("insert", "update"):
        return
    moves = write.verb == "update" or any(word in lowered for word in _OVERWRITES)
    tables = [tied for tied in tables if _is_met(write, tied, moves)]
    if len(tables) != 1 or not _return(context, tables[0], _text_returning(context, write), moves=moves):
        _compare_all(context, tables)


def _is_met(write: Written, tied: Tied, moves: bool) -> bool:
    """Return whether SQL text could connect rows of a table, or separate them from their children."""
    if tied.links and write.may_write(tied.placement.key, tied.columns):
        return True
    return moves and bool(tied.below) and write.may_write(tied.placement.key, tied.places)


def _compare_all(context: Any, tables: Sequence[Tied]) -> None:
    for tied in tables:
        note_left(context, tied)
    _compare(context, [tied for tied in tables if tied.links])


def _text_returning(context: Any, write: Written) -> Callable[[list[str]], str | None]:
    """Return what writes a RETURNING into SQL text."""

    def put(columns: list[str]) -> str | None:
        if not write.alone or not getattr(context.dialect, f"{write.verb}_returning"):
            return None
        return write.returning(str(context.statement), columns)

    return put


# -- the verdict --


def _judge(context: Any, tied: Tied, rows: Sequence[Row]) -> None:
    if rows and are_tied(context, tied, rows):
        _notice(context, tied)


def _notice(context: Any, tied: Tied) -> None:
    verb = "insert" if context.isinsert else "update" if context.isupdate else "write"
    tell(f"{verb} on {tied.placement.name}", tied, sent(context), meant=bool(getattr(peek(), "ties", False)))
