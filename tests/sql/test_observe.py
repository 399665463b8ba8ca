"""Observing: what the guard would do is recorded by the line it comes from, and nothing about the statement changes."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, event, func, insert, select, text, tuple_, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tenantguard import ConfigurationError, Guard, bind, bypass, guard
from tenantguard.audit import MemorySink, add_sink, remove_sink
from tenantguard.sql import Observing
from tenantguard.sql.observe import Observer, Record, observer, read, records
from tests.models import Call, Company, Country, Number, TagNote, create_schema, make_tenancy, seed
from tests.servers import Database
from tests.sql.world import memory_engine, statements


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Give an observed engine with the rows of three tenants, in memory."""
    made = memory_engine()
    create_schema(made)
    seed(made)
    return guard(made, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path / "observed"))


def observer_of(engine: Engine) -> Observer:
    """Return what observes an engine."""
    found = Guard.of(engine).observer
    assert isinstance(found, Observer)
    return found


def only(engine: Engine) -> Record:
    """Return the one record that there is."""
    (found,) = observer_of(engine).records.all()
    return found


def line() -> int:
    """Return the line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_read_of_all_companies_is_recorded_and_returns_what_it_did(engine: Engine) -> None:
    """The place, the predicate that is missing and the difference are kept; the rows and the SQL are untouched."""
    plain = memory_engine()
    create_schema(plain)
    seed(plain)
    with statements(plain) as wanted, Session(plain) as session:
        rows = len(session.scalars(select(Call)).all())
    with statements(engine) as sent, bind("acme"), Session(engine) as session:
        here, found = line(), len(session.scalars(select(Call)).all())
    assert (found, sent) == (rows, wanted)
    record = only(engine)
    assert (record.line, record.function, Path(record.file)) == (
        here,
        test_a_read_of_all_companies_is_recorded_and_returns_what_it_did.__name__,
        Path(__file__),
    )
    assert (record.verb, record.tables, record.changes) == (
        "select",
        ["calls"],
        ["filters calls by company_id"],
    )
    assert (record.seen, record.compared, record.differed) == (1, 1, 1)
    assert record.told == "it returns 9 rows, with the guard 3"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (update(Call).values(note="x"), "it meets 9 rows, of which the tenant owns 3"),
        (delete(TagNote), "it meets 3 rows, of which the tenant owns 1"),
        (
            insert(Call).values(number_id=101, company_id="acme", seconds=1, country_code="DE"),
            "calls.number_id names a row that is not the tenant's",
        ),
        (select(func.count()).select_from(Call), "it returns as many rows, with other values"),
        (
            insert(Number).from_select(["company_id", "digits"], select(Number.company_id, Number.digits)),
            "its query returns 6 rows, with the guard 2",
        ),
        (select(Call).where(Call.company_id == "acme"), None),
        (select(Call).where(Call.id.in_([1, 2, 3])), None),
        (select(Call).where(tuple_(Call.id, Call.company_id).in_([(1, "acme")])), None),
    ],
)
def test_what_differs_is_told(engine: Engine, statement: Any, told: str | None) -> None:
    """A second execution tells how the result, or the rows that are met, would differ; it changes nothing."""
    with bind("acme"), engine.connect() as connection:
        connection.execute(statement)
    record = only(engine)
    assert (record.told, record.compared, record.differed) == (told, 1, int(told is not None))


@pytest.mark.parametrize(
    ("company", "ties", "kinds"),
    [("globex", False, ["tie"]), ("acme", False, [None]), ("globex", True, [])],
    ids=["of two", "of one", "meant"],
)
def test_a_bypass_that_ties_the_rows_of_two_tenants_is_recorded(
    engine: Engine, company: str, ties: bool, kinds: list[str | None]
) -> None:
    """As the guard would refuse it there too, unless the bypass says that it is meant."""
    with bypass(reason="a test", ties=ties), engine.connect() as connection:
        number = connection.scalar(select(Number.id).where(Number.company_id == "acme").limit(1))
        row = {"company_id": company, "number_id": number, "seconds": 1, "country_code": "DE"}
        connection.execute(insert(Call).values(row))
    assert [record.kind for record in observer_of(engine).records.all()] == kinds


@pytest.mark.parametrize(
    ("statement", "depends"),
    [
        (select(Call).with_for_update(), True),
        (insert(Number).values(company_id=select(Company.id).limit(1).scalar_subquery(), digits="1"), True),
        (insert(Call).values(company_id="acme", number_id=1, seconds=1, country_code="DE"), True),
        (insert(Number).values(company_id="acme", digits="1"), False),
    ],
)
def test_what_only_rows_can_tell_is_known_where_nothing_was_compared(
    tmp_path: Path, statement: Any, depends: bool
) -> None:
    """So that the report does not call a place alike of which nobody knows."""
    engine = memory_engine()
    create_schema(engine)
    seed(engine)
    guard(engine, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path, compare="never"))
    with bind("acme"), engine.connect() as connection:
        connection.execute(statement)
    record = only(engine)
    assert (record.depends, record.compared) == (depends, 0)


@pytest.mark.parametrize("is_bound", [True, False], ids=["reaches others", "unbound"])
def test_where_the_work_began_that_the_guard_changes_is_kept(engine: Engine, is_bound: bool) -> None:
    """Of all that comes to one line, as to a repository's, the first that is in danger is named."""

    def listed(company: str) -> None:
        with engine.connect() as connection:
            connection.execute(select(Call.id).where(Call.company_id == company))

    with bind("acme"):
        listed("acme")
    with bind("acme") if is_bound else contextlib.nullcontext():
        here = line() + 1
        listed("globex")
    record = only(engine)
    assert (record.differed, record.unbound) == (int(is_bound), int(not is_bound))
    assert f":{here} " in record.entry


