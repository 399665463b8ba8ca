"""The predicates of tables, as tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table

from tenantguard.sql.exactness import exact_column
from tenantguard.sql.text.grammar.cursor import JOINT
from tenantguard.sql.text.resolution.catalog import OWN, Catalog, refusal
from tenantguard.sql.text.tokens import POSTGRESQL, Token, ascii_lower, unquoted
from tenantguard.tenancy import Key, Placement, full_name, table_key

TENANT = Token("tenant", "")  # where the tenant's parameter stands
_SYMBOLS = {sign: Token("symbol", sign) for sign in ".,()=*"}
DOT, COMMA, OPEN, CLOSE, _EQUALS = (_SYMBOLS[sign] for sign in ".,()=")
_SYMBOLS["f("] = Token("symbol", "(", JOINT)  # right behind the name of its function
AND = Token("word", "AND")


def plain(text: str) -> list[Token]:
    """Return words and signs of ours, separated by spaces, as tokens."""
    return [_SYMBOLS.get(word) or Token("word", word) for word in text.split()]


@dataclass(frozen=True)
class RuledRows:
    """The place of a table's permission rule in a text, for the compiler.

    Attributes:
        name: the name of the parameter in that place.
        table: the table.
        qualifier: how its columns are qualified.
    """

    name: str
    table: Key
    qualifier: str


class Predicates:
    """The predicates of one statement.

    Args:
        catalog: the meaning of names.
        several: a set of tenants is bound, and the column must be one of them.
        compiled: the text is a ``text()``, whose parameters the compiler writes.

    Attributes:
        rows: the places of permission rules.
        parents: the names of the tables that predicates read, one for each time.
        tables: their keys.
        apart: read them as derived tables, because in MariaDB a DELETE of several tables cannot read its targets.
    """

    def __init__(self, catalog: Catalog, *, several: bool, compiled: bool) -> None:
        self._catalog, self._compiled = catalog, compiled
        self.rows: list[RuledRows] = []
        self._compared = Token("word", "IN") if several else _EQUALS
        self.parents: list[str] = []
        self.tables: set[Key] = set()
        self.apart = False

    def of(self, placement: Placement, qualifier: Token) -> list[Token]:
        """Return the condition for the rows of a table; empty for a shared one.

        Raises:
            RawSQLError: text cannot carry it.
        """
        mine = self._belongs(placement, qualifier)
        if not placement.has_rows:
            return mine
        rule = self._rule(placement, qualifier)
        return [*mine, AND, rule] if mine else [rule]

    def carry_rule(self, placement: Placement) -> None:
        """Refuse a table with a permission rule in text that cannot carry it.

        Raises:
            RawSQLError: it is sent straight to the driver.
        """
        if not self._compiled:
            raise refusal(
                f"table {placement.name!r} has a permission rule, which text that is sent straight to the driver "
                "cannot carry; execute it as text()",
                table=placement.name,
            )

    def _rule(self, placement: Placement, qualifier: Token) -> Token:
        self.carry_rule(placement)
        name = unquoted(qualifier.text)
        if qualifier.kind == "word" and self._catalog.which == POSTGRESQL:
            name = ascii_lower(name)
        self.rows.append(RuledRows(f"{OWN}_row_{len(self.rows) + 1}", placement.key, name))
        return Token("rule", f":{self.rows[-1].name}")

    def _belongs(self, placement: Placement, qualifier: Token) -> list[Token]:
        if placement.kind == "owned" and placement.column is not None:
            return self._owned(placement, [qualifier, DOT, self._catalog.quote(placement.column)])
        if placement.kind == "through" and placement.parent is not None:
            return self._through(placement, placement.parent, qualifier)
        return []

    def _owned(self, placement: Placement, mine: list[Token]) -> list[Token]:
        comparison = [*mine, self._compared, TENANT]
        exact = exact_column(placement.type, placement.python_type, self._catalog.which)
        if exact is None:
            return comparison
        # it comes first: by it PostgreSQL tells the type of a parameter that does not say its own
        before, behind = map(plain, exact.replace("(", " f( ").replace(")", " )").split("{}"))
        return [OPEN, *before, *mine, *behind, self._compared, TENANT, AND, *comparison, CLOSE]

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
        if self.apart:
            source = [*plain("( SELECT * FROM"), *source, CLOSE]
        pairs: list[Token] = []
        for ours, theirs in placement.link:
            pairs += [alias, DOT, quote(theirs), _EQUALS, qualifier, DOT, quote(ours), AND]
        head = [*plain("EXISTS ( SELECT 1 FROM"), *source, *plain("AS"), alias, *plain("WHERE")]
        return [*head, *pairs, *self._belongs(above, alias), CLOSE]
