"""Queries: their WITH, the parts of their set operations, and what orders and limits them."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import SET_OPERATIONS, TAIL, Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import expression, group, items, where
from tenantguard.sql.text.grammar.sources import relation, sources
from tenantguard.sql.text.grammar.writes import write
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, unquoted, words
from tenantguard.sql.text.tree import Cte, Joined, Query, Select

_MODIFIERS = words(
    "ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT"
    " SQL_CACHE SQL_NO_CACHE SQL_CALC_FOUND_ROWS"
)
_LOCKS = words("UPDATE SHARE NO KEY OF NOWAIT SKIP LOCKED WAIT IN MODE")
_QUERIES = ("SELECT", "VALUES", "TABLE", "(")
_WRITES = ("INSERT", "UPDATE", "DELETE")


def statement(cursor: Cursor) -> Query:
    """Read the tokens as one statement.

    Raises:
        Ungrammatical: the statement is of a kind, or holds a form, that the guard does not know.
    """
    cursor.read_query = query
    found = _with_and_body(cursor, writes=True)
    found.nested += cursor.nested
    cursor.took(";")
    if not cursor.is_done:
        raise cursor.unexpected("the end of the one statement was expected")
    return found


def query(cursor: Cursor) -> Query:
    """Read a query with its WITH, inside another statement."""
    found = _with_and_body(cursor, writes=False)
    found.nested += cursor.nested
    return found


def _body_of_with(cursor: Cursor) -> Query:
    found = _with_and_body(cursor, writes=cursor.which == POSTGRESQL)
    found.nested += cursor.nested
    return found


def _with_and_body(cursor: Cursor, *, writes: bool) -> Query:
    found = Query()
    if cursor.took("WITH"):
        _with(cursor, found)
    word = cursor.upper
    if word in _QUERIES:
        _body(cursor, found)
    elif word in _WRITES and writes:
        found.write = write(cursor)
    elif word in _WRITES:
        raise cursor.unexpected("a query was expected")
    elif word == "REPLACE":
        raise Ungrammatical("REPLACE deletes whatever row holds the key, another tenant's too")
    else:
        told = word if cursor.token().kind == "word" else "something else"
        raise Ungrammatical(f"it begins with {told}; SELECT, INSERT, UPDATE and DELETE are read")
    return found


def _with(cursor: Cursor, found: Query) -> None:
    found.recursive = cursor.took("RECURSIVE")
    while True:
        cursor.count_relation()
        name = cursor.identifier()
        cursor.cte_names.add(unquoted(name.text))
        columns = cursor.names_in_parentheses() if cursor.sees("(") else []
        cursor.expect("AS")
        cursor.took("NOT")
        cursor.took("MATERIALIZED")
        cursor.expect("(")
        body = cursor.query(_body_of_with)
        cursor.expect(")")
        _search_and_cycle(cursor)
        found.ctes.append(Cte(name, columns, body))
        if not cursor.took(","):
            return


def _search_and_cycle(cursor: Cursor) -> None:
    """Read what PostgreSQL takes behind a recursive expression: it adds columns of its own."""
    if cursor.which != POSTGRESQL:
        return
    if cursor.took("SEARCH"):
        if not cursor.took("DEPTH"):
            cursor.expect("BREADTH")
        cursor.expect("FIRST", "BY")
        cursor.names()
        cursor.expect("SET")
        cursor.identifier()
    if cursor.took("CYCLE"):
        cursor.names()
        cursor.expect("SET")
        cursor.identifier()
        cursor.expect("USING")
        cursor.identifier()


def _body(cursor: Cursor, found: Query) -> None:
    """Read a query without its WITH: parts joined by set operations, and what orders and limits them."""
    found.parts.append(_part(cursor))
    tail(cursor)
    while cursor.upper in SET_OPERATIONS:
        cursor.at += 1
        if cursor.upper in ("ALL", "DISTINCT"):
            cursor.at += 1
        found.parts.append(_part(cursor))
        tail(cursor)


def _part(cursor: Cursor) -> Select | Query:
    if cursor.sees("SELECT"):
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
        found = cursor.query()
        cursor.expect(")")
        return found
    raise cursor.unexpected("a query was expected")


def _select(cursor: Cursor) -> Select:
    cursor.expect("SELECT")
    select = Select()
    outer, cursor.nested = cursor.nested, select.nested
    while cursor.upper in _MODIFIERS:
        distinct = cursor.took("DISTINCT") or cursor.took("ALL")
        if distinct and cursor.took("ON"):
            group(cursor)
        elif not distinct:
            cursor.at += 1
    if not (cursor.which == POSTGRESQL and cursor.upper in ("FROM", ")")):
        select.items = items(cursor)
    if cursor.sees("INTO"):
        raise Ungrammatical("it holds SELECT INTO, which writes a table, a file or a variable")
    if cursor.took("FROM"):
        select.sources = sources(cursor)
    select.room = cursor.at
    where(cursor, select)
    if cursor.took("GROUP"):
        cursor.expect("BY")
        expression(cursor)
    if cursor.took("HAVING"):
        expression(cursor)
    if cursor.took("WINDOW"):
        expression(cursor)
    cursor.nested = outer
    return select


def tail(cursor: Cursor) -> None:
    """Read what orders, limits and locks."""
    while cursor.upper in TAIL and not (cursor.upper == "LOCK" and cursor.which != MYSQL):
        if cursor.took("ORDER"):
            cursor.expect("BY")
            expression(cursor)
        elif cursor.took("LIMIT") or cursor.took("OFFSET") or cursor.took("FETCH"):
            expression(cursor)
        elif cursor.token(1).upper in _LOCKS:
            _lock(cursor)
        else:
            raise cursor.unexpected("the end of the query was expected")


def _lock(cursor: Cursor) -> None:
    """Read ``FOR UPDATE OF a NOWAIT`` or ``LOCK IN SHARE MODE``."""
    cursor.at += 1
    while cursor.upper in _LOCKS:
        if cursor.took("OF"):
            cursor.names()
        else:
            cursor.at += 1
            if cursor.token().kind == "number":
                cursor.at += 1
