"""Routes: every route of an application is called as two companies, and their responses are compared."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenantguard.asgi.layers import whole_routes
from tenantguard.errors import TenantId

Route = tuple[str, str]  # the method and the path, ``("GET", "/calls/{call_id}")``
Headers = Callable[[TenantId], Mapping[str, str]]
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_FLASK = re.compile(r"<(?:[^<>]*:)?(\w+)>")
_ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")  # what takes away comes last


@dataclass(frozen=True)
class Call:
    """One request and its response.

    Attributes:
        tenant: as whom it was made.
        route: the route's method and path.
        path: the path that was called.
        status: the response's status.
        body: the response's text.
        foreign: whether the path named a row of the other company.
    """

    tenant: TenantId
    route: Route
    path: str
    status: int
    body: str
    foreign: bool = False

    @property
    def answered(self) -> bool:
        """Tell whether the route did what it was asked for."""
        return 200 <= self.status < 300


@dataclass
class Comparison:
    """What two companies were shown by every route.

    Attributes:
        calls: every request, in order.
        leaks: a sentence for each thing that one company was shown, or allowed, of the other's.
    """

    calls: list[Call] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    @property
    def unanswered(self) -> list[Route]:
        """Return the routes that did nothing for anybody: they were not tested."""
        answered = {call.route for call in self.calls if call.answered}
        return [route for route in dict.fromkeys(call.route for call in self.calls) if route not in answered]


class TwoTenants:
    """A caller of every route as two companies.

    Args:
        headers: makes the headers of a company's request, with its token.
    """

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __call__(
        self,
        client: Any,
        canaries: Mapping[Any, str | Collection[str]],
        *,
        routes: Iterable[Route] | None = None,
        skip: Collection[str] = (),
        values: Mapping[str, Mapping[Any, Any]] | None = None,
        headers: Headers | None = None,
    ) -> Comparison:
        """Call every route as each of two companies, with its own ids and with the other's, and compare.

        Ids for a path's parameters are learned from what the routes without parameters show: the ``id`` of the
        objects of the path above, or a member of the parameter's name.

        Args:
            client: the test client of Starlette, FastAPI, Litestar or Flask, or an ``httpx.Client`` with ``routes``.
            canaries: for each of the two companies, texts that its rows hold and nobody else's.
            routes: methods and paths; those of the client's application by default.
            skip: prefixes of paths to leave out, such as public pages.
            values: for parameters that cannot be learned: ``{"code": {acme: "a-1", globex: "g-1"}}``.
            headers: makes the headers of a company's request, if the application does not accept the fixture's tokens.

        Returns:
            Every call; ``unanswered`` names the routes that were not tested.

        Raises:
            AssertionError: one was shown the other's canary, a route did something with the other's row, or no route
                showed a company its own canary, so that nothing was compared.
        """
        if len(canaries) != 2:
            raise ValueError(f"two companies are compared, and {len(canaries)} were named")
        marks = {
            tenant: [marks] if isinstance(marks, str) else list(marks) for tenant, marks in canaries.items()
        }
        listed = routes or routes_of(getattr(client, "app", None) or client.application)
        every = [route for route in listed if not route[1].startswith(tuple(skip))]
        run = _Run(client, headers or self._headers, marks, values or {})
        run.all(sorted(every, key=lambda route: (_ORDER.index(route[0]), route[1])))
        return run.judged()


def routes_of(app: Any, prefix: str = "") -> list[Route]:
    """Return the routes of a Starlette, FastAPI, Litestar or Flask application, with those of mounted ones."""
    if hasattr(app, "url_map"):  # Flask
        rules = list(app.url_map.iter_rules())
        return [(m, _FLASK.sub(r"{\1}", rule.rule)) for rule in rules for m in _ORDER if m in rule.methods]
    found: list[Route] = []
    for route in whole_routes(app):
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if inner:
            found += routes_of(route, path)
        methods = getattr(route, "methods", None) or ()
        found += [(method, path) for method in _ORDER if method in methods]
    return found


class _Run:
    def __init__(
        self,
        client: Any,
        headers: Headers,
        canaries: Mapping[TenantId, list[str]],
        values: Mapping[str, Mapping[TenantId, Any]],
    ) -> None:
        self._client = client
        self._canaries = canaries
        self._tenants = tuple(canaries)
        self._headers = {tenant: dict(headers(tenant)) for tenant in self._tenants}
        self._values = values
        self._seen: dict[TenantId, list[tuple[str, str, Any]]] = {tenant: [] for tenant in self._tenants}
        self._unknown: set[tuple[Route, str]] = set()  # foreign paths that answered as an unknown id
        self._result = Comparison()

    def all(self, routes: list[Route]) -> None:
        """Call what only reads and takes no parameter first: that is where ids are learned from."""
        listing = [route for route in routes if route[0] == "GET" and not _PARAMETER.search(route[1])]
        for route in listing:
            for tenant in self._tenants:
                self._learn(self._call(tenant, route, route[1]))
        for route in routes:
            if route not in listing:
                self._with_parameters(route)

    def _with_parameters(self, route: Route) -> None:
        for tenant, other in (self._tenants, self._tenants[::-1]):
            mine, theirs = self._ids(route[1], tenant, other), self._ids(route[1], other, tenant)
            if theirs and theirs != mine:
                self._foreign(tenant, route, theirs)
            if mine is not None and route[0] != "DELETE":  # the next route may want the row
                self._call(tenant, route, _filled(route[1], mine))

    def _foreign(self, tenant: TenantId, route: Route, ids: list[str]) -> None:
        """Call a route with the other's ids; an answered GET is compared with the answer to ids that nobody has."""
        call = self._call(tenant, route, _filled(route[1], ids), foreign=True)
        if call.answered and route[0] == "GET":
            nobodys = [_nobodys(one) for one in ids]
            missing = self._call(tenant, route, _filled(route[1], nobodys))
            body = missing.body
            for nobody, theirs in zip(nobodys, ids, strict=True):
                body = body.replace(nobody, theirs)
            if (missing.status, body) == (call.status, call.body):
                self._unknown.add((route, call.path))

    def _call(self, tenant: TenantId, route: Route, path: str, *, foreign: bool = False) -> Call:
        body: dict[str, Any] = {} if route[0] in ("GET", "DELETE") else {"json": {}}
        body["headers"] = self._headers[tenant]
        status, text = self._answer(route[0], path, body)
        call = Call(tenant, route, path, status, text, foreign)
        self._result.calls.append(call)
        if call.answered:
            try:
                self._last = json.loads(call.body)
            except ValueError:
                self._last = None
        return call

    def _answer(self, method: str, path: str, options: dict[str, Any]) -> tuple[int, str]:
        """Return the status and the text of a response."""
        try:
            if hasattr(self._client, "request"):
                response = self._client.request(method, path, **options)
            else:  # Flask's
                response = self._client.open(path, method=method, **options)
        except (
            Exception
        ) as error:  # a test client raises the application's error, which a server answers with 500
            return 500, type(error).__name__
        return response.status_code, response.text

    def _learn(self, call: Call) -> None:
        if call.answered:
            self._seen[call.tenant] += [(call.path, name, value) for name, value in _members(self._last)]

    def _ids(self, path: str, whose: TenantId, other: TenantId) -> list[str] | None:
        """Return ids of one company's rows that the other was not shown; ``None`` where none are known."""
        values = [self._value(match, path, whose, other) for match in _PARAMETER.finditer(path)]
        return None if None in values else [str(value) for value in values]

    def _value(self, match: re.Match[str], path: str, whose: TenantId, other: TenantId) -> Any:
        given = self._values.get(match[1], {})
        if whose in given:
            return given[whose]
        above = path[: match.start()].rstrip("/")
        shown = {(name, str(value)) for _, name, value in self._seen[other]}
        own = [one for one in self._seen[whose] if (one[1], str(one[2])) not in shown]
        candidates = [value for place, name, value in own if place.rstrip("/") == above and name == "id"]
        candidates += [value for _, name, value in own if name == match[1]]
        return candidates[0] if candidates else None

    def judged(self) -> Comparison:
        """Compare the canaries, and raise where something was shown or done that should not have been."""
        result = self._result
        for call in result.calls:
            other = next(tenant for tenant in self._tenants if tenant != call.tenant)
            did = f"{call.route[0]} {call.path} as {call.tenant!r}"
            shown = [mark for mark in self._canaries[other] if mark in call.body]
            if shown:
                result.leaks.append(f"{did} showed {shown[0]!r}, which only rows of {other!r} hold")
            elif call.foreign and call.answered and (call.route, call.path) not in self._unknown:
                result.leaks.append(f"{did} answered {call.status}, and the path names a row of {other!r}")
        blind = [tenant for tenant in self._tenants if not self._saw_itself(tenant)]
        if result.leaks:
            listed = "".join(f"\n  - {leak}" for leak in result.leaks)
            raise AssertionError(f"{len(result.leaks)} of {len(result.calls)} calls leaked:{listed}")
        if blind:
            raise AssertionError(
                f"no route showed {blind[0]!r} its own canary, so nothing was compared: put rows with it in first"
                f"{self._statuses(blind[0])}"
            )
        return result

    def _statuses(self, tenant: TenantId) -> str:
        """Return what a company was answered: a rejected token or a missing body is why nothing was shown."""
        counts = Counter(call.status for call in self._result.calls if call.tenant == tenant)
        listed = ", ".join(f"{count} times {status}" for status, count in sorted(counts.items()))
        return f" (it was answered {listed})" if listed else " (no route was called)"

    def _saw_itself(self, tenant: TenantId) -> bool:
        bodies = [call.body for call in self._result.calls if call.tenant == tenant]
        return any(mark in body for body in bodies for mark in self._canaries[tenant])


def _filled(path: str, ids: Iterable[str]) -> str:
    """Return a path with ids for its parameters."""
    rest = iter(ids)
    return _PARAMETER.sub(lambda _: next(rest), path)


def _nobodys(value: str) -> str:
    """Return an id of the same form that no row has."""
    if value.isdecimal():
        return str(2**31 - 7)
    try:
        uuid.UUID(value)
    except ValueError:
        return f"nobody-{uuid.uuid4().hex[:8]}"
    return str(uuid.uuid4())


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of every object in a response, with their plain values."""
    if isinstance(value, list):
        for item in value:
            yield from _members(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str | int) and not isinstance(item, bool):
                yield name, item
            yield from _members(item)
