"""Writes: INSERT with its conflict clause, UPDATE and DELETE."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import expression, group, items, where
from tenantguard.sql.text.grammar.sources import alias, decorated_after, relation, sources
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE
from tenantguard.sql.text.tree import Assignment, Relation, Select, Write

_ON_ERROR = ("IGNORE", "ABORT", "FAIL", "ROLLBACK")


def write(cursor: Cursor) -> Write:
    """Read an INSERT, UPDATE or DELETE."""
    if cursor.took("INSERT"):
        return _insert(cursor)
    if cursor.took("UPDATE"):
        return _update(cursor)
    cursor.expect("DELETE")
    return _delete(cursor)


def _modifiers(cursor: Cursor, verb: str, *known: str) -> None:
    """Read OR IGNORE, on SQLite, and MariaDB's words; OR REPLACE deletes whatever row holds the key."""
    if cursor.which == SQLITE and cursor.took("OR"):
        if cursor.sees("REPLACE"):
            raise Ungrammatical(f"{verb} OR REPLACE deletes whatever row holds the key, another tenant's too")
        if cursor.upper not in _ON_ERROR:
            raise cursor.unexpected("IGNORE, ABORT, FAIL or ROLLBACK was expected")
        cursor.at += 1
    while cursor.which == MYSQL and cursor.upper in known:
        cursor.at += 1


def _target(cursor: Cursor, *, insert: bool = False) -> Relation:
    """Read the table that is written."""
    found = relation(cursor)
    if insert:
        found.alias = cursor.identifier() if cursor.took("AS") else None
    else:
        found.alias, found.columns = alias(cursor)
        if found.columns:
            raise cursor.unexpected("SET or WHERE was expected")
        decorated_after(cursor)
    return found


def _insert(cursor: Cursor) -> Write:
    _modifiers(cursor, "INSERT", "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE")
    if not cursor.took("INTO") and cursor.which != MYSQL:
        raise cursor.unexpected("INTO was expected")
    found = Write("insert", _target(cursor, insert=True))
    if cursor.which == MYSQL and cursor.took("SET"):
        found.assigned = assignments(cursor)
    elif cursor.which != MYSQL and cursor.sees("DEFAULT", "VALUES"):
        found.defaults = cursor.at
        cursor.at += 2
    else:
        _columns(cursor, found)
        if cursor.took("OVERRIDING"):
            cursor.at += 1
            cursor.expect("VALUE")
        if cursor.took("VALUES") or (cursor.which == MYSQL and cursor.took("VALUE")):
            _rows(cursor, found)
        else:
            found.query = cursor.query()
    _conflicts(cursor, found)
    _returning(cursor, found)
    return found


def _columns(cursor: Cursor, found: Write) -> None:
    if not cursor.sees("(") or cursor.query_ahead():
        return
    found.columns = [] if cursor.which == MYSQL and cursor.took("(", ")") else cursor.names_in_parentheses()
    found.list_end = cursor.at - 1


def _rows(cursor: Cursor, found: Write) -> None:
    while True:
        cursor.expect("(")
        row = [] if cursor.sees(")") else items(cursor)
        found.rows.append((row, cursor.at))
        cursor.expect(")")
        if not cursor.took(","):
            return


def _conflicts(cursor: Cursor, found: Write) -> None:
    while cursor.took("ON"):
        if cursor.which == MYSQL:
            cursor.expect("DUPLICATE", "KEY", "UPDATE")
            found.conflicts.append((assignments(cursor), None, cursor.at))
            found.duplicate = True
            return
        cursor.expect("CONFLICT")
        if cursor.took("ON", "CONSTRAINT"):
            cursor.identifier()
        elif cursor.sees("("):
            group(cursor)
            where(cursor, Select())
        cursor.expect("DO")
        if cursor.took("NOTHING"):
            continue
        cursor.expect("UPDATE", "SET")
        changed, select = assignments(cursor), Select()
        select.room = cursor.at
        where(cursor, select)
        found.conflicts.append((changed, select.where, select.room))


def assignments(cursor: Cursor) -> list[Assignment]:
    """Read what a SET sets."""
    found = [_assignment(cursor)]
    while cursor.took(","):
        found.append(_assignment(cursor))
    return found


def _assignment(cursor: Cursor) -> Assignment:
    if cursor.sees("("):
        names, single = cursor.names_in_parentheses(), False
    else:
        names, single = cursor.dotted(), True
        if cursor.sees("["):
            _subscripts(cursor)
            single = False
    cursor.expect("=")
    return Assignment(names, expression(cursor, commas=False), single)


def _subscripts(cursor: Cursor) -> None:
    """Read the subscript of an array that is set."""
    while cursor.took("["):
        expression(cursor)
        cursor.expect("]")


def _update(cursor: Cursor) -> Write:
    _modifiers(cursor, "UPDATE", "LOW_PRIORITY", "IGNORE")
    found = Write("update", None)
    if cursor.which == MYSQL:
        found.body.sources = sources(cursor)
    else:
        found.target = _target(cursor)
    cursor.expect("SET")
    found.assigned = assignments(cursor)
    if cursor.which != MYSQL and cursor.took("FROM"):
        found.body.sources = sources(cursor)
    _rest(cursor, found)
    return found


def _rest(cursor: Cursor, found: Write) -> None:
    """Read the end of an UPDATE or a DELETE."""
    found.body.room = cursor.at
    where(cursor, found.body)
    if cursor.which != POSTGRESQL and cursor.took("ORDER"):
        cursor.expect("BY")
        expression(cursor)
    if cursor.which != POSTGRESQL and cursor.took("LIMIT"):
        expression(cursor)
        if cursor.took("OFFSET"):
            expression(cursor)
    _returning(cursor, found)


def _returning(cursor: Cursor, found: Write) -> None:
    if cursor.took("RETURNING"):
        found.returned = items(cursor)


def _delete(cursor: Cursor) -> Write:
    _modifiers(cursor, "DELETE", "LOW_PRIORITY", "QUICK", "IGNORE")
    found = Write("delete", None)
    if cursor.which == MYSQL and not cursor.sees("FROM"):
        found.emptied = cursor.names()
        cursor.expect("FROM")
        found.body.sources = sources(cursor)
        _rest(cursor, found)
        return found
    cursor.expect("FROM")
    if cursor.which == MYSQL and _using_ahead(cursor):
        found.emptied = cursor.names()
        cursor.expect("USING")
        found.body.sources = sources(cursor)
    else:
        found.target = _target(cursor)
        if cursor.which == POSTGRESQL and cursor.took("USING"):
            found.body.sources = sources(cursor)
    _rest(cursor, found)
    return found


def _using_ahead(cursor: Cursor) -> bool:
    """Tell whether MariaDB's ``DELETE FROM a, b USING a JOIN b`` begins here."""
    ahead = 0
    while cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == ",":
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "USING"
