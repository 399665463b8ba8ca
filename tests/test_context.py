"""The context: what is bound, for how long, and what is left when a block ends."""

from __future__ import annotations

import asyncio
import contextvars
import enum
import gc
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tenantguard import ConfigurationError, NoTenantError, Principal, bind, current
from tenantguard import context as inner
from tenantguard.context import variables

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Company(str, enum.Enum):  # noqa: UP042 - the older form is one of those that must be understood
    """Name a tenant by a member of an enumeration."""

    ACME = "acme"


class Number(enum.IntEnum):
    """Name a tenant by a number."""

    SEVEN = 7


class Loud(str):
    """Answer with another text than the one it holds."""

    def __str__(self) -> str:
        return "globex"


def tenant() -> object:
    """Return the tenant that is bound, or ``None``."""
    return current().tenant if inner.peek() is not None else None


@pytest.mark.parametrize("who", ["acme", 7, UUID])
def test_a_tenant_is_bound_for_the_block(who: Any) -> None:
    """A block binds a text, a number or a UUID, and nothing is bound after it."""
    with bind(who) as binding:
        assert current() is binding
        assert current().tenant == who
    assert inner.peek() is None


def test_nothing_bound_is_refused() -> None:
    """Asking for the binding where there is none says what to do."""
    with pytest.raises(NoTenantError, match="TenantMiddleware"):
        current()


def test_a_principal_is_bound_with_its_tenant() -> None:
    """Binding a principal makes both it and its tenant known."""
    ada = Principal("ada", "acme", frozenset({"calls:read"}), {"sub": "ada"})
    with bind(ada):
        assert current().principal is ada
        assert current().tenant == "acme"


def test_several_tenants_are_no_single_one() -> None:
    """A binding of several tenants refuses to name one."""
    with bind(["acme", "globex", "acme"]) as binding:
        assert binding.tenants == ("acme", "globex")
        assert binding.mode == "tenants"
        with pytest.raises(NoTenantError, match="several tenants"):
            _ = binding.tenant


def test_a_collection_of_one_is_that_tenant() -> None:
    """A collection that holds one tenant binds it like the tenant itself."""
    with bind({"acme"}) as binding:
        assert (binding.mode, binding.tenant) == ("tenant", "acme")


def test_a_principal_of_several_tenants_binds_them_all() -> None:
    """A principal without one tenant binds the ones its token names."""
    with bind(Principal("ada", tenants=("acme", "globex"))) as binding:
        assert binding.tenants == ("acme", "globex")


@pytest.mark.parametrize(
    "who",
    ["", " ", "\t", "a\x00b", "a\nb", "\u200b", "\ud800", None, True, 1.5, b"acme", object(), {}, [],
     ["acme", ""], [None], {"tenant": "acme"}, [["acme"]], ("acme", True)],
)  # fmt: skip
def test_what_is_no_tenant_is_refused(who: Any) -> None:
    """Binding something empty or of a wrong type is refused before the block is entered."""
    with pytest.raises(NoTenantError):
        bind(who)


@pytest.mark.parametrize(
    ("who", "plain"),
    [(Company.ACME, "acme"), (Loud("acme"), "acme"), (Number.SEVEN, 7), (UUID, UUID)],
)
def test_a_tenant_is_reduced_to_its_plain_value(who: Any, plain: object) -> None:
    """A subclass of a permitted type is bound as the value that it holds."""
    with bind(who) as binding:
        assert binding.tenant == plain
        assert type(binding.tenant) is type(plain)


def test_a_subclass_of_uuid_is_reduced_too() -> None:
    """A driver's own kind of UUID is bound as a plain one."""
    with bind(type("Own", (uuid.UUID,), {})(int=UUID.int)) as binding:
        assert type(binding.tenant) is uuid.UUID


def test_nested_bindings_restore_the_outer_one() -> None:
    """The inner block's tenant ends with it."""
    with bind("acme"):
        with bind("globex"):
            assert tenant() == "globex"
        assert tenant() == "acme"


def test_an_exception_restores_the_outer_one() -> None:
    """A block that is left by an exception is left all the same."""
    with bind("acme"):
        with pytest.raises(ZeroDivisionError), bind("globex"):
            _ = 1 / 0
        assert tenant() == "acme"


def test_blocks_may_end_out_of_order() -> None:
    """The outer block ends first: the inner binding stays until its own end, and then nothing is left."""
    outer, inside = bind("acme"), bind("globex")
    outer.__enter__()
    inside.__enter__()
    outer.__exit__(None, None, None)
    assert tenant() == "globex"
    inside.__exit__(None, None, None)
    assert inner.peek() is None


def test_a_block_in_the_middle_may_end_first() -> None:
    """Of three blocks the middle one ends first: the newest stays, and then the oldest is back."""
    with ExitStack() as stack:
        stack.enter_context(bind("acme"))
        middle = bind("globex")
        middle.__enter__()
        with bind("initech"):
            middle.__exit__(None, None, None)
            assert tenant() == "initech"
        assert tenant() == "acme"


