"""Storable values: the form in which a column stores a driver's value, if that is known without asking the database.

PostgreSQL can be asked to cast, which gives the stored form. SQLite and MariaDB store by rules that a cast does not
follow, so a value of another kind than the column's is translated here, or not looked up at all.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import types
from sqlalchemy.dialects.mysql import MEDIUMINT, TINYINT
from sqlalchemy.types import TypeEngine

from tenantguard.sql.exactness import is_padded

STRANGE: Any = object()  # a value of which only the database knows what it will store
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,15}(\.[0-9]{0,9})?)\s*", re.ASCII)
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,18})\s*", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LARGE = 2**63
_WIDE = Context(prec=65)  # digits, of which MariaDB's decimals have no more
_BITS = {TINYINT: 8, types.SmallInteger: 16, MEDIUMINT: 24, types.BigInteger: 64}
_EXACT = 2**53  # floats beyond it are not every integer


def is_strange(key: tuple[Any, ...]) -> bool:
    """Return whether only the database knows the stored form of a key's value."""
    return any(value is STRANGE for value in key)


def storage_of(type_: TypeEngine[Any], dialect: Any) -> TypeEngine[Any]:
    """Return a column's type in the database, without the collation, which a cast cannot name."""
    found = type_._unwrapped_dialect_impl(dialect)
    if getattr(found, "collation", None) is not None:
        found = found.copy()
        found.collation = None  # type: ignore[attr-defined]  # of a String
    return found


def storing(type_: TypeEngine[Any], dialect: Any) -> Callable[[Any], Any]:
    """Return a function from a driver's value to its stored form in a column of a type, or ``STRANGE``."""
    if dialect.name == "postgresql" or type_._isnull:
        return _as_it_is
    kind = type_._unwrapped_dialect_impl(dialect)
    if isinstance(kind, types.Integer):
        return partial(_integer, rounds=dialect.name != "sqlite")
    if isinstance(kind, types.String):  # and Enum, which is text to the driver
        return partial(_text, kind=kind, dialect=dialect)
    if dialect.name == "sqlite" or isinstance(kind, types.Uuid):
        return _as_it_is  # SQLite's affinities leave a value of the driver's own types alone
    return partial(_of_mariadb, kind=kind)


def bound_as(tenant: Any, type_: TypeEngine[Any], dialect: Any) -> Any:
    """Return a tenant in the driver's form for a column of the type."""
    process = type_.dialect_impl(dialect).bind_processor(dialect)
    return tenant if process is None else process(tenant)


def is_stored_alike(value: Any, tenant: Any, type_: TypeEngine[Any], dialect: Any) -> bool:
    """Return whether a value is stored like the tenant, whatever its spelling.

    Args:
        value: the driver's value for the tenant column.
        tenant: the tenant in the driver's form.
        type_: the column's type.
        dialect: the engine's dialect.
    """
    kind = type_._unwrapped_dialect_impl(dialect)
    given = (value, tenant)
    if isinstance(value, str) and isinstance(tenant, str) and is_padded(type_, dialect.name):
        given = (value.rstrip(" "), tenant.rstrip(" "))  # PostgreSQL gives them back with blanks
    spelled = tuple([_spelled(one, kind, dialect) for one in given])
    return not is_strange(spelled) and type(spelled[0]) is type(spelled[1]) and bool(spelled[0] == spelled[1])


def is_kept(value: Any, type_: TypeEngine[Any], dialect: Any) -> bool:
    """Return whether a column of a type stores a string or an integer unchanged."""
    kind = type_._unwrapped_dialect_impl(dialect)
    if isinstance(kind, types.Uuid):
        return True  # as a CHAR too, which they fill
    if isinstance(value, str) and is_padded(type_, dialect.name):
        return len(value) <= (getattr(kind, "length", len(value)) or 1) and not value.endswith(" ")
    if isinstance(kind, types.String) and isinstance(value, str):
        return bool(_text(value, kind, dialect) == value)
    if isinstance(kind, types.Integer) and isinstance(value, int):
        bits = next((bits for one, bits in _BITS.items() if isinstance(kind, one)), 32)
        signed = not getattr(kind, "unsigned", False)
        least = -(1 << bits - 1) if signed else 0
        return least <= value < least + (1 << bits)
    return True


