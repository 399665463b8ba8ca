"""The predicate of a table, as tokens like the others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table

from tenantguard.sql.exactness import exact_column
from tenantguard.sql.text.grammar.cursor import JOINT
from tenantguard.sql.text.placing.catalog import OWN, Catalog, refusal
from tenantguard.sql.text.tokens import POSTGRESQL, Token, ascii_lower, unquoted
from tenantguard.tenancy import Key, Placement, full_name, table_key

TENANT = Token("tenant", "")  # where the tenant's parameter stands
_SYMBOLS = {sign: Token("symbol", sign) for sign in ".,()=*"}
DOT, COMMA, OPEN, CLOSE, _EQUALS = (_SYMBOLS[sign] for sign in ".,()=")
_SYMBOLS["f("] = Token("symbol", "(", JOINT)  # right behind the name of its function
AND = Token("word", "AND")


def plain(text: str) -> list[Token]:
    """Return words and signs of ours, which are written with spaces between them, as tokens."""
    return [_SYMBOLS.get(word) or Token("word", word) for word in text.split()]


@dataclass(frozen=True)
class RuledRows:
    """A place in a text where a table's permission rule stands, which the compiler writes.

    Attributes:
        name: of the parameter that stands there.
        table: whose rule it is.
        qualifier: what the table goes by.
    """

    name: str
    table: Key
    qualifier: str


class Predicates:
    """The predicates of one statement.

    Args:
        catalog: what its names mean.
        several: the tenant is a set, and the column must be one of it.
        compiled: the text is SQLAlchemy's ``text()``, whose parameters a compiler writes.

    Attributes:
        rows: where permission rules stand.
        parents: the name of each table that a predicate reads, as often as it does.
        tables: their keys.
        apart: they are read as derived tables, since MariaDB lets no DELETE of several tables read one that it empties.
    """

    def __init__(self, catalog: Catalog, *, several: bool, compiled: bool) -> None:
        self._catalog, self._compiled = catalog, compiled
        self.rows: list[RuledRows] = []
        self._compared = Token("word", "IN") if several else _EQUALS
        self.parents: list[str] = []
        self.tables: set[Key] = set()
        self.apart = False

    def of(self, placement: Placement, qualifier: Token) -> list[Token]:
        """Return what a row of a table that goes by ``qualifier`` has to fulfil; nothing for a shared one.

        Raises:
            RawSQLError: text cannot carry it.
        """
        mine = self._belongs(placement, qualifier)
        if not placement.has_rows:
            return mine
        rule = self._rule(placement, qualifier)
        return [*mine, AND, rule] if mine else [rule]

    def carry_rule(self, placement: Placement) -> None:
        """Return if the text can carry the permission rule of a table.

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
        asked = [*mine, self._compared, TENANT]
        exact = exact_column(placement.type, placement.python_type, self._catalog.which)
        if exact is None:
            return asked
        # it comes first: by it PostgreSQL tells the type of a parameter that does not say its own
        before, behind = map(plain, exact.replace("(", " f( ").replace(")", " )").split("{}"))
        return [OPEN, *before, *mine, *behind, self._compared, TENANT, AND, *asked, CLOSE]

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
        begun = [*plain("EXISTS ( SELECT 1 FROM"), *source, *plain("AS"), alias, *plain("WHERE")]
        return [*begun, *pairs, *self._belongs(above, alias), CLOSE]