def test_a_write_that_names_another_company_is_counted(engine: Engine) -> None:
    """The row is stored as it was given, and the record says that it named another tenant."""
    with bind("acme"), engine.connect() as connection:
        connection.execute(insert(Company).values(id="other", name="Other"))
        assert connection.scalar(select(func.count()).where(Company.id == "other")) == 1
    assert [record.foreign for record in observer_of(engine).records.all()] == [1, 0]


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (lambda c: c.execute(text("SELECT * FROM calls")), "raw_sql"),
        (lambda c: c.exec_driver_sql("SELECT * FROM calls"), "raw_sql"),
        (lambda c: c.execute(insert(Country).values(code="XX", name="X")), "shared_write"),
        (lambda c: c.connection, "raw_connection"),
        (lambda c: c.engine.raw_connection().close(), "raw_connection"),
    ],
)
def test_what_would_be_refused_is_recorded_with_its_reason(
    engine: Engine, run: Callable[[Connection], object], kind: str
) -> None:
    """The statement goes through, no sink hears of it, and the record says what it would be refused for."""
    sink = add_sink(MemorySink())
    with bind("acme"), engine.connect() as connection:
        run(connection)
    remove_sink(sink)
    record = only(engine)
    assert (record.kind, record.refused) == (kind, 1)
    assert sink.events == []


def test_where_nothing_is_bound_that_is_recorded(engine: Engine) -> None:
    """A read of a tenant's table needs a binding; one of a shared table, and what a bypass does, needs nothing."""
    with Session(engine) as session:
        session.scalars(select(Call)).all()
        session.scalars(select(Country)).all()
    with bypass(reason="a test"), Session(engine) as session:
        session.scalars(select(Call)).all()
    assert (only(engine).unbound, only(engine).seen) == (1, 1)


def test_a_tenant_of_another_type_counts_as_none(engine: Engine) -> None:
    """The guard would not let the database convert it."""
    with bind(7), Session(engine) as session:
        session.scalars(select(Call)).all()
    assert only(engine).unbound == 1


