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
    change = {"INSERT": _insert, "UPDATE": _update, "DELETE": _delete}[verb](cursor)
    if verb != "INSERT":
        where(cursor, change.body)
        if cursor.which != POSTGRESQL:
            clauses(cursor, _BEHIND_WHERE)
    if cursor.took("RETURNING"):
        change.returned = items(cursor)
    return change


def _target(cursor: Cursor) -> Source:
    """Read the target of an UPDATE or a DELETE."""
    target = relation(cursor)
    target.alias, target.columns = alias(cursor)
    if target.columns:
        raise cursor.unexpected("SET or WHERE was expected")
    decorated(cursor)
    return target


def _insert(cursor: Cursor) -> Write:
    if not cursor.took("INTO") and cursor.which != MYSQL:
        raise cursor.unexpected("INTO was expected")
    change = Write("insert", relation(cursor))
    if cursor.took("AS") and change.target is not None:
        change.target.alias = cursor.identifier()
    if cursor.which == MYSQL and cursor.took("SET"):
        change.assigned = assignments(cursor)
        change.columns = [one.names[-1] for one in change.assigned]
        change.rows = [([one.value for one in change.assigned], cursor.at)]
    elif cursor.which != MYSQL and cursor.sees("DEFAULT", "VALUES"):
        change.columns, change.defaults = [], cursor.at
        cursor.at += 2
    else:
        if cursor.sees("(") and not cursor.query_ahead():
            is_empty = cursor.which == MYSQL and cursor.took("(", ")")
            change.columns = [] if is_empty else cursor.names_in_parentheses()
            change.list_end = cursor.at - 1
        clauses(cursor, _OVERRIDING)
        if cursor.took("VALUES") or (cursor.which == MYSQL and cursor.took("VALUE")):
            _rows(cursor, change)
        else:
            change.query = cursor.query()
    while cursor.took("ON"):
        _conflict(cursor, change)
    return change


def _rows(cursor: Cursor, change: Write) -> None:
    while True:
        cursor.expect("(")
        row = [] if cursor.sees(")") else items(cursor)
        change.rows.append((row, cursor.at))
        cursor.expect(")")
        if not cursor.took(","):
            return


def _conflict(cursor: Cursor, change: Write) -> None:
    if cursor.which == MYSQL:
        cursor.expect("DUPLICATE", "KEY", "UPDATE")
        change.conflicts.append((assignments(cursor), Select()))
        change.duplicate = True
        return
    cursor.expect("CONFLICT")
    if cursor.took("ON", "CONSTRAINT"):
        cursor.identifier()
    else:
        clauses(cursor, _CONFLICTING)
    cursor.expect("DO")
    if not cursor.took("NOTHING"):
        cursor.expect("UPDATE", "SET")
        change.conflicts.append((assignments(cursor), Select()))
        where(cursor, change.conflicts[-1][1])


def assignments(cursor: Cursor) -> list[Assignment]:
    """Read the assignments of a SET."""
    changes: list[Assignment] = []
    while not changes or cursor.took(","):
        single = not cursor.sees("(")
        names = cursor.dotted() if single else cursor.names_in_parentheses()
        while cursor.took("["):  # the subscript of an array
            expression(cursor)
            cursor.expect("]")
            single = False
        cursor.expect("=")
        changes.append(Assignment(names, expression(cursor, commas=False), single))
    return changes


def _update(cursor: Cursor) -> Write:
    change = Write("update")
    if cursor.which == MYSQL:
        change.body.sources = sources(cursor)
    else:
        change.target = _target(cursor)
    cursor.expect("SET")
    change.assigned = assignments(cursor)
    if cursor.which != MYSQL and cursor.took("FROM"):
        change.body.sources = sources(cursor)
    return change


def _delete(cursor: Cursor) -> Write:
    """Read a DELETE after that word, including MariaDB's ``a, b FROM a JOIN b`` and ``FROM a, b USING a JOIN b``."""
    change = Write("delete")
    named = cursor.which == MYSQL and not cursor.sees("FROM")
    if not named:
        cursor.expect("FROM")
    if named or (cursor.which == MYSQL and _using_ahead(cursor)):
        change.emptied = cursor.names()
        cursor.expect("FROM" if named else "USING")
        change.body.sources = sources(cursor)
        return change
    change.target = _target(cursor)
    if cursor.which == POSTGRESQL and cursor.took("USING"):
        change.body.sources = sources(cursor)
    return change


def _using_ahead(cursor: Cursor) -> bool:
    ahead = 0
    while cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == ",":
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "USING"
