"""Kinds of values: what a column's type takes, tried out where the type converts on its own."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Dialect, Table, TypeDecorator, select, types
from sqlalchemy.dialects import postgresql

from tenantguard.errors import ConfigurationError
from tenantguard.tenancy import Tenancy, full_name

_BY_TYPE: tuple[tuple[type[Any], str], ...] = (
    (types.Enum, "enum"),
    (types.Boolean, "bool"),
    (types.Integer, "int"),
    (types.Float, "float"),
    (types.Numeric, "num"),
    (types.Uuid, "uuid"),
    (types.String, "str"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.Interval, "interval"),
    (types.LargeBinary, "bytes"),
    (types.JSON, "json"),
    (types.ARRAY, "list"),
    (postgresql.INET, "address"),
    (postgresql.CIDR, "address"),
    (postgresql.CITEXT, "str"),
    (postgresql.HSTORE, "words"),
)
_BY_PYTHON_TYPE: dict[type, str] = {
    str: "str",
    int: "int",
    bool: "bool",
    float: "float",
    bytes: "bytes",
    dict: "json",
    list: "list",
    decimal.Decimal: "num",
    datetime.date: "date",
    datetime.datetime: "datetime",
    datetime.time: "time",
    datetime.timedelta: "interval",
    uuid.UUID: "uuid",
}
_TRIED = (
    "str",
    "mail",
    "uuid",
    "int",
    "zoned",
    "datetime",
    "date",
    "num",
    "float",
    "bytes",
    "json",
    "words",
    "list",
    "bool",
)


def statement_columns(table: Table) -> list[Column[Any]]:
    """Return the columns that statements name: all but SQLAlchemy's insert sentinels."""
    return list(select(table).selected_columns)  # type: ignore[arg-type]  # a whole table


def kinds_of(type_: Any) -> Iterator[str]:
    """Yield the kinds of values that a type may take, the likely ones first.

    A ``TypeDecorator`` that converts takes what its author chose, so every kind is worth a try: what it says
    of itself first, then what it is stored as.
    """
    if isinstance(type_, TypeDecorator):
        if enum_of(type_) is not None:
            yield "enum"
        said = _declared(type_)
        if said is not None:
            yield from ("zoned", said) if said == "datetime" else (said,)
        stored = next(kinds_of(type_.impl_instance), None)
        if stored == "datetime" and converts(type_):
            yield "zoned"
        if stored is not None:
            yield stored
        if converts(type_):
            yield from (kind for kind in _TRIED if kind not in (said, stored))
        return
    kind = next((kind for known, kind in _BY_TYPE if isinstance(type_, known)), None)
    if kind == "uuid" and not type_.as_uuid:
        kind = "uuid text"
    if kind == "datetime" and type_.timezone:
        kind = "zoned"
    kind = kind if kind is not None else _declared(type_)
    if kind is not None:
        yield kind


def plain_type(type_: Any) -> Any:
    """Return the type, or what it decorates without converting: such values are stored as they are."""
    while isinstance(type_, TypeDecorator) and not converts(type_):
        type_ = type_.impl_instance
    return type_


def converts(type_: TypeDecorator[Any]) -> bool:
    """Tell whether a decorator changes or checks its values on the way to the database."""
    return type(type_).process_bind_param is not TypeDecorator.process_bind_param


def stored_as(type_: Any) -> Any:
    """Return what a type is stored as, whatever decorates it."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_


def enum_of(type_: Any) -> type[enum.Enum] | None:
    """Return the enumeration whose members a type takes, if it holds one."""
    found = getattr(type_, "enum_class", None)
    held = [found, *getattr(type_, "__dict__", {}).values()]
    return next((one for one in held if isinstance(one, type) and issubclass(one, enum.Enum)), None)


def takes(type_: Any, value: Any, dialect: Dialect) -> bool:
    """Tell whether a type, which may convert and check on its own, takes a value."""
    try:
        process = type_.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            process(value)
    except Exception:  # a type may refuse a value with any error
        return False
    return True


def tenant_kind(tenancy: Tenancy, dialect: Dialect) -> str:
    """Return the kind of the tenants' ids: ``"str"``, ``"int"`` or ``"uuid"``.

    Raises:
        ConfigurationError: a tenant column takes none of these.
    """
    owned = [placed for placed in tenancy if placed.kind == "owned"]
    said = {placed.python_type for placed in owned}
    for python_type, kind in ((int, "int"), (uuid.UUID, "uuid"), (str, "str")):
        if python_type in said:
            return kind
    for placed in owned:
        usable = next((kind for kind in kinds_of(placed.type) if _is_id(placed.type, kind, dialect)), None)
        if usable is None:
            raise ConfigurationError(
                f"the tenant column {full_name(placed.key)}.{placed.column} has the type {placed.type!r}, which takes "
                "neither a text, a number nor a UUID; give two ids: tenants=(..., ...)"
            )
        return usable
    return "str"


def _is_id(type_: Any, kind: str, dialect: Dialect) -> bool:
    tried = {"str": "acme", "int": 1, "uuid": uuid.UUID(int=1)}
    return kind in tried and takes(type_, tried[kind], dialect)


def _declared(type_: Any) -> str | None:
    """Return the kind that a type's own ``python_type`` names; the one of a base class says nothing."""
    own = type(type_).__mro__
    if isinstance(type_, TypeDecorator):
        own = own[: own.index(TypeDecorator)]
        if not any("python_type" in vars(base) for base in own):
            return None
    try:
        told = type_.python_type
    except NotImplementedError:
        return None
    if isinstance(told, type) and issubclass(told, enum.Enum):
        return "enum"
    return _BY_PYTHON_TYPE.get(told)
