"""The measured operations, written as an application would write them.

Each case has a *plain* form, in which nothing mentions a company, and a *filtered* form, in which the
programmer wrote the condition by hand. The statement is built anew at each call, in both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.orm import Session, contains_eager, selectinload

from benchmarks.micro.models import CALLS, NUMBERS, Models

BULK = 10_000  # rows
Needs = Literal["session", "connection", "nothing"]


@dataclass
class Scene:
    """Give an operation what it works on.

    Attributes:
        models: the mapped classes of the way of isolating.
        open_session: opens a session in which the tenant is in force, as one request would.
        session: a session that is open already; for the cases that need one.
        connection: the same for Core.
        keys: primary keys of the tenant's calls, without end.
        kept: what an operation wants to keep alive.
    """

    models: Models
    open_session: Callable[[], AbstractContextManager[Session]]
    session: Session = None  # type: ignore[assignment]  # set where the case needs it
    connection: Connection = None  # type: ignore[assignment]  # the same
    keys: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(1, CALLS + 1)))
    kept: Any = None


Operation = Callable[[Scene], object]


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: how the results call it.
        title: what it does, for people.
        needs: what is opened before the clock starts.
        plain: the operation as written for a single company.
        filtered: the operation with the condition written by hand; ``None`` where SQLAlchemy has no place
            for one.
        prepare: what happens once before the clock starts.
    """

    name: str
    title: str
    needs: Needs
    plain: Operation
    filtered: Operation | None
    prepare: Operation | None = None

    @property
    def is_filtered(self) -> bool:
        """Tell whether a filter by hand makes another statement of it."""
        return self.filtered is not None and self.filtered is not self.plain


def by_key(scene: Scene) -> object:
    """Select one object."""
    Call = scene.models.Call
    return scene.session.scalars(select(Call).where(Call.id == next(scene.keys))).one()


def by_key_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    company = getattr(Call, models.column)
    return scene.session.scalars(
        select(Call).where(Call.id == next(scene.keys), company == models.tenants[0])
    ).one()


def list_100(scene: Scene) -> object:
    """Select a hundred objects."""
    Call = scene.models.Call
    query = select(Call).where(Call.status == "answered").order_by(Call.id).limit(100)
    return scene.session.scalars(query).all()


def list_100_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    company = getattr(Call, models.column)
    query = select(Call).where(Call.status == "answered", company == models.tenants[0])
    return scene.session.scalars(query.order_by(Call.id).limit(100)).all()


def join_eager(scene: Scene) -> object:
    """Select twenty objects with the parent they belong to, in one statement."""
    Call, Number = scene.models.Call, scene.models.Number
    query = select(Call).join(Call.number).options(contains_eager(Call.number))
    return scene.session.scalars(
        query.where(Number.id == next(scene.keys) % NUMBERS + 1).order_by(Call.id).limit(20)
    ).all()


def join_eager_filtered(scene: Scene) -> object:
    """The same, filtered by hand on the table that leads."""
    models, Call, Number = scene.models, scene.models.Call, scene.models.Number
    company = getattr(Call, models.column)
    query = select(Call).join(Call.number).options(contains_eager(Call.number))
    wanted = query.where(Number.id == next(scene.keys) % NUMBERS + 1, company == models.tenants[0])
    return scene.session.scalars(wanted.order_by(Call.id).limit(20)).all()


def select_in(scene: Scene) -> object:
    """Select twenty objects and, in a second statement, their children without a tenant column."""
    Call = scene.models.Call
    query = select(Call).options(selectinload(Call.tags)).where(Call.id > next(scene.keys) % (CALLS - 20))
    return scene.session.scalars(query.order_by(Call.id).limit(20)).all()


def select_in_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    company = getattr(Call, models.column)
    query = select(Call).options(selectinload(Call.tags))
    wanted = query.where(Call.id > next(scene.keys) % (CALLS - 20), company == models.tenants[0])
    return scene.session.scalars(wanted.order_by(Call.id).limit(20)).all()


def core_select(scene: Scene) -> object:
    """Select one row with Core."""
    calls = scene.models.Call.__table__.c
    query = select(calls.id, calls.caller, calls.seconds).where(calls.id == next(scene.keys))
    return scene.connection.execute(query).one()


def core_select_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, calls = scene.models, scene.models.Call.__table__.c
    query = select(calls.id, calls.caller, calls.seconds)
    wanted = query.where(calls.id == next(scene.keys), calls[models.column] == models.tenants[0])
    return scene.connection.execute(wanted).one()


def raw(scene: Scene) -> object:
    """Select one row in SQL written by hand."""
    query = text("SELECT id, caller, seconds FROM calls WHERE id = :key")
    return scene.connection.execute(query, {"key": next(scene.keys)}).one()


def raw_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    column, tenant = scene.models.column, scene.models.tenants[0]
    query = text(f"SELECT id, caller, seconds FROM calls WHERE id = :key AND {column} = :tenant")
    return scene.connection.execute(query, {"key": next(scene.keys), "tenant": tenant}).one()


