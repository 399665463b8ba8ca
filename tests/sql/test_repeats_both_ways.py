"""A known text is sent again as if it had gone the long way: what comes back, what is sent and what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, String, Table, event, select

from tenantguard import Guard, Principal, Tenancy, bind, bypass, guard
from tenantguard.audit import MemorySink
from tenantguard.binding import put_mode
from tenantguard.principal import Actor
from tenantguard.sql import install
from tenantguard.sql.execute import direct_text
from tenantguard.sql.servers.catalogue import Catalogue
from tenantguard.sql.text.texts import Kept
from tests.sql.world import memory_engine

PLACED = "SELECT id, company_id FROM calls WHERE id > ?"
NAMED = "SELECT id, company_id FROM calls WHERE id > :id"
MIDDLE = "SELECT id, company_id FROM calls WHERE id > ? ORDER BY id LIMIT ?"
ALL = "SELECT count(*) FROM calls"
KNOWN: list[tuple[str, Any]] = [(PLACED, (0,)), (NAMED, {"id": 0}), (MIDDLE, (0, 9)), (ALL, None)]


@dataclass
class Sides:
    """Hold one engine, what its driver was sent, and the answers."""

    engine: Engine
    metadata: MetaData
    sent: list[str]
    answers: list[Any]

    def ask(self, connection: Connection, *texts: tuple[str, Any], **options: Any) -> None:
        """Send texts, the known ones if none are named, and keep the rows, or the error."""
        for text, given in texts or KNOWN:
            self.keep(_rows, connection, text, given, options)

    def keep(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Keep what something gives, or its error: whatever it is, it is the same both ways."""
        try:
            self.answers.append(act(*arguments))
        except Exception as error:
            self.answers.append((type(error).__name__, str(error)))


def _rows(connection: Connection, text: str, given: Any, options: Any) -> list[Any]:
    return [tuple(row) for row in connection.exec_driver_sql(text, given, execution_options=options).all()]


def _sides(short: bool, monkeypatch: pytest.MonkeyPatch) -> Sides:
    monkeypatch.setattr(install, "SHORTCUTS", short)
    metadata = MetaData()
    key, company = Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False)
    calls = Table("calls", metadata, key, company)
    on = Column("call_id", Integer, ForeignKey("calls.id"), primary_key=True)
    tags = Table("tags", metadata, on)
    engine, seen = memory_engine(), list[str]()
    metadata.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        rows = [{"id": at, "company_id": "acme" if at % 3 else "globex"} for at in range(1, 7)]
        connection.execute(calls.insert(), rows)
        connection.execute(tags.insert(), [{"call_id": 1}])
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    guard(engine, Tenancy(metadata, column="company_id", through={"tags": "call_id"}), raw_sql="rewrite")
    sides = Sides(engine, metadata, seen, [])
    with bind("acme"), engine.connect() as connection:
        sides.ask(connection)
        sides.ask(connection)
    driver.set_trace_callback(seen.append)
    return sides


def other_tenants(sides: Sides) -> None:
    """Others, several, a number, nobody, and a bypass, on one connection and on others."""
    for who in ("acme", "globex", ["acme", "globex"], "nobody", 1):
        with sides.engine.connect() as connection, bind(who):
            sides.ask(connection)
            with bind("acme"):
                sides.ask(connection)
            with bypass(reason="all"):
                sides.ask(connection)
            sides.ask(connection)
    with sides.engine.connect() as connection:
        sides.ask(connection)


def bindings_that_are_over(sides: Sides) -> None:
    """A binding that was closed in its place serves nothing, nor one whose actor has no time left."""
    acting = Actor("sam", reason="ticket", until=2e10)
    with sides.engine.connect() as connection:
        with bind(Principal("ada", "acme", actor=acting)):
            sides.ask(connection)
            object.__setattr__(acting, "until", 1.0)
            sides.ask(connection)
        with bind("acme") as binding:
            put_mode(binding, "closed")  # as the end of its request does
            sides.ask(connection)


