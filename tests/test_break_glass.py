"""Bypasses inside requests, broken glass, and what whoever acts for somebody may do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.orm import Session

from tenantguard import (
    Actor,
    ConfigurationError,
    NoTenantError,
    PermissionDeniedError,
    Principal,
    StepUpError,
    bind,
    break_glass,
    bypass,
    bypass_requires,
    current,
    guard,
    requires,
)
from tenantguard.audit import MemorySink, add_sink, remove_sink
from tenantguard.context import begin, end
from tests.models import Call, User, create_schema, make_tenancy, seed
from tests.servers import Database

ADA, BOB = Principal("ada", "acme", frozenset({"ops"})), Principal("bob", "acme", frozenset({"ops:approve"}))
SAM = Actor("sam", reason="ticket 4711", until=2e10)


@pytest.fixture
def record() -> Iterator[MemorySink]:
    """Give what is on record."""
    sink = add_sink(MemorySink())
    yield sink
    remove_sink(sink)


@pytest.fixture
def engine(database: Database) -> Engine:
    """Give a guarded engine on the call centre."""
    plain = database.create_engine()
    create_schema(plain)
    seed(plain)
    return guard(database.create_engine(), make_tenancy(), raw_sql="rewrite")


def _in_a_request(who: Principal) -> Any:
    return begin(who, {"type": "http", "method": "GET", "path": "/"})


def test_a_bypass_inside_a_request_takes_what_is_required(record: MemorySink) -> None:
    """Whoever lacks it opens none; jobs, and what the application names, go on."""
    undo = bypass_requires(requires("ops"), unless={"session look-up"})
    try:
        for who, reason, opens in ((ADA, "x", True), (BOB, "x", False), (BOB, "session look-up", True)):
            request = _in_a_request(who)
            try:
                if opens:
                    with bypass(reason=reason):
                        assert current().bypassed
                else:
                    with pytest.raises(PermissionDeniedError, match="bob lacks"):
                        bypass(reason=reason).__enter__()
                assert current().tenant == "acme"
            finally:
                end(request)
        with bind(BOB), bypass(reason="nightly"):
            assert current().bypassed
    finally:
        undo()
    opened = [event.subject for event in record.events if event.kind == "bypass_opened"]
    assert opened == ["ada", "bob", "bob"]


def test_a_bypass_before_anybody_is_known_is_refused_too() -> None:
    """A request with nothing bound has no permissions."""
    undo = bypass_requires(requires("ops"))
    request = _in_a_request(ADA)
    try:
        with bind("acme"), pytest.raises(PermissionDeniedError, match="no principal with known permissions"):
            bypass(reason="x").__enter__()
    finally:
        end(request)
        undo()


def test_broken_glass_is_a_bypass_on_record(record: MemorySink) -> None:
    """It names both persons, the reason and the time, and is over with its block."""
    with bind(ADA):
        with break_glass(reason="incident 42", seconds=60, approver=BOB, approves=requires("ops:approve")):
            assert current().bypassed
        assert current().tenant == "acme"
    kinds = [event.kind for event in record.events]
    assert kinds == ["bypass_opened", "break_glass_opened", "bypass_closed", "break_glass_closed"]
    opened = record.events[1]
    assert (opened.subject, opened.reason) == ("ada", "incident 42")
    assert "approved by bob" in str(opened.message)
    assert "test_break_glass" in str(record.events[0].place)


def test_broken_glass_is_whole_when_its_time_is_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What still runs is refused."""
    fired = threading.Event()

    class Timer(threading.Timer):
        def run(self) -> None:
            super().run()
            fired.set()

    monkeypatch.setattr("tenantguard.breakglass.threading.Timer", Timer)
    with bind(ADA), engine.connect() as connection:
        with break_glass(reason="incident 42", seconds=0.01, approver=BOB):
            assert fired.wait(60)
            with pytest.raises(NoTenantError, match="outlived its bypass"):
                connection.execute(select(Call.id))
        assert len(connection.execute(select(Call.id)).all()) == 3


@pytest.mark.parametrize(
    ("who", "options", "error"),
    [
        ("acme", {"approver": BOB}, PermissionDeniedError),
        (ADA, {"approver": ADA}, PermissionDeniedError),
        (
            Principal("x", "acme", actor=Actor("bob", reason="y", until=2e10)),
            {"approver": BOB},
            PermissionDeniedError,
        ),
        (ADA, {"approver": Principal("bob", "acme", actor=SAM)}, PermissionDeniedError),
        (ADA, {"approver": BOB, "approves": requires("chief")}, PermissionDeniedError),
        (ADA, {"approver": BOB, "requirement": requires("chief")}, PermissionDeniedError),
        (ADA, {"requirement": requires(mfa=True)}, StepUpError),
        (ADA, {"requirement": requires(max_age=60)}, StepUpError),
        (ADA, {}, ConfigurationError),
        (ADA, {"requirement": requires("ops")}, ConfigurationError),
        (ADA, {"approver": BOB, "seconds": 0}, ConfigurationError),
        (ADA, {"approver": BOB, "seconds": 10**6}, ConfigurationError),
        (ADA, {"approver": BOB, "reason": " "}, NoTenantError),
    ],
)
def test_glass_is_not_broken_alone(who: Any, options: dict[str, Any], error: type[Exception]) -> None:
    """It takes a second person or a sign-in, a time and a reason."""
    with bind(who):
        with pytest.raises(error):
            break_glass(**{"reason": "incident 42", "seconds": 60, **options}).__enter__()
        assert current().tenant == "acme"


