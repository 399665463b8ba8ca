"""The pytest plugin: bindings, tokens and recorded violations for tests, and tests that leave nothing bound.

It is loaded in every run of pytest where tenantguard is installed. So it imports nothing but pytest at the top,
and the rest where it is asked for: a run that has no use for tenantguard does not load it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tenantguard.testing.leftovers import nothing_new, now, watched

if TYPE_CHECKING:
    from tenantguard.audit import Event
    from tenantguard.context import bind
    from tenantguard.testing.tokens import TokenMaker

_QUIET = ("bypass_opened", "bypass_closed", "token_refused")  # events that are no violation
_HELD: pytest.StashKey[Any] = pytest.StashKey()  # what fixtures hold bound while a test runs


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
    from tenantguard.context import bind  # here: it loads SQLAlchemy

    return bind(who[0]) if len(who) == 1 else bind(who)


@pytest.fixture(scope="session")
def tenant_token() -> TokenMaker:
    """Return what makes tokens: ``tenant_token("acme")``; its ``verifier`` takes them."""
    from tenantguard.testing.tokens import TokenMaker  # here: a run that asks for no token pays nothing

    return TokenMaker()


@pytest.fixture
def violations() -> Iterator[list[Event]]:
    """Return the list of the violations that were recorded during the test, the newest last."""
    from tenantguard.audit import add_sink, remove_sink  # here: it loads SQLAlchemy

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
    test = getattr(item, "obj", None)
    with _entered(marker):
        if not inspect.iscoroutinefunction(test):
            return (yield)
        item.obj = watched(test, item.nodeid, functools.partial(_entered, marker))  # type: ignore[attr-defined]  # a Function has it
        try:
            return (yield)
        finally:
            item.obj = test  # type: ignore[attr-defined]  # the same


def _entered(marker: pytest.Mark | None) -> ExitStack:
    stack = ExitStack()
    if marker is not None:
        if not marker.args or marker.kwargs:
            pytest.fail('the marker names its tenant by position: @pytest.mark.tenant("acme")', pytrace=False)
        stack.enter_context(_bound(*marker.args))
    return stack


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Fail a fixture that leaves a binding behind: when it returns, or after what follows its ``yield``."""
    function = fixturedef.func
    fixturedef.func = watched(function, f"fixture {fixturedef.argname!r}")  # type: ignore[misc]  # restored below
    try:
        return (yield)
    finally:
        fixturedef.func = function  # type: ignore[misc]  # the same


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note what the test's fixtures hold bound while it runs."""
    value = yield
    item.stash[_HELD] = now()
    return value


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that leaves behind what none of its fixtures holds; each fixture answers for itself."""
    if _HELD in item.stash:
        try:
            nothing_new(item.nodeid, item.stash[_HELD])
        except pytest.fail.Exception:
            yield
            raise
    return (yield)
