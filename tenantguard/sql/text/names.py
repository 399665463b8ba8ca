"""Names in SQL text: which table a name means, how a column is written, and the predicate of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import String, Table

from tenantguard.errors import CrossTenantError, RawSQLError, UnknownTableError, Violation
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Lexeme, ascii_lower, unquoted
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Key, Placement, Tenancy, full_name, table_key

MARK = "tenantguard-mark"  # where the tenant's parameter stands in what the second reader is given
SETTING = "tenantguard.tenant"  # what a policy of row security compares the tenant column with
OWN = "tenantguard"  # names that begin so are ours, and refused in a text


class Tenant:
    """Stand in a piece of SQL for the parameter that holds the tenant."""


TENANT = Tenant()
Piece = str | Tenant
Pairs = tuple[tuple[str, str], ...]

ADVICE = 'Write it with SQLAlchemy\'s constructs, or run it inside `with bypass(reason="..."):`'


def refusal(why: str, *, kind: str | None = None, table: str | None = None) -> RawSQLError:
    """Return the error for a text: what was tried, why not, what to do."""
    return RawSQLError(f"SQL text was refused: {why}. {ADVICE}", kind=kind, table=table)


class Names:
    """Resolve the names of one statement.

    Args:
        tenancy: how every table belongs.
        which: the family of the dialect.
        default_schema: the schema that a name without one means.
        several: the tenant is a set, and the column must be one of it.

    Attributes:
        tables: what was resolved.
        guarded: the names of tables that need a predicate.
        parents: the name of each table that a predicate reads, as often as it does.
    """

    def __init__(
        self, tenancy: Tenancy, which: str, default_schema: str | None, *, several: bool = False
    ) -> None:
        self.tenancy = tenancy
        self.several = several
        self.which = which
        self.default_schema = default_schema
        self.known = {table_key(t): t for metadata in tenancy.metadata for t in metadata.tables.values()}
        self.tables: set[Key] = set()
        self.guarded: set[str] = set()
        self.parents: list[str] = []

    def fold(self, token: Lexeme) -> str:
        """Return an identifier as the database compares it."""
        if token.kind == "quoted" and self.which == POSTGRESQL:
            return unquoted(token.text)
        return ascii_lower(unquoted(token.text))

    def same(self, token: Lexeme, column: str) -> bool:
        """Tell whether an identifier means a column."""
        return self.fold(token) == self._case(column)

    def quote(self, name: str) -> str:
        """Return a name in the quotes of the dialect."""
        mark = "`" if self.which == MYSQL else '"'
        return f"{mark}{name.replace(mark, mark * 2)}{mark}"

    def table(self, parts: list[Lexeme]) -> Placement:
        """Return the placement of the table that a name means.

        Raises:
            UnknownTableError: the tenancy does not place it.
            RawSQLError: the name means more than one table, or one with a row rule.
        """
        told = ".".join(unquoted(part.text) for part in parts)
        found = list(dict.fromkeys(self._found(parts)))
        if not found:
            raise UnknownTableError(
                f"table {told!r}, named in SQL text, is outside the tenancy. Place it in Tenancy(...), or read it "
                'inside `with bypass(reason="..."):`',
                table=told,
            )
        if len({(one.kind, one.column, one.link, one.writable) for one in found}) > 1:
            raise refusal(f"the name {told!r} means several tables of the tenancy", table=told)
        if found[0].visible is not None:
            raise refusal(f"table {told!r} has a row rule, which text cannot carry", table=told)
        self.tables.add(found[0].key)
        if found[0].kind != "shared":
            self.guarded.add(self.fold(parts[-1]))
        return found[0]

    def _found(self, parts: list[Lexeme]) -> Iterator[Placement]:
        name = self.fold(parts[-1])
        schema = self.fold(parts[0]) if len(parts) == 2 else None
        if len(parts) > 2:
            return
        schemas: list[str | None] = [schema]
        default = self.default_schema or ("main" if self.which == SQLITE else None)
        if schema is None and default is not None:
            schemas.append(default)
        elif schema is not None and default is not None and schema == self._case(default):
            schemas.append(None)
        exact = unquoted(parts[-1].text)
        for wanted in schemas:
            keys = [(s, n) for s, n in self.known if self._schema(s) == wanted and self._case(n) == name]
            keys = [key for key in keys if key[1] == exact] or keys
            keys += [] if keys or not self.tenancy.is_unrestricted else [(wanted, name)]
            yield from (p for p in map(self.tenancy.find_key, keys) if p is not None)

    def _case(self, name: str) -> str:
        return name if self.which == POSTGRESQL else ascii_lower(name)

    def _schema(self, name: str | None) -> str | None:
        return None if name is None else self._case(name)

    def predicate(self, placement: Placement, qualifier: str) -> list[Piece]:
        """Return the predicate of a table that goes by ``qualifier``; nothing for a shared one."""
        if placement.kind == "owned" and placement.column is not None:
            mine, equals = f"{qualifier}.{self.quote(placement.column)}", "IN" if self.several else "="
            if self.which == MYSQL and isinstance(placement.type, String) and placement.python_type is str:
                # its usual collations ignore case, accents and trailing spaces: two tenants could be one
                exactly = f" AND CAST(CONVERT({mine} USING utf8mb4) AS BINARY) {equals} "
                return [f"({mine} {equals} ", TENANT, exactly, TENANT, ")"]
            return [f"{mine} {equals} ", TENANT]
        if placement.kind == "through" and placement.parent is not None:
            return self._through(placement, placement.parent, qualifier)
        return []

    def _through(self, placement: Placement, parent: Table, qualifier: str) -> list[Piece]:
        key = table_key(parent)
        above = self.tenancy.find_key(key)
        if above is None or above.kind == "shared" or above.visible is not None:
            raise refusal(
                f"{placement.name} belongs through {full_name(key)}, whose predicate text cannot carry"
            )
        self.parents.append(self._case(key[1]))
        self.guarded.add(self._case(key[1]))
        self.tables.add(key)
        alias = f"{OWN}_{len(self.parents)}"
        source = ".".join(self.quote(part) for part in key if part)
        keys = " AND ".join(
            f"{alias}.{self.quote(theirs)} = {qualifier}.{self.quote(ours)}"
            for ours, theirs in placement.link
        )
        inner = self.predicate(above, alias)
        exists = f"EXISTS (SELECT 1 FROM {source} AS {alias} WHERE {keys} AND "  # noqa: S608 - of quoted names
        return [exists, *inner, ")"]

    def links(self, key: Key) -> list[tuple[Key, Pairs]]:
        """Return the foreign keys of a table that lead to owned or through tables: parent, and column pairs."""
        placement, ties = self.tenancy.find_key(key), Ties(self.tenancy)
        return [
            (table_key(parent), pairs)
            for parent, pairs in ties.links(key)
            if placement is not None and not ties.covered(placement, parent, pairs)
        ]


def shared_write(verb: str, placement: Placement) -> Violation:
    """Return the error for a write to a shared table."""
    return CrossTenantError(
        f"{verb} on {placement.name}, a shared table, was tried in SQL text; shared rows are written inside "
        f'`with bypass(reason="..."):`, or say shared_writable={{"{placement.name}"}}',
        kind="shared_write",
        table=placement.name,
    )


def literal(text: str, which: str) -> Any:
    """Return the value of a string token, or ``None`` where its escapes would have to be guessed."""
    # a double quote is a string or, by MariaDB's ANSI_QUOTES, a column
    if text[:1] != "'" or (which == MYSQL and "\\" in text):
        return None
    return text[1:-1].replace(text[0] * 2, text[0])
