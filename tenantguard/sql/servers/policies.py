"""Row-security policies: whether one restricts rows to the tenant that the guard passes to PostgreSQL.

PostgreSQL writes an expression out with every cast and parenthesis; what is not of the few forms known here holds
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tenantguard.sql.text.lexer import tokens_of
from tenantguard.sql.text.resolution.catalog import SETTING
from tenantguard.sql.text.tokens import POSTGRESQL, Token, Unreadable, unquoted, words
from tenantguard.tenancy import Placement

_CLAUSES = words(
    "FROM WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH FOR WINDOW UNION INTERSECT EXCEPT JOIN LEFT RIGHT FULL CROSS"
    " NATURAL"
)
_EXACT = words("TEXT CHARACTER VARYING VARCHAR")  # without a length
_CUTTING = words("BPCHAR CHARACTER CHAR NAME CITEXT")  # which make one of two values
_WEAKER = words("OR NOT IS IN LIKE BETWEEN CASE")

Tokens = list[Token]
Column = tuple[str | None, str]  # what it is qualified with, and its name


def restricts(expression: str | None, placement: Placement | None, schema: str | None = None) -> bool:
    """Return whether a policy's expression restricts a table to the tenant in the setting.

    Args:
        expression: as PostgreSQL writes it out.
        placement: how the table belongs; ``None`` for one outside the tenancy, such as a partition.
        schema: the schema of tables without one, where the expression names the schema of each table.
    """
    if expression is None:
        return False
    try:
        tokens = tokens_of(expression, POSTGRESQL, "none")
    except Unreadable:
        return False
    if not _is_balanced(tokens):
        return False
    return any(_holds(condition, placement, schema) for condition in _conjuncts(tokens))


def _holds(condition: Tokens, placement: Placement | None, schema: str | None) -> bool:
    if placement is not None and placement.kind == "through":
        return _leads_to_parent(condition, placement, schema)
    for mine, told in _equal(condition):
        column = _column(mine)
        named = column is not None and (placement is None or column[1] == placement.column)
        if named and _is_setting(told):
            return True
    return False


def _depths(tokens: Tokens) -> Iterator[tuple[int, int, Token]]:
    """Yield the position of each token and its depth in parentheses."""
    depth = 0
    for at, token in enumerate(tokens):
        depth -= token.upper in (")", "]")
        yield at, depth, token
        depth += token.upper in ("(", "[")


def _is_balanced(tokens: Tokens) -> bool:
    depths = [depth for _, depth, _ in _depths(tokens)]
    opened = sum((token.upper in ("(", "[")) - (token.upper in (")", "]")) for token in tokens)
    return bool(tokens) and opened == 0 and min(depths) >= 0


def _split(tokens: Tokens, word: str) -> list[Tokens]:
    """Split at the occurrences of a word outside of parentheses."""
    places = [at for at, depth, token in _depths(tokens) if depth == 0 and token.upper == word]
    return [tokens[begun + 1 : end] for begun, end in pairwise([-1, *places, len(tokens)])]


def _outside(tokens: Tokens) -> set[str]:
    return {token.upper for _, depth, token in _depths(tokens) if depth == 0}


def _stripped(tokens: Tokens) -> Tokens:
    """Return an expression without the parentheses around all of it."""
    while (
        len(tokens) > 2 and tokens[0].upper == "(" and tokens[-1].upper == ")" and _is_balanced(tokens[1:-1])
    ):
        tokens = tokens[1:-1]
    return tokens


def _bare(tokens: Tokens, *, exactly: bool = False) -> Tokens:
    """Return a value without the parentheses and casts around it, except casts that could make two values equal."""
    while True:
        tokens = _stripped(tokens)
        parts = _split(tokens, "::")
        if len(parts) == 1:
            return tokens
        types = [token for part in parts[1:] for token in part]
        if not all(token.is_name or token.text in (".", "[", "]") for token in types):
            return tokens
        names = {unquoted(token.text).upper() for token in types}
        if (exactly and not names <= _EXACT) or (names & _CUTTING and "VARYING" not in names):
            return tokens
        tokens = parts[0]


def _conjuncts(tokens: Tokens) -> Iterator[Tokens]:
    """Yield the conditions that AND joins, those in parentheses too."""
    tokens = _stripped(tokens)
    parts = _split(tokens, "AND")
    if len(parts) == 1 or not _outside(tokens).isdisjoint({"OR", "BETWEEN", "CASE"}):
        yield tokens
        return
    for part in parts:
        yield from _conjuncts(part)


def _equal(condition: Tokens) -> list[tuple[Tokens, Tokens]]:
    """Return both sides of an equation, either way round."""
    sides = _split(condition, "=")
    if len(sides) != 2 or not _outside(condition).isdisjoint(_WEAKER):
        return []
    return [(sides[0], sides[1]), (sides[1], sides[0])]


def _name(token: Token) -> str:
    return unquoted(token.text) if token.kind == "quoted" else token.text.lower()


def _column(tokens: Tokens) -> Column | None:
    tokens = _bare(tokens, exactly=True)
    if len(tokens) == 1 and tokens[0].is_name:
        return None, _name(tokens[0])
    if len(tokens) == 3 and tokens[1].text == "." and tokens[0].is_name and tokens[2].is_name:
        return _name(tokens[0]), _name(tokens[2])
    return None


def _is_setting(tokens: Tokens) -> bool:
    """Return whether a value is the setting: possibly cast, NULL if empty, or in a query without a table."""
    tokens = _bare(tokens)
    if tokens and tokens[0].upper == "SELECT":
        inner = tokens[1:]
        if len(inner) > 2 and inner[-2].upper == "AS":
            inner = inner[:-2]
        return _outside(inner).isdisjoint(_CLAUSES | {","}) and _is_setting(inner)
    if [token.upper for token in tokens[:2]] == ["PG_CATALOG", "."]:
        tokens = tokens[2:]
    if len(tokens) < 4 or tokens[1].upper != "(" or len(_stripped(tokens[1:])) != len(tokens) - 3:
        return False
    arguments = [_bare(argument) for argument in _split(tokens[2:-1], ",")]
    if tokens[0].upper == "NULLIF":
        return (
            len(arguments) == 2 and _is_setting(arguments[0]) and [t.kind for t in arguments[1]] == ["string"]
        )
    texts = [[token.text.lower() for token in argument] for argument in arguments]
    return tokens[0].upper == "CURRENT_SETTING" and texts in (
        [[f"'{SETTING}'"]],
        [[f"'{SETTING}'"], ["true"]],
    )


def _leads_to_parent(condition: Tokens, placement: Placement, schema: str | None) -> bool:
    """Return whether a condition requires a visible parent, whose own policy restricts it to the tenant."""
    if placement.parent is None:
        return False
    sides = _split(condition, "IN")
    exists = condition[0].upper == "EXISTS"
    query = _stripped(condition[1:] if exists else sides[-1])
    clauses = [at for at, depth, token in _depths(query) if depth == 0 and token.upper in _CLAUSES]
    found = [query[at].upper for at in clauses]
    if not query or query[0].upper != "SELECT" or found not in (["FROM"], ["FROM", "WHERE"]):
        return False
    source = query[clauses[0] + 1 : clauses[1] if len(clauses) > 1 else len(query)]
    parent = placement.parent
    alias = _alias(source, str(parent.name), None if schema is None else str(parent.schema or schema))
    # an aggregate gives a row whatever is seen
    if alias is None or any(token.text == "(" for token in query[1 : clauses[0]]):
        return False
    link = set(placement.link)
    if exists:
        return len(clauses) > 1 and link <= _equal_pairs(query[clauses[1] + 1 :], alias)
    ours, theirs = _column(sides[0]), _column(query[1 : clauses[0]])
    return len(sides) == 2 and ours is not None and theirs is not None and {(ours[1], theirs[1])} == link


def _alias(source: Tokens, parent: str, schema: str | None) -> str | None:
    """Return the parent's alias if a FROM has the parent and nothing else."""
    names = [token for token in source if token.upper != "AS"]
    if [token.text for token in names[1:2]] == ["."]:
        if _name(names[0]) != schema:
            return None
        names = names[2:]
    elif schema is not None:
        return None
    if not 0 < len(names) <= 2 or not all(name.is_name for name in names) or _name(names[0]) != parent:
        return None
    return _name(names[-1])


def _equal_pairs(where: Tokens, alias: str) -> set[tuple[str, str]]:
    """Return the pairs of a column of the table itself and one of the parent that a condition asks to be equal."""
    found = set()
    for one in _conjuncts(where):
        for left, right in _equal(one):
            ours, theirs = _column(left), _column(right)
            if ours is not None and theirs is not None and theirs[0] == alias != ours[0]:
                found.add((ours[1], theirs[1]))
    return found
