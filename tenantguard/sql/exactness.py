"""Exactness: where a database treats two tenants' ids as equal, and how to compare them exactly.

MariaDB's collations ignore case, accents and trailing spaces; in a ``CHAR(n)`` PostgreSQL ignores trailing spaces.
"""

from __future__ import annotations

import functools
import re
from typing import Any, cast

from sqlalchemy import make_url, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine

# whatever a column's character set: parameters arrive in utf8mb4
_BYTES = "CAST(CONVERT({} USING utf8mb4) AS BINARY)"
_TEXT = "CAST({} AS TEXT)"  # without the spaces that a CHAR(n) is padded with
MARIADB = ("mysql", "mariadb")
EXACT_COLUMN = {"mysql": _BYTES, "mariadb": _BYTES, "postgresql": _TEXT}
# a tenant that stands where it is not compared with one column alone
_NOT_PADDED = "(CONVERT({} USING utf8mb4) COLLATE utf8mb4_nopad_bin)"
EXACT_TENANT = {"mysql": _NOT_PADDED, "mariadb": _NOT_PADDED, "postgresql": _TEXT}

_TEXTS = re.compile(r"(NATIONAL )?N?(VAR)?CHAR|\w*TEXT|ENUM|SET\b", re.IGNORECASE)
_PADDED = re.compile(r"((NATIONAL )?N?CHAR(ACTER)?|BPCHAR)\b(?! VARYING)", re.IGNORECASE)
_LOOSE = {"mysql": _TEXTS, "mariadb": _TEXTS, "postgresql": _PADDED}
_REFUSED = {
    "sqlite": re.compile(r'COLLATE "?(?!"?BINARY\b)\w+"?', re.IGNORECASE),
    "postgresql": re.compile("CITEXT", re.IGNORECASE),
}
# what is most often met, of which the database's name need not be asked
_PLAIN = frozenset({types.String, types.Text, types.Unicode, types.VARCHAR, types.TEXT})


def exact_column(type_: TypeEngine[Any], python_type: type | None, dialect: str) -> str | None:
    """Return how a tenant column is written to be compared exactly; ``None`` where its own comparison is exact.

    Args:
        type_: the column's type.
        python_type: that of its values, where the type tells: numbers and UUIDs have one spelling.
        dialect: the name of the database's dialect.
    """
    loose = _LOOSE.get(dialect)
    if loose is None or python_type not in (str, None):
        return None
    if _is_plain(type_, dialect):
        is_loose = loose is _TEXTS
    elif isinstance(type_, types.Uuid) and dialect not in type_._variant_mapping:
        is_loose = False
    else:
        is_loose = loose.match(name_of(type_, dialect)) is not None
    return EXACT_COLUMN[dialect] if is_loose else None


def inexact(type_: TypeEngine[Any], dialect: str) -> str | None:
    """Return the property of a type that makes two ids equal in every comparison, or ``None``."""
    refused = _REFUSED.get(dialect)
    found = refused and refused.search(name_of(type_, dialect))
    return found[0] if found else None


def is_padded(type_: TypeEngine[Any], dialect: str) -> bool:
    """Return whether a column of a type drops trailing blanks."""
    # asked at each INSERT: compiling the name takes 3 µs, and most columns are plain
    return (
        dialect in _LOOSE
        and not _is_plain(type_, dialect)
        and _PADDED.match(name_of(type_, dialect)) is not None
    )


def _is_plain(type_: TypeEngine[Any], dialect: str) -> bool:
    """Return whether a type is VARCHAR or TEXT in the database, and no variant takes its place there."""
    return type(type_) in _PLAIN and dialect not in type_._variant_mapping


def name_of(type_: TypeEngine[Any], dialect: str) -> str:
    """Return a type's name in the database, without decorators; a domain counts as its base type.

    One of which nothing is known is called a text.
    """
    made = _dialect(dialect)
    kind: Any = type_._unwrapped_dialect_impl(made)
    if isinstance(kind, postgresql.DOMAIN):
        return name_of(kind.data_type, dialect)
    try:
        return str(type_.compile(made))
    except CompileError:  # no type at all, or a VARCHAR without a length, which MariaDB does not create
        return "TEXT"


def uncut(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return a type that keeps a parameter whole: asyncpg casts to CHAR, which is one character."""
    kind = getattr(type_, "impl_instance", type_)
    if not isinstance(kind, types.CHAR | types.NCHAR) or kind.length is not None:
        return type_
    one = kind.copy()
    one.length = 1
    if kind is type_:
        return one
    decorated: Any = type_.copy()
    decorated.impl = decorated.impl_instance = one
    return cast("TypeEngine[Any]", decorated)


@functools.cache
def _dialect(name: str) -> Any:
    return make_url(f"{name}://").get_dialect()()
