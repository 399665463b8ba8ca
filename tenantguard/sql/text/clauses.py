"""Clauses: prefixes, suffixes, hints and operators given as text, which are allowed if they are known.

Each answer is the text composed anew, and why it is refused, or ``None``.
"""

from __future__ import annotations

import re

from tenantguard.sql.text.composition import Composer
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.grammar.expressions import Forms, clauses, forms, group
from tenantguard.sql.text.grammar.queries import BEHIND_CTE, BEHIND_PARTS
from tenantguard.sql.text.grammar.sources import INDEXES, PARTITION
from tenantguard.sql.text.parameters import Numbering, own_name_fault
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Unreadable, words

Clause = tuple[str, str | None]

_LONGEST = 500
_FLAGS = re.IGNORECASE | re.ASCII
# SET_VAR and pg_hint_plan's Set() change settings, which an optimizer comment is no place for
_OPTIMIZER = re.compile(
    r"(?:/\*\+(?! *SET(?:_VAR)?\b)(?:(?!\bSET(?:_VAR)? *\()[\w ,.()@#=%-])*\*/ ?)*", _FLAGS
)
_SPACES = re.compile(r"[ \t\r\n]+")

_OPERATOR_WORDS = words(
    "IS NOT DISTINCT FROM LIKE ILIKE RLIKE REGEXP SIMILAR TO GLOB MATCH AGAINST SOUNDS MEMBER OF OVERLAPS"
    " CONTAINS COLLATE ESCAPE AT TIME ZONE LOCAL ISNULL NOTNULL DIV MOD BINARY ANY ALL SOME SYMMETRIC AS NULL"
    " TRUE FALSE UNKNOWN DOCUMENT JSON NORMALIZED"
)
_OPERATOR_SYMBOL = re.compile(r"[-+*/<>=~!@#%^&|?]{1,8}|::")
_NAMED_OPERATOR = re.compile(r'"[\w.-]+"|OPERATOR\(pg_catalog\.[-+*/<>=~!@#%^&|?]+\)', _FLAGS)


def prefix(text: str, dialect: str) -> Clause:
    """Read a text after the verb of a statement.

    Known words (``DISTINCT``, ``SQL_NO_CACHE``, ``OR IGNORE``), optimizer comments (``/*+ ... */``) and
    ``DISTINCT ON (...)`` are allowed. ``OR REPLACE`` is not: it deletes whichever row has the key.
    """
    return _read(text, dialect, _PREFIXES, "prefix")


def hint(text: str, dialect: str) -> Clause:
    """Read a hint for a table or a statement.

    Index hints (``USE INDEX (x)``, ``INDEXED BY x``), optimizer comments, ``ONLY`` and suffixes are allowed.
    """
    return _read(text, dialect, _HINTS, "hint", style="none")


def suffix(text: str, dialect: str) -> Clause:
    """Read a text at the end of a statement.

    Locking clauses (``FOR UPDATE NOWAIT``), limits, and ``SEARCH`` and ``CYCLE`` of a CTE are allowed.
    """
    return _read(text, dialect, _SUFFIXES, "clause at the end")


def _read(text: str, dialect: str, known: Forms, what: str, *, style: str = "named") -> Clause:
    """Return optimizer comments and known clauses, composed anew, or the fault of a text."""
    if len(text) > _LONGEST:
        return "", f"it is longer than {_LONGEST} characters"
    text = _SPACES.sub(" ", text).strip(" ")
    rest = text[_OPTIMIZER.match(text).end() :]  # type: ignore[union-attr]  # it matches nothing at all, too
    try:
        cursor = Cursor(rest, dialect, style)
        clauses(cursor, known)
        numbering = Numbering(cursor.tokens, cursor.which, style, 0)
    except Unreadable as unreadable:
        return "", str(unreadable)
    if not cursor.is_done or cursor.settings or bool(rest) > bool(cursor.tokens):
        return "", f"{_quoted(rest)} is no {what} that is known to be harmless"
    fault = own_name_fault(cursor.tokens)
    composed = Composer(rest, cursor, numbering, escaped=style == "named").compose()
    return text.removesuffix(rest) + composed, fault


def operator_fault(opstring: str, dialect: str = "") -> str | None:
    """Return why a text is refused as an operator of ``op()``, or ``None``.

    Symbols are allowed, and words that form operators (``IS NOT DISTINCT FROM``, ``SIMILAR TO``, ``COLLATE "C"``).
    ``OR`` and ``AND`` are not, nor ``IN``, which can name a table on SQLite, nor an empty text, which turns a name
    before parentheses into a call.
    """
    parts = _SPACES.sub(" ", opstring[: _LONGEST + 1]).strip(" ").split(" ")
    if len(opstring) > _LONGEST or parts == [""] or len(parts) > 8:
        return "it is empty or long: an operator is a symbol or a few words"
    for part in parts:
        symbol = _OPERATOR_SYMBOL.fullmatch(part)
        if symbol and ("--" in part or "/*" in part or "*/" in part):
            return "it holds a comment"
        if symbol and "#" in part and dialect != POSTGRESQL:
            return "it holds what begins a comment on some databases"
        if symbol and part == "||" and dialect in ("mysql", "mariadb"):
            return "|| is OR on this database; use or_() or func.concat()"
        if not symbol and not _NAMED_OPERATOR.fullmatch(part) and part.upper() not in _OPERATOR_WORDS:
            return f"{_quoted(part)} is no operator that is known to be harmless"
    upper = [part.upper() for part in parts]
    if "FROM" in upper and (upper.index("FROM") == 0 or upper[upper.index("FROM") - 1] != "DISTINCT"):
        return "it holds the word FROM"
    return None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _distinct(cursor: Cursor) -> None:
    if cursor.took("ON"):
        group(cursor)


_MODIFIERS = (
    "ALL DISTINCTROW HIGH_PRIORITY LOW_PRIORITY DELAYED IGNORE QUICK STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT"
    " SQL_BUFFER_RESULT SQL_CACHE SQL_NO_CACHE SQL_CALC_FOUND_ROWS MATERIALIZED TEMPORARY TEMP UNLOGGED"
)
_PREFIXES = forms(
    *_MODIFIERS.split(),
    "DISTINCT on",
    "OR IGNORE|ABORT|FAIL|ROLLBACK",
    "NOT MATERIALIZED",
    on=_distinct,
)
_SUFFIXES = {word: form for word, form in BEHIND_PARTS.items() if word != "ORDER"} | BEHIND_CTE
_SUFFIXES |= forms("MATERIALIZED", "NOT MATERIALIZED")
_HINTS = _SUFFIXES | INDEXES[SQLITE] | INDEXES[MYSQL] | PARTITION | forms("ONLY", "STRAIGHT_JOIN")
