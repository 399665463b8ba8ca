"""Shared state: sessions used by several tasks, executors that lose the binding, and caches without the tenant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project, last, reads
from tenantguard.checks.source.sites import SESSIONS, is_cache, is_of
from tenantguard.checks.source.syntax import Argument, Called, Function, SourceFile

_SESSION_TYPES = frozenset({"Session", "AsyncSession"})
_SESSION_NAMES = frozenset({"session", "db_session", "async_session"})
_MAKERS = frozenset({"sessionmaker", "async_sessionmaker"})
_TASKS = frozenset({"create_task", "ensure_future", "start_soon", "add_task", "submit", "run_in_executor"})
_POOLS = re.compile(r"(executor|pool)s?$", re.IGNORECASE)
_POOL_TYPES = frozenset({"ThreadPoolExecutor", "ProcessPoolExecutor", "Pool", "ThreadPool"})
_MAPS = frozenset(
    {
        "submit",
        "map",
        "starmap",
        "imap",
        "imap_unordered",
        "apply",
        "apply_async",
        "map_async",
        "starmap_async",
    }
)


def sharing_findings(project: Project) -> Iterator[Finding]:
    """Yield state that is passed from one tenant's work to another's, or loses its tenant."""
    makers = {
        last(name)
        for _, called in project.calls()
        if called.last in _MAKERS and is_of(called.name, "sqlalchemy", "sqlmodel")
        for name in called.assigned
    }
    pools = {
        last(name) for _, called in project.calls() if called.last in _POOL_TYPES for name in called.assigned
    }
    for source, called in project.calls():
        yield from _of_session(project, source, called, makers)
        yield from _of_tasks(project, source, called, makers)
        yield from _of_executor(project, source, called, pools)
        yield from _of_wrapper(project, source, called)
    for source in project.sources:
        for function in source.functions:
            yield from _of_cache(project, source, function)


def _of_session(project: Project, source: SourceFile, called: Called, makers: set[str]) -> Iterator[Finding]:
    """Yield a session that lives as long as its module or class, or as a cached function."""
    if not _is_session(called, makers) or not called.assigned or called.is_managed:
        return
    name = called.assigned[0]
    around = next((one for one in source.functions if one.name == called.function), None)
    if (
        around is None
        or (called.function, name) in source.globals
        or (name == last(around.name) and any(map(is_cache, around.decorators)))
    ):
        yield project.at("TG206", source, called.line, f"{name} is one session for every request and task")


def _is_session(called: Called, makers: set[str]) -> bool:
    made = called.last in (SESSIONS - _MAKERS) and "scoped" not in called.last
    return (made and is_of(called.name, "sqlalchemy", "sqlmodel")) or called.last in makers


def _of_tasks(project: Project, source: SourceFile, called: Called, makers: set[str]) -> Iterator[Finding]:
    """Yield a session that is passed to other tasks or threads."""
    many = called.last == "gather" and is_of(called.name, "asyncio")
    is_thread = called.name in ("threading.Thread", "threading.Timer")
    if not (many or is_thread or (called.last in _TASKS and "." in called.name)):
        return
    sessions = _sessions(project, source, called.function, makers)
    if not many and _is_no_work(called, sessions):
        return
    if many:
        held = _gathered(source, called, sessions)
        handed = held if len(held) > 1 or any(each for _, each in held) else []
    else:
        handed = [(one.holds & sessions, False) for one in called.arguments if one.holds & sessions]
    if handed:
        name = min(handed[0][0])
        yield project.at("TG206", source, called.line, f"the session {name} is handed to {called.last}()")


def _gathered(source: SourceFile, called: Called, sessions: set[str]) -> list[tuple[frozenset[str], bool]]:
    """Return the sessions in each argument of ``gather()``, and whether the argument is many tasks."""
    found = []
    for one in called.arguments:
        made = [
            each for each in source.calls if each.function == called.function and one.name in each.assigned
        ]
        holds = one.holds.union(*(given.holds for each in made for given in each.arguments)) & sessions
        is_many = bool(made) or one.code.startswith(("[", "("))
        if holds and (is_many or one.call is not None):
            found.append((holds, is_many))
    return found


def _is_no_work(called: Called, sessions: set[str]) -> bool:
    """Return whether a call's first argument is no function: ``task_service.create_task(session, title=...)``."""
    first = called.argument(0)
    if called.last in ("create_task", "ensure_future"):
        return first is None or first.call is None
    return first is not None and first.name in sessions


