"""What ends with a request, with a block and with a process, and what does not."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tenantguard import NoTenantError, Principal, bind, bypass, carry, current, handover
from tenantguard import context as inner
from tenantguard.binding import put_mode

ADA = Principal("ada", "acme")


def tenant() -> object:
    """Return the tenant that is bound, or ``None``."""
    return current().tenant if inner.peek() is not None else None


def copy_of_a_request(*, nested: Any = None) -> contextvars.Context:
    """Return a copy of a request's context, taken within a block of its own where one is given, after its end."""
    binding = inner.begin(ADA)
    try:
        with nested if nested is not None else bind("acme"):
            return contextvars.copy_context()
    finally:
        inner.end(binding)


@pytest.mark.parametrize("nested", [None, "globex", ["a", "b"], ADA])
def test_a_binding_ends_with_its_request_and_so_does_what_it_entered(nested: Any) -> None:
    """Whoever copied the context is refused, and told what to do."""
    copy = copy_of_a_request(nested=None if nested is None else bind(nested))
    with pytest.raises(NoTenantError, match=r"its request is over.* carry\(function\)"):
        copy.run(current)


def test_a_bypass_inside_of_a_request_ends_with_it() -> None:
    """Also one whose block is never left."""
    binding = inner.begin(ADA)
    block = bypass(reason="a repair")
    block.__enter__()
    copy = contextvars.copy_context()
    inner.end(binding)
    with pytest.raises(NoTenantError, match="outlived its bypass"):
        copy.run(current)
    block.__exit__(None, None, None)
    assert inner.peek() is None


def test_what_outlived_its_request_may_bind_anew() -> None:
    """An explicit block is nobody's leftover."""

    def work() -> object:
        with bind("globex"):
            return tenant()

    assert copy_of_a_request().run(work) == "globex"


def test_what_was_carried_on_purpose_outlives_its_request() -> None:
    """And binds what it enters itself as long as it likes."""

    def work() -> tuple[object, object]:
        with bind("globex"):
            return tenant(), current().principal

    binding = inner.begin(ADA)
    work_of_ada, nested = carry(tenant), carry(work)
    inner.end(binding)
    assert (work_of_ada(), nested()[0]) == ("acme", "globex")


def test_a_block_outside_of_requests_has_no_end_but_its_own() -> None:
    """A task per company, started in a block for each, goes on under it."""
    with bind("acme"):
        copy = contextvars.copy_context()
    assert copy.run(tenant) == "acme"


def test_a_binding_that_was_left_keeps_nothing_of_those_before_it() -> None:
    """A chain of jobs, each started inside the one before it, has no memory."""
    with bind("acme") as outer:
        seen = weakref.ref(outer)
        with bind("globex") as binding:
            pass
    del outer
    assert binding.outer is None
    assert seen() is None


@pytest.mark.parametrize("dropped", [lambda: bind("acme"), lambda: bypass(reason="a repair")])
def test_a_block_that_nobody_can_leave_any_more_ends(dropped: Any) -> None:
    """Its manager was dropped."""
    with bind("globex"):
        binding = dropped().__enter__()
        assert binding.mode == "closed"
        assert tenant() == "globex"


def test_what_the_garbage_collector_finalises_speaks_for_nobody() -> None:
    """A generator of one company that nobody closed is finalised in the middle of another's work."""
    told: list[object] = []

    def rows() -> Iterator[int]:
        try:
            yield 1
        finally:
            try:
                told.append(tenant())
            except NoTenantError as error:
                told.append(str(error))

    with bind("acme"):
        generator = rows()
        next(generator)
        loop: list[Any] = [generator]
        loop.append(loop)
    gc.collect()
    del generator, loop
    with bind("globex"):
        gc.collect()
        assert tenant() == "globex"
    assert "garbage collector" in str(told[0])


def test_a_collection_does_not_open_what_ended_as_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another thread takes over in the middle of the callback."""
    binding = inner.begin(ADA)

    class EndsIt(list[Any]):
        """Whose use is a moment at which threads are switched."""

        def append(self, item: Any) -> None:
            """Let another thread end the request."""
            other = threading.Thread(target=inner.end, args=(binding,))
            other.start()
            other.join()
            super().append(item)

    monkeypatch.setattr(handover, "_set_aside", EndsIt())
    handover._collecting("start", None)
    handover._collecting("stop", None)
    inner.put(None)
    assert binding.mode == "closed"


def test_a_collection_does_not_open_what_has_ended_meanwhile() -> None:
    """As when another thread ends the request while objects are finalised."""
    binding = inner.begin(ADA)
    copy = contextvars.copy_context()

    class Ending:
        def __del__(self) -> None:
            put_mode(binding, "closed")

    ending: list[Any] = [Ending()]
    ending.append(ending)
    del ending
    gc.collect()
    assert binding.mode == "closed"
    inner.end(binding)
    with pytest.raises(NoTenantError):
        copy.run(current)


def test_collections_at_every_allocation_leave_the_context_whole() -> None:
    """Before Python 3.12 one may begin while a context variable is being set."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(500):
            with bind("acme"), bind("globex"):
                inner.set_request_id("r")
                inner.set_request_id(None)
            assert inner.peek() is None
    finally:
        gc.set_threshold(*before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a platform that can fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="forking beside threads warns")
def test_a_fork_inherits_neither_a_binding_nor_a_bypass() -> None:
    """Nor what is around them; what was carried on purpose goes along."""
    with bind("acme"), bypass(reason="a repair"):
        carried = carry(lambda: "carried")
        child = os.fork()
        if child == 0:
            try:
                nothing = inner.peek() is None
                os._exit(0 if nothing and carried() == "carried" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert current().bypassed


def test_a_carried_function_does_not_go_into_another_process() -> None:
    """And says what to do instead."""
    with bind("acme"), pytest.raises(pickle.PicklingError, match=r"processes.*with bind\(tenant\)"):
        pickle.dumps(carry(len))


class Company:
    """A model whose members can be iterated, as pydantic's can."""

    def __iter__(self) -> Iterator[tuple[str, int]]:
        yield "id", 7


def test_a_company_itself_is_no_collection_of_companies() -> None:
    """The message names what was given, and not what it consists of."""
    with pytest.raises(NoTenantError, match="not Company"):
        bind(Company())  # type: ignore[arg-type]  # that is the mistake


async def test_a_callback_of_a_request_that_is_over_is_refused() -> None:
    """An event loop calls it in a copy of the context in which it was registered."""
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def called() -> None:
        try:
            told.set_result(tenant())
        except NoTenantError:
            told.set_result("refused")

    binding = inner.begin(ADA)
    asyncio.get_running_loop().call_soon(called)
    inner.end(binding)
    assert await told == "refused"
