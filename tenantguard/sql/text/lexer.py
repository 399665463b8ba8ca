"""The lexer: the tokens that SQLite, PostgreSQL and MariaDB all split a text into in the same way.

What they would split differently, by dialect or by setting, is ``Unreadable``, with the character and how to
write it. What is read is composed anew, so a text cannot hold a token for the database that it did not hold here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Kind = Literal["word", "quoted", "string", "number", "parameter", "symbol", "tenant", "rule"]

SQLITE, POSTGRESQL, MYSQL = "sqlite", "postgresql", "mysql"
# how parameters are written: by SQLAlchemy's text(), not at all, or as the driver's paramstyle
STYLES = ("named", "none", "qmark", "driver_named", "format", "pyformat", "numeric", "numeric_dollar")
PERCENT = ("format", "pyformat")  # the driver takes every % for its own, in quotes and comments too

_FAMILIES = {SQLITE: SQLITE, POSTGRESQL: POSTGRESQL, MYSQL: MYSQL, "mariadb": MYSQL}
_LONGEST = 100_000
_MOST_TOKENS = 30_000
_LONGEST_NAME = 63  # bytes, on PostgreSQL
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FOLDING = frozenset("\u0130\u0131\u017f\u212a")  # dotted and dotless i, long s, the Kelvin sign

_SPACES = " \t\r\n"
_BLOCK = r"/\*(?![!M])(?:[^*/]++|\*(?!/)|/(?!\*))*+\*/"
_WORD = r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*+"
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PLAIN = r"'(?:[^']++|'')*+'"  # no escapes: SQLite, and PostgreSQL, where it is written anew
_WARY = r"'(?:[^'\\]++|''|\\[^'\"])*+'"  # ends at the same place with and without backslash escapes
_HEX, _BITS = "[xX]'[0-9a-fA-F]*'", "[bB]'[01]*'"
_STRING = {
    SQLITE: rf"{_HEX}|{_PLAIN}",
    POSTGRESQL: rf"{_HEX}|{_BITS}|[eE]'(?:[^'\\]++|''|\\.)*+'|(?:[nN]|[uU]&)?{_PLAIN}"
    r"|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$",
    MYSQL: rf'{_HEX}|{_BITS}|(?:[nN]|_(?:utf8mb[34]|utf8|latin1|ascii|binary))?{_WARY}|"(?:[^"\\]++|""|\\[^\'"])*+"',
}
_QUOTED = {
    SQLITE: r'"(?:[^"]++|"")++"|`(?:[^`]++|``)++`|\[[^\]]++\]',
    POSTGRESQL: r'"(?:[^"]++|"")++"',
    MYSQL: r"`(?:[^`]++|``)++`",
}
_SYMBOLS = {
    SQLITE: "( ) , . ; ->> -> << >> <= >= <> != == || < > = + - * / % & | ~",
    MYSQL: "( ) , . ; ->> -> << >> <=> <= >= <> != && || < > = ! + - * / % & | ~ ^",
    POSTGRESQL: (
        "( ) [ ] , . ; :: := => : ->> -> #>> #> #- ?-| ?|| ?| ?& ?# ?- ? ||/ |/ || |-| |>> |&> @@@ @@ @> @? @-@ @ "
        "<@ <-> <#> <=> <+> <~> <%> <<= <<| << <^ <> <= >= >> >^ <% <<% %> %>> % && &&& &< &<| &> & != !~~* !~~ !~* "
        "!~ ~~* ~~ ~* ~= ~>=~ ~<=~ ~>~ ~<~ ~ ^@ ^ | # ## < > = + - * / -|- >>="
    ),
}
_NAMED = r"(?<![:\w\\]):\w+(?!:)"  # as SQLAlchemy's text() finds them, inside quotes too
_PARAMETER = {
    "named": _NAMED,
    "none": r"(?!)",
    "numeric_dollar": r"\$[0-9]+",
    "format": r"%s|%\(\w+\)s",
    "pyformat": r"%[sbt]|%\(\w+\)[sbt]",
    SQLITE: r"\?[0-9]*|[:@$][A-Za-z0-9_]+",  # sqlite3 takes each of them, whatever its paramstyle says
    "qmark": r"\?",
    "driver_named": r":[A-Za-z0-9_]+",
    "numeric": r":[0-9]+",
}
_NAMED_INSIDE = re.compile(_NAMED)
_ESCAPED = re.compile(r"\\(:[\w$]*)(?![:\w$])")  # as SQLAlchemy takes the backslash away again
SIGNS = frozenset("-+*/<>=~!@#%^&|`?")  # that PostgreSQL's operators are made of
_ANY_END = frozenset("~!@#%^&|`?")  # with one of these an operator may end in + or -
_COMMON = r"[(),]|\.(?![0-9])|=(?![-+*/<>=~!@#%^&|`?])"
_RUN = [
    re.compile(rf"(?:(?!--|/\*){sign})+") for sign in (r"[-+*/<>=~!@#%^&|`?]", r"(?:[-+*/<>=~!@#^&|`?]|%%)")
]
_NO_SIGNS: frozenset[str] = frozenset()
_PREFIXES = frozenset(["b", "x", "n", "e", "u", "q"])


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
        ("[:?$#%]", "it holds {0!r} where no parameter stands; name it, as in :name"),
        (r"\\", "it holds a backslash outside of a string"),
        (r"\s", "it holds a white space that not every database reads as one (U+{1:04X}); write a space"),
        ("", "it holds {0!r} (U+{1:04X}) where it can be read in two ways"),
    )
]


class Unreadable(Exception):
    """Say in a sentence why a text cannot be split into tokens with certainty."""


class Token:
    """One token.

    Attributes:
        kind: what it is.
        text: how the database gets it.
        start: where it stands in the text; less than none for a token of ours.
        end: where it ends.
        upper: an unquoted word in upper case, or a symbol; nothing for what is quoted.
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
        Unreadable: text of this dialect has never been proven.
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
_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}


