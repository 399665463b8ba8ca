"""Sample values for columns of every type, for rows of unknown models."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tenantguard.errors import ConfigurationError
from tenantguard.testing.generator.schema import ColumnInfo
from tenantguard.testing.kinds import enum_of, kinds_of, stored_as, takes

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
_BY_KIND: dict[str, tuple[Any, ...]] = {
    **SAMPLES,
    "zoned": tuple(datetime.datetime(2026, 1, day, 8, tzinfo=datetime.UTC) for day in (5, 6)),
    "time": (datetime.time(8), datetime.time(9)),
    "interval": (datetime.timedelta(hours=1),),
    "float": (0.5, 1.25),
    "bytes": (b"\x01", b"\x02"),
    "json": ({"a": 1}, {}),
    "mail": ("ada@mail.example", "bob@mail.example"),
    "words": ({"a": "1"}, {}),
    "uuid text": (str(UUID(int=1)), str(UUID(int=2))),
    "address": ("10.0.0.1", "10.0.0.2"),
}


def samples_of(column: ColumnInfo) -> tuple[Any, ...]:
    """Return a few values of a column's type; those that were given for it come first.

    Raises:
        ConfigurationError: the type is unknown here and the column takes no NULL.
    """
    if column.samples:
        return column.samples
    found = next((values for values in _candidates(column.column.type) if _fits(column, values)), None)
    if found is not None and column.limit is not None:
        return tuple(dict.fromkeys(column.limit.fit(value, n) for n, value in enumerate(found)))
    if found is not None:
        return _cut(found, column)
    if column.nullable:
        return (None,)
    raise ConfigurationError(
        f"no sample values for {column.column}, of type {column.column.type!r}; give some: "
        f'samples={{"{column.column}": [...]}}'
    )


def key_kind(column: ColumnInfo) -> str | None:
    """Return the kind of a column that can be counted through: what its keys are made of."""
    for kind in kinds_of(column.column.type):
        values = _BY_KIND.get(kind, ())
        if kind in ("int", "str", "uuid", "uuid text") and _fits(column, values):
            return kind
    return None


def _cut(values: tuple[Any, ...], column: ColumnInfo) -> tuple[Any, ...]:
    length = getattr(stored_as(column.column.type), "length", None)
    if length is not None and length < 3 and all(isinstance(value, str) for value in values):
        return tuple(dict.fromkeys(value[:length] for value in values))
    return values


def _candidates(type_: Any) -> Iterator[tuple[Any, ...]]:
    """Yield values that the type may take, the likely ones first."""
    for kind in kinds_of(type_):
        if kind == "enum":
            yield _members(type_)
        elif kind == "list":
            yield _lists(type_)
        else:
            yield _BY_KIND.get(kind, ())


def _members(type_: Any) -> tuple[Any, ...]:
    members = enum_of(type_)
    return tuple(members) if members is not None else tuple(getattr(type_, "enums", ()))


def _lists(type_: Any) -> tuple[Any, ...]:
    item = getattr(stored_as(type_), "item_type", None)
    inner = next(_candidates(item), ()) if item is not None else ()
    return ([], [*inner[:1]]) if inner else ([],)


def _fits(column: ColumnInfo, values: tuple[Any, ...]) -> bool:
    dialect = SQLiteDialect_pysqlite()
    return bool(values) and all(takes(column.column.type, value, dialect) for value in values)


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
