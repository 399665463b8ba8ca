"""The record: one frozen event per violation and bypass, recorded first and without a value."""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging

import pytest

from tenantguard import CrossTenantError, NoTenantError, Principal, Violation, bind, bypass
from tenantguard import context as binding
from tenantguard.audit import (
    Event,
    LoggingSink,
    MemorySink,
    add_sink,
    fingerprint,
    refuse,
    remove_sink,
    sinks,
)
from tenantguard.audit import record as hand_out
from tenantguard.audit.events import masked, now


class FailingSink:
    """Fail on every event."""

    def __call__(self, event: Event) -> None:
        """Fail."""
        raise OSError(f"no room for {event.kind}")


@pytest.fixture
def failing() -> FailingSink:
    """Put a failing sink before and behind the others, for one test."""
    return FailingSink()


def a_violation(statement: str | None = None) -> CrossTenantError:
    """Make one of the usual kind."""
    return CrossTenantError(
        "calls of globex were reached for",
        tenant="acme",
        attempted="globex",
        table="calls",
        statement=statement,
    )


# one event per violation


def test_a_violation_is_recorded_and_then_raised(record: MemorySink) -> None:
    """The event tells who, for which tenant, reached for what, where and by which statement."""
    violation = a_violation("UPDATE calls SET note = 'secret' WHERE id = 7")
    before = now()
    binding.set_request_id("r-1")
    try:
        with bind(Principal("ada", "acme")), pytest.raises(CrossTenantError) as caught:
            refuse(violation)
    finally:
        binding.set_request_id(None)
    (event,) = record.events
    assert caught.value is violation
    assert before <= event.time <= now()
    assert event.as_dict() == {
        "time": event.time.isoformat(),
        "kind": "cross_tenant",
        "tenant": "acme",
        "attempted": "globex",
        "table": "calls",
        "subject": "ada",
        "request_id": "r-1",
        "statement": "UPDATE calls SET note = ? WHERE id = ?",
        "fingerprint": fingerprint("UPDATE calls SET note = 'other' WHERE id = 8"),
        "message": "calls of globex were reached for",
    }


def test_a_violation_keeps_no_value_either() -> None:
    """The error that is raised carries the statement as the record does."""
    with pytest.raises(Violation) as caught:
        refuse(a_violation("SELECT 'secret'"))
    assert caught.value.statement == "SELECT ?"


def test_a_violation_with_nothing_bound_is_recorded(record: MemorySink) -> None:
    """An attempt without a binding has no subject, and is an event all the same."""
    with pytest.raises(Violation):
        refuse(Violation("something was tried"))
    (event,) = record.events
    assert (event.kind, event.subject, event.tenant, event.statement) == ("violation", None, None, None)


def test_a_missing_binding_is_recorded_and_then_raised(record: MemorySink) -> None:
    """A worker that swallows the exception leaves a trace all the same."""
    error = binding.no_tenant(None, "A query was tried")
    with pytest.raises(NoTenantError) as caught:
        refuse(error)
    (event,) = record.events
    assert caught.value is error
    assert (event.kind, event.tenant, event.message) == ("no_tenant", None, str(error))


def test_an_event_is_frozen() -> None:
    """What was recorded cannot be changed afterwards."""
    event = Event(time=now(), kind="raw_sql")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.kind = "bypass_opened"  # type: ignore[misc]


def test_an_event_shows_what_is_set() -> None:
    """Members without a value are left out, and the time is in UTC."""
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert Event(time=when, kind="raw_sql").as_dict() == {
        "time": "2026-01-02T03:04:05+00:00",
        "kind": "raw_sql",
    }


# failing sinks


@pytest.mark.parametrize("first", [True, False])
def test_a_failing_sink_hides_no_violation(record: MemorySink, failing: FailingSink, first: bool) -> None:
    """The violation is raised with the failure as its cause, and every other sink has the event."""
    sinks.insert(0, failing) if first else add_sink(failing)
    try:
        with pytest.raises(CrossTenantError) as caught:
            refuse(a_violation())
    finally:
        remove_sink(failing)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert "no room for cross_tenant" in str(caught.value.__cause__.exceptions[0])
    assert [event.kind for event in record.events] == ["cross_tenant"]


def test_a_failing_sink_opens_no_bypass(record: MemorySink, failing: FailingSink) -> None:
    """What cannot be recorded does not happen."""
    add_sink(failing)
    try:
        with pytest.raises(ExceptionGroup, match="bypass_opened"), bypass(reason="a repair"):
            pytest.fail("the block was entered")
    finally:
        remove_sink(failing)
    assert [event.kind for event in record.events] == ["bypass_opened", "bypass_closed"]
    assert binding.peek() is None


def test_a_sink_that_fails_at_the_end_leaves_no_bypass_open(failing: FailingSink) -> None:
    """The bypass is over although its end could not be recorded, and the failure is told."""
    with bind("acme"):
        block = bypass(reason="a repair")
        block.__enter__()
        add_sink(failing)
        try:
            with pytest.raises(ExceptionGroup, match="bypass_closed"):
                block.__exit__(None, None, None)
        finally:
            remove_sink(failing)
        held = binding.peek()
        assert held is not None
        assert held.tenants == ("acme",)


def test_every_failing_sink_is_told(failing: FailingSink) -> None:
    """Two sinks that fail are two failures in one group."""
    other = FailingSink()
    add_sink(failing)
    add_sink(other)
    try:
        with pytest.raises(ExceptionGroup, match=r"2 audit sink\(s\) failed on a raw_sql event"):
            hand_out(Event(time=now(), kind="raw_sql"))
    finally:
        remove_sink(failing)
        remove_sink(other)