def _spelled(value: Any, kind: TypeEngine[Any], dialect: Any) -> Any:
    """Return the canonical spelling of values that a column of a type stores alike."""
    if isinstance(kind, types.Integer):
        return _integer(value)
    if isinstance(kind, types.Uuid) or isinstance(value, UUID):
        try:
            return UUID(str(value))
        except ValueError:
            return STRANGE
    if isinstance(kind, types.String) and isinstance(value, str):
        kept = value if dialect.name == "sqlite" or kind.length is None else value[: kind.length]
        return kept if not value[len(kept) :].strip(" ") else STRANGE
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _integer(value: Any, *, rounds: bool = False) -> Any:
    """Return the integer that is stored for a value; MariaDB rounds to the nearest, and exact ties upwards."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes) and rounds and value.isascii():
        value = value.decode()
    if isinstance(value, str) and (written := _NUMBER.fullmatch(value) or _WHOLE.fullmatch(value)):
        value = Decimal(written[1])
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _LARGE:
        nearest = int(value.to_integral_value(ROUND_HALF_UP))
        return nearest if nearest == value or rounds else STRANGE
    if not isinstance(value, float) or not -_EXACT < value < _EXACT:
        return STRANGE
    nearest = round(value)
    is_tie = abs(value - nearest) == 0.5
    return nearest if nearest == value or (rounds and not is_tie) else STRANGE


def _text(value: Any, kind: Any, dialect: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(int(value))
    if isinstance(value, bytes) and dialect.name != "sqlite" and value.isascii():
        value = value.decode()
    if not isinstance(value, str):
        return STRANGE
    if dialect.name == "sqlite" or kind.length is None:
        return value  # SQLite keeps what is longer, too
    return value[: kind.length]  # what is cut off is blank, or the database refuses it


def _of_mariadb(value: Any, kind: Any) -> Any:
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        return _exact(value, kind.scale or 0)
    if isinstance(kind, types.BINARY) and isinstance(value, bytes):
        return value.ljust(kind.length or 1, b"\0")
    if isinstance(kind, types.Boolean) and isinstance(value, int):
        return int(value)
    if isinstance(kind, types.Date | types.DateTime | types.Time):
        return _of_time(value, kind)
    return value if isinstance(value, _kinds_of(kind)) else STRANGE


def _exact(value: Any, scale: int) -> Any:
    """Return the decimal that MariaDB stores for a number, rounded half up if the number is exact."""
    written = str(value) if isinstance(value, float) else value
    if isinstance(written, str) and _NUMBER.fullmatch(written):
        written = Decimal(written.strip())
    if isinstance(written, bool) or not isinstance(written, Decimal | int):
        return STRANGE
    exact = Decimal(written)
    if not exact.is_finite() or abs(exact) >= _LARGE:
        return STRANGE
    rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _WIDE)
    return STRANGE if isinstance(value, float) and rounded != exact else rounded


def _of_time(value: Any, kind: Any) -> Any:
    """Return the date, datetime or time that MariaDB stores."""
    moment = value
    if isinstance(kind, types.Date):
        if isinstance(value, str) and _DAY.fullmatch(value):
            with suppress(ValueError):
                return datetime.date.fromisoformat(value)
        if isinstance(value, datetime.datetime):
            moment = value.date()
    elif isinstance(kind, types.DateTime) and type(value) is datetime.date:
        moment = datetime.datetime.combine(value, datetime.time())
    # a time comes back from the drivers as a difference
    kinds = (datetime.time, datetime.timedelta) if isinstance(kind, types.Time) else _kinds_of(kind)
    # a fraction of a second is cut off or rounded as the server is set
    is_whole = not getattr(value, "microsecond", 0) and not getattr(value, "microseconds", 0)
    return moment if isinstance(moment, kinds) and (is_whole or getattr(kind, "fsp", None) == 6) else STRANGE


def _kinds_of(kind: Any) -> tuple[type, ...]:
    try:
        return (kind.python_type,)
    except NotImplementedError:
        return (str, bytes, int)
