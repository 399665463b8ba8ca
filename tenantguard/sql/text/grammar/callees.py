"""Callees: the names before a parenthesis that call a function, and those that are keywords or types."""

from __future__ import annotations

from tenantguard.sql.functions import is_glued
from tenantguard.sql.text.grammar.cursor import RESERVED, Cursor, Ungrammatical
from tenantguard.sql.text.tokens import MYSQL, Token, ascii_lower, unquoted, words

_ATTRIBUTES = frozenset({"currval", "setval", "nextval", "ts_stat", "query_to_xml", "lastval"})

# words that call nothing before a parenthesis: no database accepts them unquoted as the name of a function
_NO_CALL = words(
    "AND OR NOT IN ANY ALL SOME EXISTS CASE WHEN THEN ELSE AS ON USING VALUES BETWEEN SELECT DISTINCT FROM WHERE HAVING"
    " LIMIT OFFSET ARRAY INTERVAL ROW DEFAULT UNION CHECK UNIQUE NULL CAST"
    " CHAR CHARACTER DEC DECIMAL FLOAT INT INTEGER NCHAR NUMERIC REAL SMALLINT TIME TIMESTAMP VARCHAR BIT BIGINT"
)
# these call nothing after an operand, or after a word that makes them part of a longer form
_BEHIND = {
    "BY": words("GROUP ORDER PARTITION"),
    "SETS": words("GROUPING"),
    "VARYING": words("CHARACTER CHAR BIT NCHAR"),
    "GROUP": words("WITHIN"),
    "OF": words("MEMBER"),
    "TO": words("SIMILAR"),
    "OVER": words("NULLS"),
    "LIKE": words("SOUNDS"),
}
_AFTER_OPERAND = words(
    "LIKE ILIKE RLIKE REGEXP GLOB MATCH COLUMNS ESCAPE AGAINST OVERLAPS DIV XOR PATH PASSING SEPARATOR"
)
_BEHIND |= dict.fromkeys(_AFTER_OPERAND - {"LIKE"} | {"FILTER"}, frozenset())
_NO_OPERAND = (
    _NO_CALL
    | RESERVED
    | _AFTER_OPERAND
    | words(
        "SYMMETRIC ASYMMETRIC VARIADIC ISNULL NOTNULL TO PLACING BOTH LEADING TRAILING BINARY PRIOR SIMILAR COLLATE"
    )
)
_TYPE_BEFORE = words("AS RETURNING")
_TYPES = words(
    "VARBINARY BINARY DATETIME YEAR TINYINT MEDIUMINT DOUBLE VARBIT TIMESTAMPTZ TIMETZ NVARCHAR TEXT BLOB"
)


def note_call(cursor: Cursor, at: int, token: Token) -> None:
    """Record a function call, unless the parenthesis belongs to a keyword or a type."""
    tokens = cursor.tokens
    before = tokens[at - 1] if at else None
    dotted = before is not None and before.text == "." and before.kind == "symbol"
    if token.kind == "word" and not dotted:
        if cursor.which == MYSQL and token.end != tokens[at + 1].start and is_glued(token.text):
            raise Ungrammatical(
                f"MariaDB takes {token.text} with a space behind it for a function of the users'; write {token.text}("
            )
        if _is_keyword(cursor, at, token.upper):
            return
    first = at
    while first > 1 and tokens[first - 1].text == "." and tokens[first - 2].is_name:
        first -= 2
    if first and (tokens[first - 1].text == "::" or tokens[first - 1].upper in _TYPE_BEFORE):
        return  # the type of a cast
    if _is_column_type(cursor, at, token):
        return
    name = ".".join(part.text for part in tokens[first : at + 1 : 2])
    cursor.joints.add(tokens[at + 1].start)
    if token.upper in ("SET_CONFIG", "") and name.rpartition(".")[2].strip('"').lower() == "set_config":
        cursor.settings.append(at + 1)
    elif not cursor.passes(name):
        raise Ungrammatical(
            f"{name}() is no function that is known to read no rows; if it reads none, declare it: "
            f"Tenancy(functions={{{name.lower()!r}}})"
        )
    if first == at:
        cursor.unqualified.append(at)


def refuse_attribute(token: Token) -> None:
    """Refuse some names after a dot: on PostgreSQL ``(value).name`` calls a function if no column has that name."""
    name = ascii_lower(unquoted(token.text))
    if name.startswith(("pg_", "lo_")) or name in _ATTRIBUTES:
        raise Ungrammatical(f"{name} stands behind a dot, where PostgreSQL calls the function of that name")


def _is_keyword(cursor: Cursor, at: int, word: str) -> bool:
    if word in _NO_CALL:
        return True
    behind = _BEHIND.get(word)
    if behind is None or not at:
        return word == "BINARY" and cursor.which == MYSQL
    before = cursor.tokens[at - 1]
    if before.upper == "NOT" and at > 1:
        before = cursor.tokens[at - 2]
    if before.upper in behind:
        return True
    if word in ("OVER", "FILTER"):
        return before.text == ")"
    if before.kind == "word":
        return word in _AFTER_OPERAND and before.upper not in _NO_OPERAND
    return word in _AFTER_OPERAND and (before.kind != "symbol" or before.text in (")", "]"))


def _is_column_type(cursor: Cursor, at: int, token: Token) -> bool:
    """Tell whether a word is the type of a column in JSON_TABLE or a list of columns: ``name type(10)``."""
    if token.kind != "word" or at < 2:
        return False
    name, before = cursor.tokens[at - 1], cursor.tokens[at - 2]
    return name.is_name and name.upper not in _NO_CALL and before.text in ("(", ",") and token.upper in _TYPES
