"""The predicate of a table, as tokens like the others."""

from __future__ import annotations

from sqlalchemy import String, Table

from tenantguard.sql.text.lexer import MYSQL, Token
from tenantguard.sql.text.placing.catalog import OWN, Catalog, refusal
from tenantguard.tenancy import Key, Placement, full_name, table_key

TENANT = Token("tenant", "")  # where the tenant's parameter stands
DOT, COMMA, OPEN, CLOSE = (
    Token("symbol", "."),
    Token("symbol", ","),
    Token("symbol", "("),
    Token("symbol", ")"),
)
AND = Token("word", "AND")
_EQUALS, _STAR = Token("symbol", "="), Token("symbol", "*")
_CALLED = Token("symbol", "(", -2)  # right behind the name of its function


def plain(text: str) -> list[Token]:
    """Return words and parentheses of ours, which are written with spaces between them, as tokens."""
    symbols = {"(": OPEN, ")": CLOSE, ",": COMMA, "=": _EQUALS, "*": _STAR, "f(": _CALLED, ".": DOT}
    return [symbols.get(word) or Token("word", word) for word in text.split()]


class Predicates:
    """The predicates of one statement.

    Args:
        catalog: what its names mean.
        several: the tenant is a set, and the column must be one of it.

    Attributes:
        parents: the name of each table that a predicate reads, as often as it does.
        tables: their keys.
    """

    def __init__(self, catalog: Catalog, *, several: bool) -> None:
        self._catalog = catalog
        self._compared = Token("word", "IN") if several else _EQUALS
        self.parents: list[str] = []
        self.tables: set[Key] = set()

    def of(self, placement: Placement, qualifier: Token) -> list[Token]:
        """Return the predicate of a table that goes by ``qualifier``; nothing for a shared one."""
        if placement.kind == "owned" and placement.column is not None:
            return self._owned(placement, [qualifier, DOT, self._catalog.quote(placement.column)])
        if placement.kind == "through" and placement.parent is not None:
            return self._through(placement, placement.parent, qualifier)
        return []

    def _owned(self, placement: Placement, mine: list[Token]) -> list[Token]:
        asked = [*mine, self._compared, TENANT]
        if (
            self._catalog.which == MYSQL
            and isinstance(placement.type, String)
            and placement.python_type is str
        ):
            # its usual collations ignore case, accents and trailing spaces: two tenants could be one
            exact = [*plain("CAST f( CONVERT f("), *mine, *plain("USING utf8mb4 ) AS BINARY )")]
            return [OPEN, *asked, AND, *exact, self._compared, TENANT, CLOSE]
        return asked

    def _through(self, placement: Placement, parent: Table, qualifier: Token) -> list[Token]:
        key = table_key(parent)
        above = self._catalog.tenancy.find_key(key)
        if above is None or above.kind == "shared" or above.visible is not None:
            raise refusal(
                f"{placement.name} belongs through {full_name(key)}, whose predicate text cannot carry"
            )
        quote = self._catalog.quote
        self.parents.append(self._catalog.case(key[1]))
        self.tables.add(key)
        alias = Token("word", f"{OWN}_{len(self.parents)}")
        source = [quote(key[1])] if key[0] is None else [quote(key[0]), DOT, quote(key[1])]
        pairs: list[Token] = []
        for ours, theirs in placement.link:
            pairs += [alias, DOT, quote(theirs), _EQUALS, qualifier, DOT, quote(ours), AND]
        inner = self.of(above, alias)
        return [
            *plain("EXISTS ( SELECT 1 FROM"),
            *source,
            *plain("AS"),
            alias,
            *plain("WHERE"),
            *pairs,
            *inner,
            CLOSE,
        ]
