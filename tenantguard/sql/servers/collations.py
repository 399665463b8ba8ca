"""Collations: a database's actual tenant columns, which may treat two tenants as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.sql.exactness import is_padded
from tenantguard.tenancy import Placement, Tenancy, full_name

_LOOSE_COLLATIONS = (
    "SELECT collname FROM pg_collation WHERE NOT collisdeterministic "
    "UNION ALL SELECT typname FROM pg_type WHERE typname = 'citext'"
)
# the last column: whether the guard cannot compare it exactly; otherwise it is a CHAR, which it can if it is told
_COLUMNS = (
    "WITH RECURSIVE loose AS (SELECT oid, typname FROM pg_type WHERE typname = 'citext' OR oid = 'bpchar'::regtype "
    "UNION SELECT d.oid, loose.typname FROM pg_type AS d JOIN loose ON d.typtype = 'd' AND d.typbasetype = loose.oid) "
    "SELECT n.nspname, t.relname, a.attname, pg_table_is_visible(t.oid), "
    "NOT coalesce(c.collisdeterministic, true) OR loose.typname = 'citext' FROM pg_attribute AS a "
    "JOIN pg_class AS t ON t.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace "
    "LEFT JOIN pg_collation AS c ON c.oid = a.attcollation LEFT JOIN loose ON loose.oid = a.atttypid "
    "WHERE NOT a.attisdropped AND a.attnum > 0 AND (NOT c.collisdeterministic OR loose.oid IS NOT NULL)"
)
# a column of a compound query has the collation that the first part's has
_SAME = "SELECT x = 'A' OR x = 'a ' FROM (SELECT {column} AS x FROM {table} WHERE 0 UNION ALL SELECT 'a')"
_TEXT_OR_NONE = re.compile("CHAR|CLOB|TEXT|BLOB|^$", re.IGNORECASE)  # https://sqlite.org/datatype3.html


def verify_columns(driver: Any, tenancy: Tenancy, dialect: str) -> None:
    """Raise if the database treats two tenants' ids as equal and the metadata does not say so.

    Args:
        driver: the driver's connection to PostgreSQL or SQLite.
        tenancy: how every table belongs.
        dialect: the name of the database's dialect.

    Raises:
        ConfigurationError: by a tenant column's collation or type, two ids could be one.
    """
    faults = column_faults(driver, tenancy, dialect)
    if faults:
        raise ConfigurationError(
            "two tenants could be one in this database:\n"
            + "\n".join(f"  - {fault}" for fault in faults.values())
        )


def column_faults(driver: Any, tenancy: Tenancy, dialect: str) -> dict[str, str]:
    """Return, for each tenant column that could treat two ids as equal, the reason.

    Args:
        driver: the driver's connection.
        tenancy: how every table belongs.
        dialect: the name of the database's dialect.
    """
    of_server = {"postgresql": _postgresql_faults, "sqlite": _sqlite_faults}.get(dialect)
    owned = [placement for placement in tenancy if placement.kind == "owned"]
    return (
        {}
        if of_server is None
        else {_name(placement): fault for placement, fault in of_server(driver, owned)}
    )


def _postgresql_faults(driver: Any, owned: list[Placement]) -> Iterator[tuple[Placement, str]]:
    loose = {name for (name,) in rows_of(driver, _LOOSE_COLLATIONS)}
    held: dict[tuple[str | None, str, str | None], bool] = {}
    for schema, table, column, visible, is_loose in rows_of(driver, _COLUMNS):
        held[schema, table, column] = is_loose
        if visible:
            held[None, table, column] = is_loose
    for placement in owned:
        found = held.get((*placement.key, placement.column))
        if found or getattr(placement.type, "collation", None) in loose:
            yield (
                placement,
                f"the collation of a tenant column is not deterministic, or its type is citext ({_name(placement)}); "
                "give it an exact one",
            )
        elif found is False and not is_padded(placement.type, "postgresql"):
            yield (
                placement,
                f"{_name(placement)} is CHAR, which ignores blanks at the end, and the metadata calls it something "
                "else; map it as CHAR, or make it VARCHAR",
            )


def _sqlite_faults(driver: Any, owned: list[Placement]) -> Iterator[tuple[Placement, str]]:
    there: dict[str, set[str]] = {}
    schemas = {row[1] for row in rows_of(driver, "PRAGMA database_list")}
    for placement in owned:
        schema, table = placement.key[0] or "main", placement.key[1]
        if schema in schemas and schema not in there:
            tables = f"SELECT name FROM {_quoted(schema)}.sqlite_master WHERE type = 'table'"  # noqa: S608 - quoted
            there[schema] = {name for (name,) in rows_of(driver, tables)}
        if placement.python_type not in (str, None) or table not in there.get(schema, ()):
            continue
        whole = f"{_quoted(schema)}.{_quoted(table)}"
        columns = rows_of(driver, f"PRAGMA {_quoted(schema)}.table_xinfo({_quoted(table)})")
        declared = {name: kind for _, name, kind, *_ in columns}.get(placement.column or "")
        if declared is None:
            continue
        same = _SAME.format(column=_quoted(placement.column or ""), table=whole)
        if placement.python_type is str and not _TEXT_OR_NONE.search(declared):
            yield (
                placement,
                f"{_name(placement)} is {declared}, so that SQLite takes 7 and 07 for one; make it TEXT",
            )
        elif rows_of(driver, same) != [(0,)]:
            yield (
                placement,
                f"{_name(placement)} ignores case or blanks by its collation; give it an exact one",
            )


def _name(placement: Placement) -> str:
    return f"{full_name(placement.key)}.{placement.column}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def rows_of(driver: Any, statement: str) -> list[tuple[Any, ...]]:
    """Execute one of our own statements on the driver's cursor, and return its rows."""
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