def test_an_interrupt_in_a_sink_lets_nothing_through() -> None:
    """A sink that is interrupted ends the action as well."""

    def interrupted(_event: Event) -> None:
        raise KeyboardInterrupt

    add_sink(interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            refuse(a_violation())
    finally:
        remove_sink(interrupted)


def test_a_removed_sink_hears_nothing(record: MemorySink) -> None:
    """Events after its removal are not handed to a sink."""
    sink = MemorySink()
    assert add_sink(sink) is sink
    remove_sink(sink)
    hand_out(Event(time=now(), kind="raw_sql"))
    assert sink.events == []
    assert len(record.events) == 1


# the logging sink


def test_a_violation_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an event holds, the line is one, and reads back as what it says."""
    event = Event(time=now(), kind="raw_sql", message="two\nlines and a \u2028 third", tenant="a\r\nb")
    with caplog.at_level(logging.INFO, logger="tenantguard.audit"):
        LoggingSink()(event)
    (entry,) = caplog.records
    assert entry.levelno == logging.WARNING
    assert len(entry.message.splitlines()) == 1
    assert json.loads(entry.message) == event.as_dict()


def test_a_bypass_is_logged_as_information(caplog: pytest.LogCaptureFixture) -> None:
    """Both ends are lines of the lower level."""
    with caplog.at_level(logging.INFO, logger="tenantguard.audit"), bypass(reason="a repair"):
        pass
    assert [json.loads(entry.message)["kind"] for entry in caplog.records] == [
        "bypass_opened",
        "bypass_closed",
    ]
    assert {entry.levelno for entry in caplog.records} == {logging.INFO}


def test_the_logger_can_be_named(caplog: pytest.LogCaptureFixture) -> None:
    """A sink writes to the logger that it was given."""
    with caplog.at_level(logging.INFO, logger="security"):
        LoggingSink("security")(Event(time=now(), kind="raw_sql"))
    assert [entry.name for entry in caplog.records] == ["security"]


# no value of a statement is kept


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SELECT * FROM calls WHERE id = 5 AND x = -3.5", "SELECT * FROM calls WHERE id = ? AND x = -?"),
        ("SELECT 'it''s secret', E'a', N'b', x'ff'", "SELECT ?, E?, N?, x?"),
        ("VALUES (1e10, 0x4142, 1_000, .5)", "VALUES (?, ?, ?, ?)"),
        ("SELECT $$secret 'x'$$, $tag$secret$tag$", "SELECT ?, ?"),
        ('SELECT * FROM t WHERE name = "secret"', "SELECT * FROM t WHERE name = ?"),
        ("SELECT 1 -- secret\nFROM calls", "SELECT ? ? FROM calls"),
        ("SELECT 1 /* secret */ FROM calls", "SELECT ? ? FROM calls"),
        ("SELECT 1 # secret\nFROM calls", "SELECT ? ? FROM calls"),
        ("SELECT c_1.id FROM t2 WHERE a = :a_1 AND n = %(n)s", "SELECT c_1.id FROM t2 WHERE a = :a_1 AND n = %(n)s"),
        ("SELECT id\n\t FROM   calls", "SELECT id FROM calls"),
    ],
)  # fmt: skip
def test_literals_are_masked(statement: str, kept: str) -> None:
    """Literals and comments of each dialect become a question mark; names and parameters stay."""
    assert masked(statement) == kept


@pytest.mark.parametrize(
    "statement",
    [
        "x = 'the secret without an end",
        'x = "the secret without an end',
        "x = $tag$the secret without an end",
        "x /* the secret without an end",
        "a = 'it\\'s the secret'",
        "a = 'C:\\' AND b = 'the secret'",
        'a = "it\\"s the secret"',
        "/* outer /* inner */ the secret */",
        "a --'x\n the secret'",
        "a # 'x\n the secret'",
        "x" * 1_990 + " = 'the secret'",
        "x" * 30_000 + " = the secret",
        "'" + "x" * 30_000 + "the secret'",
    ],
)
def test_where_dialects_disagree_nothing_is_kept(statement: str) -> None:
    """A literal whose end depends on the dialect is masked to the end of the statement."""
    kept = masked(statement)
    assert kept is not None
    assert "secret" not in kept
    assert len(kept) <= 2_000


def test_names_in_double_quotes_are_kept_where_they_are_no_strings() -> None:
    """As PostgreSQL's are, where many a table is called "user"; not where the end of one is in doubt."""
    statement = """SELECT "user".id FROM "user" WHERE a = 'x "y"' AND b = 'it''s "z"'"""
    assert masked(statement, names=True) == 'SELECT "user".id FROM "user" WHERE a = ? AND b = ?'
    assert fingerprint(statement, names=True) != fingerprint(statement.replace("user", "order"), names=True)
    for doubtful in (
        'a = "it\\"s the secret"',
        "a = E'x\\'y \"the secret\"'",
        'x = "the secret without an end',
    ):
        assert "secret" not in (masked(doubtful, names=True) or "")


def test_statements_of_one_shape_have_one_fingerprint() -> None:
    """Values and spaces do not count, names do."""
    one, other = (fingerprint(f"SELECT *  FROM calls WHERE id = {n}") for n in (1, 23))
    assert one == other == fingerprint("SELECT * FROM calls\nWHERE id = '7'")
    assert one != fingerprint("SELECT * FROM users WHERE id = 1")
    assert one is not None
    assert len(one) == 16
    assert int(one, 16) >= 0


def test_no_statement_has_no_fingerprint() -> None:
    """An event without a statement has neither."""
    assert masked(None) is None
    assert fingerprint(None) is None
