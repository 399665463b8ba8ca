"""Text inside a statement: it passes where it holds no query, names no table and cannot leave its place."""

from __future__ import annotations

from functools import lru_cache

from tenantguard.sql.text.functions import function_fault
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Lexeme, Unreadable, family, lexemes, words

LONGEST = 10_000
DEEPEST = 100
_FARTHEST = 200  # tokens that are searched backwards for the call that a FROM belongs to

# Words that begin a query or name a table, wherever they stand.
_QUERY = words(
    "SELECT WITH VALUES TABLE FROM JOIN STRAIGHT_JOIN UNION INTERSECT EXCEPT MINUS INTO ONLY LATERAL"
    " TABLESAMPLE INSERT UPDATE DELETE MERGE REPLACE PRAGMA ATTACH EXECUTE OUTFILE DUMPFILE"
)
# Words that begin another clause: outside of parentheses they carry what follows out of its place.
_CLAUSE = words(
    "GROUP HAVING ORDER LIMIT OFFSET FETCH FOR WINDOW ON NATURAL CROSS PARTITION SEARCH CYCLE SET USING"
    " RETURNING PROCEDURE QUALIFY LOCK"
)
_BEHIND_WITH = words("TIME UNIQUE WRAPPER CONDITIONAL UNCONDITIONAL ARRAY ROLLUP TIES ORDINALITY")
_FROM_INSIDE = words("extract substring substr trim overlay position ltrim rtrim btrim")


@lru_cache(maxsize=4096)
def fragment_fault(text: str, dialect: str) -> str | None:
    """Tell why a text must not stand inside a statement, or return ``None``.

    Args:
        text: the fragment, of ``text()`` in a WHERE, ``literal_column()``, a text in ORDER BY and the like.
            ``:name`` may stand in it.
        dialect: SQLAlchemy's name of the dialect.

    Returns:
        A sentence that says why, with "it" for the text, or ``None`` where the text is harmless.

    Example:
        >>> fragment_fault("lower(name) LIKE 'a%'", "sqlite") is None
        True
        >>> fragment_fault("id IN (SELECT call_id FROM tags)", "sqlite")
        'it holds the word SELECT: a query or a table'
    """
    try:
        tokens = lexemes(text, dialect, longest=LONGEST, deepest=DEEPEST)
        which = family(dialect)
    except Unreadable as fault:
        return str(fault)
    if not tokens:
        return "it is empty"
    for at, token in enumerate(tokens):
        found = token_fault(tokens, at, token, which) or _clause_fault(tokens, at, token)
        if found is not None:
            return found
    return _open_ended(tokens)


@lru_cache(maxsize=4096)
def needs_parentheses(text: str, dialect: str) -> bool:
    """Tell whether a fragment holds, outside its parentheses, an operator that binds less than AND does.

    ``a = 1 OR b = 2`` next to ``AND company_id = ?`` lets every row through that has ``a = 1``. What cannot
    be read needs them as well.
    """
    try:
        which = family(dialect)
        tokens = lexemes(text, dialect, longest=LONGEST, deepest=DEEPEST)
    except Unreadable:
        return True
    loose = {"OR", "XOR", "||", ":="} if which == MYSQL else {"OR"}
    return any(token.depth == 0 and token.upper in loose for token in tokens)


def token_fault(tokens: list[Lexeme], at: int, token: Lexeme, which: str) -> str | None:
    """Tell why a token must not stand in an expression, at whatever depth, or return ``None``."""
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if token.kind == "symbol":
        return _symbol_fault(token, after, which)
    called = after is not None and after.text == "("
    behind_dot = at > 0 and tokens[at - 1].text == "."
    # (value).name calls a function on PostgreSQL
    applied = behind_dot and which == POSTGRESQL and at > 1 and tokens[at - 2].text in (")", "]")
    if token.name and (called or applied):
        found = function_fault(token.name if token.kind != "quoted" else token.text, which)
        if found is not None:
            return found
    return None if behind_dot else _word_fault(tokens, at, token, which, called=called)


def _symbol_fault(token: Lexeme, after: Lexeme | None, which: str) -> str | None:
    if token.text == ";":
        return "it holds a semicolon"
    if token.text == "\\":
        return "it holds a backslash outside of a string"
    if token.text == ":" and which != POSTGRESQL:
        return "it holds a colon that begins no parameter"
    if token.text == ":=" or (which != POSTGRESQL and "@" in token.text):
        return "it reads or sets a variable"
    if which != POSTGRESQL and "?" in token.text:
        return "it holds a placeholder of the driver; name it, as in :name"
    return None


def _word_fault(tokens: list[Lexeme], at: int, token: Lexeme, which: str, *, called: bool) -> str | None:
    word = token.upper
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if word == "IN" and which == SQLITE and not (called or (after is not None and after.kind == "parameter")):
        return "it holds IN with no list in parentheses, which names a table on SQLite"
    if word == "CURRENT" and after is not None and after.upper == "OF":
        return "it names a cursor"
    if word in _QUERY and not _innocent(tokens, at, word, called=called):
        return f"it holds the word {word}: a query or a table"
    if word == "WHERE" and not (token.depth and at > 1 and tokens[at - 2].upper == "FILTER"):
        return "it holds the word WHERE, which begins another clause"
    return None


def _clause_fault(tokens: list[Lexeme], at: int, token: Lexeme) -> str | None:
    """Refuse, outside of parentheses, a word that begins another clause."""
    before = tokens[at - 1].upper if at else ""
    if (
        token.depth
        or token.upper not in _CLAUSE
        or before == "."
        or (before, token.upper) == ("WITHIN", "GROUP")
    ):
        return None
    return f"it holds the word {token.upper}, which begins another clause"


def _innocent(tokens: list[Lexeme], at: int, word: str, *, called: bool) -> bool:
    """Tell whether a word of a query is part of an expression here: ``EXTRACT(year FROM x)``."""
    before = tokens[at - 1].upper if at else ""
    after = tokens[at + 1].upper if at + 1 < len(tokens) else ""
    if word in ("REPLACE", "INSERT"):
        return called
    if word == "VALUES":
        return not called and after != "ROW"
    if word == "FROM" and before == "DISTINCT":
        return at > 1 and tokens[at - 2].upper in ("IS", "NOT")
    if word == "FROM":
        return _caller(tokens, at) in _FROM_INSIDE
    if word == "WITH":
        return after in _BEHIND_WITH
    if word == "ONLY":
        return before in ("ROW", "ROWS")
    return False


def _caller(tokens: list[Lexeme], at: int) -> str:
    """Return the name before the parenthesis that the token stands in."""
    depth = tokens[at].depth
    for index in range(at - 1, max(0, at - _FARTHEST), -1):
        if tokens[index].depth == depth - 1:
            return tokens[index - 1].name if tokens[index].text == "(" else ""
    return ""


def _open_ended(tokens: list[Lexeme]) -> str | None:
    """Refuse what would take in the text behind it: BETWEEN with no AND, CASE with no END."""
    between: dict[int, int] = {}
    cases = 0
    for token in tokens:
        if token.upper == "BETWEEN":
            between[token.depth] = between.get(token.depth, 0) + 1
        elif token.upper == "AND" and between.get(token.depth):
            between[token.depth] -= 1
        cases += {"CASE": 1, "END": -1}.get(token.upper, 0)
        if cases < 0:
            break
    if any(between.values()) or cases:
        return "it holds BETWEEN without AND, or CASE without END, so that it could leave its place"
    return None
