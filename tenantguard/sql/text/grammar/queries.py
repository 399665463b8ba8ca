"""Queries: their WITH, the parts of their set operations, their order and limit."""

from __future__ import annotations

from functools import partial

from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import clauses, expression, forms, group, items, where
from tenantguard.sql.text.grammar.sources import relation, sources
from tenantguard.sql.text.grammar.writes import write
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, unquoted, words
from tenantguard.sql.text.tree import Cte, Joined, Query, Select

_MODIFIERS = words(
    "ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT"
    " SQL_CACHE SQL_NO_CACHE SQL_CALC_FOUND_ROWS"
)
_LOCKS = words("UPDATE SHARE NO KEY OF NOWAIT SKIP LOCKED WAIT IN MODE")
_QUERIES = ("SELECT", "VALUES", "TABLE", "(")
_WRITES = ("INSERT", "UPDATE", "DELETE")
_BEHIND_WHERE = forms("GROUP BY expression", "HAVING expression", "WINDOW expression")
# PostgreSQL accepts these after a recursive expression; they add columns of their own
BEHIND_CTE = forms("SEARCH DEPTH|BREADTH FIRST BY names SET name", "CYCLE names SET name USING name")


def statement(cursor: Cursor) -> Query:
    """Read the tokens as one statement.

    Raises:
        Ungrammatical: the guard does not know this kind of statement, or a form in it.
    """
    cursor.read_query = query
    try:
        tree = query(cursor, writes=True)
    except RecursionError:
        raise Ungrammatical("it nests too deep") from None
    tree.nested += cursor.nested
    cursor.took(";")
    if not cursor.is_done:
        raise cursor.unexpected("the end of the one statement was expected")
    return tree


def query(cursor: Cursor, *, writes: bool = False) -> Query:
    """Read a query with its WITH, or a write where one is allowed."""
    tree = Query()
    if cursor.took("WITH"):
        _with(cursor, tree)
    word = cursor.upper
    if word in _QUERIES:
        _body(cursor, tree)
    elif word in _WRITES:
        if not writes:
            raise cursor.unexpected("a query was expected")
        tree.write = write(cursor)
    elif word == "REPLACE":
        raise Ungrammatical("REPLACE deletes whatever row holds the key, another tenant's too")
    else:
        first = word if cursor.token().kind == "word" else "something else"
        raise Ungrammatical(f"it begins with {first}; SELECT, INSERT, UPDATE and DELETE are read")
    return tree


def _with(cursor: Cursor, tree: Query) -> None:
    tree.recursive = cursor.took("RECURSIVE")
    while True:
        cursor.count_relation()
        name = cursor.identifier()
        cursor.cte_names.add(unquoted(name.text))
        columns = cursor.names_in_parentheses() if cursor.sees("(") else []
        cursor.expect("AS")
        cursor.took("NOT")
        cursor.took("MATERIALIZED")
        cursor.expect("(")
        body = cursor.query(partial(query, writes=cursor.which == POSTGRESQL))
        tree.ctes.append(Cte(name, columns, body))
        cursor.expect(")")
        if cursor.which == POSTGRESQL:
            clauses(cursor, BEHIND_CTE)
        if not cursor.took(","):
            return


def _body(cursor: Cursor, tree: Query) -> None:
    """Read a query without its WITH: parts joined by set operations, then ORDER BY, LIMIT and locks."""
    while True:
        tree.parts.append(_part(cursor))
        clauses(cursor, BEHIND_PARTS if cursor.which == MYSQL else _BEHIND_PARTS)
        if not cursor.took_set_operation():
            return


def _part(cursor: Cursor) -> Select | Query:
    if cursor.took("SELECT"):
        return _select(cursor)
    if cursor.which == POSTGRESQL and cursor.took("TABLE"):
        named = relation(cursor)
        return Select(sources=[Joined(named)], room=cursor.at, table_word=named.span[0] - 1)
    if cursor.took("VALUES"):
        select = Select(from_values=True)
        outer, cursor.nested = cursor.nested, select.nested
        expression(cursor)
        cursor.nested = outer
        return select
    if cursor.took("("):
        inner = cursor.query()
        cursor.expect(")")
        return inner
    raise cursor.unexpected("a query was expected")


def _select(cursor: Cursor) -> Select:
    """Read a SELECT after that word."""
    select = Select()
    outer, cursor.nested = cursor.nested, select.nested
    while cursor.upper in _MODIFIERS:
        distinct = cursor.upper in ("DISTINCT", "ALL")
        cursor.at += 1
        if distinct and cursor.took("ON"):
            group(cursor)
    if not (cursor.which == POSTGRESQL and cursor.upper in ("FROM", ")")):
        select.items = items(cursor)
    if cursor.sees("INTO"):
        raise Ungrammatical("it holds SELECT INTO, which writes a table, a file or a variable")
    if cursor.took("FROM"):
        select.sources = sources(cursor)
    where(cursor, select)
    clauses(cursor, _BEHIND_WHERE)
    cursor.nested = outer
    return select


def _lock(cursor: Cursor) -> None:
    """Read ``UPDATE OF a NOWAIT`` after FOR, or ``IN SHARE MODE`` after LOCK."""
    if cursor.upper not in _LOCKS:
        raise cursor.unexpected("a lock was expected")
    while cursor.upper in _LOCKS:
        if cursor.took("OF"):
            cursor.names()
        else:
            cursor.at += 1
            if cursor.token().kind == "number":
                cursor.at += 1


_BEHIND_PARTS = forms(
    "ORDER BY expression", "LIMIT expression", "OFFSET expression", "FETCH expression", "FOR lock", lock=_lock
)
BEHIND_PARTS = _BEHIND_PARTS | forms("LOCK lock", lock=_lock)  # MySQL's, with its older form of a lock
