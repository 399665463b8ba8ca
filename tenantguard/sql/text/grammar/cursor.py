"""The cursor: how far the grammar has read, and what it has noted on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from tenantguard.sql.functions import passes, returns_rows
from tenantguard.sql.text.lexer import tokens_of
from tenantguard.sql.text.tokens import POSTGRESQL, Token, Unreadable, family, words
from tenantguard.sql.text.tree import Query

SET_OPERATIONS = words("UNION INTERSECT EXCEPT MINUS")
JOINS = words("NATURAL CROSS INNER LEFT RIGHT FULL JOIN STRAIGHT_JOIN")
CLAUSES = (
    words("FROM WHERE GROUP HAVING WINDOW INTO ON DO RETURNING PROCEDURE QUALIFY SET USING")
    | words("ORDER LIMIT OFFSET FETCH FOR LOCK")
    | SET_OPERATIONS
)
# words that cannot be an alias or a column, so that a clause is never taken for a name
RESERVED = CLAUSES | JOINS | words(
    "SELECT WITH VALUES TABLE AS AND OR NOT IN IS LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END NULL DISTINCT ALL"
    " TABLESAMPLE INDEXED USE IGNORE FORCE PARTITION LATERAL ONLY OUTER INSERT UPDATE DELETE MERGE REPLACE DEFAULT"
    " ROWS BY ASC DESC CONFLICT DUPLICATE DO NOTHING PIVOT UNPIVOT MATCH_RECOGNIZE APPLY ANTI SEMI ASOF"
)  # fmt: skip
_DEEPEST = 40  # queries in queries, and joins in parentheses or in joins
_MOST_RELATIONS = 500

JOINT = -2  # where such a parenthesis of ours stands
_END = Token("symbol", "", 0, 0)
_BEHIND = ("",) * 4  # so that a look ahead needs no bound


class Ungrammatical(Unreadable):
    """A sentence about a form that the guard does not know."""


class Cursor:
    """The place in the tokens of a text.

    Args:
        text: the text.
        dialect: SQLAlchemy's name of the dialect.
        style: how its parameters are written.
        tenancy: declares functions.

    Attributes:
        at: the index of the next token.
        uppers: the words in upper case and the symbols, and an empty text for any other token.
        passes: tells whether a function may be called.
        returns_rows: tells whether a function may stand in a FROM.
        nested: the queries in the expressions of what is being read.
        queries: the query in parentheses and the index after it, by the index of the parenthesis.
        unqualified: where the names of functions begin that are called without a schema.
        settings: the parentheses of calls of set_config.
        joints: where the parentheses of function calls stand.
        relations: how many names stand in a FROM.
        mentioned: the names of tables, or of common table expressions, part by part.
        cte_names: the names of common table expressions.
        read_query: reads a query; None where no query may stand.

    Raises:
        Unreadable: the text cannot be split into tokens with certainty.
    """

    def __init__(self, text: str, dialect: str, style: str, tenancy: Any = None) -> None:
        self.which = family(dialect)
        self.tokens = tokens_of(text, self.which, style)
        self.tenancy = tenancy
        self.passes: Callable[[str], bool] = partial(passes, dialect=dialect, tenancy=tenancy)
        self.returns_rows = partial(returns_rows, dialect=dialect, tenancy=tenancy)
        self.at = 0
        self.uppers = [*[token.upper for token in self.tokens], *_BEHIND]
        self.nested: list[Query] = []
        self.queries: dict[int, tuple[Query, int]] = {}
        self.unqualified: list[int] = []
        self.settings: list[int] = []
        self.joints = {JOINT}
        self.relations = 0
        self.mentioned: list[list[Token]] = []
        self.cte_names: set[str] = set()
        self._depth = 0
        self.read_query: Callable[[Any], Query] | None = None

    @cached_property
    def closing(self) -> dict[int, int]:
        """Return where each parenthesis closes, by where it opens, so that looking ahead costs one walk of the text."""
        opened: list[int] = []
        closing = {}
        for at, sign in enumerate(self.uppers):
            if sign == "(":
                opened.append(at)
            elif sign == ")" and opened:
                closing[opened.pop()] = at
        return closing

    def token(self, ahead: int = 0) -> Token:
        """Return a token ahead, or an empty one after the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _END

    @property
    def upper(self) -> str:
        """Return the next word in upper case, or the next symbol."""
        return self.uppers[self.at]

    @property
    def is_done(self) -> bool:
        """Tell whether the end is reached."""
        return self.at >= len(self.tokens)

    def sees(self, word: str, *more: str) -> bool:
        """Tell whether these words and symbols come next."""
        behind = self.at + 1
        return self.uppers[self.at] == word and (
            not more or self.uppers[behind : behind + len(more)] == [*more]
        )

    def took(self, word: str, *more: str) -> bool:
        """Step over these words and symbols if they come next."""
        if self.uppers[self.at] != word or (more and not self.sees(word, *more)):
            return False
        self.at += 1 + len(more)
        return True

    def expect(self, *expected: str) -> None:
        """Step over these words and symbols, or refuse the statement."""
        if not self.took(*expected):
            raise self.unexpected(f"{' '.join(expected)} was expected")

    def unexpected(self, why: str) -> Exception:
        """Return the error for a token that the guard does not know here, without showing any value."""
        token = self.token()
        what = token.upper or {"": "the end"}.get(token.text, f"a {token.kind}")
        return Ungrammatical(f"{why} where {what} stands, and the guard does not guess")

    def identifier(self) -> Token:
        """Take a word or a quoted name."""
        token = self.token()
        if not token.is_name or token.upper in RESERVED:
            raise self.unexpected("a name was expected")
        self.at += 1
        return token

    def dotted(self) -> list[Token]:
        """Take a name with the names before its dots."""
        parts = [self.identifier()]
        while self.took("."):
            if not self.token().is_name:
                raise self.unexpected("a name was expected")
            parts.append(self.token())
            self.at += 1
        return parts

    def names(self) -> list[Token]:
        """Take names with commas between them."""
        names = [self.identifier()]
        while self.took(","):
            names.append(self.identifier())
        return names

    def took_set_operation(self) -> bool:
        """Step over UNION, INTERSECT or EXCEPT if one comes next."""
        if self.upper not in SET_OPERATIONS:
            return False
        self.at += 2 if self.token(1).upper in ("ALL", "DISTINCT") else 1
        return True

    def names_in_parentheses(self) -> list[Token]:
        """Take ``(a, b)``."""
        self.expect("(")
        names = self.names()
        self.expect(")")
        return names

    def count_relation(self) -> None:
        """Count a name in a FROM.

        Raises:
            Ungrammatical: there are too many.
        """
        self.relations += 1
        if self.relations > _MOST_RELATIONS:
            raise Ungrammatical(f"it names more than {_MOST_RELATIONS} tables")

    def deeper(self, read: Callable[[Any], Any], what: str) -> Any:
        """Read a construct that can contain itself, up to a maximum depth."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Ungrammatical(f"its {what} nest deeper than {_DEEPEST}")
        result = read(self)
        self._depth -= 1
        return result

    def query(self, read: Callable[[Any], Query] | None = None) -> Query:
        """Read a query inside another statement, with ``read`` if it is given."""
        read = read or self.read_query
        if read is None:
            raise Ungrammatical(f"it holds the word {self.upper}: a query or a table")
        outer, self.nested = self.nested, []
        query: Query = self.deeper(read, "queries")
        query.nested += self.nested
        self.nested = outer
        return query

    def begins_query(self, ahead: int = 0) -> bool:
        """Tell whether a query begins here."""
        word = self.token(ahead).upper
        if word == "VALUES":
            return self.token(ahead + 1).upper in ("(", "ROW")
        return word == "SELECT" or word == "WITH" or (word == "TABLE" and self.which == POSTGRESQL)

    def query_ahead(self) -> bool:
        """Tell whether a query begins here, after any number of parentheses."""
        ahead = 0
        while self.token(ahead).text == "(":
            ahead += 1
        return self.begins_query(ahead)
