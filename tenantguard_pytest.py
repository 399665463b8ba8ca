"""The pytest plugin: bindings, tokens and recorded violations for tests, and tests that leave nothing bound.

It is loaded in every run of pytest where tenantguard is installed. So it stands outside of the package, whose
import brings SQLAlchemy, and loads the package only where it is asked for: while nobody has loaded it, nothing can
be bound.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenantguard.audit import Event
    from tenantguard.context import Binding, bind
    from tenantguard.testing.routes import TwoTenants
    from tenantguard.testing.tokens import TokenMaker

_CONTEXT = "tenantguard.context"
Function = Callable[..., Any]
Enter = Callable[[], AbstractContextManager[Any]]
_QUIET = ("bypass_opened", "bypass_closed", "token_refused")  # events that are no violation
_UNGUARDED = "tenantguard_unguarded"
_HELD: pytest.StashKey[Any] = pytest.StashKey()  # what fixtures hold bound while a test runs


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "tenant(id, ...): run the test under this tenant, or under the union of several"
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting."""
    parser.addini(
        _UNGUARDED,
        "what becomes of a bound test that uses a table of the tenancy on an engine without a guard: fail, or allow",
        default="fail",
    )


@pytest.fixture(scope="session")
def as_tenant() -> Callable[..., bind]:
    """Return what binds a tenant for a block: ``with as_tenant("acme"):``.

    Several ids bind their union; a ``tenantguard.Principal`` is taken as it is.
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


@pytest.fixture(scope="session")
def two_tenants(tenant_token: TokenMaker) -> TwoTenants:
    """Return what calls every route as two companies: ``two_tenants(client, {acme: "canary", globex: "other"})``."""
    from tenantguard.testing.routes import TwoTenants  # here: most runs do not ask for it

    return TwoTenants(tenant_token.headers)


@pytest.fixture
def violations() -> Iterator[list[Event]]:
    """Return the list of the violations that were recorded during the test, the newest last."""
    with _recorded(lambda event: event.kind not in _QUIET) as found:
        yield found


@pytest.fixture
def bypasses() -> Iterator[list[Event]]:
    """Return the list of the bypasses that were opened during the test, the newest last; each with its reason."""
    with _recorded(lambda event: event.kind == "bypass_opened") as found:
        yield found


@contextmanager
def _recorded(wanted: Callable[[Event], bool]) -> Iterator[list[Event]]:
    from tenantguard.audit import add_sink, remove_sink  # here: it loads SQLAlchemy

    found: list[Event] = []

    def keep(event: Event) -> None:
        if wanted(event):
            found.append(event)

    add_sink(keep)
    try:
        yield found
    finally:
        remove_sink(keep)


@pytest.fixture(scope="session")
def assert_isolated() -> Callable[..., None]:
    """Return ``tenantguard.testing.assert_isolated``: run the attack vectors, raise where one leaks."""
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
    with _guarded_engines_only(item), _entered(marker):
        if not inspect.iscoroutinefunction(test):
            return (yield)
        item.obj = watched(test, item.nodeid, functools.partial(_entered, marker))  # type: ignore[attr-defined]  # a Function has it
        try:
            return (yield)
        finally:
            item.obj = test  # type: ignore[attr-defined]  # the same


@contextmanager
def _guarded_engines_only(item: pytest.Item) -> Iterator[None]:
    """Fail a test that used a table of the tenancy for a tenant on an engine that nobody guarded."""
    if item.config.getini(_UNGUARDED) == "allow" or not _loaded(item):
        yield
        return
    from tenantguard.testing.unguarded import Watch  # here: it loads SQLAlchemy

    with Watch() as watch:
        yield
    if watch.seen:
        pytest.fail("\n".join(map(str, watch.seen)), pytrace=False)


def _loaded(item: pytest.Item) -> bool:
    """Tell whether anything can be bound in this test: somebody loaded the package, or the marker will."""
    return _CONTEXT in sys.modules or item.get_closest_marker("tenant") is not None


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


def now() -> Binding | None:
    """Return the binding in force."""
    context = sys.modules.get(_CONTEXT)
    return context.peek() if context is not None else None


def nothing_new(name: str, before: Binding | None) -> None:
    """Take out what was bound since, and fail whoever left it.

    Args:
        name: whose failure it is.
        before: the binding that was in force when it began.
    """
    left = _taken_out(before)
    if left is not None:
        pytest.fail(
            f"{name} left {left!r} behind: what runs next would run under it. Bind with a `with` block, or "
            "yield inside one",
            pytrace=False,
        )


def _taken_out(before: Binding | None) -> Binding | None:
    """Restore the binding of before; return the one that was left, if there is any."""
    left = found = now()
    while found is not None and found is not before:
        sys.modules[_CONTEXT].leave(found)
        last, found = found, now()
        if found is last:  # the garbage collector runs this, when no binding can be taken out: it is closed
            break
    return left if left is not before else None


def watched(function: Function, name: str, enter: Enter = nullcontext) -> Function:
    """Return the function so that it fails if it leaves a binding behind, in whichever task it runs.

    Args:
        function: plain or a coroutine function, a generator function of either kind, or a method that is one.
        name: whose failure it is.
        enter: gives what the function runs inside of.
    """
    if inspect.ismethod(function):  # pytest binds it anew, to the instance of the test
        return types.MethodType(watched(function.__func__, name, enter), function.__self__)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, name)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, name, enter)
    return (_generator if inspect.isgeneratorfunction(function) else _plain)(function, name)


@contextmanager
def _answering(name: str) -> Iterator[None]:
    """Compare what is bound before and after; an error of the function's own comes first."""
    before = now()
    try:
        yield
    except GeneratorExit:
        raise  # dropped half-way, and closed wherever that is found out: what is bound there is another's
    except BaseException:
        _taken_out(before)
        raise
    nothing_new(name, before)


def _plain(function: Function, name: str) -> Function:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _answering(name):
            return function(*args, **kwargs)

    return run


def _generator(function: Function, name: str) -> Function:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
        __tracebackhide__ = True
        with _answering(name):
            yield from function(*args, **kwargs)

    return run


def _coroutine(function: Function, name: str, enter: Enter) -> Function:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _answering(name), enter():
            return await function(*args, **kwargs)

    return run


def _async_generator(function: Function, name: str) -> Function:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        __tracebackhide__ = True
        values = function(*args, **kwargs)
        with _answering(name):
            try:
                async for value in values:
                    yield value
            finally:
                await values.aclose()

    return run
