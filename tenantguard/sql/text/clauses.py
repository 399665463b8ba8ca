"""Text in fixed places of a statement, prefixes, suffixes, hints and operators: only what is known passes."""

from __future__ import annotations

import re
from functools import lru_cache

from tenantguard.sql.text.fragments import fragment_fault
from tenantguard.sql.text.lexer import POSTGRESQL, words

_PREFIX = re.compile(
    r"(ALL|DISTINCT|DISTINCTROW|HIGH_PRIORITY|LOW_PRIORITY|DELAYED|IGNORE|QUICK|STRAIGHT_JOIN|SQL_SMALL_RESULT"
    r"|SQL_BIG_RESULT|SQL_BUFFER_RESULT|SQL_CACHE|SQL_NO_CACHE|SQL_CALC_FOUND_ROWS|OR\s+(IGNORE|ABORT|FAIL|ROLLBACK)"
    r"|(NOT\s+)?MATERIALIZED|TEMPORARY|TEMP|UNLOGGED)(\s+|$)",
    re.IGNORECASE,
)
_OPTIMIZER = re.compile(r"/\*\+[^*/\\;'\"`]*\*/\s*")
_NAME = r'(?:\w+|`\w+`|"\w+"|\[\w+\])'
_HINT = re.compile(
    rf"(?:(?:USE|IGNORE|FORCE)\s+(?:INDEX|KEY)(?:\s+FOR\s+(?:JOIN|ORDER\s+BY|GROUP\s+BY))?\s*"
    rf"\(\s*(?:{_NAME}(?:\s*,\s*{_NAME})*)?\s*\)|INDEXED\s+BY\s+{_NAME}|NOT\s+INDEXED"
    rf"|PARTITION\s*\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)|ONLY|STRAIGHT_JOIN)(?:\s*,?\s*|$)",
    re.IGNORECASE,
)
_LOCKING = re.compile(
    rf"FOR\s+(?:UPDATE|SHARE|NO\s+KEY\s+UPDATE|KEY\s+SHARE)(?:\s+OF\s+{_NAME}(?:\s*,\s*{_NAME})*)?"
    r"(?:\s+(?:NOWAIT|SKIP\s+LOCKED|WAIT\s+\d+))?|LOCK\s+IN\s+SHARE\s+MODE",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    rf"(?:{_LOCKING.pattern}|LIMIT\s+\d+(?:\s*(?:,|OFFSET)\s*\d+)?|OFFSET\s+\d+(?:\s+ROWS?)?"
    r"|FETCH\s+(?:FIRST|NEXT)\s+(?:\d+\s+)?ROWS?\s+(?:ONLY|WITH\s+TIES)"
    rf"|SEARCH\s+(?:DEPTH|BREADTH)\s+FIRST\s+BY\s+{_NAME}(?:\s*,\s*{_NAME})*\s+SET\s+{_NAME}"
    rf"|CYCLE\s+{_NAME}(?:\s*,\s*{_NAME})*\s+SET\s+{_NAME}(?:\s+USING\s+{_NAME})?)(?:\s+|$)",
    re.IGNORECASE,
)

_OPERATOR_WORDS = words(
    "IS NOT DISTINCT FROM LIKE ILIKE RLIKE REGEXP SIMILAR TO GLOB MATCH AGAINST SOUNDS MEMBER OF OVERLAPS"
    " CONTAINS COLLATE ESCAPE AT TIME ZONE LOCAL ISNULL NOTNULL DIV MOD BINARY ANY ALL SOME SYMMETRIC AS NULL"
    " TRUE FALSE UNKNOWN DOCUMENT JSON NORMALIZED"
)
_OPERATOR_SYMBOL = re.compile(r"[-+*/<>=~!@#%^&|?]{1,8}|::")


