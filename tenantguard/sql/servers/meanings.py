"""Meanings: the names in a statement that PostgreSQL could look up, folded, quoted and split as it does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tenantguard.sql.text.grammar.cursor import RESERVED
from tenantguard.sql.text.lexer import SIGNS
from tenantguard.sql.text.tokens import words

TYPES = words(
    "bigint bit bool boolean bpchar bytea char character cidr date decimal double float float4 float8 inet int int2"
    " int4 int8 integer interval json jsonb jsonpath money name numeric oid real regclass smallint text time timestamp"
    " timestamptz tsquery tsvector uuid varchar xml"
)
_TOKEN = re.compile(
    r"""
    /\*.*?\*/                          # a hint
    | [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'
    | %\(\w+\)s | %s\b | \$\d+ | \(\*\)
    | "(?:[^"]|"")*" | \w+ | :: | [-+*/<>=~!@#%^&|`?]+ | \S
    """,
    re.DOTALL | re.VERBOSE,
)
_PARAMETER = re.compile(r"%\(\w+\)s|%s|\$\d+")
_BEFORE_TYPES = words("AS RETURNING")
_SILENT = frozenset({"", ".", ","})  # what is looked at from the names beside it
_CASTING = words("CAST TREAT XMLSERIALIZE")
_BEFORE_RELATIONS = words("FROM JOIN ONLY INTO UPDATE USING LATERAL WITH RECURSIVE")


@dataclass
class Meanings:
    """The names in a statement.

    Attributes:
        names: by what each could be: a function, an operator, the target of a cast.
        fields: the names behind a dot, each with what stands before the dot; nothing where that is no name.
        relations: what stands in a FROM, by the name that it goes by: its own names, and nothing for a query or a
            call. More than there is does no harm.
        computed: the targets of casts of something else than a parameter.
        bare: the names that stand by themselves, as that of a column which a query gives does where it is given.
    """

    names: dict[str, set[str]] = field(
        default_factory=lambda: {"function": set(), "operator": set(), "cast": set()}
    )
    fields: dict[str, set[str]] = field(default_factory=dict)
    relations: dict[str, set[str]] = field(default_factory=dict)
    computed: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)


def meanings(statement: str) -> Meanings:
    """Return the names in a statement, by what each could be.

    Args:
        statement: the SQL, composed by the guard or by SQLAlchemy.

    Example:
        >>> found = meanings('SELECT c.Note, LOWER(c."A b"), id::public.mood FROM calls c')
        >>> found.fields["note"], sorted(found.fields), found.relations["c"]
        ({'c'}, ['A b', 'mood', 'note'], {'calls'})
        >>> found.names["function"], found.names["cast"]
        ({'lower'}, {'mood'})
    """
    parts = [one for one in _TOKEN.findall(statement) if one[:2] != "/*"]
    parts.append("")  # so that the first look back and the last look ahead need no bound
    found = Meanings()
    inside = [""]  # what stands before each open parenthesis
    for at, part in enumerate(parts):
        before = parts[at - 1]
        if part in _SILENT:
            continue
        if part == "(":
            inside.append(before.upper())
        elif part == ")" and len(inside) > 1:
            inside.pop()
        elif part == "::" or (part.upper() in _BEFORE_TYPES and _is_before_type(part.upper(), inside[-1])):
            target = _last_part(parts, at + 1)
            is_given = _PARAMETER.fullmatch(before) is not None
            if not is_given:
                found.computed.add(target)
            if not (is_given and target in TYPES):  # SQLAlchemy says the type of each parameter
                found.names["cast"].add(target)
        elif part[0] in SIGNS:
            if not _PARAMETER.fullmatch(part):
                found.names["operator"] |= _operators(part)
        elif _is_name(part) and part not in RESERVED:
            behind = parts[at + 1]
            # what only stands before a dot is looked at from the name behind it, a known type from its cast
            is_type = before == "::" and behind != "(" and part.lower() in TYPES
            if not is_type and (behind != "." or before == "."):
                _note_name(parts, at, before, behind, found)
    return found


def _is_before_type(word: str, around: str) -> bool:
    """Return whether a word precedes the target of a cast, judged by the words before its parenthesis."""
    return around in _CASTING if word == "AS" else word == "RETURNING" and around.startswith("JSON")


def _note_name(parts: list[str], at: int, before: str, behind: str, found: Meanings) -> None:
    """Record what a name could be: a function, a field, or the name of an item in FROM."""
    name = _folded(parts[at])
    calls = behind[:1] == "("
    if calls and before != ".":
        if before.upper() not in ("AS", "FETCH"):  # an alias with the names of its columns; FETCH FIRST (2)
            found.names["function"].add(name)
    elif before != "." and behind != ".":
        found.bare.add(name)
    elif before == "." and not calls:
        of = parts[at - 2] if at > 1 else ""
        found.fields.setdefault(name, set()).add(_folded(of) if of and _is_name(of) else "")
    if behind != ".":
        found.relations.setdefault(name, set()).update(_standing(parts, at, before))


def _standing(parts: list[str], at: int, before: str) -> set[str]:
    """Return what a name could refer to in a FROM, judged by the words before it."""
    if before.upper() == "AS" and at > 1:
        before = parts[at - 2]
    if before.upper() in _BEFORE_RELATIONS or before in (",", "."):
        return {_folded(parts[at])}
    if before in (")", "*"):
        return {""}
    return {_folded(before)} if before and _is_name(before) and before.upper() not in RESERVED else set()


def _is_name(token: str) -> bool:
    return token[0] in '"_' or token[0].isalpha()


def _folded(token: str) -> str:
    """Return a name as PostgreSQL keeps it."""
    return token[1:-1].replace('""', '"') if token[0] == '"' else token.lower()


def _last_part(tokens: list[str], at: int) -> str:
    while tokens[at + 1 : at + 2] == ["."] and tokens[at + 2]:
        at += 2
    return _folded(tokens[at]) if tokens[at] else ""


def _operators(token: str) -> set[str]:
    """Return an operator, and what it is where a driver doubles its percent signs or its last signs are a number's."""
    plain = token.replace("%%", "%")
    first = plain[0] + plain[1:].rstrip("+-")
    return {token, plain, first, *plain[len(first) :]}
