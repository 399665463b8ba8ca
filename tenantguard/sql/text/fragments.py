"""Fragments: text composed anew without predicates, inside a statement or under row security.

Inside a statement, text is allowed if it contains no query, names no table and cannot change the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tenantguard.errors import Violation
from tenantguard.sql.text.composition import Composer, is_named
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.grammar.expressions import items
from tenantguard.sql.text.grammar.queries import statement as read_statement
from tenantguard.sql.text.parameters import Numbering, own_name_fault
from tenantguard.sql.text.settings import setting_checks
from tenantguard.sql.text.tokens import POSTGRESQL, Token, Unreadable, unquoted
from tenantguard.sql.text.values import Check

_LONGEST_TYPE = 10_000
_LINE_COMMENT = re.compile(r"(?:--|#)[^\n]*\Z")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of text inside a statement, or a statement under row security.

    Attributes:
        text: the text to send, composed from the tokens.
        fault: why it is refused, or ``None``; "it" is the text.
        checks: checks on the parameters.
        width: the number of expressions in it; 0 if one of them is ``*`` or has an alias.
    """

    text: str
    fault: str | None = None
    checks: tuple[Check, ...] = ()
    width: int = 0


def read_fragment(
    text: str, dialect: str, tenancy: Any = None, *, style: str = "named", shown: bool = False
) -> Fragment:
    """Read a piece of text and compose it anew, or say why it is refused inside a statement.

    Args:
        text: the fragment, of ``text()`` in a WHERE, ``literal_column()``, a text in ORDER BY and the like.
        dialect: SQLAlchemy's name of the dialect.
        tenancy: declares functions.
        style: ``"named"`` for ``text()``, where ``:name`` may stand, and ``"none"`` for a literal column.
        shown: it is among the columns of a SELECT, so that it names columns of the result.

    Example:
        >>> read_fragment("lower(name)  LIKE /* any */ 'a%'", "sqlite").text
        "lower(name) LIKE 'a%'"
        >>> read_fragment("id IN (SELECT call_id FROM tags)", "sqlite").fault
        'it holds the word SELECT: a query or a table'
    """
    try:
        cursor = Cursor(text, dialect, style, tenancy)
        tokens = cursor.tokens
        if not tokens:
            return Fragment(text, "it is empty")
        spans = items(cursor)
        fault = _rest_fault(cursor) or _open_ended(tokens) or own_name_fault(tokens)
        if fault is None and _LINE_COMMENT.search(text, tokens[-1].end):
            fault = "it ends in a comment, which would swallow what follows; leave it out"
        if fault is not None:
            return Fragment(text, fault)
        numbering = Numbering(tokens, cursor.which, style, 0)
        checks = tuple(setting_checks(cursor, numbering.known))
    except (Unreadable, Violation) as refused:
        return Fragment(text, str(refused))
    composed = Composer(text, cursor, numbering, escaped=style == "named").compose(
        named=spans if shown else ()
    )
    parts = [tokens[start:end] for start, end in spans]
    width = 0 if any(part[-1].text == "*" or is_named(part) for part in parts) else len(spans)
    return Fragment(composed, None, checks, width)


def type_fault(text: str, dialect: str) -> str | None:
    """Return why the text of a type is refused inside a statement, or ``None``."""
    if len(text) > _LONGEST_TYPE:
        return f"it is longer than {_LONGEST_TYPE:,} characters"
    try:
        cursor = Cursor(text, dialect, "none")
        cursor.passes = bool  # whatever is named
        items(cursor)
    except Unreadable as refused:
        return str(refused)
    return _rest_fault(cursor)


def read_underneath(statement: str, style: str = "named", tenancy: Any = None) -> Fragment:
    """Compose a statement anew without predicates, or say why row security does not confine it.

    Row security trusts a setting, which SQL can change. System tables have no policies, and show other tenants'
    statements.

    Args:
        statement: the text.
        style: how its parameters are written.
        tenancy: declares functions.

    Example:
        >>> read_underneath("SELECT lower(note) /* any */ FROM calls").text
        'SELECT pg_catalog.lower(note) FROM calls'
        >>> read_underneath("SELECT * FROM pg_stat_activity").fault
        'it names pg_stat_activity, which has no policies'
    """
    try:
        cursor = Cursor(statement, POSTGRESQL, style, tenancy)
        read_statement(cursor)
        if setting_checks(cursor):
            return Fragment(statement, "it calls set_config() by parameters; write SET LOCAL")
        numbering = Numbering(cursor.tokens, cursor.which, style, 0)
    except (Unreadable, Violation) as fault:
        return Fragment(statement, str(fault))
    for name in (unquoted(part.text).lower() for parts in cursor.mentioned for part in parts):
        if name.startswith("pg_") or name == "information_schema":
            return Fragment(statement, f"it names {name}, which has no policies")
    return Fragment(Composer(statement, cursor, numbering, escaped=style == "named").compose())


def _rest_fault(cursor: Cursor) -> str | None:
    """Return the fault of text after the expression, or ``None`` at the end."""
    if cursor.is_done:
        return None
    token = cursor.token()
    if token.kind == "word":
        return f"it holds the word {token.upper}, which begins another clause"
    if token.text == ";":
        return "it holds a semicolon"
    return "its parentheses do not match, so that it could leave its place"


def _open_ended(tokens: list[Token]) -> str | None:
    """Refuse text that would continue into the text after it: BETWEEN without AND, CASE without END."""
    between: dict[int, int] = {}  # how many wait for their AND, by how deep in parentheses they stand
    depth = cases = 0
    for token in tokens:
        word = token.upper
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "BETWEEN":
            between[depth] = between.get(depth, 0) + 1
        elif word == "AND" and between.get(depth):
            between[depth] -= 1
        elif word in ("CASE", "END"):
            cases += 1 if word == "CASE" else -1
            if cases < 0:
                break
    if any(between.values()) or cases:
        return "it holds BETWEEN without AND, or CASE without END, so that it could leave its place"
    return None
