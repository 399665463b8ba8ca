"""Calls: a statement calls functions that are known to read no table, or declared, and no others that have their names.

On PostgreSQL a function of the users' may have a known name and be chosen for its arguments: so the schema of the
known one is written before it. What cannot be told from the statement alone, the catalogue of the server is asked
about when the statement is executed.
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
    """Refuse a function that is not known to read no rows, and that nobody declared."""
    name = ".".join(_as_written(part) for part in (*func.packagenames, func.name))
    fault = function_fault(name, compiler.dialect.name, compiler.tg_guard.tenancy)
    if fault is not None and name not in compiler.tg.methods:
        told = f'{fault}, or call it inside `with bypass(reason="..."):`'
        compiler.tg.refuse(RawSQLError(told, kind="function", statement=name))


def _as_written(name: str) -> str:
    return f'"{name}"' if getattr(name, "quote", None) else name


def unshadowed(compiler: Any, func: Any, text: str) -> str:
    """Return the text of a call so that it calls the database's own function, where others may have its name."""
    if compiler.dialect.name != "postgresql" or func.packagenames:
        return text
    called = _CALL.match(text)
    version = (getattr(compiler.dialect, "server_version_info", None) or (None,))[0]
    own = called is not None and is_own(called[1], compiler.tg_guard.tenancy, version)
    return f"pg_catalog.{text}" if own else text


def sampling(compiler: Any, tablesample: Any) -> None:
    """Let the method of a TABLESAMPLE, which is no function, be written as one."""
    method = tablesample._get_method()
    if not method.packagenames and method.name.lower() in _METHODS:
        compiler.tg.methods = frozenset({method.name})


def verify_calls(compiler: Any) -> None:
    """Refuse a statement that calls what only has the name of a known function, as far as the server is known."""
    fault = foreign_call(compiler.string, compiler.dialect, compiler.tg_guard)
    if fault is not None:
        compiler.tg.refuse(fault)
    if compiler.dialect.name == "postgresql":
        if compiler.tg_guard.catalogue is not None:
            verify_asked(compiler)
        tables = {key[1]: compiler.tg_guard.ties.column_names(key) for key in compiler.tg.tables}
        names = compiler.tg.ctes.union(compiler.tg.rendered)
        compiler.tg.calls = calls_something(compiler.string, tables, names)
