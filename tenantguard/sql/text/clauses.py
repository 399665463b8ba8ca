"""Clauses: prefixes, suffixes, hints and operators given as text, which are allowed if they are known.

Each answer is the text composed anew with single spaces, and why it is refused, or ``None``.
"""

from __future__ import annotations

import re

from tenantguard.sql.text.fragments import read_fragment
from tenantguard.sql.text.tokens import POSTGRESQL, words

Clause = tuple[str, str | None]

_LONGEST = 500
_FLAGS = re.IGNORECASE | re.ASCII
_PREFIX = re.compile(
    r"(ALL|DISTINCT|DISTINCTROW|HIGH_PRIORITY|LOW_PRIORITY|DELAYED|IGNORE|QUICK|STRAIGHT_JOIN|SQL_SMALL_RESULT"
    r"|SQL_BIG_RESULT|SQL_BUFFER_RESULT|SQL_CACHE|SQL_NO_CACHE|SQL_CALC_FOUND_ROWS|OR (IGNORE|ABORT|FAIL|ROLLBACK)"
    r"|(NOT )?MATERIALIZED|TEMPORARY|TEMP|UNLOGGED)( |$)",
    _FLAGS,
)
# SET_VAR and pg_hint_plan's Set() change settings, which an optimizer comment is no place for
_OPTIMIZER = re.compile(r"/\*\+(?! *SET(?:_VAR)?\b)(?:(?!\bSET(?:_VAR)? *\()[\w ,.()@#=%-])*\*/ ?", _FLAGS)
_NAME = r'(?:\w+|`\w+`|"\w+"|\[\w+\])'
_HINT = re.compile(
    rf"(?:(?:USE|IGNORE|FORCE) (?:INDEX|KEY)(?: FOR (?:JOIN|ORDER BY|GROUP BY))? ?"
    rf"\( ?(?:{_NAME}(?: ?, ?{_NAME})*)? ?\)|INDEXED BY {_NAME}|NOT INDEXED"
    rf"|PARTITION ?\( ?{_NAME}(?: ?, ?{_NAME})* ?\)|ONLY|STRAIGHT_JOIN)(?: ?,? ?|$)",
    _FLAGS,
)
_LOCKING = (
    rf"FOR (?:UPDATE|SHARE|NO KEY UPDATE|KEY SHARE)(?: OF {_NAME}(?: ?, ?{_NAME})*)?"
    r"(?: (?:NOWAIT|SKIP LOCKED|WAIT \d+))?|LOCK IN SHARE MODE"
)
_SUFFIX = re.compile(
    rf"(?:{_LOCKING}|LIMIT \d+(?:(?: ?, ?| OFFSET )\d+)?|OFFSET \d+(?: ROWS?)?"
    r"|FETCH (?:FIRST|NEXT) (?:\d+ )?ROWS? (?:ONLY|WITH TIES)"
    rf"|SEARCH (?:DEPTH|BREADTH) FIRST BY {_NAME}(?: ?, ?{_NAME})* SET {_NAME}"
    rf"|CYCLE {_NAME}(?: ?, ?{_NAME})* SET {_NAME}(?: USING {_NAME})?|(?:NOT )?MATERIALIZED(?=$))(?: |$)",
    _FLAGS,
)
_DISTINCT_ON = re.compile(r"ON ?(\(.*\))", _FLAGS)
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
    composed, rest = _read(text, _PREFIX)
    known = composed.removesuffix(rest)
    on = _DISTINCT_ON.fullmatch(rest) if known.upper().endswith("DISTINCT ") else None
    if on is not None:
        inside = read_fragment(on[1], dialect)
        return f"{known}ON {inside.text}", inside.fault
    if re.match(r"OR REPLACE\b", rest, _FLAGS):
        return "", "it replaces the row that holds the key, which may be another tenant's"
    return composed, _fault(rest, "prefix that is known to be harmless")


def hint(text: str, dialect: str) -> Clause:
    """Read a hint for a table or a statement.

    Index hints (``USE INDEX (x)``, ``INDEXED BY x``), optimizer comments, ``ONLY`` and suffixes are allowed.
    """
    composed, rest = _read(text, _HINT, table="%(name)s")
    return composed, suffix(rest, dialect)[1]


def suffix(text: str, dialect: str) -> Clause:
    """Read a text at the end of a statement.

    Locking clauses (``FOR UPDATE NOWAIT``), limits in digits, and ``SEARCH`` and ``CYCLE`` of a CTE are allowed.
    """
    composed, rest = _read(text, _SUFFIX)
    return composed, _fault(rest, "clause that is known to be harmless here")


def _read(text: str, known: re.Pattern[str], *, table: str | None = None) -> tuple[str, str]:
    """Return a text with single spaces, and the rest of it after optimizer comments and known clauses.

    Args:
        text: the text.
        known: a known clause.
        table: the placeholder that SQLAlchemy replaces with the table's name.
    """
    if len(text) > _LONGEST:
        return "", text
    composed = _SPACES.sub(" ", text).strip(" ")
    rest = composed if table is None else composed.replace(table, "t")
    for pattern in (_OPTIMIZER, known):
        while match := pattern.match(rest):
            rest = rest[match.end() :]
    return composed, rest


def _fault(rest: str, what: str) -> str | None:
    if len(rest) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    return f"{_quoted(rest)} is no {what}" if rest else None


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
