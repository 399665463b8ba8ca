"""Writes: INSERT with its conflict clause, UPDATE and DELETE."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import clauses, expression, forms, items, where
from tenantguard.sql.text.grammar.sources import alias, decorated, relation, sources
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, words
from tenantguard.sql.text.tree import Assignment, Select, Source, Write

_ON_ERROR = ("IGNORE", "ABORT", "FAIL", "ROLLBACK")
_MODIFIERS = {
    "INSERT": words("LOW_PRIORITY DELAYED HIGH_PRIORITY IGNORE"),
    "UPDATE": words("LOW_PRIORITY IGNORE"),
    "DELETE": words("LOW_PRIORITY QUICK IGNORE"),
}
_OVERRIDING = forms("OVERRIDING SYSTEM|USER VALUE")
_CONFLICTING = forms("( expression )", "WHERE expression")
_BEHIND_WHERE = forms("ORDER BY expression", "LIMIT expression", "OFFSET expression")


def write(cursor: Cursor) -> Write:
    """Read an INSERT, UPDATE or DELETE."""
    verb = cursor.upper
    cursor.at += 1
    if cursor.which == SQLITE and cursor.took("OR"):
        if cursor.sees("REPLACE"):
            raise Ungrammatical(f"{verb} OR REPLACE deletes whatever row holds the key, another tenant's too")
        if cursor.upper not in _ON_ERROR:
            raise cursor.unexpected("IGNORE, ABORT, FAIL or ROLLBACK was expected")
        cursor.at += 1
    while cursor.which == MYSQL and cursor.upper in _MODIFIERS[verb]:
        cursor.at += 1
    found = {"INSERT": _insert, "UPDATE": _update, "DELETE": _delete}[verb](cursor)
    if verb != "INSERT":
        where(cursor, found.body)
        if cursor.which != POSTGRESQL:
            clauses(cursor, _BEHIND_WHERE)
    if cursor.took("RETURNING"):
        found.returned = items(cursor)
    return found


def _target(cursor: Cursor) -> Source:
    """Read the table that an UPDATE or a DELETE writes."""
    found = relation(cursor)
    found.alias, found.columns = alias(cursor)
    if found.columns:
        raise cursor.unexpected("SET or WHERE was expected")
    decorated(cursor)
    return found


def _insert(cursor: Cursor) -> Write:
    if not cursor.took("INTO") and cursor.which != MYSQL:
        raise cursor.unexpected("INTO was expected")
    found = Write("insert", relation(cursor))
    if cursor.took("AS") and found.target is not None:
        found.target.alias = cursor.identifier()
    if cursor.which == MYSQL and cursor.took("SET"):
        found.assigned = assignments(cursor)
        found.columns = [one.names[-1] for one in found.assigned]
        found.rows = [([one.value for one in found.assigned], cursor.at)]
    elif cursor.which != MYSQL and cursor.sees("DEFAULT", "VALUES"):
        found.columns, found.defaults = [], cursor.at
        cursor.at += 2
    else:
        if cursor.sees("(") and not cursor.query_ahead():
            is_empty = cursor.which == MYSQL and cursor.took("(", ")")
            found.columns = [] if is_empty else cursor.names_in_parentheses()
            found.list_end = cursor.at - 1
        clauses(cursor, _OVERRIDING)
        if cursor.took("VALUES") or (cursor.which == MYSQL and cursor.took("VALUE")):
            _rows(cursor, found)
        else:
            found.query = cursor.query()
    while cursor.took("ON"):
        _conflict(cursor, found)
    return found


def _rows(cursor: Cursor, found: Write) -> None:
    while True:
        cursor.expect("(")
        row = [] if cursor.sees(")") else items(cursor)
        found.rows.append((row, cursor.at))
        cursor.expect(")")
        if not cursor.took(","):
            return


def _conflict(cursor: Cursor, found: Write) -> None:
    if cursor.which == MYSQL:
        cursor.expect("DUPLICATE", "KEY", "UPDATE")
        found.conflicts.append((assignments(cursor), Select()))
        found.duplicate = True
        return
    cursor.expect("CONFLICT")
    if cursor.took("ON", "CONSTRAINT"):
        cursor.identifier()
    else:
        clauses(cursor, _CONFLICTING)
    cursor.expect("DO")
    if not cursor.took("NOTHING"):
        cursor.expect("UPDATE", "SET")
        found.conflicts.append((assignments(cursor), Select()))
        where(cursor, found.conflicts[-1][1])


def assignments(cursor: Cursor) -> list[Assignment]:
    """Read what a SET sets."""
    found: list[Assignment] = []
    while not found or cursor.took(","):
        single = not cursor.sees("(")
        names = cursor.dotted() if single else cursor.names_in_parentheses()
        while cursor.took("["):  # the subscript of an array
            expression(cursor)
            cursor.expect("]")
            single = False
        cursor.expect("=")
        found.append(Assignment(names, expression(cursor, commas=False), single))
    return found


def _update(cursor: Cursor) -> Write:
    found = Write("update")
    if cursor.which == MYSQL:
        found.body.sources = sources(cursor)
    else:
        found.target = _target(cursor)
    cursor.expect("SET")
    found.assigned = assignments(cursor)
    if cursor.which != MYSQL and cursor.took("FROM"):
        found.body.sources = sources(cursor)
    return found


def _delete(cursor: Cursor) -> Write:
    """Read a DELETE behind that word, MariaDB's ``a, b FROM a JOIN b`` and ``FROM a, b USING a JOIN b`` too."""
    found = Write("delete")
    named = cursor.which == MYSQL and not cursor.sees("FROM")
    if not named:
        cursor.expect("FROM")
    if named or (cursor.which == MYSQL and _using_ahead(cursor)):
        found.emptied = cursor.names()
        cursor.expect("FROM" if named else "USING")
        found.body.sources = sources(cursor)
        return found
    found.target = _target(cursor)
    if cursor.which == POSTGRESQL and cursor.took("USING"):
        found.body.sources = sources(cursor)
    return found


def _using_ahead(cursor: Cursor) -> bool:
    ahead = 0
    while cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == ",":
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "USING"
