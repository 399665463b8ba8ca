"""Tokens of SQL text, read so strictly that a database cannot read them otherwise.

What two databases, or two settings of one, would split differently is :class:`Unreadable` here: a
backslash before a quote, strings that continue on the next line, control characters, executable comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["word", "quoted", "string", "number", "parameter", "symbol"]

SQLITE, POSTGRESQL, MYSQL = "sqlite", "postgresql", "mysql"
STYLES = ("named", "qmark", "format", "pyformat", "numeric", "numeric_dollar", "driver_named")

_WORD = r"[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*"
_NUMBER = r"(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w$])"
_PLAIN = r"'(?:[^']|'')*'"  # no escapes: SQLite, and PostgreSQL since 9.1
_WARY = r"'(?:[^'\\]|''|\\[^'\"])*'"  # the same end with and without backslash escapes

_STRING = {
    SQLITE: rf"(?:[xX])?{_PLAIN}",
    POSTGRESQL: rf"[eE]'(?:[^'\\]|''|\\.)*'|(?:[bBxXnN]|[uU]&)?{_PLAIN}",
    MYSQL: r"(?:[bBxXnN])?" + _WARY + r'|"(?:[^"\\]|""|\\[^\'"])*"',
}
_QUOTED = {
    SQLITE: r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]',
    POSTGRESQL: r'"(?:[^"]|"")*"',
    MYSQL: r"`(?:[^`]|``)*`",
}
_SYMBOL = {
    SQLITE: r"[(),.;\\]|::?|[-+*/<>=~!@#%^&|?]+",
    POSTGRESQL: r"[()\[\],.;]|\\:\\:|\\|::|:=|:|[-+*/<>=~!@#%^&|?]+",
    MYSQL: r"[(),.;\\]|:=|::?|[-+*/<>=~!@#%^&|?]+",
}
_NAMED = r"(?<![:\w\\]):\w+(?!:)"  # as SQLAlchemy's text() finds them, inside quotes too
_PARAMETER = {
    "named": _NAMED,
    "driver_named": r"(?<![:\w]):\w+",
    "qmark": r"\?",
    "numeric": r"(?<![:\w]):\d+",
    "numeric_dollar": r"\$\d+",
    "format": r"%s|%\(\w+\)s",
    "pyformat": r"%[sbt]|%\(\w+\)[sbt]",
}
_PERCENT = ("format", "pyformat")  # the driver takes every % for its own, in quotes and comments too

_SPACE = re.compile(r"[ \t\r\n]*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MOST_TOKENS = 30_000
_COMMENT_SIGN = re.compile(r"--|/\*|\*/")
_BLOCK_COMMENT = re.compile(r"/\*(?![!M])(?:[^*/]|\*(?!/)|/(?!\*))*\*/")
_NAMED_INSIDE = re.compile(_NAMED)
_UNMATCHED = "its parentheses do not match, so that it could leave its place"


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
        return ascii_upper(self.text) if self.kind in ("word", "symbol") else ""

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
    if dialect in _STRING:
        return dialect
    raise Unreadable(f"SQL text of the dialect {dialect!r} cannot be read")


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def unquoted(text: str) -> str:
    """Return an identifier without its quotes."""
    if text[:1] in ('"', "`"):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text[1:-1] if text[:1] == "[" else text


_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_LOWER = {upper: lower for lower, upper in _UPPER.items()}


def ascii_upper(text: str) -> str:
    """Return the text with its ASCII letters in upper case, as databases fold keywords."""
    return text.translate(_UPPER)


def ascii_lower(text: str) -> str:
    """Return the text with its ASCII letters in lower case, as databases fold names."""
    return text.translate(_LOWER)


def lexemes(
    text: str, dialect: str, *, longest: int, deepest: int, style: str = "named", comments: bool = False
) -> list[Lexeme]:
    """Split a text into tokens.

    Args:
        text: the SQL.
        dialect: SQLAlchemy's name of the dialect.
        longest: how many characters are read.
        deepest: how deep parentheses may nest.
        style: how parameters are written, one of ``STYLES``.
        comments: skip comments instead of refusing them; executable ones are refused all the same.

    Raises:
        Unreadable: the text is too long or too deep, is not balanced, or can be read in two ways.
    """
    if len(text) > longest:
        raise Unreadable(f"it is longer than {longest:,} characters")
    if _CONTROL.search(text):
        raise Unreadable("it holds a control character, or half of a surrogate pair")
    which = family(dialect)
    found: list[Lexeme] = []
    open_: list[str] = []
    at = _skip(text, 0, which, style, comments)
    while at < len(text):
        token = _next(text, at, which, style, len(open_))
        _count(token, open_, deepest)
        _refuse_joined(found[-1] if found else None, token, text)
        found.append(token)
        if len(found) > _MOST_TOKENS:
            raise Unreadable(f"it has more than {_MOST_TOKENS:,} words and signs")
        at = _skip(text, token.end, which, style, comments)
    if open_:
        raise Unreadable(_UNMATCHED)
    return found


@cache
def _scanner(which: str, style: str) -> re.Pattern[str]:
    symbol = _SYMBOL[which]
    if style in _PERCENT:
        symbol = symbol.replace("%", "") + "|%%"
    elif style == "qmark":
        symbol = symbol.replace("?]+", "]+")
    grammar = (
        ("string", _STRING[which]),
        ("quoted", _QUOTED[which]),
        ("number", _NUMBER),
        ("word", _WORD),
        ("parameter", _PARAMETER[style]),
        ("symbol", symbol),
    )
    return re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in grammar), re.DOTALL)


def _skip(text: str, at: int, which: str, style: str, comments: bool) -> int:
    """Return the offset of the next token."""
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        sign = text[at : at + 2]
        if sign not in ("--", "/*") and not (which == MYSQL and sign[:1] == "#"):
            return at
        if not comments:
            raise Unreadable("it holds a comment")
        at = _comment_end(text, at, which, style)


def _comment_end(text: str, at: int, which: str, style: str) -> int:
    line = text[at] in "-#"
    if line:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if which == MYSQL and text[at] == "-" and not text[at + 2 : at + 3].isspace() and end != at + 2:
            raise Unreadable("it holds two minus signs that MySQL does not read as a comment")
    else:
        match = _BLOCK_COMMENT.match(text, at)
        if match is None:
            raise Unreadable("it holds a comment that is executed, nested or not closed")
        end = match.end()
    if (style in _PERCENT and "%" in text[at:end]) or (
        style == "named" and _NAMED_INSIDE.search(text, at, end)
    ):
        raise Unreadable("a comment in it holds a parameter")
    return end


def _next(text: str, at: int, which: str, style: str, depth: int) -> Lexeme:
    match = _scanner(which, style).match(text, at)
    if match is None or match.lastgroup is None:
        raise Unreadable(
            "a quote in it does not close, or closes differently by setting"
            if text[at] in "'\"`["
            else f"it holds {text[at]!r} where it can be read in two ways"
        )
    token = Lexeme(match.lastgroup, match.group(), at, depth)  # type: ignore[arg-type]  # the groups are the kinds
    _refuse_doubtful(token, text, which, style)
    return token


def _refuse_doubtful(token: Lexeme, text: str, which: str, style: str) -> None:
    after = text[token.end : token.end + 1]
    if token.kind == "symbol" and (
        _COMMENT_SIGN.search(token.text) or (which == MYSQL and "#" in token.text)
    ):
        raise Unreadable("it holds a comment")
    if token.kind == "word" and not all(c.isalnum() or c in "_$" for c in token.text):
        raise Unreadable("it holds a character that is neither a letter nor a space")
    if token.kind == "parameter" and (after.isalnum() or after in ("_", "?")):
        raise Unreadable("it holds a parameter that runs into a word")
    if token.kind in ("string", "quoted"):
        inside = token.text
        if style in _PERCENT and "%" in inside.replace("%%", ""):
            raise Unreadable("a quote in it holds a single %, which the driver takes for a parameter")
        if style == "named" and _NAMED_INSIDE.search(inside):
            raise Unreadable("a quote in it holds a parameter")


def _count(token: Lexeme, open_: list[str], deepest: int) -> None:
    if token.text in ("(", "["):
        open_.append(token.text)
        if len(open_) > deepest:
            raise Unreadable(f"its parentheses nest deeper than {deepest}")
    elif token.text in (")", "]") and (not open_ or open_.pop() != {")": "(", "]": "["}[token.text]):
        raise Unreadable(_UNMATCHED)


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
