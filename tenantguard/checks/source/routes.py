"""Routes: what answers requests, on what it is put, and which routes no token is asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project, last
from tenantguard.checks.source.sites import ROUTES, is_of
from tenantguard.checks.source.syntax import Called, SourceFile

_REGISTERED = frozenset(
    {"Route", "WebSocketRoute", "APIRoute", "add_route", "add_api_route", "add_websocket_route",
     "add_api_websocket_route"}
)  # fmt: skip

Key = tuple[str, str]  # a module, and a name in it


@dataclass(frozen=True)
class Route:
    """A route: its function or class, the application or router it is added to, and its path."""

    source: SourceFile
    line: int
    key: Key
    on: Key
    path: str


def routes_of(project: Project) -> Iterator[Route]:
    """Yield every route of a project."""
    for source in project.sources:
        for function in source.functions:
            for decorator in function.decorators:
                path = _path(decorator)
                if path is not None:
                    on = project.resolve(source, decorator.name.rpartition(".")[0])
                    yield Route(source, function.line, (source.module, function.name), on, path)
    for source, called in project.calls():
        if called.last in _REGISTERED:
            yield from _registered(project, source, called)


def _path(decorator: Called) -> str | None:
    """Return the path of a route decorator; Litestar's may have none."""
    if decorator.last not in ROUTES:
        return None
    path = decorator.argument(0, "path")
    if path is None:
        return "" if is_of(decorator.name, "litestar") else None
    return path.text


def _registered(project: Project, source: SourceFile, called: Called) -> Iterator[Route]:
    """Yield the route that a call creates from a function or a class."""
    path, given = called.argument(0, "path"), called.argument(1, "endpoint") or called.argument(1, "route")
    if path is None or path.text is None or given is None or given.name is None:
        return
    on = project.resolve(source, called.name.rpartition(".")[0])
    yield Route(source, called.line, project.resolve(source, given.name), on, path.text)


def exempt_findings(project: Project, every: list[Route]) -> Iterator[Finding]:
    """Yield the routes, of all routes, that reach tenants' models and are exempt from the middleware."""
    routes = [route for route in every if route.key in project.reaching]
    prefixes = _prefixes(project)
    for _, called in project.calls():
        given = called.argument(None, "exempt")
        if given is None:
            continue
        for path in _texts(given.code):
            for route in routes:
                whole = f"{prefixes.get(route.on[1], '')}{route.path}"
                if whole == path or (path != "/" and whole.startswith(path.rstrip("/") + "/")):
                    detail = f"{whole} reaches tenants' models, and exempt={path!r} covers it"
                    yield project.at("TG210", route.source, route.line, detail, anchor=whole)


def _prefixes(project: Project) -> dict[str, str]:
    """Return the path prefix of each router, by its name."""
    prefixes: dict[str, str] = {}
    for _, called in project.calls():
        prefix = called.argument(None, "prefix")
        if prefix is None or prefix.text is None:
            continue
        names = {last(one) for one in called.assigned} if called.last == "APIRouter" else set()
        if called.last == "include_router":
            names = _parts(called)
        for name in names:
            prefixes[name] = prefix.text + prefixes.get(name, "")
    return prefixes


def _parts(called: Called) -> set[str]:
    given = called.argument(0, "router")
    return set() if given is None or given.name is None else set(given.name.split(".")[-2:])


def _texts(code: str) -> list[str]:
    try:
        value = ast.literal_eval(code)
    except (ValueError, SyntaxError):
        return []
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple | set) else []