def test_a_sink_that_fails_leaves_the_glass_whole() -> None:
    """An alarm that nobody hears opens nothing."""

    def fail(event: Any) -> None:
        if event.kind == "break_glass_opened":
            raise OSError("the pager is down")

    add_sink(fail)
    try:
        with bind(ADA):
            with pytest.raises(ExceptionGroup):
                break_glass(reason="incident 42", seconds=60, approver=BOB).__enter__()
            assert not current().bypassed
    finally:
        remove_sink(fail)


WRITES: dict[str, Any] = {
    "INSERT": lambda c: c.execute(insert(User).values(email="x")),
    "UPDATE": lambda c: c.execute(update(Call).values(seconds=1)),
    "DELETE": lambda c: c.execute(delete(Call).where(Call.id == 3)),
    "a shared table": lambda c: c.execute(text("INSERT INTO sessions_log (id, what) VALUES (991, 'x')")),
    "text": lambda c: c.execute(text("DELETE FROM calls WHERE id = 3")),
    "text to the driver": lambda c: c.exec_driver_sql("DELETE FROM calls WHERE id = 3"),
    "a CTE": lambda c: c.execute(
        select(update(Call).values(seconds=1).returning(Call.id).cte("x").c.id)
        if c.dialect.name == "postgresql"
        else update(Call).values(seconds=1)
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_whoever_acts_for_somebody_reads_alone(engine: Engine, name: str, record: MemorySink) -> None:
    """No form of a write passes, and both are in the event; one who may write writes."""
    reader = Principal("ada", "acme", actor=SAM)
    writer = Principal("ada", "acme", actor=Actor("sam", reason="x", until=2e10, read_only=False))
    with bind(reader), engine.connect() as connection:
        assert len(connection.execute(select(Call.id)).all()) == 3
        with pytest.raises(PermissionDeniedError, match="may only read"):
            WRITES[name](connection)
    assert [(one.subject, one.actor, one.acting) for one in record.events] == [("ada", "sam", "ticket 4711")]
    with bind(writer), engine.connect() as connection:
        if name not in ("DELETE", "text", "text to the driver"):  # whose row has children
            WRITES[name](connection)


def test_a_person_after_the_actor_writes_on_the_same_connection(engine: Engine) -> None:
    """What was kept for one is not taken for the other."""
    with engine.connect() as connection:
        for _ in range(2):
            with bind(Principal("ada", "acme")):
                assert connection.execute(update(Call).values(seconds=1)).rowcount == 3
            with bind(Principal("ada", "acme", actor=SAM)), pytest.raises(PermissionDeniedError):
                connection.execute(update(Call).values(seconds=1))


SELECTS: dict[str, Callable[[Any], Any]] = {
    "core": lambda connection: connection.execute(select(Call.__table__)).all(),
    "text": lambda connection: connection.execute(text("SELECT id FROM calls")).all(),
    "driver": lambda connection: connection.exec_driver_sql("SELECT id FROM calls").all(),
    "delete": lambda connection: connection.execute(delete(Call)),
    "orm": lambda connection: Session(connection).scalars(select(Call)).all(),
}


@pytest.mark.parametrize("send", SELECTS.values(), ids=SELECTS)
def test_who_acts_for_somebody_sends_nothing_after_their_time(
    engine: Engine, send: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, record: MemorySink
) -> None:
    """Though the request, its connection and a text that was sent before go on."""
    actor = Actor("sam", reason="ticket 4711", until=2e10, read_only=False)
    with bind(Principal("ada", "acme", actor=actor)), engine.connect() as connection:
        for reading in list(SELECTS.values())[:3]:
            assert [len(reading(connection)) > 0 for _ in range(2)] == [True, True]
        monkeypatch.setattr("tenantguard.context.entry.time", SimpleNamespace(time=lambda: 3e10))
        for _ in range(2):
            with pytest.raises(NoTenantError):
                send(connection)
        with pytest.raises(NoTenantError):
            current()
    refused = [event for event in record.events if event.kind == "no_tenant"]
    assert "the time in which sam may act" in str(refused[0].message)
