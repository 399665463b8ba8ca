"""Sites: the places in the source that involve the database or tenants."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tenantguard.checks.source.files import is_migration, python_files
from tenantguard.checks.source.reader import read_file
from tenantguard.checks.source.syntax import Called, Function, SourceFile

Kind = Literal[
    "engine", "guard", "session", "sql", "driver", "bypass", "app", "route", "entry point", "thread", "cache"
]

ENGINES = frozenset(
    {"create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config"}
)
SESSIONS = frozenset(
    {
        "Session",
        "AsyncSession",
        "sessionmaker",
        "async_sessionmaker",
        "scoped_session",
        "async_scoped_session",
    }
)
APPS = frozenset({"FastAPI", "Starlette", "Litestar", "Flask", "Quart", "Sanic"})
ROUTES = frozenset(
    {"get", "post", "put", "patch", "delete", "api_route", "route", "websocket", "websocket_route"}
)
_TASKS = frozenset(
    {"task", "shared_task", "actor", "command", "on_event", "periodic_task", "job", "callback"}
)
_TASK_TOOLS = ("celery", "dramatiq", "taskiq", "arq", "rq", "huey", "typer", "click", "apscheduler")
_CACHES = frozenset(
    {
        "lru_cache",
        "cache",
        "cached",
        "cachedmethod",
        "alru_cache",
        "cache_on_arguments",
        "memoize",
        "ttl_cache",
    }
)
DRIVERS = (
    "psycopg.", "psycopg2.", "psycopg_pool.", "asyncpg.", "sqlite3.", "aiosqlite.", "pymysql.", "aiomysql.", "asyncmy.",
    "MySQLdb.", "mysql.connector.", "databases.", "mariadb.", "pg8000.", "pyodbc.", "apsw.", "adbc_driver_postgresql.",
    "adbc_driver_sqlite.",
)  # fmt: skip
_DRIVER_CALLS = frozenset(
    {
        "connect",
        "create_pool",
        "ConnectionPool",
        "AsyncConnectionPool",
        "NullConnectionPool",
        "AsyncNullConnectionPool",
        "SimpleConnectionPool",
        "ThreadedConnectionPool",
        "MySQLConnectionPool",
        "Connection",
        "AsyncConnection",
        "Database",
    }
)
_CONNECTIONS = frozenset(
    {
        "connect",
        "first_connect",
        "do_connect",
        "checkout",
        "checkin",
        "reset",
        "close",
        "close_detached",
        "soft_invalidate",
        "invalidate",
        "detach",
    }
)  # events whose listeners are given a connection of the driver
_EXECUTE = frozenset(
    {"execute", "executemany", "scalar", "scalars", "stream", "stream_scalars", "from_statement", "read_sql",
     "read_sql_query", "read_database", "fetch", "fetchrow", "fetchval", "executescript"}
)  # fmt: skip
_VERBS = frozenset(
    {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
)  # of HTTP, as in httpx's stream()


@dataclass(frozen=True)
class Site:
    """One place.

    Attributes:
        kind: its kind.
        file: the file.
        line: the line.
        function: the enclosing function; ``""`` at module level.
        name: the called name, or the function that is an entry point.
        code: the line of source.
        detail: the SQL, the reason of a bypass or the path of a route, depending on the kind.
    """

    kind: Kind
    file: Path
    line: int
    function: str
    name: str
    code: str
    detail: str | None = None


def read_source(roots: Iterable[Path], exclude: Collection[str] = ()) -> list[SourceFile]:
    """Read every Python file under some directories; module names are relative to the parent directory.

    Args:
        roots: directories and files.
        exclude: patterns of paths to skip.
    """
    return [one for root in roots for one in _files(root, exclude)]


def _files(root: Path, exclude: Collection[str]) -> Iterator[SourceFile]:
    """Read the files under a directory, except migrations."""
    held = [(path, _bytes(path)) for path in python_files([root], exclude)]
    base = (
        root.parent if root.is_file() or _is_package(root, [content or b"" for _, content in held]) else root
    )
    for path, content in held:
        if root.is_file() or not is_migration(content or b""):
            yield read_file(path, base, content)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None  # which reading it tells


def _is_package(root: Path, contents: list[bytes]) -> bool:
    """Return whether modules are imported by the directory's name, as in a package or namespace package."""
    if (root / "__init__.py").exists():
        return True
    if (root / root.name).exists() or (root / f"{root.name}.py").exists():
        return False
    named = re.compile(rb"^\s*(?:from|import)\s+" + re.escape(root.name.encode()) + rb"\b", re.MULTILINE)
    return any(named.search(content) for content in contents)


