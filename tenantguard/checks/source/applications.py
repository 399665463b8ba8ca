"""Applications: whether the middleware stands before the routes that reach tenants' models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project, last
from tenantguard.checks.source.routes import Key, Route
from tenantguard.checks.source.sites import is_of
from tenantguard.checks.source.syntax import Called, SourceFile

_APPS = frozenset({"FastAPI", "Starlette", "Litestar"})
_FRAMEWORKS = ("fastapi", "starlette", "litestar")
_MIDDLEWARE = frozenset({"TenantMiddleware", "protect", "tenant_guard"})
_ADDING = frozenset({"add_middleware", "Middleware", "mount"})
_SHOWN = 3


@dataclass(frozen=True)
class App:
    """An application, and the name that it has in its module."""

    source: SourceFile
    called: Called

    @property
    def key(self) -> Key:
        """Return what tells it from others."""
        return self.source.module, last(self.called.assigned[0]) if self.called.assigned else ""


def application_findings(project: Project, every: list[Route]) -> Iterator[Finding]:
    """Yield the applications whose routes, of all routes, reach tenants' models without the middleware."""
    routes = [route for route in every if _reaches(project, route)]
    apps = [
        App(source, called)
        for source, called in project.calls()
        if called.last in _APPS and is_of(called.name, *_FRAMEWORKS)
    ]
    added, keys = list(_added(project)), {app.key for app in apps}
    for app in apps:
        others = keys - {app.key}
        if _has_middleware(project, app, others, added, alone=len(apps) == 1):
            continue
        own, held = _names_of(project, app, others), _held(app.called)
        reached = [route for route in routes if len(apps) == 1 or route.on in own or route.key[1] in held]
        if reached:
            yield _unprotected(project, app, reached)


def _reaches(project: Project, route: Route) -> bool:
    """Tell whether a route has to do with a tenant's model, or the class has that it is a method of."""
    module, name = route.key
    return route.key in project.reaching or (module, name.rpartition(".")[0]) in project.reaching


def _added(project: Project) -> Iterator[tuple[SourceFile, Called]]:
    """Yield the calls that put the middleware before an application."""
    for source, called in project.calls():
        ours = is_of(called.name, "tenantguard") and called.last in _MIDDLEWARE
        if ours or (called.last in _ADDING and "TenantMiddleware" in _held(called)):
            yield source, called


def _held(called: Called) -> set[str]:
    """Return the names that stand in the arguments of a call."""
    return {last(one) for given in called.arguments for one in given.holds}


def _has_middleware(
    project: Project, app: App, others: set[Key], added: list[tuple[SourceFile, Called]], *, alone: bool
) -> bool:
    if any("TenantMiddleware" in one.code or "tenant_guard" in one.code for one in app.called.arguments):
        return True
    name = app.key[1]
    if added and (alone or _is_mounted(project, name)):
        return True
    return any(
        _is_on(project, source, called, app, others)
        or (name in _held(called) and (source.module, name) not in others)
        for source, called in added
    )


def _is_on(project: Project, source: SourceFile, called: Called, app: App, others: set[Key]) -> bool:
    """Tell whether a method is called of an application; one that a function was given is known by its name."""
    on = _base(project, source, called)
    return on == app.key or (on[1] == app.key[1] and on not in others)


def _base(project: Project, source: SourceFile, called: Called) -> Key:
    return project.resolve(source, called.name.rpartition(".")[0])


def _is_mounted(project: Project, name: str) -> bool:
    """Tell whether an application stands inside another one, whose middleware comes first."""
    return any(
        called.last == "mount" and any(name == last(one.name or "") for one in called.arguments)
        for _, called in project.calls()
    )


def _names_of(project: Project, app: App, others: set[Key]) -> set[Key]:
    """Return an application and the routers that are put into it, and into these."""
    calls = list(project.calls())
    names = {app.key}
    while True:
        more = {
            key
            for source, called in calls
            for key in _included(project, source, called, app)
            if app.key in _given(project, source, called)
            or _base(project, source, called) in names
            or _is_on(project, source, called, app, others)
        } - names
        if not more:
            return names
        names |= more


def _included(project: Project, source: SourceFile, called: Called, app: App) -> set[Key]:
    """Return the routers that a call may put into an application: one, or all that a helper is given beside it."""
    if called.last != "include_router":
        own = _given(project, source, called)
        return own if app.key in own else set()
    given = called.argument(0, "router")
    return {project.resolve(source, given.name)} if given is not None and given.name is not None else set()


def _given(project: Project, source: SourceFile, called: Called) -> set[Key]:
    names = [one.name for one in called.arguments if one.name is not None]
    return {project.resolve(source, name) for name in names} if len(names) > 1 else set()


def _unprotected(project: Project, app: App, reached: list[Route]) -> Finding:
    listed = ", ".join(f"{route.path or '/'} ({last(route.key[1])})" for route in reached[:_SHOWN])
    more = f" and {len(reached) - _SHOWN} more" if len(reached) > _SHOWN else ""
    detail = (
        f"{app.called.last}() has no TenantMiddleware, and its routes reach tenants' models: {listed}{more}"
    )
    return project.at("TG209", app.source, app.called.line, detail)