@lru_cache(maxsize=1024)
def prefix_fault(text: str, dialect: str) -> str | None:
    """Tell why a text must not stand between the verb of a statement and what follows it, or return ``None``.

    Known words pass (``DISTINCT``, ``SQL_NO_CACHE``, ``OR IGNORE``), optimizer comments (``/*+ ... */``) and
    ``DISTINCT ON (...)``. ``OR REPLACE`` does not: it deletes the row that holds the key, whoever owns it.
    """
    rest = _unhinted(text)
    while match := _PREFIX.match(rest):
        rest = rest[match.end() :].strip()
        if match.group(1).upper() == "DISTINCT" and re.match(
            r"ON\s*\(.*\)\s*$", rest, re.IGNORECASE | re.DOTALL
        ):
            return fragment_fault(rest[2:].strip(), dialect)
    if not rest:
        return None
    if re.match(r"OR\s+REPLACE\b", rest, re.IGNORECASE):
        return "it replaces the row that holds the key, which may be another tenant's"
    return f"{_quoted(rest)} is no prefix that is known to be harmless"


@lru_cache(maxsize=1024)
def hint_fault(text: str, dialect: str) -> str | None:
    """Tell why a text must not be a hint for a table or a statement, or return ``None``.

    Index hints pass (``USE INDEX (x)``, ``INDEXED BY x``), optimizer comments, ``ONLY``, and what passes
    as a suffix.
    """
    rest = _unhinted(text.replace("%(name)s", "t"))
    while match := _HINT.match(rest):
        rest = rest[match.end() :].strip()
    return suffix_fault(rest, dialect) if rest else None


@lru_cache(maxsize=1024)
def suffix_fault(text: str, dialect: str) -> str | None:
    """Tell why a text must not end a statement, or return ``None``.

    Locking clauses pass (``FOR UPDATE NOWAIT``), limits in digits, and ``SEARCH`` and ``CYCLE`` of a CTE.
    """
    rest = _unhinted(text)
    while match := _SUFFIX.match(rest):
        rest = rest[match.end() :].strip()
    if re.fullmatch(r"(NOT\s+)?MATERIALIZED|", rest, re.IGNORECASE):
        return None
    return f"{_quoted(rest)} is no clause that is known to be harmless here"


@lru_cache(maxsize=1024)
def operator_fault(opstring: str, dialect: str = "") -> str | None:
    """Tell why a text must not be an operator of ``op()``, or return ``None``.

    Symbols pass and the words that make operators (``IS NOT DISTINCT FROM``, ``SIMILAR TO``,
    ``COLLATE "C"``). ``OR`` and ``AND`` do not, nor ``IN``, which names a table on SQLite, nor nothing at
    all, which turns a name before parentheses into a call.
    """
    parts = opstring.split()
    if not parts or len(parts) > 8:
        return "it is empty or long: an operator is a symbol or a few words"
    for part in parts:
        symbol = _OPERATOR_SYMBOL.fullmatch(part)
        if symbol and ("--" in part or "/*" in part or "*/" in part):
            return "it holds a comment"
        if symbol and "#" in part and dialect != POSTGRESQL:
            return "it holds what begins a comment on some databases"
        if symbol and part == "||" and dialect in ("mysql", "mariadb"):
            return "|| is OR on this database; use or_() or func.concat()"
        named = re.fullmatch(r'"[\w.-]+"|OPERATOR\([\w.]*[-+*/<>=~!@#%^&|?]+\)', part, re.IGNORECASE)
        if not symbol and not named and part.upper() not in _OPERATOR_WORDS:
            return f"{_quoted(part)} is no operator that is known to be harmless"
    if "FROM" in (part.upper() for part in parts) and not re.search(
        r"\bDISTINCT\s+FROM\b", opstring, re.IGNORECASE
    ):
        return "it holds the word FROM"
    return None


def _unhinted(text: str) -> str:
    rest = text.strip()
    while match := _OPTIMIZER.match(rest):
        rest = rest[match.end() :]
    return rest


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
