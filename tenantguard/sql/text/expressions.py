"""Walk the tokens of one statement: expressions, the queries inside them, and the pieces to put in."""

from __future__ import annotations

from collections.abc import Mapping

from tenantguard.sql.text.fragments import token_fault
from tenantguard.sql.text.frames import Frame, Span
from tenantguard.sql.text.lexer import MYSQL, Lexeme, words
from tenantguard.sql.text.names import Names, Piece, refusal

SET_OPERATIONS = words("UNION INTERSECT EXCEPT MINUS")
TAIL = words("ORDER LIMIT OFFSET FETCH FOR LOCK")
JOINS = words("NATURAL CROSS INNER LEFT RIGHT FULL JOIN STRAIGHT_JOIN")
CLAUSES = (
    words("FROM WHERE GROUP HAVING WINDOW INTO ON DO RETURNING PROCEDURE QUALIFY SET USING")
    | SET_OPERATIONS
    | TAIL
)
_STOPS = CLAUSES | JOINS
# Words that no alias and no column name may be, so that a clause is never taken for a name.
RESERVED = CLAUSES | JOINS | words(
    "SELECT WITH VALUES TABLE AS AND OR NOT IN IS LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END NULL DISTINCT ALL"
    " TABLESAMPLE INDEXED USE IGNORE FORCE PARTITION LATERAL ONLY OUTER INSERT UPDATE DELETE MERGE REPLACE DEFAULT"
    " ROWS BY ASC DESC CONFLICT DUPLICATE DO NOTHING UNNEST PIVOT UNPIVOT MATCH_RECOGNIZE APPLY ANTI SEMI ASOF"
)  # fmt: skip

# names of common table expressions: "cte" and a number, "cte" before it is read, "doubtful" where dialects differ
Environment = Mapping[str, str]


