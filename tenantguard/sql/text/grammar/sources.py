"""The elements of a FROM, and how they are joined."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import JOINS, RESERVED, SET_OPERATIONS, Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import clauses, expression, forms, group, items
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Token
from tenantguard.sql.text.tree import Joined, JoinKind, Source

_HINTS = ("USE", "IGNORE", "FORCE")


def sources(cursor: Cursor) -> list[Joined]:
    """Read the elements of a FROM, with commas between them."""
    found = [_joined(cursor)]
    while cursor.took(","):
        found.append(_joined(cursor))
    return found


def _joined(cursor: Cursor) -> Joined:
    found = Joined(_source(cursor))
    waiting = 0  # joins whose ON may stand behind those that follow, as MariaDB has it
    while True:
        if cursor.upper in JOINS:
            found.steps.append(_step(cursor))
            waiting += cursor.which == MYSQL and found.steps[-1].on is None
        elif waiting and cursor.took("ON"):
            expression(cursor, commas=False)
            waiting -= 1
        else:
            return found


def _step(cursor: Cursor) -> Joined:
    kind, conditional = _join_kind(cursor)
    found = Joined(_source(cursor), kind)
    if conditional and (kind != "INNER" or cursor.which == POSTGRESQL) and cursor.which != SQLITE:
        while cursor.upper in JOINS:  # a LEFT JOIN b JOIN c ON ... ON ...
            found.steps.append(cursor.deeper(_step, "joins"))
    if cursor.took("ON"):
        found.on = expression(cursor, commas=False)
    elif clauses(cursor, _USING):
        clauses(cursor, _NAMED)
    return found


def _join_kind(cursor: Cursor) -> tuple[JoinKind, bool]:
    """Read the words of a join; return its kind, and whether an ON or USING has to follow."""
    natural = cursor.took("NATURAL")
    kinds: tuple[JoinKind, ...] = ("LEFT", "RIGHT", "FULL")
    for kind in kinds:
        if cursor.took(kind):
            if kind == "FULL" and cursor.which == MYSQL:
                raise Ungrammatical("MariaDB has no FULL JOIN, and takes the word for an alias")
            cursor.took("OUTER")
            cursor.expect("JOIN")
            return kind, not natural
    if cursor.took("STRAIGHT_JOIN"):
        return "INNER", True
    cross = not natural and cursor.took("CROSS")
    if not cross:
        cursor.took("INNER")
    cursor.expect("JOIN")
    return "INNER", not natural and not cross


def _source(cursor: Cursor) -> Source:
    cursor.count_relation()
    lateral = cursor.took("LATERAL")
    if cursor.sees("("):
        found: Source = cursor.deeper(_enclosed, "joins")
        found.alias, found.columns = alias(cursor)
        return found
    if cursor.which == POSTGRESQL and cursor.took("ROWS", "FROM"):
        return _rows_from(cursor)
    if _function_ahead(cursor):
        _function(cursor)
        return Source(alias=_alias_of_function(cursor))
    if lateral:
        raise cursor.unexpected("a subquery or a function was expected")
    found = relation(cursor)
    partitioned = cursor.which == MYSQL and clauses(cursor, _PARTITION)
    found.alias, found.columns = alias(cursor)
    found.plain = not decorated(cursor) and not partitioned
    return found


def relation(cursor: Cursor) -> Source:
    """Read the name of a table."""
    begun = cursor.at
    only = cursor.which == POSTGRESQL and cursor.took("ONLY")
    parts = cursor.dotted()
    cursor.mentioned.append(parts)
    return Source(parts, (begun, cursor.at), only=only)


def _enclosed(cursor: Cursor) -> Source:
    """Read what stands in parentheses: a query, or joins."""
    cursor.expect("(")
    found = Source()
    if cursor.begins_query() or (cursor.sees("(") and cursor.query_ahead() and _is_query(cursor)):
        found.query = cursor.query()
    else:
        found.inner = sources(cursor)
    cursor.expect(")")
    return found


def _is_query(cursor: Cursor) -> bool:
    """Tell whether what stands in a parenthesis is part of a query, by what follows it."""
    closing = cursor.closing.get(cursor.at)
    following = "" if closing is None else cursor.uppers[closing + 1]
    return following in SET_OPERATIONS or following in (")", "ORDER", "LIMIT")


def _function_ahead(cursor: Cursor) -> bool:
    ahead = 0
    while cursor.token(ahead + 1).upper == "." and cursor.token(ahead).is_name:
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "("


def _function(cursor: Cursor) -> None:
    begun = cursor.at
    while cursor.token(1).upper == ".":
        cursor.at += 2
    name = ".".join(part.text for part in cursor.tokens[begun : cursor.at + 1 : 2])
    if not cursor.returns_rows(name):
        raise Ungrammatical(f"{name}() stands where a table does, and what it reads is not known")
    if begun == cursor.at:
        cursor.unqualified.append(begun)
    cursor.at += 1
    cursor.joints.add(cursor.token().start)
    if not cursor.took("(", ")"):
        group(cursor)


def _rows_from(cursor: Cursor) -> Source:
    """Read PostgreSQL's ``ROWS FROM (f(), g())`` behind these words."""
    cursor.expect("(")
    while True:
        if not _function_ahead(cursor):
            raise cursor.unexpected("a function was expected")
        _function(cursor)
        clauses(cursor, _TYPED)
        if not cursor.took(","):
            break
    cursor.expect(")")
    return Source(alias=_alias_of_function(cursor))


def _alias_of_function(cursor: Cursor) -> Token | None:
    """Read the alias of a function, with the names and types of its columns."""
    cursor.took("WITH", "ORDINALITY")
    token: Token | None = None
    if not (cursor.took("AS") and cursor.sees("(")):
        token = cursor.token()
        if not token.is_name or token.upper in RESERVED:
            return None
        cursor.at += 1
    if cursor.sees("("):
        group(cursor)
    return token


def alias(cursor: Cursor) -> tuple[Token | None, list[Token]]:
    """Read an alias, if there is one, with names for its columns."""
    token = cursor.token()
    if not cursor.took("AS") and (not token.is_name or token.upper in RESERVED):
        return None, []
    name = cursor.identifier()
    return name, cursor.names_in_parentheses() if cursor.sees("(") else []


def decorated(cursor: Cursor) -> bool:
    """Read what may stand behind a table's alias: a sample, or hints for its indexes."""
    return clauses(cursor, _DECORATIONS[cursor.which])


def _indexes(cursor: Cursor) -> None:
    """Read the indexes of a hint, and the comma before another one."""
    clauses(cursor, _HINTED)
    if not cursor.took("(", ")"):
        cursor.expect("(")
        items(cursor)
        cursor.expect(")")
    if cursor.sees(",") and cursor.token(1).upper in _HINTS:
        cursor.at += 1


def _hinted(cursor: Cursor) -> None:
    if not (cursor.took("JOIN") or cursor.took("ORDER", "BY") or cursor.took("GROUP", "BY")):
        raise cursor.unexpected("JOIN was expected")


_USING, _NAMED = forms("USING columns"), forms("AS name")
_TYPED = forms("AS group")
_PARTITION = forms("PARTITION columns")
_HINTED = forms("FOR hinted", hinted=_hinted)
_DECORATIONS = {
    SQLITE: forms("INDEXED BY name", "NOT INDEXED"),
    POSTGRESQL: forms("TABLESAMPLE BERNOULLI|SYSTEM group", "REPEATABLE group"),
    MYSQL: forms(*(f"{word} INDEX|KEY indexes" for word in _HINTS), indexes=_indexes),
}
