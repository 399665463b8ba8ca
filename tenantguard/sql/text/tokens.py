"""Tokens: the pieces of a text, the families of dialects, and how names are compared and quoted."""

from __future__ import annotations

from typing import Literal

Kind = Literal["word", "quoted", "string", "number", "parameter", "symbol", "tenant", "rule"]

SQLITE, POSTGRESQL, MYSQL = "sqlite", "postgresql", "mysql"
# how parameters are written: by SQLAlchemy's text(), not at all, or as the driver's paramstyle
STYLES = ("named", "none", "qmark", "driver_named", "format", "pyformat", "numeric", "numeric_dollar")
PERCENT = ("format", "pyformat")  # the driver takes every % for its own, in quotes and comments too
NAMED = r"(?<![:\w\\]):\w+(?!:)"  # as SQLAlchemy's text() finds them, inside quotes too

_FAMILIES = {SQLITE: SQLITE, POSTGRESQL: POSTGRESQL, MYSQL: MYSQL, "mariadb": MYSQL}


class Unreadable(Exception):
    """A sentence about why a text cannot be split into tokens with certainty."""


class Token:
    """One token.

    Attributes:
        kind: what it is.
        text: how it is sent.
        start: where it begins in the text; negative for a token of ours.
        end: where it ends.
        upper: an unquoted word in upper case, or a symbol; empty for any other token.
    """

    __slots__ = ("end", "kind", "start", "text", "upper")

    def __init__(self, kind: Kind, text: str, start: int = -1, end: int = -1, upper: str = "") -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.upper = upper

    @property
    def is_name(self) -> bool:
        """Tell whether it is a word or a quoted name."""
        return self.kind == "word" or self.kind == "quoted"

    def copy(self) -> Token:
        """Return a token of ours like it."""
        return Token(self.kind, self.text)


def family(dialect: str) -> str:
    """Return the family of a dialect by SQLAlchemy's name for it.

    Raises:
        Unreadable: SQL text of this dialect is not supported.
    """
    if dialect not in _FAMILIES:
        raise Unreadable(f"SQL text of the dialect {dialect!r} cannot be read")
    return _FAMILIES[dialect]


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def unquoted(text: str) -> str:
    """Return an identifier without its quotes."""
    if text[:1] in ('"', "`"):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text[1:-1] if text[:1] == "[" else text


def quoted(name: str, which: str) -> Token:
    """Return a name in the quotes of a family."""
    mark = "`" if which == MYSQL else '"'
    return Token("quoted", f"{mark}{name.replace(mark, mark * 2)}{mark}")


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def ascii_lower(text: str) -> str:
    """Return the text with its ASCII letters in lower case, as databases fold names."""
    return text.lower() if text.isascii() else text.translate(_LOWER)
