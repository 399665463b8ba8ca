"""Sources: the elements of a FROM, and how they are joined."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import JOINS, RESERVED, SET_OPERATIONS, Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import clauses, expression, forms, group, items
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Token
from tenantguard.sql.text.tree import Joined, JoinKind, Source

_HINTS = ("USE", "IGNORE", "FORCE")


def sources(cursor: Cursor) -> list[Joined]:
    """Read the elements of a FROM, with commas between them."""
    elements = [_joined(cursor)]
    while cursor.took(","):
        elements.append(_joined(cursor))
    return elements


def _joined(cursor: Cursor) -> Joined:
    element = Joined(_source(cursor))
    waiting = 0  # joins whose ON can come after the next joins, on MariaDB
    while True:
        if cursor.upper in JOINS:
            element.steps.append(_step(cursor))
            waiting += cursor.which == MYSQL and element.steps[-1].on is None
        elif waiting and cursor.took("ON"):
            expression(cursor, commas=False)
            waiting -= 1
        else:
            return element


def _step(cursor: Cursor) -> Joined:
    kind, conditional = _join_kind(cursor)
    step = Joined(_source(cursor), kind)
    if conditional and (kind != "INNER" or cursor.which == POSTGRESQL) and cursor.which != SQLITE:
        while cursor.upper in JOINS:  # a LEFT JOIN b JOIN c ON ... ON ...
            step.steps.append(cursor.deeper(_step, "joins"))
    if cursor.took("ON"):
        step.on = expression(cursor, commas=False)
    elif clauses(cursor, _USING):
        clauses(cursor, _NAMED)
    return step


def _join_kind(cursor: Cursor) -> tuple[JoinKind, bool]:
    """Read the words of a join; return its kind, and whether ON or USING must follow."""
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
        source: Source = cursor.deeper(_enclosed, "joins")
        source.alias, source.columns = alias(cursor)
        return source
    if cursor.which == POSTGRESQL and cursor.took("ROWS", "FROM"):
        return _rows_from(cursor)
    if _function_ahead(cursor):
        _function(cursor)
        return Source(alias=_alias_of_function(cursor))
    if lateral:
        raise cursor.unexpected("a subquery or a function was expected")
    source = relation(cursor)
    partitioned = cursor.which == MYSQL and clauses(cursor, PARTITION)
    source.alias, source.columns = alias(cursor)
    source.plain = not decorated(cursor) and not partitioned
    return source


def relation(cursor: Cursor) -> Source:
    """Read the name of a table."""
    start = cursor.at
    only = cursor.which == POSTGRESQL and cursor.took("ONLY")
    parts = cursor.dotted()
    cursor.mentioned.append(parts)
    return Source(parts, (start, cursor.at), only=only)


def _enclosed(cursor: Cursor) -> Source:
    """Read a query or joins in parentheses."""
    cursor.expect("(")
    source = Source()
    if cursor.begins_query() or (cursor.sees("(") and cursor.query_ahead() and _is_query(cursor)):
        source.query = cursor.query()
    else:
        source.inner = sources(cursor)
    cursor.expect(")")
    return source


def _is_query(cursor: Cursor) -> bool:
    """Tell whether the parentheses that begin here enclose a part of a query, by the token after them."""
    closing = cursor.closing.get(cursor.at)
    following = "" if closing is None else cursor.uppers[closing + 1]
    return following in SET_OPERATIONS or following in (")", "ORDER", "LIMIT")


def _function_ahead(cursor: Cursor) -> bool:
    ahead = 0
    while cursor.token(ahead + 1).upper == "." and cursor.token(ahead).is_name:
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "("


def _function(cursor: Cursor) -> None:
    start = cursor.at
    while cursor.token(1).upper == ".":
        cursor.at += 2
    name = ".".join(part.text for part in cursor.tokens[start : cursor.at + 1 : 2])
    if not cursor.returns_rows(name):
        raise Ungrammatical(f"{name}() stands where a table does, and what it reads is not known")
    if start == cursor.at:
        cursor.unqualified.append(start)
    cursor.at += 1
    cursor.joints.add(cursor.token().start)
    if not cursor.took("(", ")"):
        group(cursor)


def _rows_from(cursor: Cursor) -> Source:
    """Read PostgreSQL's ``ROWS FROM (f(), g())`` after these words."""
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
    """Read an alias with the names of its columns, if there is one."""
    token = cursor.token()
    if not cursor.took("AS") and (not token.is_name or token.upper in RESERVED):
        return None, []
    name = cursor.identifier()
    return name, cursor.names_in_parentheses() if cursor.sees("(") else []


def decorated(cursor: Cursor) -> bool:
    """Read a sample or index hints after a table's alias; tell whether there are any."""
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
PARTITION = forms("PARTITION columns")
_HINTED = forms("FOR hinted", hinted=_hinted)
INDEXES = {
    SQLITE: forms("INDEXED BY name", "NOT INDEXED"),
    MYSQL: forms(*(f"{word} INDEX|KEY indexes" for word in _HINTS), indexes=_indexes),
}
_DECORATIONS = INDEXES | {
    POSTGRESQL: forms("TABLESAMPLE BERNOULLI|SYSTEM group", "REPEATABLE group"),
}
