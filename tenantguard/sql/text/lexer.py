"""The lexer: splits a text into the tokens that every database sees in it.

Text that a database could split differently, by dialect or setting, is ``Unreadable``; the sentence names the
character and says how to write it. The tokens are composed anew, so the database sees no others.
"""

from __future__ import annotations

import re
from functools import cache

from tenantguard.sql.text.ambiguities import (
    LONGEST_NAME,
    doubt,
    refuse_comment,
    refuse_dot,
    refuse_held,
    refuse_joined,
    refuse_name,
    refuse_split,
)
from tenantguard.sql.text.tokens import (
    MYSQL,
    NAMED,
    PERCENT,
    POSTGRESQL,
    SQLITE,
    STYLES,
    Token,
    Unreadable,
    unquoted,
)

_LONGEST = 100_000
_MOST_TOKENS = 30_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
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
_PARAMETER = {
    "named": NAMED,
    "none": r"(?!)",
    "numeric_dollar": r"\$[0-9]+",
    "format": r"%s|%\(\w+\)s",
    "pyformat": r"%[sbt]|%\(\w+\)[sbt]",
    SQLITE: r"\?[0-9]*|[:@$][A-Za-z0-9_]+",  # sqlite3 takes each of them, whatever its paramstyle says
    "qmark": r"\?",
    "driver_named": r":[A-Za-z0-9_]+",
    "numeric": r":[0-9]+",
}
_ESCAPED = re.compile(r"\\(:[\w$]*)(?![:\w$])")  # as SQLAlchemy takes the backslash away again
SIGNS = frozenset("-+*/<>=~!@#%^&|`?")  # that PostgreSQL's operators are made of
_COMMON = r"[(),]|\.(?![0-9])|=(?![-+*/<>=~!@#%^&|`?])"
_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_NO_SIGNS: frozenset[str] = frozenset()


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
    tokens: list[Token] = []
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
            if is_ascii and end - start <= LONGEST_NAME:
                token = Token("word", word, start, end, word.upper())
            else:
                token = _read("word", word, start, end, which, style)
        elif sign:
            end = start + 1
            token = Token("symbol", sign, start, end, sign)
            if sign == "." or before.text == ".":
                refuse_dot(before, token)
        else:
            matched = rare.match(text, start)
            if matched is None:
                raise Unreadable(doubt(text, start, style))
            kind, written, end = matched.lastgroup or "", matched[0], matched.end()
            if kind == "comment":
                refuse_comment(written, style)
                continue
            token = _read(kind, written, start, end, which, style)
            if kind != "symbol":
                refuse_joined(before, token, text[end : end + 1], which)
            elif before.text == ".":
                refuse_dot(before, token)
            elif written[0] in signs and text[end : end + 1] in signs:
                refuse_split(text, start, end, style)
        tokens.append(token)
        before = token
    if before.text == ".":
        raise Unreadable("it holds a dot with no name after it")
    return tokens


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


def _read(kind: str, text: str, start: int, end: int, which: str, style: str) -> Token:
    """Return a token as it is sent."""
    upper = ""
    if kind == "symbol":
        upper = text = text.replace("\\", "")  # of \: in a text()
    elif kind == "word":
        refuse_name(text, which, is_word=True)
        upper = text.upper() if text.isascii() else text.translate(_UPPER)
    elif kind == "quoted" or kind == "string":
        refuse_held(text, style)
        if kind == "quoted":
            refuse_name(unquoted(text), which)
        elif "\\" in text or text[0] == "$":
            text = _canonical(text, which, style)
    return Token(kind, text, start, end, upper)  # type: ignore[arg-type]  # one of its kinds


def _canonical(text: str, which: str, style: str) -> str:
    """Return a string whose backslashes mean the same under every setting."""
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
