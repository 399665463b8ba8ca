"""Composition: a text is written anew from the tokens that were read, and from nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from tenantguard.sql.functions import is_own
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.parameters import Numbering
from tenantguard.sql.text.resolution.predicate_tokens import OPEN
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Token, quoted, words
from tenantguard.sql.text.tree import Span

Edits = Mapping[int, Iterable[Token]]

_BEFORE_NOTHING = frozenset({"(", "[", "."})
_BEHIND_NOTHING = frozenset({")", "]", ".", ","})
_OURS = words("parameter tenant rule")  # the kinds of token that are not written as they are
_BLANKS = str.maketrans("\t\r\n", "   ")
_LONGEST_NAME = 250  # of a column of MariaDB
_ENDINGS = words("END NULL TRUE FALSE UNKNOWN ISNULL NOTNULL")
_SCHEMA = (Token("word", "pg_catalog", upper="PG_CATALOG"), Token("symbol", ".", upper="."))
_OPERATORS = words(
    "AND OR XOR NOT LIKE GLOB REGEXP RLIKE MATCH IN IS BETWEEN DIV MOD ESCAPE COLLATE THEN ELSE FROM"
)


class Composer:
    """The composer of one text.

    Args:
        sql: the text that was read.
        cursor: has read it.
        numbering: its parameters.
        escaped: escape colons that begin no parameter, for SQLAlchemy's text().

    Attributes:
        order: the parameters in the order of the text, by place; the tenant's is ``None``.
    """

    def __init__(self, sql: str, cursor: Cursor, numbering: Numbering, *, escaped: bool) -> None:
        self._sql, self._cursor, self._numbering, self._escaped = sql, cursor, numbering, escaped
        self._tokens, self._which = cursor.tokens, cursor.which
        self._out: list[str] = []
        self._before = OPEN  # behind which no space is written
        self.order: list[int | None] = []

    def compose(
        self, edits: Edits = MappingProxyType({}), cuts: Collection[int] = (), named: Iterable[Span] = ()
    ) -> str:
        """Write the text.

        Args:
            edits: the tokens to insert before a token, by its index.
            cuts: the indexes of tokens to leave out.
            named: the expressions that name columns of the result.
        """
        tokens, at, open_ = self._tokens, 0, list[tuple[Span, int]]()
        if tokens and tokens[-1].text == ";":
            cuts = {*cuts, len(tokens) - 1}
        begins = self._begins(named)
        schemas = self._schemas()
        for mark in sorted({*edits, *cuts, *schemas, *begins, *(span[1] for span in begins.values())}):
            self._write(tokens[at:mark], at)
            at = mark + (mark in cuts)
            while open_ and open_[-1][0][1] == mark:
                self._keep_name(*open_.pop())
            self._write(edits.get(mark, ()))
            if mark in schemas:
                self._write(_SCHEMA)
            if mark in begins:
                open_.append((begins[mark], len(self._out)))
        self._write(tokens[at:], at)
        return "".join(self._out)

    def _begins(self, named: Iterable[Span]) -> dict[int, Span]:
        if self._which == POSTGRESQL:
            return {}
        return {span[0]: span for span in named if self._has_no_name(span)}

    def _schemas(self) -> set[int]:
        """Return where built-in functions of PostgreSQL are called that a user-defined one could replace."""
        if self._which != POSTGRESQL:
            return set()
        tenancy = self._cursor.tenancy  # it declares functions, which stay as they are
        return {at for at in self._cursor.unqualified if is_own(self._tokens[at].text, tenancy)}

    def _write(self, tokens: Iterable[Token], at: int = 0) -> None:
        """Write tokens, of the text from an index on, or of ours."""
        out, before, joints, escaped = self._out, self._before, self._cursor.joints, self._escaped
        for token in tokens:
            text, kind = token.text, token.kind
            if not (
                before.text in _BEFORE_NOTHING
                or text in _BEHIND_NOTHING
                or (
                    (text == "(" or text == "[")
                    and before.is_name
                    and (token.start in joints or 0 < token.start == before.end)
                )
            ):
                out.append(" ")
            out.append(self._written(token, at) if kind in _OURS or (escaped and ":" in text) else text)
            before = token
            at += 1
        self._before = before

    def _written(self, token: Token, at: int) -> str:
        if token.kind == "parameter":
            which = self._numbering.known[at]
            if isinstance(which, int):
                self.order.append(which)
            return self._numbering.text(token)
        if token.kind == "tenant":
            self.order.append(None)
            return self._numbering.tenant()
        return token.text if token.kind == "rule" else token.text.replace(":", "\\:")

    def _plain(self, text: str) -> str:
        return text.replace(":", "\\:") if self._escaped and ":" in text else text

    def _has_no_name(self, span: Span) -> bool:
        """Tell whether the database names this column after its text."""
        start, end = span
        if end - start == 1:
            return self._tokens[start].kind == "parameter"
        tokens = self._tokens[start:end] if end - start < 8 else self._tokens[end - 2 : end]
        if self._which == MYSQL and tokens[0].text == "+" and len(tokens) == end - start == 2:
            return tokens[1].kind == "parameter"  # it leaves the sign out
        while len(tokens) > 2 and tokens[0].text == "(" and tokens[-1].text == ")":
            tokens = tokens[1:-1]
        is_column = len(tokens) % 2 and all(token.is_name or token.text == "*" for token in tokens[::2])
        if is_column and all(token.text == "." for token in tokens[1::2]):
            return False
        return not is_named(tokens)

    def _keep_name(self, span: Span, start: int) -> None:
        """Give a column whose text has changed its previous name."""
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
        if not comment and shown.lstrip() == "".join(self._out[start:]).strip():
            return
        name = name.lstrip() + comment
        is_short = len(name) < _LONGEST_NAME and name.translate(_BLANKS).isprintable()
        if self._which == MYSQL and (parameters or not is_short):
            return  # the driver puts the values in, and the name has them
        self._write((Token("word", "AS"), quoted(name, self._which)))


def is_named(tokens: list[Token]) -> bool:
    """Tell whether a column of a SELECT has an alias."""
    if len(tokens) < 2 or tokens[-1].kind not in ("word", "quoted", "string") or tokens[-1].upper in _ENDINGS:
        return False
    before = tokens[-2]
    return before.text == ")" or not (before.kind == "symbol" or before.upper in _OPERATORS)