def ascii_lower(text: str) -> str:
    """Return the text with its ASCII letters in lower case, as databases fold names."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def tokens_of(text: str, which: str, style: str) -> list[Token]:
    """Split a text into tokens.

    Args:
        text: the SQL.
        which: the family of the dialect.
        style: how parameters are written, one of ``STYLES``.

    Raises:
        Unreadable: the text is too long, or can be read in two ways.
    """
    if len(text) > _LONGEST:
        raise Unreadable(f"it is longer than {_LONGEST:,} characters")
    if style not in STYLES:
        raise Unreadable(f"parameters of the style {style!r} cannot be read")
    if control := _CONTROL.search(text):
        raise Unreadable(
            f"it holds a control character, or half of a surrogate pair (U+{ord(control[0]):04X}); leave it out, or "
            "bind a parameter"
        )
    text = text.rstrip(_SPACES)
    found: list[Token] = []
    before, end, signs = Token("symbol", ""), 0, SIGNS if which == POSTGRESQL else _NO_SIGNS
    common, rare = _scanners(which, style)
    parts = common.findall(text)
    if len(parts) > _MOST_TOKENS:
        raise Unreadable(f"it has more than {_MOST_TOKENS:,} words and signs")
    is_ascii = text.isascii()
    for space, word, sign, _tag in parts:
        start = end + len(space)
        if word:
            end = start + len(word)
            if is_ascii and end - start <= _LONGEST_NAME:
                token = Token("word", word, start, end, word.upper())
            else:
                token = _read("word", word, start, end, which, style)
        elif sign:
            end = start + 1
            token = Token("symbol", sign, start, end, sign)
            if sign == "." or before.text == ".":
                _refuse_dot(before, token)
        else:
            matched = rare.match(text, start)
            if matched is None:
                raise Unreadable(_doubt(text, start))
            kind, written, end = matched.lastgroup or "", matched[0], matched.end()
            if kind == "comment":
                _read_comment(written, which, style)
                continue
            token = _read(kind, written, start, end, which, style)
            if kind != "symbol":
                _refuse_joined(before, token, text[end : end + 1], which)
            elif before.text == ".":
                _refuse_dot(before, token)
            elif written[0] in signs and text[end : end + 1] in signs:
                _refuse_split(text, start, end, style)
        found.append(token)
        before = token
    if before.text == ".":
        raise Unreadable("it holds a dot with no name after it")
    return found


@cache
def _scanners(which: str, style: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return two patterns: of any token, with groups for the spaces before it and for the commonest, and of the others.

    The commonest are words that no string can begin with, and signs that are no part of longer ones. What begins no
    token is one to the first pattern, to the end of the text, and none to the second.
    """
    driver = which == SQLITE and style not in ("named", "none")
    symbols = sorted(_SYMBOLS[which].split(), key=len, reverse=True)
    if style in PERCENT:
        symbols = [symbol.replace("%", "%%") for symbol in symbols]
    if style == "named":
        symbols += [r"\:\:", r"\:"] if which == POSTGRESQL else []
    line = r"--[^\n]*" if which != MYSQL else r"--(?=[ \t\r\n]|$)[^\n]*|\#[^\n]*"
    grammar = (
        ("number", r"0[xX][0-9a-fA-F]+|" + _NUMBER if which != POSTGRESQL else _NUMBER),
        ("string", _STRING[which]),
        ("quoted", _QUOTED[which]),
        ("parameter", _PARAMETER[SQLITE if driver else style]),
        ("comment", rf"{line}|{_BLOCK}"),
        ("symbol", r"(?!--|/\*|\*/)(?:" + "|".join(map(re.escape, symbols)) + ")"),
        ("word", _WORD),
    )
    others = "|".join(part for _, part in grammar) + (
        "" if which == POSTGRESQL else "|()(?!)"
    )  # for the tag's group
    named = "|".join(f"(?P<{kind}>{part})" for kind, part in grammar)
    common = rf"([{_SPACES}]*+)(?:({_WORD})(?!['&])|({_COMMON})|{others}|.+)"
    return re.compile(common, re.DOTALL), re.compile(named, re.DOTALL)


