"""The bypass: named, recorded at both ends, and over with its block."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest

from tenantguard import ConfigurationError, NoTenantError, Principal, bind, bypass, current
from tenantguard import context as inner
from tenantguard.audit import MemorySink
from tenantguard.context import blocks


def tenant() -> object:
    """Return the tenant that is bound, or ``None``."""
    return current().tenant if inner.peek() is not None else None


def test_a_bypass_lifts_the_binding_for_its_block() -> None:
    """Within a bypass no tenant is bound; after it the tenant is back."""
    with bind("acme"):
        with bypass(reason="a repair"):
            assert current().bypassed
            with pytest.raises(NoTenantError, match="a bypass \\(a repair\\)"):
                _ = current().tenant
        assert tenant() == "acme"


@pytest.mark.parametrize("reason", ["", "  ", "\n", None, 7, b"why"])
def test_a_bypass_needs_a_reason(reason: Any) -> None:
    """A bypass without a reason that can be read is refused."""
    with pytest.raises(NoTenantError, match="reason"):
        bypass(reason=reason)


def test_a_bypass_takes_its_reason_by_name() -> None:
    """The reason cannot be given by position, where it would read as something else."""
    with pytest.raises(TypeError):
        bypass("a repair")  # type: ignore[call-arg]


def test_a_bypass_is_recorded_at_both_ends(record: MemorySink) -> None:
    """Opening and closing are events, with the reason, the tenant, who asks, and the caller's line."""
    with bind(Principal("ada", "acme")):
        line = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]  # CPython has frames
        with bypass(reason=" a repair "):
            assert [event.kind for event in record.events] == ["bypass_opened"]
    opened, closed = record.events
    assert (opened.kind, closed.kind) == ("bypass_opened", "bypass_closed")
    for event in (opened, closed):
        assert (event.reason, event.tenant, event.subject) == ("a repair", "acme", "ada")
        assert event.place == f"{__file__}:{line}"


def test_the_caller_of_a_stacked_bypass_is_named(record: MemorySink) -> None:
    """The line is that of the code which wrote the bypass, not of the stack that enters it."""
    with ExitStack() as stack:
        stack.enter_context(bypass(reason="a repair"))
    assert str(record.events[0].place).startswith(f"{__file__}:")


def test_a_bypass_within_a_bypass_names_the_tenant_beneath(record: MemorySink) -> None:
    """The tenant of the nested one is that of the binding around both."""
    with bind("acme"), bypass(reason="outer"), bypass(reason="inner"):
        pass
    assert [(event.kind, event.reason, event.tenant) for event in record.events] == [
        ("bypass_opened", "outer", "acme"),
        ("bypass_opened", "inner", "acme"),
        ("bypass_closed", "inner", "acme"),
        ("bypass_closed", "outer", "acme"),
    ]


def test_a_bypass_is_recorded_by_the_public_package_alone() -> None:
    """Whoever imports nothing but the public names has the record too."""
    program = (
        "import logging, tenantguard\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "with tenantguard.bypass(reason='a repair'): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.count("a repair") == 2


async def test_a_task_that_outlives_its_bypass_is_refused() -> None:
    """A task started in a bypass must not go on unguarded after it."""
    go_on = asyncio.Event()

    async def work() -> object:
        await go_on.wait()
        return current()

    with bypass(reason="a repair"):
        task = asyncio.create_task(work())
    go_on.set()
    with pytest.raises(NoTenantError, match="outlived its bypass"):
        await task


async def test_a_bypass_in_a_generator_ends_with_its_block_wherever_that_is() -> None:
    """A bypass that another task closed is over in the first one as well."""

    async def rows() -> AsyncIterator[int]:
        with bypass(reason="a repair"):
            yield 1

    with bind("acme"):
        generator = rows()
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]  # an AsyncIterator here
        assert tenant() == "acme"


class Failing:
    """Observe bypasses and fail at one end."""

    def __init__(self, at_opening: bool) -> None:
        self.at_opening = at_opening

    def __call__(self, _binding: inner.Binding, opened: bool) -> None:
        """Fail where told to."""
        if opened is self.at_opening:
            raise OSError("the disk is full")


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give the observers of bypasses, a copy that ends with the test."""
    observers = list(blocks.bypass_observers)
    monkeypatch.setattr(blocks, "bypass_observers", observers)
    return observers


def test_a_bypass_that_cannot_be_recorded_does_not_open(observed: list[Any], record: MemorySink) -> None:
    """The block is not entered, the tenant stays, and whoever heard of it hears that it is over."""
    observed.append(Failing(at_opening=True))
    with bind("acme"):
        with pytest.raises(OSError, match="full"):
            bypass(reason="a repair").__enter__()
        assert tenant() == "acme"
    assert [event.kind for event in record.events] == ["bypass_opened", "bypass_closed"]


def test_a_bypass_whose_end_cannot_be_recorded_ends(observed: list[Any]) -> None:
    """A failure at the end is raised, and the bypass is over all the same."""
    observed.append(Failing(at_opening=False))
    with bind("acme"):
        block = bypass(reason="a repair")
        binding = block.__enter__()
        with pytest.raises(OSError, match="full"):
            block.__exit__(None, None, None)
        assert tenant() == "acme"
        assert binding.mode == "closed"


def test_a_failing_record_does_not_hide_the_error_of_the_block(observed: list[Any]) -> None:
    """What went wrong inside is what is raised; the record's failure is a note on it."""
    observed.append(Failing(at_opening=False))
    with pytest.raises(ZeroDivisionError) as caught, bypass(reason="a repair"):
        _ = 1 / 0
    assert "the disk is full" in caught.value.__notes__[0]


def test_a_bypass_is_not_entered_twice() -> None:
    """One bypass object in two blocks at once is refused."""
    block = bypass(reason="a repair")
    with block, pytest.raises(ConfigurationError, match="already in use"):
        block.__enter__()
    assert inner.peek() is None
