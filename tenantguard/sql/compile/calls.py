"""Calls: a statement may call only functions that are known or declared to read no table.

On PostgreSQL, a user-defined function can share a known name and be chosen because of its arguments, so the known
function is written with its schema. What the statement alone does not show is checked against the server's catalogue
when the statement executes.
"""

from __future__ import annotations

import re
from typing import Any

from tenantguard.errors import RawSQLError
from tenantguard.sql.functions import function_fault, is_own
from tenantguard.sql.servers.catalogue import calls_something, verify_asked
from tenantguard.sql.servers.natives import foreign_call

_CALL = re.compile(r'(\w+|"\w+")\(')
_METHODS = frozenset({"bernoulli", "system"})  # of TABLESAMPLE, on every server


def read_function(compiler: Any, func: Any) -> None:
    """Refuse a function that is neither known nor declared to read no rows."""
    name = ".".join(_as_written(part) for part in (*func.packagenames, func.name))
    fault = function_fault(name, compiler.dialect.name, compiler.tg_guard.tenancy)
    if fault is not None and name not in compiler.tg.methods:
        told = f'{fault}, or call it inside `with bypass(reason="..."):`'
        compiler.tg.refuse(RawSQLError(told, kind="function", statement=name))


def _as_written(name: str) -> str:
    return f'"{name}"' if getattr(name, "quote", None) else name


def unshadowed(compiler: Any, func: Any, text: str) -> str:
    """Return the text of a call with the schema of the built-in function, if others may have its name."""
    if compiler.dialect.name != "postgresql" or func.packagenames:
        return text
    called = _CALL.match(text)
    version = (getattr(compiler.dialect, "server_version_info", None) or (None,))[0]
    own = called is not None and is_own(called[1], compiler.tg_guard.tenancy, version)
    return f"pg_catalog.{text}" if own else text


def sampling(compiler: Any, tablesample: Any) -> None:
    """Allow the method of a TABLESAMPLE, which only looks like a function."""
    method = tablesample._get_method()
    if not method.packagenames and method.name.lower() in _METHODS:
        compiler.tg.methods = frozenset({method.name})


def verify_calls(compiler: Any) -> None:
    """Refuse a statement that calls a user-defined function with a known name, as far as the server is known."""
    fault = foreign_call(compiler.string, compiler.dialect, compiler.tg_guard)
    if fault is not None:
        compiler.tg.refuse(fault)
    if compiler.dialect.name == "postgresql":
        if compiler.tg_guard.catalogue is not None:
            verify_asked(compiler)
        tables = {key[1]: compiler.tg_guard.ties.column_names(key) for key in compiler.tg.tables}
        names = compiler.tg.ctes.union(compiler.tg.rendered)
        compiler.tg.calls = calls_something(compiler.string, tables, names)