def sites(source: SourceFile) -> Iterator[Site]:
    """Yield the sites of one file, in the order of their lines."""
    found = [*_of_calls(source), *_of_functions(source)]
    yield from sorted(found, key=lambda one: (one.line, one.kind))


def _of_calls(source: SourceFile) -> Iterator[Site]:
    listeners = listeners_of(source)
    for called in source.calls:
        if called.function in listeners:
            continue
        kind = _kind(called)
        if kind is not None:
            yield _site(source, kind, called, _detail(kind, called))
        if sql_of(called) is not None:
            yield _site(source, "sql", called, sql_of(called))


def _kind(called: Called) -> Kind | None:
    name, last = called.name, called.last
    if last in ENGINES and is_of(name, "sqlalchemy", "sqlmodel"):
        return "engine"
    if is_of(name, "tenantguard") and last in ("guard", "bypass"):
        return "guard" if last == "guard" else "bypass"
    if last in SESSIONS and is_of(name, "sqlalchemy", "sqlmodel"):
        return "session"
    if last in APPS and is_of(name, "fastapi", "starlette", "litestar", "flask", "quart", "sanic"):
        return "app"
    if is_driver(called):
        return "driver"
    if last in ("submit", "run_in_executor", "map_in_thread") or name in (
        "threading.Thread",
        "threading.Timer",
    ):
        return "thread"
    return None


def is_of(name: str, *packages: str) -> bool:
    """Return whether a dotted name belongs to one of these packages."""
    return name.partition(".")[0] in packages


def is_driver(called: Called) -> bool:
    """Return whether a call reaches a database through its driver, without SQLAlchemy."""
    if called.last in ("raw_connection", "get_raw_connection") or called.name.endswith(
        ("driver_connection.cursor", "dbapi_connection.cursor", "connection.connection.cursor")
    ):
        return True
    return called.name.startswith(DRIVERS) and called.last in _DRIVER_CALLS


def listeners_of(source: SourceFile) -> set[str]:
    """Return the functions that prepare each new connection of an engine, as SQLite's PRAGMAs need it."""
    found = {
        function.name
        for function in source.functions
        for one in function.decorators
        if one.last == "listens_for" and _names_a_connection(one)
    }
    given = [
        called.argument(2, "fn")
        for called in source.calls
        if called.last == "listen" and _names_a_connection(called)
    ]
    names = {one.name for one in given if one is not None and one.name is not None}
    return found | {
        function.name for function in source.functions if function.name.rpartition(".")[2] in names
    }


def _names_a_connection(called: Called) -> bool:
    event = called.argument(1, "identifier")
    return event is not None and event.text in _CONNECTIONS


def sql_of(called: Called) -> str | None:
    """Return the SQL text of a call, the source of dynamic text, or ``None``."""
    if called.last in ("text", "TextClause") and is_of(called.name, "sqlalchemy", "sqlmodel"):
        argument = called.argument(0, "text")
    elif called.last == "exec_driver_sql":
        argument = called.argument(0, "statement")
    elif called.last in _EXECUTE and "." in called.name:
        argument = called.argument(0)
        if argument is None or (argument.text is None and not argument.is_dynamic) or argument.text in _VERBS:
            return None
    else:
        return None
    if argument is None:
        return None
    return argument.text if argument.text is not None else argument.code


def _detail(kind: Kind, called: Called) -> str | None:
    if kind == "bypass":
        reason = called.argument(None, "reason")
        return None if reason is None else (reason.text or reason.code)
    return None


def _site(source: SourceFile, kind: Kind, called: Called, detail: str | None) -> Site:
    return Site(kind, source.path, called.line, called.function, called.name, called.code, detail)


def _of_functions(source: SourceFile) -> Iterator[Site]:
    for function in source.functions:
        for decorator in function.decorators:
            kind = _decorated(source, function, decorator)
            if kind is not None:
                path = decorator.argument(0, "path")
                yield Site(
                    kind, source.path, function.line, function.name, decorator.name, function.code,
                    path.text if path is not None else None,
                )  # fmt: skip


def _decorated(source: SourceFile, function: Function, decorator: Called) -> Kind | None:
    last = decorator.last
    if last in ROUTES and ("." in decorator.name or is_of(source.imports.get(last, ""), "litestar")):
        path = decorator.argument(0, "path")
        if path is not None and (path.text or "").startswith("/"):
            return "route"
        return (
            "route" if is_of(decorator.name, "litestar") or (path is not None and path.text == "") else None
        )
    if is_cache(decorator):
        return "cache"
    if last in _TASKS and (
        is_of(decorator.name, *_TASK_TOOLS) or "." in decorator.name or last == "shared_task"
    ):
        return "entry point"
    return None


def is_cache(decorator: Called) -> bool:
    """Return whether a decorator caches a function's results."""
    return decorator.last in _CACHES
