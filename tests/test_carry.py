"""Carrying: the binding goes along into threads, tasks and generators, and stays nowhere."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from typing import Any

import pytest

from tenantguard import NoTenantError, bind, bypass, carry, current
from tenantguard import context as inner


def tenant() -> object:
    """Return the tenant that is bound, or ``None``."""
    return current().tenant if inner.peek() is not None else None


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give one thread, which has no binding of its own."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_thread_without_carry_has_nothing_bound(pool: ThreadPoolExecutor) -> None:
    """An executor does not take the binding along by itself."""
    with bind("acme"):
        assert pool.submit(tenant).result() is None


def test_a_function_is_carried_into_a_thread(pool: ThreadPoolExecutor) -> None:
    """The function runs under the binding of the moment, and the thread has none afterwards."""
    with bind("acme"):
        work = carry(tenant)
    assert pool.submit(work).result() == "acme"
    assert pool.submit(tenant).result() is None


def test_a_carried_function_restores_its_callers_binding() -> None:
    """Called under another tenant, it runs under its own and leaves the caller's in place, error or not."""

    def fails() -> object:
        raise ValueError(tenant())

    with bind("acme"):
        work = carry(fails)
    with bind("globex"):
        with pytest.raises(ValueError, match="acme"):
            work()
        assert tenant() == "globex"


def test_with_nothing_bound_nothing_is_carried() -> None:
    """A function that was carried with nothing bound does not run under its caller's tenant."""
    work = carry(tenant)
    with bind("acme"):
        assert work() is None


def test_the_request_id_is_carried_too(pool: ThreadPoolExecutor) -> None:
    """The events of a carried function name the request that it belongs to."""
    inner.set_request_id("r-1")
    try:
        with bind("acme"):
            work = carry(inner.request_id)
        assert pool.submit(work).result() == "r-1"
        assert pool.submit(inner.request_id).result() is None
    finally:
        inner.set_request_id(None)


class Callables:
    """Hold every kind of callable that is not a plain function."""

    def method(self) -> object:
        """Return the tenant."""
        return tenant()

    async def coroutine(self) -> object:
        """Return the tenant, one turn of the loop later."""
        await asyncio.sleep(0)
        return tenant()

    def __call__(self) -> object:
        """Return the tenant."""
        return tenant()


@pytest.mark.parametrize(
    "function", [Callables().method, Callables(), functools.partial(tenant), lambda: tenant()]
)
def test_every_kind_of_callable_is_carried(function: Callable[[], object]) -> None:
    """Methods, callable objects, partials and lambdas run under the binding."""
    with bind("acme"):
        work = carry(function)
    assert work() == "acme"


@pytest.mark.parametrize(
    "function",
    [
        Callables().coroutine,
        functools.partial(Callables.coroutine, Callables()),
        lambda: Callables().coroutine(),
    ],
)
async def test_every_kind_of_coroutine_function_is_carried(function: Callable[[], Any]) -> None:
    """A coroutine runs under the binding to its end, made by a lambda or not."""
    with bind("acme"):
        work = carry(function)
    with bind("globex"):
        assert await work() == "acme"
        assert tenant() == "globex"


async def test_a_carried_callable_stays_of_its_kind() -> None:
    """Frameworks ask what kind of callable they have: the answer is the same after carrying."""

    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    assert inspect.iscoroutinefunction(carry(coroutine))
    assert inspect.isgeneratorfunction(carry(generator))
    assert inspect.isasyncgenfunction(carry(asynchronous))
    assert carry(coroutine).__name__ == "coroutine"


def test_a_generator_runs_each_step_under_the_binding() -> None:
    """The generator's steps run for its tenant; the code between them for the caller's."""

    def rows() -> Iterator[object]:
        yield tenant()
        yield tenant()

    with bind("acme"):
        work = carry(rows)
    seen = []
    with bind("globex"):
        for row in work():
            seen.append((row, tenant()))
    assert seen == [("acme", "globex")] * 2


def test_a_generators_own_block_holds_in_every_step_of_it() -> None:
    """A block that the generator opens spans its steps, whoever takes them, and then ends."""

    def rows() -> Iterator[object]:
        yield tenant()
        with bind("initech"):
            yield tenant()
            yield tenant()
        yield tenant()

    with bind("acme"):
        work = carry(rows)
    with bind("globex"):
        assert [(row, tenant()) for row in work()] == [
            ("acme", "globex"), ("initech", "globex"), ("initech", "globex"), ("acme", "globex"),
        ]  # fmt: skip


def test_a_generator_may_take_each_step_in_another_context() -> None:
    """Frameworks iterate a stream in threads, each step with a new copy of the context."""

    def rows() -> Iterator[object]:
        with bind("initech"):
            yield tenant()
            yield tenant()
        yield tenant()

    with bind("acme"):
        steps = iter(carry(rows)())
    assert [contextvars.copy_context().run(next, steps) for _ in range(3)] == ["initech", "initech", "acme"]


