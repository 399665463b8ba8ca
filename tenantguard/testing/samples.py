"""Sample values for columns of every type, so that rows can be made over models that nobody here has seen."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, Float, LargeBinary, TypeDecorator
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tenantguard.errors import ConfigurationError
from tenantguard.testing.generator.schema import ColumnInfo, kind_of_type

SAMPLES: dict[str, tuple[Any, ...]] = {
    "int": (3, 7, 0, 12, 5),
    "str": ("ada", "bob", "cyd", "dee", "eve"),
    "bool": (True, False),
    "date": (datetime.date(2026, 1, 5), datetime.date(2026, 2, 1), datetime.date(2025, 12, 31)),
    "datetime": (
        datetime.datetime(2026, 1, 5, 8),  # noqa: DTZ001 - a column without a time zone takes this
        datetime.datetime(2026, 2, 1, 9, 30),  # noqa: DTZ001 - the same
    ),
    "num": (Decimal("1.50"), Decimal("20.00"), Decimal("3.25")),
    "uuid": (UUID(int=1), UUID(int=2)),
}
_ZONED = tuple(datetime.datetime(2026, 1, day, 8, tzinfo=datetime.UTC) for day in (5, 6))
_BY_PYTHON_TYPE: dict[type, tuple[Any, ...]] = {
    str: ("ada", "bob"),
    int: (3, 7),
    bool: (True, False),
    float: (0.5, 1.25),
    bytes: (b"\x01",),
    dict: ({"a": 1}, {}),
    object: ({"a": 1}, {}),  # what JSON says of itself in SQLAlchemy 2.1
    list: ([],),
    Decimal: (Decimal("1.50"),),
    datetime.date: SAMPLES["date"],
    datetime.datetime: _ZONED,
    datetime.time: (datetime.time(8), datetime.time(9)),
    datetime.timedelta: (datetime.timedelta(hours=1),),
    UUID: SAMPLES["uuid"],
}


def samples_of(column: ColumnInfo) -> tuple[Any, ...]:
    """Return a few values of a column's type; those that were given for it come first.

    Raises:
        ConfigurationError: the type is unknown here and the column takes no NULL.
    """
    if column.samples:
        return column.samples
    if column.kind in SAMPLES:
        return _cut(SAMPLES[column.kind], column)
    found = next((values for values in _candidates(column.column.type) if _fits(column, values)), None)
    if found is not None:
        return found
    if column.nullable:
        return (None,)
    raise ConfigurationError(
        f"no sample values for {column.column}, of type {column.column.type!r}; give some: "
        f'samples={{"{column.column}": [...]}}'
    )


def _cut(values: tuple[Any, ...], column: ColumnInfo) -> tuple[Any, ...]:
    length = getattr(column.column.type, "length", None)
    if column.kind == "str" and length is not None and length < 3:
        return tuple(dict.fromkeys(value[:length] for value in values))
    return values


def _candidates(type_: Any) -> Iterator[tuple[Any, ...]]:
    """Yield values that the type may take, the likely ones first."""
    if isinstance(type_, Enum):
        yield tuple(type_.enum_class) if type_.enum_class is not None else tuple(type_.enums)
    if isinstance(type_, Float):
        yield (0.5, 1.25)
    if isinstance(type_, LargeBinary):
        yield (b"\x01", b"\x02")
    try:
        if type_.python_type in _BY_PYTHON_TYPE:
            yield _BY_PYTHON_TYPE[type_.python_type]
    except NotImplementedError:
        pass
    if isinstance(type_, TypeDecorator):
        kind = kind_of_type(type_.impl)
        yield from ((_ZONED, SAMPLES[kind]) if kind == "datetime" else (SAMPLES.get(kind, ()),))
        yield from _candidates(type_.impl)


def _fits(column: ColumnInfo, values: tuple[Any, ...]) -> bool:
    """Tell whether the type, which may convert and check on its own, takes the values."""
    process = column.column.type.bind_processor(SQLiteDialect_pysqlite())
    try:
        for value in values:
            if process is not None:
                process(value)
    except Exception:  # a type may refuse a value with any error
        return False
    return bool(values)


_WRITTEN = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    Decimal,
    UUID,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


def written(value: Any) -> str | None:
    """Return the value as code, or ``None`` where it cannot be written as a literal."""
    if isinstance(value, enum.Enum):
        return None
    if isinstance(value, dict | list):
        return repr(value)
    return repr(value) if isinstance(value, _WRITTEN) else None
