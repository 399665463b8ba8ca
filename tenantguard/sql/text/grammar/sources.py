"""The elements of a FROM, and how they are joined."""

from __future__ import annotations

from tenantguard.sql.text.grammar.cursor import JOINS, RESERVED, SET_OPERATIONS, Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import expression, group, items
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Token
from tenantguard.sql.text.tree import Called, Derived, Joined, JoinKind, Query, Relation, Source, Step

_DEEPEST = 40  # joins in parentheses, or in joins


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


def _step(cursor: Cursor) -> Step:
    kind, conditional = _join_kind(cursor)
    right = Joined(_source(cursor))
    if conditional and (kind != "INNER" or cursor.which == POSTGRESQL) and cursor.which != SQLITE:
        _deeper(cursor, 1)
        while cursor.upper in JOINS:  # a LEFT JOIN b JOIN c ON ... ON ...
            right.steps.append(_step(cursor))
        _deeper(cursor, -1)
    on = None
    if cursor.took("ON"):
        on = expression(cursor, commas=False)
    elif cursor.took("USING"):
        cursor.names_in_parentheses()
        if cursor.took("AS"):
            cursor.identifier()
    return Step(kind, right, on)


def _deeper(cursor: Cursor, by: int) -> None:
    cursor.depth += by
    if cursor.depth > _DEEPEST:
        raise Ungrammatical(f"its joins nest deeper than {_DEEPEST}")


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
        return _enclosed(cursor)
    if cursor.which == POSTGRESQL and cursor.took("ROWS", "FROM"):
        return _rows_from(cursor)
    if _function_ahead(cursor):
        _function(cursor)
        return Called(_alias_of_function(cursor))
    if lateral:
        raise cursor.unexpected("a subquery or a function was expected")
    found = relation(cursor)
    found.plain = not _decorated_before(cursor)
    found.alias, found.columns = alias(cursor)
    found.plain = not decorated_after(cursor) and found.plain
    return found


def relation(cursor: Cursor) -> Relation:
    """Read the name of a table."""
    begun = cursor.at
    only = cursor.which == POSTGRESQL and cursor.took("ONLY")
    parts = cursor.dotted()
    cursor.mentioned.append(parts)
    return Relation(parts, (begun, cursor.at), only=only)


def _enclosed(cursor: Cursor) -> Derived:
    """Read an element in parentheses: a query with an alias, or joins."""
    _deeper(cursor, 1)
    found = _inside(cursor)
    _deeper(cursor, -1)
    found.alias, found.columns = alias(cursor)
    return found


def _inside(cursor: Cursor) -> Derived:
    cursor.expect("(")
    if cursor.begins_query():
        query: Query | None = cursor.query()
        cursor.expect(")")
        return Derived(query, [])
    if cursor.sees("(") and cursor.query_ahead():
        begun = cursor.at
        _skip_group(cursor)
        is_query = cursor.upper in SET_OPERATIONS or cursor.upper in (")", "ORDER", "LIMIT")
        cursor.at = begun
        if is_query:
            query = cursor.query()
            cursor.expect(")")
            return Derived(query, [])
    inner = sources(cursor)
    cursor.expect(")")
    return Derived(None, inner)


def _skip_group(cursor: Cursor) -> None:
    """Step over one parenthesis, to see what follows it."""
    depth = 0
    while not cursor.is_done:
        text = cursor.upper
        depth += (text == "(") - (text == ")")
        cursor.at += 1
        if depth == 0:
            return


def _function_ahead(cursor: Cursor) -> bool:
    ahead = 0
    while cursor.token(ahead + 1).upper == "." and cursor.token(ahead).is_name:
        ahead += 2
    return cursor.token(ahead).is_name and cursor.token(ahead + 1).upper == "("


def _function(cursor: Cursor) -> None:
    begun, parts = cursor.at, [cursor.token().text]
    cursor.at += 1
    while cursor.took("."):
        parts.append(cursor.token().text)
        cursor.at += 1
    name = ".".join(parts)
    if not cursor.returns_rows(name):
        raise Ungrammatical(f"{name}() stands where a table does, and what it reads is not known")
    if len(parts) == 1:
        cursor.unqualified.append(begun)
    cursor.joints.add(cursor.token().start)
    if cursor.token(1).upper == ")":
        cursor.at += 2
    else:
        group(cursor)


def _rows_from(cursor: Cursor) -> Called:
    """Read PostgreSQL's ``ROWS FROM (f(), g())``."""
    cursor.expect("(")
    while True:
        if not _function_ahead(cursor):
            raise cursor.unexpected("a function was expected")
        _function(cursor)
        if cursor.took("AS"):
            group(cursor)
        if not cursor.took(","):
            break
    cursor.expect(")")
    return Called(_alias_of_function(cursor))


def _alias_of_function(cursor: Cursor) -> Token | None:
    """Read the alias of a function, with the names and types of its columns."""
    cursor.took("WITH", "ORDINALITY")
    if cursor.took("AS") and cursor.sees("("):
        group(cursor)
        return None
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


def _decorated_before(cursor: Cursor) -> bool:
    """Read what may stand between a table's name and its alias."""
    if cursor.which == MYSQL and cursor.took("PARTITION"):
        cursor.names_in_parentheses()
        return True
    return False


def decorated_after(cursor: Cursor) -> bool:
    """Read what may stand behind a table's alias: a sample, or hints for its indexes."""
    if cursor.which == SQLITE:
        if cursor.took("INDEXED"):
            cursor.expect("BY")
            cursor.identifier()
            return True
        return cursor.took("NOT", "INDEXED")
    if cursor.which == POSTGRESQL and cursor.took("TABLESAMPLE"):
        if cursor.identifier().upper not in ("BERNOULLI", "SYSTEM"):
            raise Ungrammatical("it samples a table with an unknown method")
        group(cursor)
        if cursor.took("REPEATABLE"):
            group(cursor)
        return True
    found = False
    while cursor.which == MYSQL and cursor.upper in ("USE", "IGNORE", "FORCE"):
        _index_hint(cursor)
        found = True
        if cursor.sees(",") and cursor.token(1).upper in ("USE", "IGNORE", "FORCE"):
            cursor.at += 1
    return found


def _index_hint(cursor: Cursor) -> None:
    cursor.at += 1
    if not (cursor.took("INDEX") or cursor.took("KEY")):
        raise cursor.unexpected("INDEX was expected")
    if cursor.took("FOR") and not (
        cursor.took("JOIN") or cursor.took("ORDER", "BY") or cursor.took("GROUP", "BY")
    ):
        raise cursor.unexpected("JOIN was expected")
    if not cursor.took("(", ")"):
        cursor.expect("(")
        items(cursor)
        cursor.expect(")")