def _sessions(project: Project, source: SourceFile, function: str, makers: set[str]) -> set[str]:
    """Return the names of the sessions in a function."""
    names: set[str] = set()
    for one in source.functions:
        if one.name == function:
            names |= {
                name for name, annotation in one.parameters if _is_given(project, source, name, annotation)
            }
    for called in source.calls:
        if called.function == function and _is_session(called, makers):
            names |= {name for name in called.assigned if name != last(function)}
    return names


def _is_given(project: Project, source: SourceFile, name: str, annotation: str) -> bool:
    """Return whether a parameter is a session: by its type, or by its name where it has none."""
    if annotation:
        return any(_is_type(project, source, kind) for kind in re.findall(r"[\w.]+", annotation))
    return name in _SESSION_NAMES and any(
        is_of(one, "sqlalchemy", "sqlmodel") for one in source.imports.values()
    )


def _is_type(project: Project, source: SourceFile, name: str) -> bool:
    """Return whether a type is a session of SQLAlchemy's, or the application's own of that name; boto3 has one too."""
    first, dot, rest = name.partition(".")
    whole = f"{source.imports.get(first, first)}{dot}{rest}"
    return last(whole) in _SESSION_TYPES and (
        first not in source.imports or is_of(whole, "sqlalchemy", "sqlmodel") or project.has(whole)
    )


def _of_executor(project: Project, source: SourceFile, called: Called, pools: set[str]) -> Iterator[Finding]:
    """Yield work that is sent to a thread or process and reads the database there."""
    work = _work(called, pools)
    if work is None or (work.call is not None and last(work.call.name) == "carry"):
        return
    names = {work.name} if work.name else {part for part in work.holds if part not in ("self", "cls")}
    if work.call is not None and work.call.last == "partial":
        names |= set(work.holds)
    if any(name and (reads(name) or project.resolve(source, name) in project.readers) for name in names):
        detail = f"{work.code} reads the database in a thread or process that has no binding"
        yield project.at("TG207", source, called.line, detail, f"carry({work.code})")


def _work(called: Called, pools: set[str]) -> Argument | None:
    """Return the work that a call sends to a thread or process."""
    if called.name in ("threading.Thread", "threading.Timer", "multiprocessing.Process"):
        timer = called.last == "Timer"
        return called.argument(1, "function" if timer else "target")
    if called.last == "run_in_executor":
        return called.argument(1, "func")
    base = last(called.name.rpartition(".")[0])
    if called.name == "joblib.delayed":
        return called.argument(0, "function")
    if called.last in _MAPS and (base in pools or base in _POOL_TYPES or _POOLS.search(base)):
        return called.argument(0, "fn")
    return None


def _of_wrapper(project: Project, source: SourceFile, called: Called) -> Iterator[Finding]:
    """Yield a cached function that is made of another: ``recent = lru_cache(maxsize=9)(load)``."""
    given = called.argument(0) if is_cache(called) else None
    if given is None or given.name is None:
        return
    module, name = project.resolve(source, given.name)
    for held in project.sources:
        for function in held.functions if held.module == module else ():
            if function.name == name:
                yield from _kept(project, (held, function), called, (source, called.line))


def _of_cache(project: Project, source: SourceFile, function: Function) -> Iterator[Finding]:
    """Yield a function whose cached results are the first caller's rows."""
    cached = next((one for one in function.decorators if is_cache(one)), None)
    if cached is not None:
        yield from _kept(project, (source, function), cached, (source, function.line))


def _kept(
    project: Project, reader: tuple[SourceFile, Function], cached: Called, at: tuple[SourceFile, int]
) -> Iterator[Finding]:
    function = reader[1]
    if not _returns_rows(project, *reader):
        return
    words = _tenant_words(project)
    told = [name for name, _ in function.parameters] + [one.code for one in cached.arguments]
    said = any(word in text.lower() for text in told for word in words)
    if not (said or "tenantguard.current" in function.names):
        detail = f"{last(function.name)}() keeps what it read, and its key does not name the tenant"
        yield project.at("TG208", *at, detail)


def _returns_rows(project: Project, source: SourceFile, function: Function) -> bool:
    """Return whether a function reads tenants' rows, judging by its names and calls."""
    key = (source.module, function.name)
    if key not in project.readers:
        return False
    return key in project.owning or not project.models


def _tenant_words(project: Project) -> set[str]:
    columns = {
        placement.column for placement in project.tenancy if placement.kind == "owned" and placement.column
    }
    named = {project.tenancy.column or ""} | columns
    stems = {re.sub(r"_(id|uuid|key|code)$", "", name.lower()) for name in named}
    return {word for word in (stems | {"tenant"}) if len(word) > 2}
