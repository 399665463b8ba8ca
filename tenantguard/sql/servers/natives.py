"""Natives: MariaDB's built-in functions, by version; on an older server, such a name may be a user's."""

from __future__ import annotations

import re
from typing import Any

from tenantguard.errors import RawSQLError
from tenantguard.sql.functions import is_declared

_SINCE: dict[str, tuple[int, ...]] = {
    "add_months": (10, 6),
    "to_char": (10, 6),
    "natural_sort_key": (10, 7),
    "sformat": (10, 7),
    "json_equals": (10, 7),
    "json_normalize": (10, 7),
    "crc32c": (10, 8),
    "json_overlaps": (10, 9),
    "random_bytes": (10, 10),
    "format_pico_time": (11, 0),
    "json_schema_valid": (11, 1),
    "json_array_intersect": (11, 2),
    "json_key_value": (11, 2),
    "json_object_filter_keys": (11, 2),
    "json_object_to_array": (11, 2),
    "kdf": (11, 3),
    "uuid_v4": (11, 7),
    "uuid_v7": (11, 7),
    "vec_distance": (11, 7),
    "vec_distance_cosine": (11, 7),
    "vec_distance_euclidean": (11, 7),
    "vec_fromtext": (11, 7),
    "vec_totext": (11, 7),
    "format_bytes": (11, 8),
}
_NOT_SURE = """
    any_value bin_to_uuid uuid_to_bin is_uuid regexp_like json_storage_free json_storage_size st_geohash
    json_schema_validation_report st_latfromgeohash st_latitude st_longfromgeohash st_longitude st_makeenvelope
    st_simplify st_swapxy st_transform st_validate to_number trunc validate_password_strength
"""  # MySQL's alone, or too new
_SINCE |= dict.fromkeys(_NOT_SURE.split(), (99,))
_CALLED = re.compile(rf"(?<![\w.])`?({'|'.join(_SINCE)})`?\s*\(", re.IGNORECASE)


def foreign_names(statement: str, dialect: Any) -> list[str]:
    """Return the functions that a statement calls and that the server does not have itself."""
    if not getattr(dialect, "is_mariadb", False):
        return []
    version = tuple(dialect.server_version_info or ())
    return [name for name in map(str.lower, _CALLED.findall(statement)) if version < _SINCE[name]]


def foreign_call(statement: str, dialect: Any, guard: Any) -> RawSQLError | None:
    """Return the refusal of SQL that calls a function which this version of MariaDB does not have itself."""
    for name in foreign_names(statement, dialect):
        if not is_declared(name, dialect.name, guard.tenancy):
            return RawSQLError(
                f"{name}() is not built into this server, so it is user-defined. If it reads no "
                f'table, declare it: Tenancy(..., functions={{"{name}"}})',
                kind="function",
                statement=name,
            )
    return None
