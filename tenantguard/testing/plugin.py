"""The pytest plugin: bindings, tokens and recorded violations for tests, and tests that leave nothing bound.

It is loaded in every run of pytest where tenantguard is installed. So it imports at the top only what the
package itself imports, and the rest where it is asked for.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tenantguard.audit import Event, add_sink, remove_sink
from tenantguard.context import Binding, bind, leave, peek

if TYPE_CHECKING:
    from tenantguard.testing.tokens import TokenMaker

_QUIET = ("bypass_opened", "bypass_closed", "token_refused")  # events that are no violation


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "tenant(id, ...): run the test under this tenant, or under the union of several"
    )


@pytest.fixture(scope="session")
def as_tenant() -> Callable[..., bind]:
    """Return what binds a tenant for a block: ``with as_tenant("acme"):``.

    Several ids bind their union; a :class:`~tenantguard.Principal` is taken as it is.
    """
    return _bound


def _bound(*who: Any) -> bind:
    return bind(who[0]) if len(who) == 1 else bind(who)


@pytest.fixture(scope="session")
def tenant_token() -> TokenMaker:
    """Return what makes tokens: ``tenant_token("acme")``; its ``verifier`` takes them."""
    from tenantguard.testing.tokens import TokenMaker  # here: a run that asks for no token pays nothing

    return TokenMaker()


@pytest.fixture
def violations() -> Iterator[list[Event]]:
    """Return the list of the violations that were recorded during the test, the newest last."""
    found: list[Event] = []

    def keep(event: Event) -> None:
        if event.kind not in _QUIET:
            found.append(event)

    add_sink(keep)
    yield found
    remove_sink(keep)


@pytest.fixture(scope="session")
def assert_isolated() -> Callable[..., None]:
    """Return :func:`tenantguard.testing.assert_isolated`: run the attack vectors, raise where one leaks."""
    from tenantguard.testing.isolation import assert_isolated  # here: it loads every vector

    return assert_isolated


@pytest.fixture(scope="session")
def tenantguard_labs() -> Iterator[Any]:
    """Keep the databases of ``isolation_suite`` until the end of the session."""
    from tenantguard.testing.isolation import _Labs  # here: it loads every vector

    labs = _Labs()
    yield labs
    labs.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a test under its marker's tenant, in the task that runs it where it is asynchronous."""
    marker = item.get_closest_marker("tenant")
    enter: Callable[[], ExitStack] = functools.partial(_entered, marker)
    test = getattr(item, "obj", None)
    with enter():
        if not inspect.iscoroutinefunction(test):
            return (yield)
        item.obj = _watched(test, item.nodeid, enter)  # type: ignore[attr-defined]  # a Function has it
        try:
            return (yield)
        finally:
            item.obj = test  # type: ignore[attr-defined]  # the same


def _entered(marker: pytest.Mark | None) -> ExitStack:
    stack = ExitStack()
    if marker is not None:
        stack.enter_context(_bound(*marker.args))
    return stack


def _watched(function: Callable[..., Any], name: str, enter: Callable[[], ExitStack]) -> Callable[..., Any]:
    """Return the coroutine function so that it fails if it leaves a binding behind in its task."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        before = peek()
        with enter():
            value = await function(*args, **kwargs)
        _nothing_new(name, before)
        return value

    return run


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Fail a fixture that returns, and can never undo it, while something is newly bound."""
    function = fixturedef.func
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return (yield)
    name, before = f"fixture {fixturedef.argname!r}", peek()
    if not inspect.iscoroutinefunction(function) or inspect.ismethod(function):
        value = yield
        _nothing_new(name, before)
        return value
    fixturedef.func = _watched(function, name, ExitStack)  # type: ignore[misc]  # restored below
    try:
        return (yield)
    finally:
        fixturedef.func = function  # type: ignore[misc]  # the same


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test after which, and after whose fixtures, something is still bound."""
    value = yield
    _nothing_new(item.nodeid, None)
    return value


def _nothing_new(name: str, before: Binding | None) -> None:
    """Take out what was left bound, and fail whoever left it."""
    left = found = peek()
    if found is before:
        return
    while found is not None and found is not before:
        leave(found)
        found = peek()
    if left is not None:
        pytest.fail(
            f"{name} left {left!r} behind: the next test would run under it. Bind with a `with` block, or "
            "yield inside one",
            pytrace=False,
        )
