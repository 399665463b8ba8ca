"""What a column makes of a value, told without asking: never another value than the database stores."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Time,
    literal,
    select,
)
from sqlalchemy.dialects.mysql import BINARY
from sqlalchemy.types import NullType, TypeEngine

from tenantguard.sql.execute.storable import STRANGE, storing
from tests.servers import Database

LONG = 123456789012345678
DAY, MOMENT = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, tzinfo=None)  # noqa: DTZ001 - as columns hold them
MADE: dict[str, tuple[TypeEngine[Any], list[tuple[Any, Any]]]] = {
    "integer": (Integer(), [
        (b"1", 1), (Decimal("1.5"), 2), (Decimal("-2.5"), -3), ("0.5", 1), (" 7 ", 7), (1.4, 1),
        (1.5, STRANGE), ("1e0", STRANGE), (Decimal("NaN"), STRANGE),
    ]),
    "big": (BigInteger(), [
        (str(LONG), LONG), (Decimal(LONG), LONG), (Decimal(f"{LONG}.4"), LONG), (float(LONG), STRANGE),
        (f"{LONG}.4", STRANGE), ("9" * 19, STRANGE),
    ]),
    "numeric": (Numeric(10, 2), [
        ("1.5", Decimal("1.50")), (1.5, Decimal("1.50")), (Decimal("1.495"), Decimal("1.50")), (2, 2),
        (Decimal("-1.005"), Decimal("-1.01")), (1.504, STRANGE), ("1e1", STRANGE), (True, STRANGE),
    ]),
    "char": (CHAR(6), [("a1", "a1"), (b"a1", "a1"), (7, "7"), (Decimal(7), STRANGE)]),
    "binary": (BINARY(4), [(b"ab", b"ab\0\0"), (b"abcd", b"abcd")]),
    "boolean": (Boolean(), [(1, 1), (True, 1), ("1", STRANGE)]),
    "date": (Date(), [("2024-01-02", DAY), (MOMENT, DAY), (DAY, DAY), ("2024-1-2", STRANGE), ("2024-99-99", STRANGE),
        (MOMENT.replace(microsecond=1), STRANGE)]),
    "moment": (DateTime(), [
        (MOMENT, MOMENT), (DAY, MOMENT.replace(hour=0, minute=0)), (MOMENT.replace(microsecond=600_000), STRANGE),
        ("2024-01-02", STRANGE),
    ]),
    "time": (Time(), [(datetime.time(1, 2), datetime.time(1, 2)), (datetime.timedelta(hours=1), datetime.time(1))]),
}  # fmt: skip


def _same(one: Any, other: Any) -> bool:
    return bool(one == (datetime.timedelta(hours=1) if isinstance(one, datetime.timedelta) else other))


@pytest.mark.parametrize("kind", MADE)
def test_mariadb_stores_what_is_told(mariadb_database: Database, kind: str) -> None:
    """Where it is told, the database compares what it stored as equal to it; and in no other case it is told."""
    type_, values = MADE[kind]
    engine = mariadb_database.create_engine()
    table = Table(f"stored_{kind}", MetaData(), Column("value", type_))
    store = storing(type_, engine.dialect)
    with engine.begin() as connection:
        table.create(connection)
        for value, told in values:
            found = store(value)
            assert _same(found, told), (value, found)
            if found is STRANGE:
                continue
            connection.execute(table.delete())
            connection.execute(table.insert().values(value=literal(value, NullType())))
            assert connection.scalar(select(table.c.value == literal(found, NullType()))) == 1, (value, found)


@pytest.mark.parametrize(
    ("value", "told"), [(str(LONG), LONG), ("7", 7), ("1.5", STRANGE), (b"7", STRANGE), (1.0, 1)]
)
def test_sqlite_rounds_nothing(sqlite_database: Database, value: Any, told: Any) -> None:
    """A text of digits becomes an integer, however many they are."""
    assert storing(BigInteger(), sqlite_database.create_engine().dialect)(value) == told
