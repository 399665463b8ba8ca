"""The shortcuts change nothing but the speed: each form of statement goes both ways, and what is seen is equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy

from tenantguard import bind, bypass
from tenantguard.audit import MemorySink
from tenantguard.sql import install
from tests.servers import Backend, Database
from tests.sql.forms.table import GROUPS
from tests.sql.forms.world import Worlds, everybody, hands_on, outcome

LINE = ".".join(sqlalchemy.__version__.split(".")[:2])
FORMS = [
    pytest.param(form, id=form.name)
    for group in GROUPS
    for form in group.forms
    if "sqlite" in form.on and LINE in form.lines
]


@dataclass(frozen=True)
class Seen:
    """What can be seen of one way: what came back, every statement that the driver got, the events, and all rows."""

    answers: list[Any]
    sent: list[str]
    events: list[Any]
    rows: dict[str, Any]


@pytest.fixture(scope="module")
def both(make_database: Callable[[Backend, str], Database]) -> Iterator[tuple[Worlds, Worlds]]:
    """Give a world with the shortcuts, and one in which they were left out."""
    short = Worlds.make(make_database, "sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(install, "SHORTCUTS", False)
        long = Worlds.make(lambda kind, name: make_database(kind, f"{name}_long"), "sqlite")
    yield short, long
    for world in (short, long):
        world.guarded.dispose()
        world.own.dispose()


def test_one_world_has_no_shortcuts(both: tuple[Worlds, Worlds]) -> None:
    """Otherwise the comparisons would prove nothing."""
    contexts = [world.guarded.dialect.execution_ctx_cls.__mro__ for world in both]
    assert len(contexts[0]) == len(contexts[1]) + 1


@pytest.mark.parametrize("form", FORMS)
def test_both_ways_are_one(both: tuple[Worlds, Worlds], form: Any, record: MemorySink) -> None:
    """The form, and what reaches by it for another tenant's row, three times over: new, known, and under a set."""
    short, long = [_seen(world, form, record) for world in both]
    assert short == long


def _seen(world: Worlds, form: Any, record: MemorySink) -> Seen:
    record.events.clear()
    answers = []
    with hands_on(world.guarded, {}, "sqlite") as hands, _sent(hands.connection) as sent:
        for who in ("acme", "acme", ["acme", "globex"], "globex"):
            for run in (form.run, *form.attacks):
                with bind(who):
                    answers.append(_answer(run, hands))
        hands.close()
        rows = everybody(hands.connection)
    events = [replace(one, time=datetime.min.replace(tzinfo=UTC)) for one in record.events]
    return Seen(answers, [_unnumbered(one) for one in sent], events, rows)


def _answer(run: Any, hands: Any) -> Any:
    try:
        return _unnumbered(repr(outcome(run, hands)))
    except Exception as error:  # whatever it is, it is the same both ways
        return type(error).__name__, _unnumbered(str(error))


def _unnumbered(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+|_[0-9]{6,}", "_", text)


@contextmanager
def _sent(connection: Any) -> Iterator[list[str]]:
    """Collect what SQLite executes: a listener of SQLAlchemy's would make the guard go the long way."""
    seen: list[str] = []
    with bypass(reason="to listen to the driver"):
        driver = connection.connection.driver_connection
    driver.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        driver.set_trace_callback(None)
