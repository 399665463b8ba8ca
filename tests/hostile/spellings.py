"""Spellings: how a value of a key may be given, so that a database stores what it means, or something else."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, String, Uuid, bindparam, literal, select
from sqlalchemy.types import TypeDecorator

from tests.hostile.world import CODES, number

PLAIN = "plain"


class _Shifted(TypeDecorator[int]):
    """A type that stores one more than it is given."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value + 1


def _enumerated(number: int) -> Any:
    made: Any = enum.IntEnum
    return made("Number", {"one": number})(number)


class _Text(str):
    """A text of a class of its own."""


def _changing(value: Any, type_: Any) -> Any:
    """Return a parameter that is another one each time it is asked for."""
    values = iter([value, 1, 1, 1])
    return bindparam("changing", callable_=lambda: next(values), type_=type_)


NUMBERS: dict[str, Callable[[int], Any]] = {
    PLAIN: lambda n: n,
    "float": float,
    "float that rounds up": lambda n: n - 0.4,
    "float that rounds down": lambda n: n + 0.4,
    "decimal": Decimal,
    "decimal that rounds": lambda n: Decimal(n) - Decimal("0.4"),
    "text": str,
    "text with blanks": lambda n: f" {n} ",
    "text of a decimal": lambda n: f"{n}.0",
    "text of a number that rounds": lambda n: f"{n - 0.4:.1f}",
    "true": lambda n: True if n == 1 else n,
    "enumeration": _enumerated,
    "huge": lambda n: n + 2**32,
    "none": lambda _: None,
    "literal": lambda n: literal(n, Integer),
    "sum": lambda n: literal(n - 1, Integer) + 1,
    "type of its own": lambda n: literal(n - 1, _Shifted()),
    "literal executed": lambda n: bindparam(None, n, Integer, literal_execute=True),
    "changing": lambda n: _changing(n, Integer),
    "subquery": lambda n: select(literal(n, Integer)).scalar_subquery(),
}
TEXTS: dict[str, Callable[[str], Any]] = {
    PLAIN: lambda t: t,
    "class of its own": _Text,
    "blank": lambda t: f"{t} ",
    "blanks beyond the length": lambda t: f"{t:<8}",
    "beyond the length": lambda t: f"{t}-longer",
    "capitals": str.upper,
    "bytes": str.encode,
    "none": lambda _: None,
    "literal": lambda t: literal(t, String(5)),
    "joined": lambda t: literal(t[:2], String(5)) + t[2:],
    "changing": lambda t: _changing(t, String(5)),
    "subquery": lambda t: select(literal(t, String(5))).scalar_subquery(),
}
UUIDS: dict[str, Callable[[uuid.UUID], Any]] = {
    PLAIN: lambda u: u,
    "text": str,
    "hexadecimal": lambda u: u.hex,
    "text of another type": lambda u: literal(str(u), Uuid(as_uuid=False)),
    "capitals of another type": lambda u: literal(str(u).upper(), Uuid(as_uuid=False)),
    "none": lambda _: None,
    "literal": lambda u: literal(u, Uuid()),
}
# what is written: table, column, spellings, and the value that acme's row has, or globex's, or none
TARGETS: dict[str, tuple[str, str, dict[str, Callable[[Any], Any]], Callable[[str], Any]]] = {
    "through": ("tags", "call_id", NUMBERS, number),
    "key": ("notes", "call_id", NUMBERS, number),
    "key to a through table": ("notes", "tag_id", NUMBERS, number),
    "key to its own table": ("notes", "parent_id", NUMBERS, number),
    "text key": ("notes", "code", TEXTS, lambda whose: CODES.get(whose, "none")),
    "uuid key": ("notes", "thing_id", UUIDS, lambda whose: uuid.UUID(int=number(whose))),
    "part of a key": ("notes", "a", NUMBERS, number),
}