def other_parameters(sides: Sides) -> None:
    """Too many, too few, of another kind, by names that are ours, of other types, and many at once."""
    given: list[Any] = [
        (0, "globex"), (), None, [0], ["globex"], {"id": 0}, {}, ("0",), (None,), (b"0",), (0.5,), [(0,), (1,)],
        {"id": 0, "tenantguard": "globex"}, {"id": 0, "TENANTGUARD": "globex"}, {"id": 0, "more": 1}, {"ID": 0},
        [{"id": 0}, {"id": 1}], (0, 1), (0, 1, "globex"),
    ]  # fmt: skip
    with bind("acme"), sides.engine.connect() as connection:
        for text, _ in KNOWN:
            sides.ask(connection, *[(text, one) for one in given])


def connections_of_other_kinds(sides: Sides) -> None:
    """One that was made by hand, one that streams, one in AUTOCOMMIT, one in a savepoint."""
    with bind("acme"):
        with Connection(sides.engine) as by_hand:
            sides.ask(by_hand)
        for options in ({"stream_results": True}, {"isolation_level": "AUTOCOMMIT"}, {"no_parameters": True}):
            with sides.engine.connect().execution_options(**options) as connection:
                sides.ask(connection)
        with sides.engine.connect() as connection, connection.begin_nested():
            sides.ask(connection)
            sides.ask(connection, stream_results=True)


def listeners(sides: Sides) -> None:
    """Whoever listens may add a comment, and nothing else, in whatever way."""

    def commenting(_connection: Any, _cursor: Any, text: str, given: Any, *_rest: Any) -> Any:
        return f"{text} /* traced */", given

    def rewriting(_connection: Any, _cursor: Any, _text: str, _given: Any, *_rest: Any) -> Any:
        return "SELECT id, company_id FROM calls", ()

    def exchanging(_connection: Any, _cursor: Any, text: str, given: Any, context: Any, _many: bool) -> Any:
        if isinstance(given, dict):
            for name in given:
                given[name] = "globex"
        else:
            given = tuple("globex" for _ in given)
        return text, given

    def assigning(_connection: Any, _cursor: Any, _text: str, _given: Any, context: Any, _many: bool) -> Any:
        context.statement, context.parameters = "SELECT id, company_id FROM calls", [()]
        return context.statement, context.parameters[0]

    with bind("acme"), sides.engine.connect() as connection:
        for listener in (commenting, rewriting, exchanging, assigning):
            for target in (sides.engine, connection):
                event.listen(target, "before_cursor_execute", listener, retval=True)
                sides.ask(connection)
                event.remove(target, "before_cursor_execute", listener)
            sides.ask(connection)


def definitions(sides: Sides) -> None:
    """What is known is forgotten with the tables it was read for, and asked anew with another catalogue."""
    with sides.engine.connect() as connection:
        with bypass(reason="a migration"):
            connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN note TEXT")
        with bind("acme"):
            sides.ask(connection)
        sides.metadata.tables["calls"].append_column(Column("note", String))
        Table("later", sides.metadata, Column("company_id", String, primary_key=True))
        with bind("acme"):
            sides.ask(connection)
            sides.ask(connection)
            Guard.of(sides.engine).sent = Kept()
            sides.ask(connection)
            sides.ask(connection)
        with bypass(reason="a migration"):
            connection.exec_driver_sql("DROP TABLE calls")
        with bind("acme"):
            sides.ask(connection)


def other_answers_of_the_server(sides: Sides) -> None:
    """A text is asked for again when there is another catalogue, and told of where row security is told."""
    installed = Guard.of(sides.engine)
    installed.catalogue = Catalogue({"function": frozenset({"count"})})
    with bind("acme"), sides.engine.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct_text, "_verify_calls", lambda *_: sides.answers.append("asked again"))
        sides.ask(connection)
    installed.catalogue, installed.tells = None, True
    with bind("acme"), sides.engine.connect() as connection:
        sides.ask(connection)


def contexts_of_somebody_elses(sides: Sides) -> None:
    """A class that was derived from the guarded context sees every statement."""
    dialect: Any = sides.engine.dialect

    class Own(dialect.execution_ctx_cls):  # type: ignore[misc]  # the engine's
        def create_cursor(self) -> Any:
            sides.answers.append("seen")
            return super().create_cursor()

    type(dialect).execution_ctx_cls = Own
    with bind("acme"), sides.engine.connect() as connection:
        sides.ask(connection)


