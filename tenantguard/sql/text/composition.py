"""Composing: a text is written anew from the tokens that were read, and from nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tenantguard.sql.functions import is_own
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Token, words
from tenantguard.sql.text.parameters import Numbering
from tenantguard.sql.text.tree import Span

_JOINT = -2  # where a parenthesis of ours stands that belongs to the name of a function before it
_BEFORE_NOTHING = frozenset({"(", "[", "."})
_BEHIND_NOTHING = frozenset({")", "]", ".", ","})
_BLANKS = str.maketrans("\t\r\n", "   ")
_LONGEST_NAME = 250  # of a column of MariaDB
_ENDINGS = words("END NULL TRUE FALSE UNKNOWN ISNULL NOTNULL")
_SCHEMA = (Token("word", "pg_catalog", upper="PG_CATALOG"), Token("symbol", ".", upper="."))
_OPERATORS = words(
    "AND OR XOR NOT LIKE GLOB REGEXP RLIKE MATCH IN IS BETWEEN DIV MOD ESCAPE COLLATE THEN ELSE FROM"
)


def with_schemas(
    edits: Mapping[int, Iterable[Token]], cursor: Cursor, tenancy: Any
) -> dict[int, list[Token]]:
    """Return edits that name PostgreSQL's own functions whole, where one of the users' could have such a name.

    Args:
        edits: what is put in before a token, by its index.
        cursor: what was read.
        tenancy: declares functions, which stay as they are.
    """
    found = {at: list(tokens) for at, tokens in edits.items()}
    if cursor.which != POSTGRESQL:
        return found
    for at in cursor.unqualified:
        if is_own(cursor.tokens[at].text, tenancy):
            found.setdefault(at, []).extend(_SCHEMA)
    return found


class Composer:
    """A text that is being written.

    Args:
        sql: what was read.
        tokens: its tokens.
        which: the family of the dialect.
        numbering: its parameters.
        escaped: a colon that is no parameter is written for SQLAlchemy's text().
    """

    def __init__(
        self, sql: str, tokens: list[Token], which: str, numbering: Numbering, *, escaped: bool
    ) -> None:
        self._sql = sql
        self._tokens = tokens
        self._which = which
        self._numbering = numbering
        self._escaped = escaped
        self._out: list[str] = []
        self._before: Token | None = None
        self.order: list[int | None] = []

    def compose(
        self,
        edits: Mapping[int, Iterable[Token]],
        cuts: Collection[int] = (),
        joints: Collection[int] = (),
        named: Iterable[Span] = (),
    ) -> str:
        """Write the text.

        Args:
            edits: the tokens that are put in before a token, by its index.
            cuts: the indexes of tokens that are left out.
            joints: the indexes of parentheses that belong to the name of a function before them.
            named: the expressions whose names a result shows.
        """
        begins: dict[int, Span] = {}
        if self._which != POSTGRESQL:
            begins = {span[0]: span for span in named if self._has_no_name(span)}
        open_: list[tuple[Span, int]] = []
        for at, token in enumerate(self._tokens):
            while open_ and open_[-1][0][1] == at:
                self._keep_name(*open_.pop())
            if at in edits:
                self._put(edits[at])
            if at in begins:
                open_.append((begins[at], len(self._out)))
            if at not in cuts and token.text != ";":
                tight = at in joints or (self._before is not None and token.start == self._before.end)
                self._write(token, at, tight)
        while open_:
            self._keep_name(*open_.pop())
        self._put(edits.get(len(self._tokens), ()))
        return "".join(self._out)

    def _put(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            self._write(token, -1, token.start == _JOINT)

    def _write(self, token: Token, at: int, tight: bool) -> None:
        before, out, kind = self._before, self._out, token.kind
        if before is not None and not _is_joined(before, token, tight):
            out.append(" ")
        self._before = token
        if kind == "parameter":
            which = self._numbering.known[at]
            if isinstance(which, int):
                self.order.append(which)
            out.append(self._numbering.text(token))
        elif kind == "tenant":
            self.order.append(None)
            out.append(self._numbering.tenant())
        elif self._escaped and ":" in token.text and kind != "rule":
            out.append(token.text.replace(":", "\\:"))
        else:
            out.append(token.text)

    def _plain(self, text: str) -> str:
        return text.replace(":", "\\:") if self._escaped and ":" in text else text

    def _has_no_name(self, span: Span) -> bool:
        """Tell whether a database names a column by its text."""
        begun, end = span
        tokens = self._tokens[begun:end] if end - begun < 8 else self._tokens[end - 2 : end]
        if self._which == MYSQL and tokens[0].text == "+" and end - begun == 2:
            tokens = tokens[1:]  # it leaves the sign out
        if len(tokens) == 1 and tokens[0].kind != "parameter":
            return False
        while len(tokens) > 2 and tokens[0].text == "(" and tokens[-1].text == ")":
            tokens = tokens[1:-1]
        if all(
            token.is_name or token.text in (".", "*") for token in tokens[:1] + tokens[1:2] + tokens[2:]
        ) and (len(tokens) % 2 and all(token.text == "." for token in tokens[1::2])):
            return False
        return not is_named(tokens)

    def _keep_name(self, span: Span, begun: int) -> None:
        """Give a column that is written otherwise now the name it had."""
        tokens = self._tokens[span[0] : span[1]]
        before = self._tokens[span[0] - 1]
        # MariaDB's name of a column behind a comma begins with the comments before it
        begins_behind = self._which == MYSQL and span[0] and before.text == ","
        shown, name, end = "", "", before.end if begins_behind else tokens[0].start
        parameters = False
        for token in tokens:
            gap = self._sql[end : token.start]
            shown += self._plain(gap) + (token.text if token.kind == "parameter" else self._plain(token.text))
            name += gap + ("?" if token.kind == "parameter" and self._escaped else token.text)
            parameters = parameters or token.kind == "parameter"
            end = token.end
        behind = self._tokens[span[1]].start if span[1] < len(self._tokens) else len(self._sql)
        comment = self._sql[end:behind].rstrip() if self._which == SQLITE else ""  # is part of the name there
        if not comment and shown.lstrip() == "".join(self._out[begun:]).strip():
            return
        name = name.lstrip() + comment
        is_short = len(name) < _LONGEST_NAME and name.translate(_BLANKS).isprintable()
        if self._which == MYSQL and (parameters or not is_short):
            return  # the driver puts the values in, and the name has them
        mark = "`" if self._which == MYSQL else '"'
        self._put((Token("word", "AS"), Token("quoted", f"{mark}{name.replace(mark, mark * 2)}{mark}")))


def _is_joined(before: Token, token: Token, tight: bool) -> bool:
    """Tell whether nothing is written between two tokens: beside parentheses, commas and the dots of a name."""
    if before.kind == "symbol" and before.text in _BEFORE_NOTHING:
        return True
    if token.kind != "symbol":
        return False
    text = token.text
    return text in _BEHIND_NOTHING or (tight and (text == "(" or text == "[") and before.is_name)


def is_named(tokens: list[Token]) -> bool:
    """Tell whether a column of a SELECT has an alias."""
    if len(tokens) < 2 or tokens[-1].kind not in ("word", "quoted", "string") or tokens[-1].upper in _ENDINGS:
        return False
    before = tokens[-2]
    return before.text == ")" or not (before.kind == "symbol" or before.upper in _OPERATORS)