def test_a_block_is_not_entered_twice() -> None:
    """One bind object in two blocks at once is refused, for its end would be ambiguous."""
    block = bind("acme")
    with block:
        with pytest.raises(ConfigurationError, match="already in use"):
            block.__enter__()
        assert tenant() == "acme"
    assert inner.peek() is None


def test_a_block_may_be_used_again() -> None:
    """A bind object that is kept may be entered once more after its end."""
    block = bind("acme")
    for _ in range(2):
        with block:
            assert tenant() == "acme"
    assert inner.peek() is None


def test_leaving_twice_changes_nothing() -> None:
    """The end of a block that has ended is without effect."""
    block = bind("acme")
    block.__enter__()
    block.__exit__(None, None, None)
    with bind("globex"):
        block.__exit__(None, None, None)
        assert tenant() == "globex"


def test_a_binding_is_read_only() -> None:
    """Code that holds the binding cannot make another tenant, or a bypass, of it."""
    with bind("acme") as binding:
        with pytest.raises(AttributeError, match="read-only"):
            binding.mode = "bypass"
        with pytest.raises(AttributeError, match="read-only"):
            binding._tenant = "globex"
        with pytest.raises((AttributeError, TypeError)):
            del binding.mode
        assert repr(binding) == "<Binding 'acme'>"


def test_a_misspelt_variable_is_no_new_one() -> None:
    """The registry refuses a name that it does not have."""
    with pytest.raises(AttributeError):
        variables._Vars().bindnig = None


def test_a_generator_closed_late_leaves_the_newer_binding() -> None:
    """A generator's block ends inside a newer one: the newer stays, and the oldest is back after it."""

    def rows() -> Iterator[object]:
        with bind("globex"):
            yield tenant()

    with bind("acme"):
        generator = rows()
        assert next(generator) == "globex"
        with bind("initech"):
            generator.close()  # type: ignore[attr-defined]  # an Iterator to its caller
            assert tenant() == "initech"
        assert tenant() == "acme"


def test_a_generator_closed_after_its_callers_block_leaves_nothing() -> None:
    """The caller's block ended before the generator's: in the end nothing is bound."""

    def rows() -> Iterator[object]:
        with bind("globex"):
            yield tenant()

    with bind("acme"):
        generator = rows()
        next(generator)
    del generator
    gc.collect()
    assert inner.peek() is None


async def test_a_generator_closed_by_another_task_leaves_no_foreign_binding() -> None:
    """Its block ended in another task: the binding it left in this one is refused, then the outer is back."""

    async def rows() -> AsyncIterator[object]:
        with bind("globex"):
            yield tenant()

    with bind("acme"):
        generator = rows()
        assert await anext(generator) == "globex"
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]  # an AsyncIterator here
        left = inner.peek()
        assert left is not None
        assert left.mode == "closed"
        assert tenant() == "acme"
    assert inner.peek() is None


async def test_what_copied_such_a_binding_is_refused() -> None:
    """A task that copied a binding whose block was ended elsewhere does not go on under it."""
    go_on = asyncio.Event()
    child: list[asyncio.Task[object]] = []

    async def work() -> object:
        await go_on.wait()
        return current().tenant

    async def rows() -> AsyncIterator[object]:
        with bind("globex"):
            child.append(asyncio.create_task(work()))
            yield tenant()

    generator = rows()
    await anext(generator)
    await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]  # an AsyncIterator here
    go_on.set()
    with pytest.raises(NoTenantError, match="carry"):
        await child[0]
    with pytest.raises(NoTenantError):
        current()


def test_a_block_ended_in_another_thread_does_not_touch_that_thread() -> None:
    """The end of a block in a thread that has its own binding leaves that binding alone."""
    block = bind("acme")
    context = contextvars.Context()
    context.run(block.__enter__)
    with bind("globex"):
        block.__exit__(None, None, None)
        assert tenant() == "globex"
    with pytest.raises(NoTenantError):
        context.run(current)


async def test_a_cancelled_task_restores_what_it_found() -> None:
    """Cancellation ends the block of the task and touches no other."""
    entered = asyncio.Event()
    after: list[object] = []

    async def work() -> None:
        try:
            with bind("globex"):
                entered.set()
                await asyncio.Event().wait()
        finally:
            after.append(tenant())

    with bind("acme"):
        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert after == ["acme"]
        assert tenant() == "acme"


async def test_a_task_keeps_the_binding_of_its_creation() -> None:
    """A task that outlives the block goes on for the tenant for which it was started."""
    go_on = asyncio.Event()

    async def work() -> object:
        await go_on.wait()
        return tenant()

    with bind("acme"):
        task = asyncio.create_task(work())
    with bind("globex"):
        go_on.set()
        assert await task == "acme"