def writes(sides: Sides) -> None:
    """The values of a text that writes are verified each time, and what it leaves behind before the commit."""
    moved, gone = "UPDATE calls SET company_id = ? WHERE id = ?", "DELETE FROM calls WHERE id = ?"
    with bind("acme"), sides.engine.connect() as connection:
        for company, key in (("acme", 2), ("acme", 2), ("globex", 2), ("acme", 3)):
            sides.ask(connection, (moved, (company, key)))
        for key in (5, 3, 1):
            sides.ask(connection, (gone, (key,)))
            sides.keep(connection.commit)


def leftovers(sides: Sides) -> None:
    """A table that a bypass has left on the connection hides the one that the text was read for."""
    with sides.engine.connect() as connection:
        with bypass(reason="a report"):
            connection.exec_driver_sql(
                "CREATE TEMP TABLE calls AS SELECT id, 'acme' AS company_id FROM main.calls"
            )
        with bind("acme"):
            sides.ask(connection)


def orphans(sides: Sides) -> None:
    """A tenant whose text comes after another's DELETE is told of the rows that have lost their parent."""
    calls = sides.metadata.tables["calls"]
    with sides.engine.connect() as connection:
        with bind("acme"):
            connection.execute(calls.delete().where(calls.c.id == 1))
            sides.ask(connection)
        with bind("globex"):
            sides.ask(connection)


def beside_other_statements(sides: Sides) -> None:
    """Between statements of SQLAlchemy's, and read in part when the next tenant is bound."""
    calls = sides.metadata.tables["calls"]
    with sides.engine.connect() as connection:
        with bind("acme"):
            connection.execute(select(calls)).all()
            sides.ask(connection)
            half = connection.exec_driver_sql(PLACED, (0,))
            half.fetchone()
        with bind("globex"):
            sides.ask(connection)
            for fetch in (half.fetchone, half.fetchmany, half.all):
                sides.keep(fetch)
        with bind("acme"):
            sides.answers.append([tuple(row) for row in half])


@pytest.mark.parametrize(
    "attack",
    [
        other_tenants, bindings_that_are_over, other_parameters, connections_of_other_kinds, listeners,
        definitions, other_answers_of_the_server, contexts_of_somebody_elses, writes, leftovers, orphans,
        beside_other_statements,
    ],
    ids=lambda attack: attack.__name__,
)  # fmt: skip
def test_both_ways_are_one(
    attack: Callable[[Sides], None], monkeypatch: pytest.MonkeyPatch, record: MemorySink
) -> None:
    """Whatever is done around a known text."""
    seen = []
    for short in (True, False):
        sides = _sides(short, monkeypatch)
        record.events.clear()
        attack(sides)
        events = [replace(one, time=datetime.min.replace(tzinfo=UTC)) for one in record.events]
        seen.append((sides.answers, sides.sent, events))
        sides.engine.dispose()
    assert seen[0] == seen[1]


@contextmanager
def _counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the texts that go the long way."""
    seen: list[str] = []
    base: Any = engine.dialect.execution_ctx_cls.__base__
    original = base.create_cursor

    def create_cursor(self: Any) -> Any:
        seen.append(self.statement)
        return original(self)

    monkeypatch.setattr(base, "create_cursor", create_cursor)
    yield seen


def test_a_known_text_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """On another connection, for another tenant; otherwise the comparisons would prove nothing."""
    sides = _sides(True, monkeypatch)
    # who once listened to every engine, as a test elsewhere may have, is remembered by their class for ever
    monkeypatch.setattr(sides.engine, "_has_events", False)
    with _counted(sides.engine, monkeypatch) as long:
        for who in ("acme", "globex"):
            with bind(who), sides.engine.connect() as connection:
                sides.ask(connection)
        assert long == []
        with bind(["acme", "globex"]), sides.engine.connect() as connection:
            sides.ask(connection)
        assert long == [text for text, _ in KNOWN]
    sides.engine.dispose()
