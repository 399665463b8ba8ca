"""Ambiguities: text that databases, or their settings, would read in different ways. It is refused with advice."""

from __future__ import annotations

import re
import unicodedata

from tenantguard.sql.text.tokens import MYSQL, NAMED, PERCENT, POSTGRESQL, SQLITE, Token, Unreadable

LONGEST_NAME = 63  # bytes, on PostgreSQL
_FOLDING = frozenset("\u0130\u0131\u017f\u212a")  # dotted and dotless i, long s, the Kelvin sign
_NAMED_INSIDE = re.compile(NAMED)
_ANY_END = frozenset("~!@#%^&|`?")  # with one of these an operator may end in + or -
_RUN = [
    re.compile(rf"(?:(?!--|/\*){sign})+") for sign in (r"[-+*/<>=~!@#%^&|`?]", r"(?:[-+*/<>=~!@#^&|`?]|%%)")
]
_PREFIXES = frozenset(["b", "x", "n", "e", "u", "q"])
_PARAMETERS = {
    "qmark": "?", "numeric": ":1", "numeric_dollar": "$1", "format": "%s", "pyformat": "%(name)s",
    "none": ":name inside text()",
}  # fmt: skip
_DOUBTS = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"/\*|\*/", "it holds a comment that is executed, nested or not closed"),
        (
            "--",
            "it holds two minus signs that MySQL does not read as a comment; put a space between or behind them",
        ),
        (
            r"['\"`\[]",
            "a quote ({0}) in it does not close, or closes differently by setting; bind a parameter",
        ),
        ("@", "it reads or sets a variable (@); bind a parameter"),
        ("[:?$#%]", "it holds {0!r}, which begins no parameter here; write a parameter as {2}"),
        (r"\\", "it holds a backslash outside of a string"),
        (r"\s", "it holds a white space that not every database reads as one (U+{1:04X}); write a space"),
        ("", "it holds {0!r} (U+{1:04X}) where it can be read in two ways"),
    )
]


def doubt(text: str, at: int, style: str) -> str:
    """Return the sentence about a character that begins no token, in a text with parameters of a style."""
    character = text[at]
    sentence = next(sentence for pattern, sentence in _DOUBTS if pattern.match(text, at))
    return sentence.format(character, ord(character), _PARAMETERS.get(style, ":name"))


def refuse_comment(comment: str, style: str) -> None:
    """Refuse a comment that could end elsewhere, or that contains a parameter."""
    if comment[0] != "/" and "\r" in comment.rstrip("\r"):
        raise Unreadable("a comment in it holds a bare carriage return (\\r); end its lines with a newline")
    holds = "%" in comment if style in PERCENT else style == "named" and _NAMED_INSIDE.search(comment)
    if holds:
        raise Unreadable("a comment in it holds a parameter")


def refuse_held(text: str, style: str) -> None:
    """Refuse a parameter inside quotes."""
    if style in PERCENT and "%" in text.replace("%%", ""):
        raise Unreadable("a quote in it holds a single %, which the driver takes for a parameter; write %%")
    if style == "named" and ":" in text and _NAMED_INSIDE.search(text):
        raise Unreadable(r"a quote in it holds a parameter; write \: for a colon")


def refuse_name(name: str, which: str, *, is_word: bool = False) -> None:
    """Refuse a name that a database reads or folds differently, or truncates."""
    others = [] if name.isascii() else [letter for letter in name if letter > "\x7f"]
    for letter in others:
        if is_word and (unicodedata.category(letter)[0] != "L" or letter > "\uffff"):
            raise Unreadable(
                f"it holds {letter!r} (U+{ord(letter):04X}), which is neither a letter nor a space to every "
                "database; write ASCII, or put the name in quotes"
            )
    if not _FOLDING.isdisjoint(others) or (which == MYSQL and any(one != one.lower() for one in others)):
        raise Unreadable(
            "it uses a name with a letter that some databases fold into another one; write it in lower case"
        )
    if which == POSTGRESQL and len(name.encode()) > LONGEST_NAME:
        raise Unreadable("it uses a name that PostgreSQL cuts short; use at most 63 bytes")


def refuse_joined(before: Token, token: Token, after: str, which: str) -> None:
    """Refuse a token that a database would join with its neighbours, or split."""
    kind, tight = token.kind, token.start == before.end
    if kind == "number" or kind == "parameter":
        if after.isalnum() or after in ("_", "$", ".", "'", '"', "`") or after > "\x7f":
            raise Unreadable(f"it holds a {kind} that runs into {after!r}; put a space after it")
        if kind == "parameter" and (after in ("(", "?", "@", "#") or (after == ":" and which == SQLITE)):
            raise Unreadable(f"it holds a parameter that runs into {after!r}; put a space after it")
        if tight and token.text[0] == "." and (before.kind != "symbol" or before.text in (")", "]")):
            raise Unreadable("it holds a dot and a digit after a word; put a space between them")
    elif kind == "string" and before.kind == "string":
        raise Unreadable("it holds a string that continues in another one; write it as one")
    elif (
        tight
        and (kind == "string" or kind == "quoted")
        and before.kind != "symbol"
        and before.kind != "string"
    ):
        is_prefix = before.text.lower() in _PREFIXES or before.text[0] == "_"
        if kind == "quoted" or before.kind != "word" or is_prefix:
            raise Unreadable("it holds a quote right after a word; put a space between them")
    elif tight and kind == "quoted" and before.text == "&":
        raise Unreadable("it holds an identifier with escapes (U&); write the letters")
    if before.text == "." and before.kind == "symbol":
        refuse_dot(before, token)


def refuse_split(text: str, start: int, end: int, style: str) -> None:
    """Refuse a sign that PostgreSQL reads together with the next signs as one operator."""
    run = text[start : _RUN[style in PERCENT].match(text, start).end()]  # type: ignore[union-attr]  # a sign stands there
    if _ANY_END.isdisjoint(run):
        run = run[0] + run[1:].rstrip("+-")  # which are then signs of a number
    if len(run) != end - start:
        raise Unreadable(
            f"it holds {run[:20]!r}, which is not a known operator; put spaces between the signs"
        )


def refuse_dot(before: Token, token: Token) -> None:
    """Refuse a dot that does not join names."""
    if before.text == "." and before.kind == "symbol" and not (token.is_name or token.text == "*"):
        raise Unreadable("it holds a dot with no name after it")
    if token.text == "." and not (before.is_name or before.text in (")", "]")):
        raise Unreadable("it holds a dot with no name before it")
