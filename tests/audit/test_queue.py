"""Slow sinks: no request waits for them, what is dropped is counted, and violations never are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tenantguard import ConfigurationError, bypass
from tenantguard.audit import Event, MemorySink, QueuedSink, add_sink, record, remove_sink
from tenantguard.audit.events import now


def an_event(kind: str = "cross_tenant") -> Event:
    """Return an event."""
    return Event(time=now(), kind=kind)


class Slow:
    """Wait for the test before each event but the first."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.go, self.busy = threading.Event(), threading.Event()

    def __call__(self, event: Event) -> None:
        """Keep its kind."""
        self.busy.set()
        self.go.wait(30)
        self.kinds.append(event.kind)


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Give a slow sink, and let it go in the end."""
    sink = Slow()
    yield sink
    sink.go.set()


async def test_what_cannot_wait_is_dropped_and_counted_and_violations_are_not(slow: Slow) -> None:
    """The oldest of the others makes room for them."""
    queued = QueuedSink(slow, size=2)
    queued(an_event("raw_sql"))
    slow.busy.wait(30)
    for kind in (
        "token_refused",
        "bypass_opened",
        "token_refused",
        "cross_tenant",
        "raw_sql",
        "tenant_switch",
    ):
        queued(an_event(kind))
    slow.go.set()
    await queued.flushed()
    assert slow.kinds == ["raw_sql", "cross_tenant", "raw_sql", "tenant_switch"]
    assert queued.dropped == 3


async def test_an_asynchronous_sink_is_queued_by_itself(record: MemorySink) -> None:
    """On the loop that recorded; nobody waits for it, and what it does itself does not come back to it."""
    kinds: list[str] = []
    go, done = asyncio.Event(), asyncio.Event()

    async def sink(event: Event) -> None:
        await go.wait()
        with bypass(reason="store an event"):
            kinds.append(event.kind)
        if len(kinds) == 2:
            done.set()

    add_sink(sink)
    try:
        with bypass(reason="a repair"):
            assert kinds == []
        go.set()
        await asyncio.wait_for(done.wait(), 60)
    finally:
        remove_sink(sink)
    assert kinds == ["bypass_opened", "bypass_closed"]


def test_an_asynchronous_sink_works_without_a_loop() -> None:
    """In a thread that has one."""
    done = threading.Event()

    async def sink(event: Event) -> None:
        await asyncio.sleep(0)
        done.set()

    add_sink(sink)
    try:
        record(an_event())
        assert done.wait(60)
    finally:
        remove_sink(sink)


def test_a_loop_that_ends_loses_no_event() -> None:
    """What it had not handed over goes on in a thread."""
    kinds: list[str] = []
    done, closing = threading.Event(), threading.Event()

    async def sink(event: Event) -> None:
        if not closing.is_set():
            await asyncio.Event().wait()
        kinds.append(event.kind)
        if len(kinds) == 3:
            done.set()

    queued = QueuedSink(sink)

    async def main() -> None:
        for _ in range(3):
            queued(an_event())
        await asyncio.sleep(0)
        closing.set()

    asyncio.run(main())
    assert done.wait(60)


async def test_a_failing_sink_is_counted_and_goes_on() -> None:
    """It keeps nothing from going through."""
    kinds: list[str] = []

    async def sink(event: Event) -> None:
        if event.kind == "raw_sql":
            raise OSError("no room")
        kinds.append(event.kind)

    queued = QueuedSink(sink)
    queued(an_event("raw_sql"))
    queued(an_event())
    await queued.flushed()
    assert (queued.failed, kinds) == (1, ["cross_tenant"])


def test_a_queue_has_room() -> None:
    """For one event at least."""
    with pytest.raises(ConfigurationError, match="room"):
        QueuedSink(MemorySink(), size=0)


def test_a_sink_that_leaves_its_work_to_be_awaited_fails() -> None:
    """Instead of losing every event: only a function that is ``async def`` is known to be one."""

    async def store(event: Event) -> None:
        raise AssertionError

    sink = add_sink(lambda event: store(event))
    try:
        with pytest.raises(ExceptionGroup) as caught:
            record(an_event())
    finally:
        remove_sink(sink)
    assert "async def" in str(caught.value.exceptions[0])