@pytest.mark.parametrize(
    ("between", "kinds"),
    [
        ((), {"tenant_switch"}),
        (("rollback",), {"tenant_switch"}),
        (("expunge_all",), {"tenant_switch"}),
        (("rollback", "expunge_all"), set()),
        (("close",), set()),
    ],
)
def test_a_session_that_is_used_under_two_tenants_is_recorded(
    engine: Engine, between: tuple[str, ...], kinds: set[str]
) -> None:
    """It goes on serving what it did; where the guard would let it, nothing is recorded."""
    with Session(engine) as session:
        for tenant in ("acme", "globex"):
            with bind(tenant):
                assert session.get(Call, 101) is not None
            for name in between:
                getattr(session, name)()
    assert {one.kind for one in observer_of(engine).records.all() if one.refused} == kinds


def test_two_sessions_on_one_connection_are_told_apart_or_not_judged(engine: Engine) -> None:
    """Two at once, each under its own tenant, are no session that serves two."""
    with engine.connect() as connection, Session(connection) as one, Session(connection) as other:
        for session, tenant in ((one, "acme"), (other, "globex"), (one, "acme")):
            with bind(tenant):
                session.scalars(select(Call.id)).all()
    assert only(engine).refused == 0


def test_an_error_of_the_observer_never_reaches_the_application(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, logged once or so, and the statement goes out."""
    logged: list[str] = []
    monkeypatch.setattr(observer.log, "warning", lambda message, **_: logged.append(message))

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(observer, "shape_of", fail)
    with bind("acme"), Session(engine) as session:
        for _ in range(5):
            assert len(session.scalars(select(Call)).all()) == 9
    assert observer_of(engine).records.failures == 5
    assert sum("failed" in message for message in logged) == 3


def test_records_are_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """More places than there is room for are counted and not kept."""
    monkeypatch.setattr(records, "MOST", 2)
    with bind("acme"), engine.connect() as connection:
        for n in range(4):
            connection.execute(select(Call.id, *([Call.note] * n)))
    found = observer_of(engine).records
    assert (len(found.all()), found.lost) == (2, 2)


def test_processes_are_read_together(engine: Engine, tmp_path: Path) -> None:
    """What two processes wrote of one place is one record; other files are named; git and values stay out."""
    with bind("acme"), Session(engine) as session:
        session.scalars(select(Call).where(Call.note == "secret")).all()
    directory = tmp_path / "observed"
    assert observer_of(engine).settle()
    (written,) = directory.glob("*.json")
    assert (directory / ".gitignore").read_text() == "*\n"
    assert "secret" not in written.read_text()
    (directory / "second.json").write_text(written.read_text())
    (directory / "broken.json").write_text("{")
    (directory / "old.json").write_text(json.dumps({"tenantguard_observed": 0, "records": []}))
    found = read(directory)
    assert [(one.seen, one.compared) for one in found.records] == [(2, 2)]
    assert (found.processes, sorted(found.unread)) == (2, ["broken.json", "old.json"])


@pytest.mark.parametrize("is_first", [True, False])
def test_the_work_that_is_in_danger_is_kept_whichever_process_met_it(is_first: bool) -> None:
    """Beside one where the same line was in none."""
    safe = Record("shop.py", 3, "calls", "shop.py:7 listed", "select", "SELECT", "one", seen=2)
    unsafe = replace(safe, entry="shop.py:9 exported", unbound=1)
    kept, other = (unsafe, safe) if is_first else (safe, unsafe)
    kept.add(other)
    assert (kept.entry, kept.unbound, kept.seen) == ("shop.py:9 exported", 1, 4)


def test_it_says_at_the_start_that_nothing_is_enforced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names the engine without its password, and what can be reached."""
    made = create_engine("postgresql+psycopg://me:secret@localhost/shop")
    with caplog.at_level(logging.WARNING, "tenantguard"):
        guard(made, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path))
    (said,) = [entry.getMessage() for entry in caplog.records]
    assert "ENFORCES NOTHING on postgresql+psycopg://me:***@localhost/shop" in said


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "watch"}, 'mode is "enforce" or "observe"'),
        ({"enforce": {"calls"}}, 'need mode="observe"'),
        ({"mode": "observe", "enforce": {"cals"}}, "enforce names 'cals'.* did you mean 'calls'"),
        ({"mode": "observe", "enforce": "calls"}, "is one string"),
    ],
)
def test_bad_modes_are_refused(options: dict[str, Any], match: str) -> None:
    """Each mistake gets a sentence at the start."""
    with pytest.raises(ConfigurationError, match=match):
        guard(memory_engine(), make_tenancy(), **options)


