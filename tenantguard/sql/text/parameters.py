"""Parameters: the numbering of a text's parameters, and the place of the tenant among them."""

from __future__ import annotations

from typing import Any

from tenantguard.sql.text.resolution.catalog import OWN, refusal
from tenantguard.sql.text.tokens import PERCENT, SQLITE, Token

PARAMETER = OWN  # the name of the tenant's parameter

Recipe = tuple[int | None, ...]  # positional parameters: a place among the user's, or the tenant

_BY_PLACE = frozenset({"qmark", "numeric", "numeric_dollar", "format", "pyformat"})
_NUMBERED = {"numeric": ":", "numeric_dollar": "$"}


def driver_style(dialect: Any) -> str:
    """Return the style of parameters in text that goes straight to a dialect's driver."""
    style: str = dialect.paramstyle
    return "driver_named" if style == "named" else style  # "named" is how SQLAlchemy's text() writes them


def own_name_fault(tokens: list[Token]) -> str | None:
    """Return the fault of a text that uses one of the guard's own names, or ``None``."""
    if any(OWN in token.text.lower() for token in tokens if token.kind in ("word", "quoted", "parameter")):
        return f"it uses a name that begins with {OWN!r}, which is the guard's own"
    return None


class Numbering:
    """The parameters of one text.

    Args:
        tokens: the text.
        which: the family of the dialect.
        style: how parameters are written.
        several: the number of tenants if a set is bound, otherwise 0.

    Attributes:
        known: the name or place of each parameter, by the index of its token.
        by_name: whether parameters have names.
        given: the number of positional parameters in the text.
    """

    def __init__(self, tokens: list[Token], which: str, style: str, several: int) -> None:
        self._lite = which == SQLITE and style != "named"
        self._numbered = "" if self._lite else _NUMBERED.get(style, "")
        self._percent = style in PERCENT
        self._several = several
        self.expanded = style == "named" and several > 0  # SQLAlchemy puts in the list and its parentheses
        self.given = 0
        self.known: dict[int, str | int] = {}
        self._places: dict[str, int] = {}
        for at, token in enumerate(tokens):
            if token.kind == "parameter":
                self.known[at] = self._which(token.text)
        kinds = {type(which) for which in self.known.values()}
        if len(kinds) > 1:
            raise refusal("it mixes named and positional parameters")
        self.by_name = kinds == {str} if kinds else style not in _BY_PLACE

    def _which(self, text: str) -> str | int:
        digits = text[1:]
        if text[0] == "%":
            return text[2:-2] if len(text) > 2 else self._next()
        if self._numbered or (text[0] == "?" and digits):
            place = int(digits) if len(digits) < 6 else 0
            if not 0 < place <= 32_766:
                raise refusal(f"it numbers a parameter {digits[:9]}; numbering begins at 1")
            self.given = max(self.given, place)
            return place - 1
        if text[0] == "?":
            return self._next()
        if digits.isdigit():  # SQLite takes them in the order in which they first stand
            if digits not in self._places:
                self._places[digits] = self._next()
            return self._places[digits]
        return digits

    def _next(self) -> int:
        self.given += 1
        return self.given - 1

    def text(self, token: Token) -> str:
        """Return how one of the user's parameters is sent."""
        if self._lite and not self.by_name:
            return "?"
        return token.text

    def tenant(self) -> str:
        """Return how the tenant's parameter is written."""
        if not self._several or self.expanded:
            return self._one_tenant("", 1)
        return f"({', '.join(self._one_tenant(f'_{at}', at + 1) for at in range(self._several))})"

    def _one_tenant(self, suffix: str, place: int) -> str:
        if self._numbered:
            return f"{self._numbered}{self.given + place}"
        if self.by_name:
            name = PARAMETER + suffix
            return f"%({name})s" if self._percent else f":{name}"
        return "%s" if self._percent else "?"

    def recipe(self, order: list[int | None]) -> Recipe | None:
        """Return how positional values are merged, given the parameters in the order of the text."""
        if self.by_name:
            return None
        if self._numbered:
            return (*range(self.given), *([None] if None in order else []))
        return tuple(order)
