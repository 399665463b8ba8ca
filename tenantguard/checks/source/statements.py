"""SQL text in source that the guard would refuse; sqlglot finds its tables."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import is_of, sql_of
from tenantguard.checks.source.syntax import Called, SourceFile
from tenantguard.errors import TenantGuardError
from tenantguard.sql.text import is_begin, is_health_check, local_setting, read_fragment, rewrite

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # what it cannot parse is told as a finding
_STATEMENT = re.compile(
    r"""^(?:[rRbBfFuU]*(?:\"{3}|'{3}|["']))?\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|REPLACE|TRUNCATE|COPY|CALL)\b""",
    re.IGNORECASE,
)
_DRIVERS_OWN = frozenset({"fetch", "fetchrow", "fetchval", "executescript"})
# text in these is of the schema, which is changed before the guard serves
_DEFINITIONS = frozenset(
    {
        "Column",
        "mapped_column",
        "Field",
        "Index",
        "CheckConstraint",
        "ExcludeConstraint",
        "Computed",
        "DDL",
        "Table",
    }
)
_DIALECTS = ("postgresql", "sqlite", "mysql")


def statement_findings(project: Project) -> Iterator[Finding]:
    """Yield the text statements that raise an error once the engine is guarded."""
    mode = _mode(project)
    for source, called in project.calls():
        sql = _piece(called) or sql_of(called)
        is_ours = called.last not in _DRIVERS_OWN  # TG203 says where a driver is used beside the engine
        if sql is not None and mode != "database" and is_ours and not _is_lifted(called):
            finding = _of(project, source, called, sql, mode)
            if finding is not None:
                yield finding


def _piece(called: Called) -> str | None:
    """Return the text of a literal column."""
    if called.last != "literal_column" or not is_of(called.name, "sqlalchemy", "sqlmodel"):
        return None
    argument = called.argument(0, "text")
    return None if argument is None else argument.text


def _mode(project: Project) -> str:
    """Return the ``raw_sql`` of the project's guards; the strictest one if they differ."""
    modes = set()
    for _, called in project.calls():
        if called.last == "guard" and is_of(called.name, "tenantguard"):
            given = called.argument(None, "raw_sql")
            modes.add((given.text or "refuse") if given is not None else "refuse")
    return next((mode for mode in ("refuse", "rewrite", "database") if mode in modes), "refuse")


def _is_lifted(called: Called) -> bool:
    return "tenantguard.bypass" in called.blocks


def _of(project: Project, source: SourceFile, called: Called, sql: str, mode: str) -> Finding | None:
    if _STATEMENT.match(sql) is None:
        return _of_piece(project, source, called)
    argument = called.argument(0)
    if argument is None or argument.text is None:
        if mode == "refuse":
            return project.at("TG202", source, called.line, "SQL text is assembled at run time and executed")
        return None  # the guard reads it when it is there
    tables = tables_of(sql)
    if tables is not None and not tables:
        return None
    named = ", ".join(sorted(tables)) if tables else "what cannot be read"
    if mode == "refuse":
        return project.at("TG202", source, called.line, f"SQL text names {named}, and raw_sql is 'refuse'")
    fault = _refused(project, sql)
    return (
        None if fault is None else project.at("TG202", source, called.line, f"SQL text is refused: {fault}")
    )


def _of_piece(project: Project, source: SourceFile, called: Called) -> Finding | None:
    """Return a finding for text that is not a query: a fragment, or a connection setting."""
    argument = called.argument(0)
    around = [name.rpartition(".")[2] for name in called.within]
    if argument is None or argument.text is None or _DEFINITIONS & set(around):
        return None
    if called.last == "exec_driver_sql" or around[:1] == ["execute"]:
        if any(_is_let_through(argument.text, dialect) for dialect in _DIALECTS):
            return None
        return project.at(
            "TG202", source, called.line, "SQL text that is not a query is executed outside a bypass"
        )
    if around[:1] == ["select_from"]:
        return project.at("TG202", source, called.line, f"text stands for a table: {argument.text}")
    if not around or called.last not in ("text", "literal_column"):
        return None  # what becomes of it is not told here
    style = "none" if called.last == "literal_column" else "named"
    faults = [read_fragment(argument.text, one, project.tenancy, style=style).fault for one in _DIALECTS]
    if None in faults:
        return None
    return project.at("TG202", source, called.line, f"text inside a statement is refused: {faults[0]}")


def _is_let_through(sql: str, dialect: str) -> bool:
    return is_health_check(sql) or is_begin(sql, dialect) or local_setting(sql, dialect) is not None


def _refused(project: Project, sql: str) -> str | None:
    """Return why the guard would refuse a text in every dialect, or ``None`` if one accepts it."""
    said = ""
    for dialect in _DIALECTS:
        try:
            rewrite(sql, tenancy=project.tenancy, dialect=dialect, style="named")
        except TenantGuardError as error:
            said = said or " ".join(str(error).split())
        else:
            return None
    return said


def tables_of(sql: str) -> set[str] | None:
    """Return the tables that a statement names, or ``None`` if it cannot be parsed."""
    for dialect in (None, "postgres", "mysql", "sqlite"):
        try:
            parsed = [one for one in sqlglot.parse(sql, dialect=dialect) if one is not None]
        except (SqlglotError, RecursionError):
            continue
        return {name for one in parsed for name in _tables(one)}
    return None


def _tables(parsed: Any) -> set[str]:
    own = {one.alias_or_name for one in parsed.find_all(exp.CTE)}
    named = {table.name for table in parsed.find_all(exp.Table)} - own
    return {name for name in named if name}
