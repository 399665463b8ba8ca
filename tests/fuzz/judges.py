"""Judges from outside: what the databases themselves see in a text, beside what the reader placed.

SQLite's authorizer tells each table and column that a statement reads or writes, PostgreSQL's own parser each relation
that it names, and the EXPLAIN of PostgreSQL and MariaDB the condition of each scan.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pglast
from pglast.visitors import Skip, Visitor
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tenantguard import Tenancy
from tenantguard.sql.text import Rewritten

_PARAMETER = re.compile(r"(?<![:\\\w]):(\w+)")
# MariaDB shows no condition for a row that it has read already, nor in a subquery that it looks a value up in
_PLAIN_SCANS = ("const", "system", "eq_ref", "unique_subquery", "index_subquery")


def plain(rewritten: Rewritten, values: dict[str, Any]) -> str:
    """Return a text for SQLAlchemy's text() as the database gets it, with its values written out."""

    def value(found: re.Match[str]) -> str:
        given = values.get(found[1], "acme")
        return str(given) if isinstance(given, int) else f"'{given}'"

    return _PARAMETER.sub(value, rewritten.text).replace("\\:", ":")


def sqlite_fault(
    connection: Any, rewritten: Rewritten, values: dict[str, Any], tenancy: Tenancy
) -> str | None:
    """Ask SQLite which tables and columns a statement touches."""
    touched: dict[str, set[str]] = {}

    def authorize(action: int, first: str | None, second: str | None, *_: Any) -> int:
        if action in (sqlite3.SQLITE_READ, sqlite3.SQLITE_UPDATE) and first:
            touched.setdefault(first, set()).add(second or "")
        elif action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE) and first:
            touched.setdefault(first, set())
        return sqlite3.SQLITE_OK

    asked = f"EXPLAIN {plain(rewritten, values)}"
    try:
        # the first time that a connection meets json_each and its like, it declares their tables, in sqlite_master
        connection.execute(asked).fetchall()
        connection.set_authorizer(authorize)
        connection.execute(asked).fetchall()
    except sqlite3.Error:
        return None  # it is for the database to say
    finally:
        connection.set_authorizer(None)
    known = {name for _, name in rewritten.tables}
    tables = {placement.name for placement in tenancy} | {
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
    }
    unknown = {name for name in touched if name in tables - known}
    if unknown:
        return f"SQLite reads {unknown}, and the reader placed {known}"
    for name, columns in touched.items():
        placement = next((p for p in tenancy if p.name == name), None)
        needed = {placement.column} if placement and placement.kind == "owned" else set()
        if columns and needed - columns and "select" in rewritten.verbs:
            return f"SQLite reads {name} without {needed}"
    return None


class _Relations(Visitor):
    def __init__(self) -> None:
        self.names: list[str] = []
        self.ctes: set[str] = set()

    def visit_RangeVar(self, _ancestors: Any, node: Any) -> None:
        self.names.append(node.relname)

    def visit_LockingClause(self, _ancestors: Any, _node: Any) -> Any:
        return Skip

    def visit_CommonTableExpr(self, _ancestors: Any, node: Any) -> None:
        self.ctes.add(node.ctename)


def parser_fault(rewritten: Rewritten, values: dict[str, Any]) -> str | None:
    """Ask PostgreSQL's own parser which relations a statement names."""
    try:
        parsed = pglast.parse_sql(plain(rewritten, values))
    except pglast.parser.ParseError:
        return None
    kinds = [type(one.stmt).__name__ for one in parsed]
    if len(kinds) != 1 or kinds[0] not in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"):
        return f"PostgreSQL's parser finds {kinds}"
    relations = _Relations()
    relations(parsed)
    known = {name for _, name in rewritten.tables}
    unknown = set(relations.names) - known - relations.ctes
    return f"PostgreSQL's parser finds {unknown}, and the reader placed {known}" if unknown else None


def plan_fault(
    connection: Connection, rewritten: Rewritten, values: dict[str, Any], tenancy: Tenancy
) -> str | None:
    """Ask PostgreSQL or MariaDB for the plan: each scan of an owned table has its condition."""
    is_postgresql = connection.dialect.name == "postgresql"
    how = "EXPLAIN (VERBOSE, FORMAT JSON) " if is_postgresql else "EXPLAIN FORMAT=JSON "
    shown = plain(rewritten, values)
    try:
        with connection.begin_nested():
            plan = connection.exec_driver_sql(how + shown.replace("%", "%%"), ()).scalar()
        nodes = json.loads(plan) if isinstance(plan, str) else plan
    except (SQLAlchemyError, ValueError, TypeError):  # MariaDB does not always write JSON that can be read
        return None
    columns = {p.name: p.column for p in tenancy if p.kind == "owned"}
    scans = _postgresql_scans(nodes) if is_postgresql else _mariadb_scans(nodes)
    for name, condition in scans:
        column = columns.get(name)
        if column is not None and column not in condition and "insert" not in rewritten.verbs:
            return f"the plan reads {name} without {column}: {condition[:200]}"
    return None


def _postgresql_scans(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for one in node:
            yield from _postgresql_scans(one)
    elif isinstance(node, dict):
        if "Relation Name" in node and node.get("Node Type", "").endswith("Scan"):
            conditions = [str(value) for key, value in node.items() if key.endswith(("Cond", "Filter"))]
            below = [str(one.get("Index Cond")) for one in node.get("Plans", ())]
            yield node["Relation Name"], " ".join([*conditions, *below])
        for value in node.values():
            yield from _postgresql_scans(value) if isinstance(value, dict | list) else ()


def _mariadb_scans(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for one in node:
            yield from _mariadb_scans(one)
    elif isinstance(node, dict):
        if "table_name" in node and node.get("access_type") not in _PLAIN_SCANS:
            told = ("attached_condition", "index_condition", "used_key_parts", "ref")
            yield node["table_name"], " ".join(str(node.get(key, "")) for key in told)
        for value in node.values():
            yield from _mariadb_scans(value) if isinstance(value, dict | list) else ()
