"""Meanings: what PostgreSQL could look up by name in a statement, as it reads names: folded, quoted, part by part."""

from __future__ import annotations

import re

from tenantguard.sql.text.lexer import words

TYPES = words(
    "bigint bool boolean bytea char character date double float int integer interval json jsonb numeric real smallint"
    " text time timestamp uuid varchar"
)
_TOKEN = re.compile(
    r"""
    /\*.*?\*/                          # a hint
    | [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'
    | %\(\w+\)s | \$\d+ | \(\*\)
    | "(?:[^"]|"")*" | \w+ | :: | [-+*/<>=~!@#%^&|`?]+ | \S
    """,
    re.DOTALL | re.VERBOSE,
)
_PARAMETER = re.compile(r"%\(\w+\)s|%s|\$\d+")
_SIGNS = frozenset("-+*/<>=~!@#%^&|`?")


def meanings(statement: str) -> dict[str, set[str]]:
    """Return the names in a statement, by what each could be: a function, a field, an operator, the target of a cast.

    Args:
        statement: the SQL, composed by the guard or by SQLAlchemy.

    Example:
        >>> found = meanings('SELECT c.Note, LOWER(c."A b"), id::public.mood FROM calls c')
        >>> sorted(found["field"]), found["function"], found["cast"]
        (['A b', 'mood', 'note'], {'lower'}, {'mood'})
    """
    parts = [one for one in _TOKEN.findall(statement) if one[:2] != "/*" and one != "(*)"]
    found: dict[str, set[str]] = {"function": set(), "field": set(), "operator": set(), "cast": set()}
    inside: list[bool] = []  # for each open parenthesis, whether it is that of a JSON constructor
    for at, part in enumerate(parts):
        before, behind = parts[at - 1] if at else "", parts[at + 1] if at + 1 < len(parts) else ""
        if part == "(":
            inside.append(before.upper().startswith("JSON"))
        elif part == ")" and inside:
            inside.pop()
        elif part == "::" or part.upper() == "AS" or (part.upper() == "RETURNING" and any(inside[-1:])):
            target = _last_part(parts, at + 1)
            if not (_PARAMETER.fullmatch(before) and target in TYPES):  # SQLAlchemy says the type of each
                found["cast"].add(target)
        elif part[0] in _SIGNS:
            found["operator"] |= _operators(part)
        elif _is_name(part) and (behind == "(") == (before != "."):
            found["function" if behind == "(" else "field"].add(_folded(part))
    return found


def _is_name(token: str) -> bool:
    return token[0] in '"_' or token[0].isalpha()


def _folded(token: str) -> str:
    """Return a name as PostgreSQL keeps it."""
    return token[1:-1].replace('""', '"') if token[0] == '"' else token.lower()


def _last_part(tokens: list[str], at: int) -> str:
    while tokens[at + 1 : at + 2] == ["."] and at + 2 < len(tokens):
        at += 2
    return _folded(tokens[at]) if at < len(tokens) else ""


def _operators(token: str) -> set[str]:
    """Return an operator, and what it is where a driver doubles its percent signs or its last sign is a number's."""
    plain = token.replace("%%", "%")
    return {token, plain, plain.rstrip("+-"), plain[-1]}