def test_a_carried_generator_is_closed_under_its_binding() -> None:
    """What a generator does at its end is done for its own tenant, however late that is."""
    at_the_end: list[object] = []

    def rows() -> Iterator[int]:
        try:
            yield 1
        finally:
            at_the_end.append(tenant())

    with bind("acme"):
        generator = carry(rows)()
        next(generator)
    with bind("globex"):
        del generator
        gc.collect()
        assert tenant() == "globex"
    assert at_the_end == ["acme"]


def test_a_carried_generator_passes_on_what_is_sent_and_thrown() -> None:
    """Values sent, exceptions thrown and the value returned go through."""

    def echo() -> Any:
        got = yield "ready"
        try:
            yield got
        except KeyError as error:
            yield error
        return tenant()

    with bind("acme"):
        generator = carry(echo)()
    assert next(generator) == "ready"
    assert generator.send("hello") == "hello"
    thrown = KeyError("x")
    assert generator.throw(thrown) is thrown
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == "acme"


async def test_an_asynchronous_generator_runs_each_step_under_the_binding() -> None:
    """The same for an asynchronous one, a block of its own and all."""

    async def rows() -> AsyncIterator[object]:
        yield tenant()
        with bind("initech"):
            await asyncio.sleep(0)
            yield tenant()
        yield tenant()

    with bind("acme"):
        work = carry(rows)
    with bind("globex"):
        seen = [(row, tenant()) async for row in work()]
    assert seen == [("acme", "globex"), ("initech", "globex"), ("acme", "globex")]


async def test_a_carried_asynchronous_generator_may_be_closed_by_another_task() -> None:
    """It ends under its own binding, and leaves that of the task that closes it alone."""
    at_the_end: list[object] = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            at_the_end.append(tenant())

    with bind("acme"):
        generator = carry(rows)()
    await anext(generator)

    async def close() -> object:
        with bind("globex"):
            await generator.aclose()  # type: ignore[attr-defined]  # an AsyncIterator to its caller
            return tenant()

    assert await asyncio.create_task(close()) == "globex"
    assert at_the_end == ["acme"]


async def test_a_carried_asynchronous_generator_passes_on_what_is_sent_and_thrown() -> None:
    """Values sent and exceptions thrown go through."""

    async def echo() -> Any:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            yield tenant()

    with bind("acme"):
        generator = carry(echo)()
    async with aclosing(generator):
        assert await anext(generator) == "ready"
        assert await generator.asend("hello") == "hello"
        assert await generator.athrow(KeyError("x")) == "acme"


async def test_a_carried_coroutine_that_is_cancelled_cleans_up_under_its_binding() -> None:
    """Cancellation reaches the coroutine, whose clean-up runs for its own tenant."""
    at_the_end: list[object] = []
    entered = asyncio.Event()

    async def work() -> None:
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            at_the_end.append(tenant())

    with bind("acme"):
        task = asyncio.create_task(carry(work)())
    with bind("globex"):
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tenant() == "globex"
    assert at_the_end == ["acme"]


def test_a_carried_coroutine_that_is_dropped_leaves_no_binding_behind() -> None:
    """A coroutine that is collected half-way, inside another tenant's block, does not end that block."""

    class Pause:
        def __await__(self) -> Generator[None]:
            yield

    async def work() -> None:
        await Pause()

    with bind("acme"):
        coroutine: Any = carry(work)()
        coroutine.send(None)
        assert tenant() == "acme"
    with bind("globex"):
        del coroutine
        gc.collect()
        assert tenant() == "globex"


def test_a_bypass_is_not_carried_beyond_its_end() -> None:
    """A function carried out of a bypass that is over is refused."""
    with bypass(reason="a repair"):
        work = carry(current)
        assert work().bypassed
    with pytest.raises(NoTenantError, match="outlived its bypass"):
        work()


def test_a_carried_context_manager_keeps_its_caller() -> None:
    """A generator behind ``contextmanager`` may be carried, and its steps run under the binding."""
    seen: list[object] = []

    def block() -> Iterator[None]:
        seen.append(tenant())
        yield
        seen.append(tenant())

    with bind("acme"):
        carried = contextmanager(carry(block))
    with bind("globex"), carried():
        assert tenant() == "globex"
    assert seen == ["acme", "acme"]


def test_two_calls_of_one_carried_function_do_not_meet() -> None:
    """Each call has its own state: a block that one leaves open is not the other's."""

    def rows(who: str) -> Iterator[object]:
        with bind(who):
            yield tenant()
            yield tenant()

    with bind("acme"):
        work = carry(rows)
    with closing(work("globex")) as one, closing(work("initech")) as two:  # type: ignore[type-var]
        assert [next(one), next(two), next(one), next(two)] == ["globex", "initech"] * 2
