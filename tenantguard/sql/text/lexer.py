"""Tokens of SQL text, read so strictly that a database cannot read them otherwise.

What two databases, or two settings of one, would split differently is a :class:`Unreadable` here: comments,
a backslash before a quote, strings that continue on the next line, control characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "quoted", "string", "number", "parameter", "symbol"]

SQLITE, POSTGRESQL, MYSQL = "sqlite", "postgresql", "mysql"

_WORD = r"[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*"
_NUMBER = r"(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w$])"
_PLAIN = r"'(?:[^']|'')*'"  # no escapes: SQLite, and PostgreSQL since 9.1
_WARY = r"'(?:[^'\\]|''|\\[^'\"])*'"  # the same end with and without backslash escapes
_OPERATOR = r"[-+*/<>=~!@#%^&|?]+"

_GRAMMARS = {
    SQLITE: (
        ("string", rf"(?:[xX])?{_PLAIN}"),
        ("quoted", r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]'),
        ("number", _NUMBER),
        ("word", _WORD),
        ("parameter", r"(?<![:\w\\]):\w+"),
        ("symbol", r"[(),.;\\]|::?|[-+*/<>=~!%&|?@#^]+"),
    ),
    POSTGRESQL: (
        ("string", rf"[eE]'(?:[^'\\]|''|\\.)*'|(?:[bBxXnN]|[uU]&)?{_PLAIN}"),
        ("quoted", r'"(?:[^"]|"")*"'),
        ("number", _NUMBER),
        ("word", _WORD),
        ("parameter", r"(?<![:\w\\]):\w+(?!:)"),
        ("symbol", rf"[()\[\],.;\\]|::|:=|:|{_OPERATOR}"),
    ),
    MYSQL: (
        ("string", r"(?:[bBxXnN])?" + _WARY + r'|"(?:[^"\\]|""|\\[^\'"])*"'),
        ("quoted", r"`(?:[^`]|``)*`"),
        ("number", _NUMBER),
        ("word", _WORD),
        ("parameter", r"(?<![:\w\\]):\w+"),
        ("symbol", rf"[(),.;\\]|:=|::?|{_OPERATOR}"),
    ),
}
_SCANNERS = {
    family: re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in grammar), re.DOTALL)
    for family, grammar in _GRAMMARS.items()
}
_SPACE = re.compile(r"[ \t\r\n]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNMATCHED = "its parentheses do not match, so that it could leave its place"
_COMMENT = re.compile(r"--|/\*|\*/")


class Unreadable(Exception):
    """Say in a sentence why a text cannot be split into tokens with certainty."""


@dataclass(frozen=True, slots=True)
class Lexeme:
    """Hold one token: its kind, its text, where it stands, and how deep in parentheses."""

    kind: Kind
    text: str
    start: int
    depth: int

    @property
    def end(self) -> int:
        """Return the offset behind the token."""
        return self.start + len(self.text)

    @property
    def upper(self) -> str:
        """Return an unquoted word or a symbol in upper case, and nothing for what is quoted."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""

    @property
    def name(self) -> str:
        """Return a word or a quoted identifier as a name, without its quotes and in lower case."""
        return unquoted(self.text).lower() if self.kind in ("word", "quoted", "string") else ""


def family(dialect: str) -> str:
    """Return the family of a dialect by SQLAlchemy's name for it.

    Raises:
        Unreadable: text of this dialect has never been proven.
    """
    if dialect in ("mysql", "mariadb"):
        return MYSQL
    if dialect in _GRAMMARS:
        return dialect
    raise Unreadable(f"SQL text of the dialect {dialect!r} cannot be read")


def unquoted(text: str) -> str:
    """Return an identifier without its quotes."""
    quote, close = text[:1], {"[": "]"}.get(text[:1], text[:1])
    if quote in ('"', "`", "["):
        return text[1:-1].replace(close * 2, close) if quote != "[" else text[1:-1]
    return text


def lexemes(text: str, dialect: str, *, longest: int, deepest: int) -> list[Lexeme]:
    """Split a text into tokens.

    Args:
        text: the SQL.
        dialect: SQLAlchemy's name of the dialect.
        longest: how many characters are read.
        deepest: how deep parentheses may nest.

    Raises:
        Unreadable: the text is too long or too deep, is not balanced, or can be read in two ways.
    """
    if len(text) > longest:
        raise Unreadable(f"it is longer than {longest:,} characters")
    if _CONTROL.search(text):
        raise Unreadable("it holds a control character")
    which = family(dialect)
    found: list[Lexeme] = []
    open_: list[str] = []
    at = _skip(text, 0)
    while at < len(text):
        token = _next(text, at, which, len(open_))
        if token.text in ("(", "["):
            open_.append(token.text)
            if len(open_) > deepest:
                raise Unreadable(f"its parentheses nest deeper than {deepest}")
        elif token.text in (")", "]") and token.kind == "symbol":
            _close(open_, token.text)
        _refuse_joined(found[-1] if found else None, token, text)
        found.append(token)
        at = _skip(text, token.end)
    if open_:
        raise Unreadable(_UNMATCHED)
    return found


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def _close(open_: list[str], bracket: str) -> None:
    if not open_ or open_.pop() != {")": "(", "]": "["}[bracket]:
        raise Unreadable(_UNMATCHED)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _next(text: str, at: int, which: str, depth: int) -> Lexeme:
    match = _SCANNERS[which].match(text, at)
    if match is None or match.lastgroup is None:
        quote = text[at] in "'\"`["
        raise Unreadable(
            "a quote in it does not close, or closes differently by setting"
            if quote
            else f"it holds {text[at]!r} where it can be read in two ways"
        )
    token = Lexeme(match.lastgroup, match.group(), at, depth)  # type: ignore[arg-type]  # the groups are the kinds
    if token.kind == "symbol" and (_COMMENT.search(token.text) or (which == MYSQL and "#" in token.text)):
        raise Unreadable("it holds a comment")
    if token.kind == "word" and not all(c.isalnum() or c in "_$" for c in token.text):
        raise Unreadable("it holds a character that is neither a letter nor a space")
    return token


def _refuse_joined(before: Lexeme | None, token: Lexeme, text: str) -> None:
    """Refuse two tokens that a database joins into one: a string continued, a prefix before a quote."""
    if before is None or token.kind not in ("string", "quoted"):
        return
    if before.kind == "string" and token.kind == "string":
        raise Unreadable("it holds a string that continues in another one")
    if before.end == token.start and before.kind in ("word", "quoted", "string", "number"):
        raise Unreadable("it holds a quote right behind a word")
    if text[token.start - 2 : token.start].lower() == "u&":
        raise Unreadable("it holds an identifier with escapes")
