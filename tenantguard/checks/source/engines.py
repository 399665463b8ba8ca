"""Unguarded engines, and drivers used without SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project, last
from tenantguard.checks.source.sites import ENGINES, is_driver, is_of, listeners_of
from tenantguard.checks.source.syntax import Argument, Called


def engine_findings(project: Project) -> Iterator[Finding]:
    """Yield the unguarded engines, and the calls that bypass engines."""
    guarded, guards = _guarded(project)
    preparing = {source.path: listeners_of(source) for source in project.sources}
    for source, called in project.calls():
        if _makes_engine(called):
            names = {last(name) for name in (*called.assigned, called.function) if name}
            if not (names & guarded or {last(name) for name in called.within} & guards):
                detail = f"{called.last}() makes an engine that is not passed to guard()"
                yield project.at("TG201", source, called.line, detail)
        elif is_driver(called) and not (
            _is_of_an_engine(called) or _is_in_memory(called) or called.function in preparing[source.path]
        ):
            detail = f"{called.name}() reaches a database without SQLAlchemy"
            yield project.at("TG203", source, called.line, detail)


def _makes_engine(called: Called) -> bool:
    """Return whether a call makes an engine, or what makes one: ``partial(create_engine, echo=True)``."""
    given = called.argument(0) if called.last == "partial" else None
    name = called.name if given is None else given.name or ""
    return last(name) in ENGINES and is_of(name, "sqlalchemy", "sqlmodel")


def _is_of_an_engine(called: Called) -> bool:
    """Return whether a driver's connection is created for an engine, or inside a bypass."""
    return bool({last(name) for name in called.within} & ENGINES) or "tenantguard.bypass" in called.blocks


def _is_in_memory(called: Called) -> bool:
    """Return whether a driver opens a new database in memory, which contains no rows yet."""
    given = called.argument(0, "database")
    return given is not None and given.text == ":memory:"


def _guarded(project: Project) -> tuple[set[str], set[str]]:
    """Return the names that are passed to a guard, and of the functions that pass them.

    Names are followed from file to file by their last part: an engine is called by one name in an application.
    """
    names: set[str] = set()
    guards = {"RowSecurity"}  # whose maintenance engine has no guard, on purpose
    for _, called in project.calls():
        if called.last == "guard" and is_of(called.name, "tenantguard"):
            guards.add("guard")
            names |= _named(called.argument(0, "engine"))
        if called.last == "RowSecurity":
            names |= _named(called.argument(None, "maintenance"))
    guards |= _wrappers(project)
    for _, called in project.calls():
        if called.last in guards - {"guard", "RowSecurity"}:
            names |= _named(called.argument(0))
    names |= {called.last for _, called in project.calls() if {last(one) for one in called.assigned} & names}
    return names - {""}, guards


def _named(argument: Argument | None) -> set[str]:
    if argument is None:
        return set()
    if argument.call is not None:
        return {argument.call.last}
    parts = (argument.name or "").split(".")
    while len(parts) > 1 and parts[-1] == "sync_engine":
        parts.pop()
    return {parts[-1]}


def _wrappers(project: Project) -> set[str]:
    """Return the functions that guard their argument: ``def protect(engine): return guard(engine, tenancy)``."""
    found: set[str] = set()
    for source, called in project.calls():
        if called.last == "guard" and is_of(called.name, "tenantguard"):
            own = next((one for one in source.functions if one.name == called.function), None)
            parameters = {name for name, _ in own.parameters} if own is not None else set()
            if parameters & _named(called.argument(0, "engine")):
                found.add(last(called.function))
    return found
