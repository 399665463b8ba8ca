"""Rewrite SQL text so that it reaches the bound tenant's rows only, or refuse it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tenantguard.sql.text.lexer import POSTGRESQL, STYLES, Lexeme, Unreadable, family, lexemes, unquoted
from tenantguard.sql.text.names import MARK, OWN, Names, Piece, Tenant, refusal
from tenantguard.sql.text.statements import Statements
from tenantguard.sql.text.values import Check, parameter_sets
from tenantguard.tenancy import Key, Tenancy

LONGEST = 100_000
DEEPEST = 60
_CACHED = 20_000  # longer texts are read each time, so that the cache stays small
_FOLDING = frozenset("\u0130\u0131\u017f\u212a")  # dotted and dotless i, long s, the Kelvin sign
_LONGEST_NAME = 63  # bytes, on PostgreSQL
PARAMETER = OWN  # the name of the tenant's parameter

Recipe = tuple[int | None, ...]  # of positional parameters: a place among the user's, or the tenant


@dataclass(frozen=True)
class Rewritten:
    """Hold a text that was rewritten.

    Attributes:
        text: the SQL to execute.
        tables: the tables it names.
        verbs: what it does, ``"select"``, ``"insert"``, ``"update"`` or ``"delete"``, in order.
        checks: what must be verified of the parameters before it is executed.
        recipe: how positional parameters are merged; ``None`` where parameters go by name.
        tenanted: whether the tenant's parameter stands in the text.
        given: how many positional parameters the user's text has.
        several: how many values the tenant's parameter has, where the tenants are a set.
    """

    text: str
    tables: frozenset[Key]
    verbs: tuple[str, ...]
    checks: tuple[Check, ...]
    recipe: Recipe | None
    tenanted: bool
    given: int
    several: int = 0

    def bind(self, parameters: Any, tenant: Any) -> Any:
        """Return the parameters with the tenant put in.

        Args:
            parameters: one set (a mapping, a tuple or ``None``), or a list of sets.
            tenant: what the tenant column is compared with, or a sequence of it where the tenants are a set.

        Raises:
            RawSQLError: their number or kind does not fit the text.

        Example:
            >>> from sqlalchemy import Column, MetaData, String, Table
            >>> metadata = MetaData()
            >>> _ = Table("calls", metadata, Column("company_id", String, nullable=False))
            >>> tenancy = Tenancy(metadata, column="company_id")
            >>> rewrite("SELECT ? FROM calls", tenancy=tenancy, dialect="sqlite", style="qmark").bind((1,), "acme")
            (1, 'acme')
        """
        if isinstance(parameters, list):
            return [self._bind(one, tenant) for one in parameter_sets(parameters)]
        return self._bind(parameters, tenant)

    def _bind(self, parameters: Any, tenant: Any) -> Any:
        if self.recipe is None:
            if parameters and not isinstance(parameters, Mapping):
                raise refusal(
                    "its parameters go by name, and a sequence of values was given", kind="parameters"
                )
            return {**(parameters or {}), **self._named(tenant)} if self.tenanted else parameters
        if isinstance(parameters, Mapping) and parameters:
            raise refusal("its parameters go by place, and a mapping was given", kind="parameters")
        given: Sequence[Any] = parameters or ()
        if len(given) != self.given:
            raise refusal(f"it has {self.given} parameters, and {len(given)} were given", kind="parameters")
        values = (tenant,) if not self.several else tuple(tenant)
        return tuple(
            value for place in self.recipe for value in (values if place is None else (given[place],))
        )

    def _named(self, tenant: Any) -> dict[str, Any]:
        if not self.several:
            return {PARAMETER: tenant}
        return {f"{PARAMETER}_{at}": value for at, value in enumerate(tenant)}


def rewrite(
    sql: str,
    *,
    tenancy: Tenancy,
    dialect: str,
    style: str,
    default_schema: str | None = None,
    several: int = 0,
) -> Rewritten:
    """Return the text with every table's predicate put in, every new row stamped, and what must be checked.

    Args:
        sql: one statement.
        tenancy: how every table belongs.
        dialect: SQLAlchemy's name of the dialect.
        style: ``"named"`` for SQLAlchemy's ``text()``, or the driver's ``paramstyle``.
        default_schema: the schema that a table's name without one means.
        several: how many tenants are bound, where they are a set; with ``"named"`` any number, since SQLAlchemy
            expands the one parameter.

    Raises:
        RawSQLError: the text cannot be read with certainty, or is of a kind that is not let through.
        UnknownTableError: it names a table outside the tenancy.
        CrossTenantError: it writes what no tenant may write.

    Example:
        >>> from sqlalchemy import Column, MetaData, String, Table
        >>> metadata = MetaData()
        >>> _ = Table("calls", metadata, Column("company_id", String, nullable=False))
        >>> tenancy = Tenancy(metadata, column="company_id")
        >>> rewrite("SELECT count(*) FROM calls", tenancy=tenancy, dialect="sqlite", style="named").text
        'SELECT count(*) FROM calls WHERE calls."company_id" = :tenantguard'
    """
    if len(sql) > LONGEST:
        raise refusal(f"it is longer than {LONGEST:,} characters")
    read = _rewrite if len(sql) <= _CACHED else _rewrite.__wrapped__
    return read(sql, tenancy, dialect, style, default_schema, several)


@lru_cache(maxsize=1024)
def _rewrite(
    sql: str, tenancy: Tenancy, dialect: str, style: str, default_schema: str | None, several: int
) -> Rewritten:
    try:
        which = family(dialect)
        style, tokens = _tokens(sql, dialect, style)
    except Unreadable as fault:
        raise refusal(str(fault)) from None
    if not tokens:
        raise refusal("it is empty")
    _refuse_names(tokens, which)
    placing = _Placing(sql, tokens, style, several)
    names = Names(tenancy, which, default_schema, several=several > 0)
    reader = Statements(sql, tokens, names, placing.known)
    try:
        reader.statement()
    except RecursionError:
        raise refusal("it nests too deep") from None
    from tenantguard.sql.text.second import agree  # and sqlglot, which few programs need

    agree(placing.plain(reader), which, [*reader.mentioned, *names.parents], names.guarded)
    return placing.result(reader)


def _tokens(sql: str, dialect: str, style: str) -> tuple[str, list[Lexeme]]:
    if style not in STYLES:
        raise Unreadable(f"parameters of the style {style!r} cannot be read")
    tokens = lexemes(sql, dialect, style=style, comments=True, longest=LONGEST, deepest=DEEPEST)
    if style == "qmark" and any(token.text == ":" for token in tokens):
        style = "driver_named"  # sqlite3 takes :name as well as ?
        tokens = lexemes(sql, dialect, style=style, comments=True, longest=LONGEST, deepest=DEEPEST)
    return style, tokens


def _refuse_names(tokens: list[Lexeme], which: str) -> None:
    """Refuse names that are ours, and names that a database folds or cuts into other ones."""
    for token in tokens:
        if token.kind in ("word", "quoted") and not _FOLDING.isdisjoint(token.text):
            raise refusal("it uses a name with a letter that some databases fold into an ASCII one")
        if (
            token.kind in ("word", "quoted")
            and which == POSTGRESQL
            and len(unquoted(token.text).encode()) > _LONGEST_NAME
        ):
            raise refusal("it uses a name that PostgreSQL cuts short")
        if token.kind in ("word", "quoted", "parameter") and OWN in token.text.lower():
            raise refusal(
                f"it uses a name that begins with {OWN!r}, which is the guard's own", kind="reserved_name"
            )


_PLAIN = {"%%": "%", "\\:\\:": "::"}
# what stands for values in the text that the second reader gets
_STANDING: Mapping[str, str] = {"string": "'s'", "parameter": "'p'"}


class _Placing:
    """Number the parameters of a text, and write the text out with the pieces put in."""

    def __init__(self, sql: str, tokens: list[Lexeme], style: str, several: int) -> None:
        self.sql = sql
        self.tokens = tokens
        self.style = style
        self.expanded = style == "named" and several > 0  # SQLAlchemy puts in the list and its parentheses
        self.several = several
        self.known: dict[int, str | int] = {}
        for token in tokens:
            if token.kind == "parameter":
                self.known[token.start] = self._which(token.text)
        kinds = {type(which) for which in self.known.values()}
        if len(kinds) > 1:
            raise refusal("it mixes parameters by name with parameters by place")
        positional = {
            "qmark": True,
            "numeric": True,
            "numeric_dollar": True,
            "format": True,
            "pyformat": True,
        }
        self.by_name = kinds == {str} if kinds else not positional.get(style, False)

    def _which(self, text: str) -> str | int:
        if self.style in ("numeric", "numeric_dollar"):
            return int(text[1:]) - 1
        if text == "?" or text in ("%s", "%b", "%t"):
            return len(self.known)
        return text[2:-2] if text[0] == "%" else text[1:]

    @property
    def given(self) -> int:
        """Return how many positional parameters the user's text has."""
        places = [which for which in self.known.values() if isinstance(which, int)]
        return max(places) + 1 if places else 0

    def _tenant(self) -> str:
        if not self.several or self.expanded:
            return self._one_tenant("", 1)
        return f"({', '.join(self._one_tenant(f'_{at}', at + 1) for at in range(self.several))})"

    def _one_tenant(self, suffix: str, place: int) -> str:
        if self.style in ("numeric", "numeric_dollar"):
            return f"{'$' if self.style == 'numeric_dollar' else ':'}{self.given + place}"
        if self.by_name:
            name = PARAMETER + suffix
            return f"%({name})s" if self.style in ("format", "pyformat") else f":{name}"
        return "?" if self.style == "qmark" else "%s"

    def _pieces(self, reader: Statements) -> list[tuple[int, Lexeme | Piece]]:
        """Return the tokens and what is put in between them, in order, each with its offset."""
        edits = deque(sorted(reader.edits, key=lambda edit: edit[0]))
        found: list[tuple[int, Lexeme | Piece]] = []
        for token in self.tokens:
            while edits and edits[0][0] <= token.start:
                offset, pieces = edits.popleft()
                found += [(offset, piece) for piece in pieces]
            if token.start not in reader.cuts:
                found.append((token.start, token))
        return found + [(offset, piece) for offset, pieces in edits for piece in pieces]

    def plain(self, reader: Statements) -> str:
        """Return the rewritten text with its values taken out, for the second reader."""
        written = []
        for _, piece in self._pieces(reader):
            if isinstance(piece, Tenant):
                written.append(f"('{MARK}')" if self.several else f"'{MARK}'")
            elif isinstance(piece, Lexeme) and piece.start in reader.hidden:
                continue
            elif isinstance(piece, Lexeme):
                written.append(_STANDING.get(piece.kind) or _PLAIN.get(piece.text, piece.text))
            else:
                written.append(piece)
        return " ".join(written)

    def result(self, reader: Statements) -> Rewritten:
        """Return the rewritten text with what belongs to it."""
        written: list[str] = []
        recipe: list[int | None] = []
        end = 0
        for offset, piece in self._pieces(reader):
            written.append(self._gap(end, offset))
            end = max(end, offset)
            if isinstance(piece, Lexeme):
                written.append(piece.text)
                end = piece.end
                if isinstance(which := self.known.get(piece.start), int):
                    recipe.append(which)
            elif isinstance(piece, Tenant):
                written.append(self._tenant())
                recipe.append(None)
            else:
                written.append(piece)
        tenanted = None in recipe
        if self.style in ("numeric", "numeric_dollar"):
            recipe = [*range(self.given), *([None] if tenanted else [])]
        return Rewritten(
            "".join(written).strip(),
            frozenset(reader.names.tables),
            tuple(reader.verbs),
            tuple(reader.checks),
            None if self.by_name else tuple(recipe),
            tenanted,
            self.given,
            0 if self.expanded else self.several,
        )

    def _gap(self, begun: int, end: int) -> str:
        """Return what stands between two tokens: spaces as they are, and a space for a comment."""
        gap = self.sql[begun:end] if end > begun else ""
        return gap if not gap.strip() else " "
