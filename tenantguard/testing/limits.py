"""Limits: the values that the simple CHECK constraints of a table allow, such as a list of words or a range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Table
from sqlalchemy.exc import SQLAlchemyError

_COLUMN = r'(?:\w+\.)?["`]?(\w+)["`]?'
_NUMBER = r"-?\d+(?:\.\d+)?"
_CHOICE = rf"'(?:[^']|'')*'|{_NUMBER}"
_ONE_OF = re.compile(rf"{_COLUMN}\s+IN\s*\(\s*((?:{_CHOICE})(?:\s*,\s*(?:{_CHOICE}))*)\s*\)", re.IGNORECASE)
_BOUND = re.compile(rf"{_COLUMN}\s*(>=|>|<=|<)\s*({_NUMBER})")
_BETWEEN = re.compile(rf"{_COLUMN}\s+BETWEEN\s+({_NUMBER})\s+AND\s+({_NUMBER})", re.IGNORECASE)
_AND = re.compile(r"\s+AND\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Limit:
    """What the constraints allow of one column.

    Attributes:
        choices: the only values, where they are listed.
        low: the least number.
        high: the greatest number.
    """

    choices: tuple[Any, ...] = ()
    low: Decimal | None = None
    high: Decimal | None = None

    def fit(self, value: Any, n: int) -> Any:
        """Return the value if it is allowed, and otherwise one that is.

        Args:
            value: a value of the column's type.
            n: the row's number, by which a choice is made.
        """
        if self.choices:
            return self.choices[n % len(self.choices)] if type(value) in (str, int) else value
        if type(value) not in (int, float, Decimal) or self._holds(value):
            return value
        if self.high is None or self.low is None:
            return type(value)(self.low + abs(int(value)) if self.low is not None else self.high)
        span = self.high - self.low
        steps = int(span) + 1 if isinstance(value, int) else 4
        step = 1 if isinstance(value, int) else span / 4
        return type(value)(self.low + step * (int(value) % steps))

    def _holds(self, value: Any) -> bool:
        return not (
            (self.low is not None and value < self.low) or (self.high is not None and value > self.high)
        )


def limits_of(table: Table) -> dict[str, Limit]:
    """Return the limit of each column that has one, by the column's name."""
    limits: dict[str, Limit] = {}
    for sql in _conditions(table):
        between = _BETWEEN.fullmatch(sql)
        parts = (
            (f"{between[1]} >= {between[2]}", f"{between[1]} <= {between[3]}") if between else _AND.split(sql)
        )
        for part in parts:
            _narrow(limits, _bare(part))
    return {name: limit for name, limit in limits.items() if name in table.c}


def _conditions(table: Table) -> Iterator[str]:
    """Yield the constraints' conditions as text."""
    constraints = [*table.constraints, *(one for column in table.c for one in column.constraints)]
    for constraint in constraints:
        if isinstance(constraint, CheckConstraint):
            try:
                sql = constraint.sqltext.compile(compile_kwargs={"literal_binds": True})
            except SQLAlchemyError:  # what no text can be made of has no limit that is known here
                continue
            yield _bare(str(sql))


def _narrow(limits: dict[str, Limit], condition: str) -> None:
    """Add what a single condition says; whatever it cannot be read from is left to the database."""
    if listed := _ONE_OF.fullmatch(condition):
        choices = re.findall(_CHOICE, listed[2])
        limits[listed[1]] = Limit(choices=tuple(map(_value, choices)))
    elif bound := _BOUND.fullmatch(condition):
        name, sign, number = bound[1], bound[2], Decimal(bound[3])
        beside = 0 if "=" in sign else 1
        known = limits.get(name, Limit())
        limits[name] = (
            replace(known, low=number + beside) if sign[0] == ">" else replace(known, high=number - beside)
        )


def _value(literal: str) -> Any:
    if literal.startswith("'"):
        return literal[1:-1].replace("''", "'")
    return int(literal) if literal.lstrip("-").isdecimal() else Decimal(literal)


def _bare(condition: str) -> str:
    """Return a condition without spaces around it and without parentheses around all of it."""
    condition = " ".join(condition.split())
    while condition.startswith("(") and condition.endswith(")") and "(" not in condition[1:]:
        condition = condition[1:-1].strip()
    return condition
