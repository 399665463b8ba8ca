"""Ownership: the values in a text for columns that decide who owns a row, recorded for verification or refused."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Integer, String, Uuid

from tenantguard.errors import CrossTenantError, RawSQLError
from tenantguard.sql.exactness import exact_column
from tenantguard.sql.text.resolution.catalog import Link, Watched, refusal
from tenantguard.sql.text.resolution.origins import Origins
from tenantguard.sql.text.resolution.queries import OF_ROWS, Placements
from tenantguard.sql.text.resolution.scopes import Scope
from tenantguard.sql.text.tokens import MYSQL, Token, unquoted
from tenantguard.sql.text.tree import Span
from tenantguard.sql.text.values import Bound, Check, ForeignKeyUse, Literal, Parameter, TenantUse, Value
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Placement, full_name

# casts that leave a value of the column's own type as it is
_CASTS = (
    (Uuid, frozenset({"uuid"})),
    (Integer, frozenset({"int", "integer", "bigint", "smallint", "int4", "int8"})),
    (String, frozenset({"text", "varchar"})),
)
_LONGEST_NUMBER = 18  # digits that every database holds as an integer

Row = dict[str, Value | None]  # of watched columns; ``None`` is copied from the tenant's own rows


class Given:
    """The values of one statement.

    Args:
        placements: the names and predicates of the statement.
        parameters: the name or place of each parameter, by the index of its token.

    Attributes:
        checks: checks at execution.
    """

    def __init__(self, placements: Placements, parameters: Mapping[int, str | int]) -> None:
        self._tokens = placements.tokens
        self._catalog = placements.catalog
        self._parameters = parameters
        self._several = placements.several
        self._origins = Origins(placements)
        self.checks: list[Check] = []

    def places(self, names: list[Token], watched: Watched) -> dict[str, int]:
        """Return the places of the watched columns of a table among the written columns.

        Raises:
            RawSQLError: a column is named twice, or by the database's own name for a row, such as rowid.
        """
        places: dict[str, int] = {}
        for at, name in enumerate(names):
            if self._catalog.fold(name) in OF_ROWS[self._catalog.which]:
                self._refuse_name_of_row(name, watched.placement)
            for column in watched.columns:
                if self._catalog.same(name, column):
                    if column in places:
                        raise refusal(f"column {column} is given twice")
                    places[column] = at
        return places

    def _refuse_name_of_row(self, name: Token, placement: Placement) -> None:
        if not self._catalog.columns(placement.key, name):
            raise refusal(
                f"{unquoted(name.text)!r} is the database's own name for a row of {placement.name}, which is not "
                "written; name a column"
            )

    def note_tenant(self, watched: Watched, verb: str, values: tuple[Value, ...]) -> None:
        """Record the values of the tenant column; without values, that a new row stores the tenant's id."""
        if watched.tenant is not None:
            self.checks.append(TenantUse(watched.placement.key, watched.tenant, verb, values))

    def note(self, watched: Watched, verb: str, written: list[dict[str, Span]], scope: Scope) -> None:
        """Record the values of rows for their watched columns.

        Args:
            watched: the columns.
            verb: ``"insert"`` or ``"update"``.
            written: the expressions of each row, by column.
            scope: what the expressions can read.

        Raises:
            CrossTenantError: a row names no parent to belong through.
            RawSQLError: only a part of a key is given by value, or a value is not known before execution.
        """
        rows = [self._row(watched, verb, spans, scope) for spans in written]
        tenants = tuple(value for row in rows if (value := row.get(watched.tenant or "")) is not None)
        if tenants:
            self.note_tenant(watched, verb, tenants)
        absent = Literal(None) if verb == "insert" else None
        for link in watched.links:
            parent, pairs = link
            ours, theirs = tuple(one for one, _ in pairs), tuple(one for _, one in pairs)
            given_rows = [row for row in rows if not row.keys().isdisjoint(ours)]
            keys = [self._key(watched, link, [row.get(one, absent) for one in ours]) for row in given_rows]
            known = [tuple(value for value in key if value is not None) for key in keys]
            given = tuple(key for key in known if key)
            if any(len(key) != len(pairs) for key in given):
                raise refusal(
                    f"only part of a key of {full_name(parent)} is given by value; give all of its columns by value"
                )
            is_needed = watched.is_needed(link)
            if is_needed and any(Literal(None) in key for key in given):
                raise orphan(watched.placement, ours[0])
            if given:
                table = watched.placement.key
                self.checks.append(ForeignKeyUse(table, parent, theirs, verb, given, is_needed, ours))

    def _row(self, watched: Watched, verb: str, spans: dict[str, Span], scope: Scope) -> Row:
        """Return the values of a row for its watched columns."""
        row = {column: self._given(watched, verb, span, column, scope) for column, span in spans.items()}
        for parent, pairs in watched.links:
            copied = [spans[ours] for ours, _ in pairs if ours in row and row[ours] is None]
            is_whole = len(copied) == len(pairs) > 1
            if is_whole and not self._origins.are_of_one_row(copied, scope, parent):
                raise by_expression(watched, pairs[0][0])
        return row

    def _given(self, watched: Watched, verb: str, span: Span, column: str, scope: Scope) -> Value | None:
        """Return the value of a column, or ``None`` if it comes from the tenant's own rows."""
        updated_tenant = verb == "update" and column == watched.tenant
        value = self._value(span, watched.placement, column)
        if value is not None and not (updated_tenant and value == Literal(None)):
            return value
        wanted = [
            (parent, theirs, watched.is_needed((parent, pairs)))
            for parent, pairs in watched.links
            for ours, theirs in pairs
            if ours == column
        ]
        if column == watched.tenant:
            wanted.append((watched.placement.key, column, True))
        if updated_tenant or not all(self._origins.is_own(span, scope, one) for one in wanted):
            raise by_expression(watched, column)
        return None

    def _key(self, watched: Watched, link: Link, values: list[Value | None]) -> list[Value | None]:
        """Return the values of a key, with ``None`` for those that the row has by itself."""
        at = next((place for place, (ours, _) in enumerate(link[1]) if ours == watched.tenant), None)
        if at is None:
            return values
        owner, theirs = self._catalog.tenancy.find_key(link[0]), link[1][at][1]
        others = [value for place, value in enumerate(values) if place != at]
        # of rows of several tenants, the database compares each with its own
        left = self._several and values[at] is None and owner is not None and owner.column == theirs
        if left and owner is not None and exact_column(owner.type, owner.python_type, self._catalog.which):
            raise refusal(
                f"a key of {full_name(link[0])} is set beside the tenant while several tenants are bound, and "
                f"{self._catalog.which} may take two of their ids for one; bind one of them"
            )
        if left or not any(value is not None for value in others):
            return [None] * len(values)
        return values if self._several else [*values[:at], Bound(), *values[at + 1 :]]

    def _value(self, span: Span, placement: Placement, column: str) -> Value | None:
        """Return a literal or a parameter, also inside a cast to the column's own type."""
        start, end = span
        tokens = self._tokens
        if end - start >= 3 and tokens[end - 2].text == "::" and tokens[end - 1].kind == "word":
            is_own = self._is_own_type(placement, column, tokens[end - 1])
            return self._value((start, end - 2), placement, column) if is_own else None
        if 3 <= end - start < 9 and tokens[start].text == "(" and tokens[end - 1].text == ")":
            return self._value((start + 1, end - 1), placement, column)
        token = tokens[end - 1]
        minus = end - start == 2 and tokens[start].text == "-" and token.kind == "number"
        if end - start != 1 and not minus:
            return None
        if token.kind == "parameter":
            return Parameter(self._parameters[end - 1])
        if token.kind == "number":
            return self._number(token.text, placement, column, minus=minus)
        if token.kind == "string":
            return self._string(token.text)
        return Literal(None) if token.upper == "NULL" else None

    def _is_own_type(self, placement: Placement, column: str, cast: Token) -> bool:
        known = self._catalog.column(placement.key, column)
        return known is not None and any(
            isinstance(known.type, kind) and cast.text.lower() in names for kind, names in _CASTS
        )

    def _number(self, text: str, placement: Placement, column: str, *, minus: bool) -> Value | None:
        """Return an integer for an integer column; how other numbers are stored is up to the database."""
        known = self._catalog.column(placement.key, column)
        plain = text.isdigit() and len(text) <= _LONGEST_NUMBER and (text[0] != "0" or text == "0")
        if known is None or not isinstance(known.type, Integer) or not plain:
            return None
        return Literal(-int(text) if minus else int(text))

    def _string(self, text: str) -> Value | None:
        # a double quote is a string or, by MariaDB's ANSI_QUOTES, a column
        if text[:1] != "'" or (self._catalog.which == MYSQL and "\\" in text):
            return None
        return Literal(text[1:-1].replace("''", "'"))


def by_expression(watched: Watched, column: str) -> RawSQLError:
    """Return the error for a value that is not known before execution."""
    return refusal(
        f"{watched.placement.name}.{column} is given by an expression; bind a parameter, or copy the column of a "
        "table that an inner join reads"
    )


def orphan(placement: Placement, column: str) -> CrossTenantError:
    """Return the error for a row of a through table without a parent."""
    return CrossTenantError(
        f"a row of {placement.name} must name its parent by {column}; without it, it belongs to no tenant",
        kind="orphan",
        table=placement.name,
    )


def shared_write(verb: str, placement: Placement, ties: Ties) -> CrossTenantError:
    """Return the error for a write to a shared table; it proposes only what ``guard()`` would accept."""
    name, instead = placement.name, ""
    if not (ties.links(placement.key) or ties.carrying(placement.key)):
        instead = f'. If every company may write rows that all of them read, use shared_writable={{"{name}"}}'
    return CrossTenantError(
        f"{verb} on {name}, a shared table, was tried; shared rows are written inside "
        f'`with bypass(reason="..."):`{instead}',
        kind="shared_write",
        table=name,
    )
