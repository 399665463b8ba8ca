"""Text inside a statement: it passes where it holds no query, names no table and cannot leave its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tenantguard.errors import Violation
from tenantguard.sql.text.composition import Composer, is_named
from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import items
from tenantguard.sql.text.lexer import Token, Unreadable
from tenantguard.sql.text.parameters import Numbering
from tenantguard.sql.text.settings import setting_checks
from tenantguard.sql.text.values import Check

_LONGEST_TYPE = 10_000
_LINE_COMMENT = re.compile(r"(?:--|#)[^\n]*\Z")
_UNMATCHED = "its parentheses do not match, so that it could leave its place"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of text inside a statement.

    Attributes:
        text: what is sent, composed of the tokens that were read.
        fault: why it must not stand there, or ``None``; "it" is the text.
        checks: what must be verified of the parameters.
        width: how many expressions it holds, with commas between them; none where one of them is ``*`` or has an alias.
    """

    text: str
    fault: str | None = None
    checks: tuple[Check, ...] = ()
    width: int = 0


def read_fragment(
    text: str, dialect: str, tenancy: Any = None, *, style: str = "named", shown: bool = False
) -> Fragment:
    """Read a piece of text and compose it anew, or say why it must not stand inside a statement.

    Args:
        text: the fragment, of ``text()`` in a WHERE, ``literal_column()``, a text in ORDER BY and the like.
        dialect: SQLAlchemy's name of the dialect.
        tenancy: declares functions.
        style: ``"named"`` for ``text()``, where ``:name`` may stand, and ``"none"`` for a literal column.
        shown: it stands among the columns of a SELECT, whose names a result shows.

    Example:
        >>> read_fragment("lower(name)  LIKE /* any */ 'a%'", "sqlite").text
        "lower(name) LIKE 'a%'"
        >>> read_fragment("id IN (SELECT call_id FROM tags)", "sqlite").fault
        'it holds the word SELECT: a query or a table'
    """
    try:
        cursor = Cursor(text, dialect, style, tenancy)
        tokens, which = cursor.tokens, cursor.which
        if not tokens:
            return Fragment(text, "it is empty")
        spans = items(cursor)
        fault = _rest_fault(cursor) or _open_ended(tokens) or _own_fault(tokens)
        if fault is None and _LINE_COMMENT.search(text, tokens[-1].end):
            fault = "it ends in a comment, which would swallow what follows; leave it out"
        if fault is not None:
            return Fragment(text, fault)
        numbering = Numbering(tokens, which, style, 0)
        checks = tuple(setting_checks(cursor, numbering.known))
    except (Unreadable, Ungrammatical, Violation) as refused:
        return Fragment(text, str(refused))
    composer = Composer(text, cursor, numbering, escaped=style == "named")
    composed = composer.compose(named=spans if shown else ())
    parts = [tokens[begun:end] for begun, end in spans]
    width = 0 if any(part[-1].text == "*" or is_named(part) for part in parts) else len(spans)
    return Fragment(composed, None, checks, width)


def type_fault(text: str, dialect: str) -> str | None:
    """Tell why the text of a type must not stand inside a statement, or return ``None``."""
    if len(text) > _LONGEST_TYPE:
        return f"it is longer than {_LONGEST_TYPE:,} characters"
    try:
        cursor = Cursor(text, dialect, "none")
        cursor.passes = bool  # whatever is named
        items(cursor)
    except (Unreadable, Ungrammatical) as refused:
        return str(refused)
    return _rest_fault(cursor)


def _rest_fault(cursor: Cursor) -> str | None:
    """Tell what stands behind the expression, where nothing may."""
    if cursor.is_done:
        return None
    token = cursor.token()
    if token.kind == "word":
        return f"it holds the word {token.upper}, which begins another clause"
    return "it holds a semicolon" if token.text == ";" else _UNMATCHED


def _own_fault(tokens: list[Token]) -> str | None:
    if any(
        token.kind in ("word", "quoted", "parameter") and "tenantguard" in token.text.lower()
        for token in tokens
    ):
        return "it uses a name that begins with 'tenantguard', which is the guard's own"
    return None


def _depths(tokens: list[Token]) -> list[tuple[int, Token]]:
    """Return the words and symbols with how deep in parentheses they stand."""
    found, depth = [], 0
    for token in tokens:
        depth -= token.upper in (")", "]")
        if token.upper:
            found.append((depth, token))
        depth += token.upper in ("(", "[")
    return found


def _open_ended(tokens: list[Token]) -> str | None:
    """Refuse what would take in the text behind it: BETWEEN with no AND, CASE with no END."""
    between: dict[int, int] = {}
    cases = 0
    for depth, token in _depths(tokens):
        if token.upper == "BETWEEN":
            between[depth] = between.get(depth, 0) + 1
        elif token.upper == "AND" and between.get(depth):
            between[depth] -= 1
        cases += {"CASE": 1, "END": -1}.get(token.upper, 0)
        if cases < 0:
            break
    if any(between.values()) or cases:
        return "it holds BETWEEN without AND, or CASE without END, so that it could leave its place"
    return None