def _doubt(text: str, at: int) -> str:
    """Return the sentence for a character that begins no token."""
    character = text[at]
    sentence = next(sentence for pattern, sentence in _DOUBTS if pattern.match(text, at))
    return sentence.format(character, ord(character))


def _read_comment(comment: str, which: str, style: str) -> None:
    """Refuse a comment that ends differently elsewhere, or that holds a parameter."""
    if comment[0] != "/" and "\r" in comment.rstrip("\r"):
        raise Unreadable("a comment in it holds a bare carriage return (\\r); end its lines with a newline")
    holds = "%" in comment if style in PERCENT else style == "named" and _NAMED_INSIDE.search(comment)
    if holds:
        raise Unreadable("a comment in it holds a parameter")


def _read(kind: str, text: str, start: int, end: int, which: str, style: str) -> Token:
    """Return a token as the database gets it."""
    upper = ""
    if kind == "symbol":
        upper = text = text.replace("\\", "")  # of \: in a text()
    elif kind == "word":
        _refuse_name(text, which, is_word=True)
        upper = text.upper() if text.isascii() else text.translate(_UPPER)
    elif kind == "quoted" or kind == "string":
        _refuse_held(text, style)
        if kind == "quoted":
            _refuse_name(unquoted(text), which)
        elif "\\" in text or text[0] == "$":
            text = _canonical(text, which, style)
    return Token(kind, text, start, end, upper)  # type: ignore[arg-type]  # one of its kinds


def _refuse_held(text: str, style: str) -> None:
    """Refuse a parameter inside quotes."""
    if style in PERCENT and "%" in text.replace("%%", ""):
        raise Unreadable("a quote in it holds a single %, which the driver takes for a parameter; write %%")
    if style == "named" and ":" in text and _NAMED_INSIDE.search(text):
        raise Unreadable(r"a quote in it holds a parameter; write \: for a colon")


def _canonical(text: str, which: str, style: str) -> str:
    """Return a string whose backslashes mean the same by every setting."""
    if style == "named":
        text = _ESCAPED.sub(r"\1", text)
    if which == MYSQL and "\\" in text and not text.isascii():
        raise Unreadable(
            "a string in it holds a backslash (\\) beside letters of other scripts; bind a parameter"
        )
    if which != POSTGRESQL or text[0] in "eEuU":
        return text
    if text[0] == "$":
        tag = text[: text.index("$", 1) + 1]
        text = "'" + text[len(tag) : -len(tag)].replace("'", "''") + "'"
    if text[0] == "'" and "\\" in text:
        return "E" + text.replace("\\", "\\\\")
    return text


def _refuse_name(name: str, which: str, *, is_word: bool = False) -> None:
    """Refuse a name that one database reads or folds otherwise, or cuts short."""
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
    if which == POSTGRESQL and len(name.encode()) > _LONGEST_NAME:
        raise Unreadable("it uses a name that PostgreSQL cuts short; use at most 63 bytes")


def _refuse_joined(before: Token, token: Token, after: str, which: str) -> None:
    """Refuse what a database joins into another token, or splits elsewhere."""
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
        _refuse_dot(before, token)


def _refuse_split(text: str, start: int, end: int, style: str) -> None:
    """Refuse a sign that PostgreSQL reads with those behind it as one operator."""
    run = text[start : _RUN[style in PERCENT].match(text, start).end()]  # type: ignore[union-attr]  # a sign stands there
    if _ANY_END.isdisjoint(run):
        run = run[0] + run[1:].rstrip("+-")  # which are then signs of a number
    if len(run) != end - start:
        raise Unreadable(
            f"it holds {run[:20]!r}, which is not a known operator; put spaces between the signs"
        )


def _refuse_dot(before: Token, token: Token) -> None:
    """Refuse a dot that joins no names."""
    if before.text == "." and before.kind == "symbol" and not (token.is_name or token.text == "*"):
        raise Unreadable("it holds a dot with no name after it")
    if token.text == "." and not (before.is_name or before.text in (")", "]")):
        raise Unreadable("it holds a dot with no name before it")