def test_an_engine_is_observed_once(engine: Engine) -> None:
    """A second guard() on it is refused, as on a guarded one."""
    with pytest.raises(ConfigurationError, match="already guarded"):
        guard(engine, make_tenancy())


def test_results_are_compared_beside_the_application(database: Database, tmp_path: Path) -> None:
    """On each database a connection of its own, which may only read, tells the difference."""
    made = database.create_engine()
    create_schema(made)
    seed(made)
    guard(made, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path))
    with bind("acme"), made.connect() as connection:
        connection.execute(select(Call))
        connection.execute(update(Call).values(note="x"))
    assert observer_of(made).settle()
    assert [record.told for record in observer_of(made).records.all()] == [
        "it returns 9 rows, with the guard 3",
        "it meets 9 rows, of which the tenant owns 3",
    ]
    assert observer_of(made).records.failures == 0
    with database.create_engine().connect() as plain:
        assert plain.scalar(select(func.count()).where(Call.note == "x")) == 0


def test_an_engine_that_is_disposed_of_leaves_no_connection_open(tmp_path: Path) -> None:
    """Nor does what the observer compared with; the engine serves on afterwards, and is observed."""
    made = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    create_schema(made)
    seed(made)
    guard(made, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path / "seen"))
    observer = observer_of(made)
    for _ in range(2):
        with bind("acme"), made.connect() as connection:
            connection.execute(select(Call))
        assert observer.settle()
        made.execution_options(some="option").dispose()
        assert (made.pool.checkedin(), observer.shadow.guarded.pool.checkedin()) == (0, 0)  # type: ignore[attr-defined]
    assert observer.records.failures == 0
    assert only(made).told == "it returns 9 rows, with the guard 3"


async def test_the_line_is_found_behind_an_asynchronous_session(tmp_path: Path) -> None:
    """The statement runs in a greenlet; the line is that of the coroutine which waits for it."""
    path = tmp_path / "shop.db"
    plain = create_engine(f"sqlite:///{path}")
    create_schema(plain)
    seed(plain)
    plain.dispose()
    made = create_async_engine(f"sqlite+aiosqlite:///{path}")
    guard(made, make_tenancy(), mode="observe", observing=Observing(directory=tmp_path, compare="never"))
    with bind("acme"):
        async with AsyncSession(made) as session:
            here, _ = line(), await session.scalars(select(Call))
    await made.dispose()
    assert (only(made.sync_engine).line, only(made.sync_engine).file) == (here, __file__)


@pytest.mark.parametrize("every", [False, True], ids=["of the engine", "of every engine"])
def test_listeners_hear_no_second_execution(engine: Engine, every: bool) -> None:
    """What the observer executes passes no listener of the application's, nor the plugin that watches tests."""
    heard: list[str] = []

    def hear(*args: Any) -> None:
        heard.append(args[2])

    target = Engine if every else engine
    event.listen(target, "before_cursor_execute", hear)
    try:
        with bind("acme"), engine.connect() as connection:
            connection.execute(select(Call.id))
    finally:
        event.remove(target, "before_cursor_execute", hear)
    assert heard == ["SELECT calls.id \nFROM calls"]
    assert only(engine).compared == 1