def add(scene: Scene) -> object:
    """Add one object and flush; the programmer names the company."""
    models = scene.models
    call = models.Call(
        number_id=1, caller="+491", status="missed", seconds=0, **{models.column: models.tenants[0]}
    )
    scene.session.add(call)
    scene.session.flush()
    return call


def add_stamped(scene: Scene) -> object:
    """Add one object and flush; the company is filled in."""
    call = scene.models.Call(number_id=1, caller="+491", status="missed", seconds=0)
    scene.session.add(call)
    scene.session.flush()
    return call


def bulk_insert(scene: Scene) -> object:
    """Insert 10,000 rows; the programmer names the company."""
    column, tenant = scene.models.column, scene.models.tenants[0]
    rows = [
        {"number_id": 1, "caller": "+491", "status": "missed", "seconds": i, column: tenant}
        for i in range(BULK)
    ]
    return scene.session.execute(insert(scene.models.Call), rows)


def bulk_insert_stamped(scene: Scene) -> object:
    """Insert 10,000 rows; the company is filled in."""
    rows = [{"number_id": 1, "caller": "+491", "status": "missed", "seconds": i} for i in range(BULK)]
    return scene.session.execute(insert(scene.models.Call), rows)


def bulk_update(scene: Scene) -> object:
    """Update what a condition names."""
    Call = scene.models.Call
    key = next(scene.keys)
    return scene.session.execute(update(Call).where(Call.id == key).values(seconds=key))


def bulk_update_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    key = next(scene.keys)
    mine = update(Call).where(Call.id == key, getattr(Call, models.column) == models.tenants[0])
    return scene.session.execute(mine.values(seconds=key))


def bulk_update_by_key(scene: Scene) -> object:
    """Update a hundred rows by their primary keys, in one call."""
    rows = [{"id": next(scene.keys), "seconds": 1} for _ in range(100)]
    return scene.session.execute(update(scene.models.Call), rows)


def unit_of_work(scene: Scene) -> object:
    """Load an object, change it, flush."""
    Call = scene.models.Call
    call = scene.session.scalars(select(Call).where(Call.id == next(scene.keys))).one()
    call.seconds += 1
    scene.session.flush()
    return call


def unit_of_work_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    company = getattr(Call, models.column)
    query = select(Call).where(Call.id == next(scene.keys), company == models.tenants[0])
    call = scene.session.scalars(query).one()
    call.seconds += 1
    scene.session.flush()
    return call


def keep_one(scene: Scene) -> object:
    """Keep one object alive, so that the session finds it."""
    scene.kept = scene.session.get(scene.models.Call, 1)
    return scene.kept


def get_hit(scene: Scene) -> object:
    """Ask the session for an object that it holds."""
    return scene.session.get(scene.models.Call, 1)


def get_hit_filtered(scene: Scene) -> object:
    """The same, checked by hand."""
    call = scene.session.get(scene.models.Call, 1)
    if call is None or getattr(call, scene.models.column) != scene.models.tenants[0]:
        raise LookupError("there is no such call")
    return call


def one_request(scene: Scene) -> object:
    """Open a session, select one object, commit, close: what a small request costs."""
    Call = scene.models.Call
    with scene.open_session() as session:
        seconds = session.scalars(select(Call).where(Call.id == next(scene.keys))).one().seconds
        session.commit()
    return seconds


def one_request_filtered(scene: Scene) -> object:
    """The same, filtered by hand."""
    models, Call = scene.models, scene.models.Call
    company = getattr(Call, models.column)
    with scene.open_session() as session:
        query = select(Call).where(Call.id == next(scene.keys), company == models.tenants[0])
        seconds = session.scalars(query).one().seconds
        session.commit()
    return seconds


CASES = {
    case.name: case
    for case in (
        Case("orm_by_key", "ORM select by key", "session", by_key, by_key_filtered),
        Case("orm_list_100", "ORM list of 100", "session", list_100, list_100_filtered),
        Case("orm_join_eager", "ORM join, eager load", "session", join_eager, join_eager_filtered),
        Case("orm_select_in", "ORM list with children", "session", select_in, select_in_filtered),
        Case("core_select", "Core select by key", "connection", core_select, core_select_filtered),
        Case("raw_select", "SQL text, by key", "connection", raw, raw_filtered),
        Case("insert", "insert one object", "session", add, add),
        Case("bulk_insert", "bulk insert of 10,000", "session", bulk_insert, bulk_insert),
        Case("bulk_update", "update where", "session", bulk_update, bulk_update_filtered),
        Case("bulk_update_by_key", "update 100 by key", "session", bulk_update_by_key, None),
        Case("unit_of_work", "load, change, flush", "session", unit_of_work, unit_of_work_filtered),
        Case("get_hit", "session.get, held object", "session", get_hit, get_hit_filtered, keep_one),
        Case("one_request", "session, select, commit", "nothing", one_request, one_request_filtered),
    )
}
# What the user of a package that fills the company in writes instead.
STAMPED: dict[str, Operation] = {"insert": add_stamped, "bulk_insert": bulk_insert_stamped}
# First compilation is a property of a statement; these cover one of each kind.
COLD = ("orm_by_key", "orm_list_100", "orm_join_eager", "core_select", "raw_select", "bulk_update", "insert")
