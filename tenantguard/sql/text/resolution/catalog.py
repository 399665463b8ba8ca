"""The catalog: which table of the tenancy a name means, and which of its columns decide who owns a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from tenantguard.errors import RawSQLError, UnknownTableError
from tenantguard.sql.text.tokens import POSTGRESQL, SQLITE, Token, ascii_lower, quoted, unquoted
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Key, Placement, Tenancy, table_key

Pairs = tuple[tuple[str, str], ...]
Link = tuple[Key, Pairs]

SETTING = "tenantguard.tenant"  # what a policy of row security compares the tenant column with
PERMISSIONS = "tenantguard.permissions"  # those of the tenancy that the principal has, separated by blanks
OWN = "tenantguard"  # names with this beginning are ours, and refused in a text

ADVICE = 'Write it with SQLAlchemy\'s constructs, or run it inside `with bypass(reason="..."):`'


def refusal(why: str, *, kind: str | None = None, table: str | None = None) -> RawSQLError:
    """Return the error for a text: what was tried, why it was refused, what to do."""
    return RawSQLError(f"SQL text was refused: {why}. {ADVICE}", kind=kind, table=table)


@dataclass(frozen=True, slots=True)
class Watched:
    """The columns of a table that decide who owns a row.

    Attributes:
        placement: how it belongs.
        tenant: its tenant column.
        links: its foreign keys to owned or through tables, except those whose tenant the database checks.
        columns: all of them.
    """

    placement: Placement
    tenant: str | None
    links: list[Link]
    columns: frozenset[str]

    def is_needed(self, link: Link) -> bool:
        """Tell whether a row belongs through a foreign key, so that NULL is refused."""
        return self.placement.kind == "through" and link[1] == self.placement.link


class Catalog:
    """The tables of a tenancy, as the names of one database mean them.

    Args:
        tenancy: how every table belongs.
        which: the family of the dialect.
        default_schema: the schema of names without one.
    """

    def __init__(self, tenancy: Tenancy, which: str, default_schema: str | None) -> None:
        self.tenancy = tenancy
        self.which = which
        default = default_schema or ("main" if which == SQLITE else None)
        self._default = None if default is None else self.case(default)
        self.tables: dict[Key, Table] = {
            table_key(t): t for metadata in tenancy.metadata for t in metadata.tables.values()
        }
        self._by_name: dict[str, list[Key]] = {}
        for key in self.tables:
            self._by_name.setdefault(self.case(key[1]), []).append(key)
        self._known: dict[str, Placement] = {}
        self.ties = Ties(tenancy, which)
        self._watched: dict[Key, Watched] = {}

    def fold(self, token: Token) -> str:
        """Return an identifier as the database compares it."""
        return ascii_lower(token.text) if token.kind == "word" else self.case(unquoted(token.text))

    def case(self, name: str) -> str:
        """Return a name of the metadata as the database compares it."""
        return name if self.which == POSTGRESQL else ascii_lower(name)

    def same(self, token: Token, column: str) -> bool:
        """Tell whether an identifier means a column."""
        return self.fold(token) == self.case(column)

    def quote(self, name: str) -> Token:
        """Return a name in the quotes of the dialect."""
        return quoted(name, self.which)

    def placement(self, parts: list[Token]) -> Placement:
        """Return the placement of the table that a name means.

        Raises:
            UnknownTableError: the tenancy does not place it.
            RawSQLError: the name means several tables, or one with a row rule.
        """
        known = self._known.get(parts[0].text) if len(parts) == 1 else None
        if known is not None:
            return known
        placements = list(dict.fromkeys(self._matches(parts))) if len(parts) <= 2 else []
        name = ".".join(unquoted(part.text) for part in parts)
        if not placements:
            raise UnknownTableError(
                f"table {name!r}, named in SQL text, is outside the tenancy. Place it in Tenancy(...), or read it "
                'inside `with bypass(reason="..."):`',
                table=name,
            )
        if len({(one.kind, one.column, one.link, one.writable) for one in placements}) > 1:
            raise refusal(f"the name {name!r} means several tables of the tenancy", table=name)
        if placements[0].visible is not None:
            raise refusal(f"table {name!r} has a row rule, which text cannot carry", table=name)
        if parts[0].text == placements[0].name:  # one spelling of each, so that there are no more than tables
            self._known[placements[0].name] = placements[0]
        return placements[0]

    def _matches(self, parts: list[Token]) -> Iterator[Placement]:
        name, exact = self.fold(parts[-1]), unquoted(parts[-1].text)
        schema = self.fold(parts[0]) if len(parts) == 2 else None
        is_default = schema in (None, self._default)
        for wanted in dict.fromkeys([schema, None, self._default] if is_default else [schema]):
            keys = [key for key in self._by_name.get(name, ()) if (key[0] and self.case(key[0])) == wanted]
            keys = [key for key in keys if key[1] == exact] or keys
            if not keys and self.tenancy.is_unrestricted:
                keys = [(wanted, name)]
            yield from (p for p in map(self.tenancy.find_key, keys) if p is not None)

    def columns(self, key: Key, token: Token) -> list[Any]:
        """Return the columns of the metadata that an identifier can mean: several only if they differ by case."""
        table = self.tables.get(key)
        return [] if table is None else [column for column in table.c if self.same(token, column.name)]

    def column(self, key: Key, name: str) -> Any:
        """Return a column of the metadata, or ``None``."""
        table = self.tables.get(key)
        return None if table is None else next((c for c in table.c if c.name == name), None)

    def watched(self, placement: Placement) -> Watched:
        """Return the columns of a table that decide who owns a row."""
        watched = self._watched.get(placement.key)
        if watched is None:
            tenant = placement.column if placement.kind == "owned" else None
            links = [
                (table_key(parent), pairs)
                for parent, pairs in self.ties.links(placement.key)
                if not self.ties.covered(placement, parent, pairs)
            ]
            columns = {ours for _, pairs in links for ours, _ in pairs} | ({tenant} if tenant else set())
            self._watched[placement.key] = watched = Watched(placement, tenant, links, frozenset(columns))
        return watched