class Expressions:
    """Hold the place in the tokens, and read expressions.

    Args:
        tokens: the statement.
        names: what resolves its names.

    Attributes:
        edits: what is to be put in, by offset, in the order of putting in.
        cuts: the offsets of tokens that are to be left out.
        hidden: the offsets of tokens that are left out of what the second reader gets, which does not know them.
        mentioned: the name of every table, or common table expression, as it stands in a FROM.
        queries: what the query in a parenthesis reads, and the index behind it, by the index of the parenthesis.
    """

    def __init__(self, tokens: list[Lexeme], names: Names) -> None:
        self.tokens = tokens
        self.names = names
        self.which = names.which
        self.at = 0
        self.edits: list[tuple[int, list[Piece]]] = []
        self.cuts: set[int] = set()
        self.hidden: set[int] = set()
        self.mentioned: list[str] = []
        self.queries: dict[int, tuple[list[Frame], int]] = {}

    # -- the place -------------------------------------------------------------------------------------

    def token(self, ahead: int = 0) -> Lexeme:
        """Return a token ahead, or one that equals nothing behind the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _END

    def sees(self, *expected: str) -> bool:
        """Tell whether these words and symbols come next."""
        return all(self.token(ahead).upper == word for ahead, word in enumerate(expected))

    def took(self, *expected: str) -> bool:
        """Step over these words and symbols, where they come next."""
        if not self.sees(*expected):
            return False
        self.at += len(expected)
        return True

    def expect(self, *expected: str) -> None:
        """Step over these words and symbols, or refuse the statement."""
        if not self.took(*expected):
            raise self.unexpected(f"{' '.join(expected)} was expected")

    def unexpected(self, why: str) -> Exception:
        """Return the error for a token that the guard does not know here; values are not told."""
        token = self.token()
        told = token.upper or {"": "the end"}.get(token.text, f"a {token.kind}")
        return refusal(f"{why} where {told} stands, and the guard does not guess")

    def identifier(self) -> Lexeme:
        """Take a word or a quoted name."""
        token = self.token()
        if token.kind not in ("word", "quoted") or token.upper in RESERVED:
            raise self.unexpected("a name was expected")
        self.at += 1
        return token

    def dotted(self) -> list[Lexeme]:
        """Take a name with the names before its dots."""
        parts = [self.identifier()]
        while self.took("."):
            token = self.token()
            if token.kind not in ("word", "quoted"):
                raise self.unexpected("a name was expected")
            self.at += 1
            parts.append(token)
        return parts

    def names_in_parentheses(self) -> list[Lexeme]:
        """Take ``(a, b)``."""
        self.expect("(")
        found = [self.identifier()]
        while self.took(","):
            found.append(self.identifier())
        self.expect(")")
        return found

    # -- putting in ------------------------------------------------------------------------------------

    def put(self, offset: int, *pieces: Piece) -> None:
        """Put pieces of SQL in at an offset of the text."""
        self.edits.append((offset, list(pieces)))

    def end(self, index: int) -> int:
        """Return the offset behind the last token before an index."""
        return self.tokens[index - 1].end

    def start(self, index: int) -> int:
        """Return the offset of a token."""
        return self.tokens[index].start

    # -- expressions -----------------------------------------------------------------------------------

    def expression(self, env: Environment, *, commas: bool = True) -> Span:
        """Read an expression, or several with commas, up to a word that begins something else."""
        begun = self.at
        while self.at < len(self.tokens):
            token = self.token()
            if token.text in (")", "]", ";") or (token.text == "," and not commas):
                break
            if token.upper in _STOPS and self._stops(token):
                break
            self._element(env)
        if self.at == begun or self.tokens[self.at - 1].text == ",":
            raise self.unexpected("an expression was expected")
        return begun, self.at

    def _stops(self, token: Lexeme) -> bool:
        """Tell whether a word ends the expression here, instead of being part of it or a name."""
        before = self.tokens[self.at - 1].upper if self.at else ""
        if before in ("AS", "."):
            return False
        word, after = token.upper, self.token(1).upper
        if word == "FROM":
            return before != "DISTINCT" or self.tokens[self.at - 2].upper not in ("IS", "NOT")
        if word == "GROUP":
            return before != "WITHIN"
        if word in ("LEFT", "RIGHT"):
            return after != "("
        if word == "LOCK":
            return self.which == MYSQL
        if word == "DO":
            return after in ("NOTHING", "UPDATE")
        if word == "WINDOW":
            return self.token(2).upper == "AS"
        return True

    def _element(self, env: Environment) -> None:
        token = self.token()
        if token.text in ("(", "[") and token.kind == "symbol":
            self.group(env)
            return
        before = self.tokens[self.at - 1].upper if self.at else ""
        if before != "AS":
            fault = token_fault(self.tokens, self.at, token, self.which)
            if fault is not None and not self._known_here(token):
                raise refusal(fault)
        if token.upper == "USING" and not self._converts():
            raise self.unexpected("an expression was expected")
        if token.upper in ("SET", "ON", "HAVING") and before not in (".", "AS", "CHARACTER"):
            raise self.unexpected("an expression was expected")
        self.at += 1

    def _known_here(self, token: Lexeme) -> bool:
        """Tell whether a token that no fragment may hold is part of a whole statement."""
        return token.upper == "VALUES" and self.which == MYSQL

    def _converts(self) -> bool:
        return self.token().depth > 0 and self.which == MYSQL

    def group(self, env: Environment) -> None:
        """Read what stands in parentheses or brackets: an expression or a query."""
        close = ")" if self.token().text == "(" else "]"
        begun = self.at
        self.at += 1
        if close == ")" and self.begins_query():
            self.queries[begun] = (self.query(env), self.at + 1)
        else:
            if self.sees("(") and self._query_ahead():
                self.group(env)
                if self.token().upper in SET_OPERATIONS | TAIL:
                    self.rest_of_query(env)
            while self.at < len(self.tokens) and self.token().text not in (")", "]"):
                if self.token().text == ";":
                    break
                self._element(env)
        self.expect(close)

    def begins_query(self, ahead: int = 0) -> bool:
        """Tell whether a query begins here."""
        word = self.token(ahead).upper
        if word == "VALUES":
            return self.token(ahead + 1).upper in ("(", "ROW")
        return word in ("SELECT", "WITH", "TABLE")

    def _query_ahead(self) -> bool:
        ahead = 0
        while self.token(ahead).text == "(":
            ahead += 1
        return self.begins_query(ahead)

    def query(self, env: Environment) -> list[Frame]:
        """Read a query; see :class:`tenantguard.sql.text.queries.Queries`."""
        raise NotImplementedError

    def rest_of_query(self, env: Environment) -> list[Frame]:
        """Read what follows the first part of a query; see the same class."""
        raise NotImplementedError


_END = Lexeme("symbol", "", 0, 0)
