"""Rows that another company asked for are refused to a reader, and none of them is lost to who asked."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantguard import Tenancy, TenantSwitchError, bind, guard


class Base(DeclarativeBase):
    """The base of these models."""


class Call(Base):
    """An owned row."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str]


ALL = list(range(1, 21))
BY_PART: dict[str, Callable[[Any], Iterator[Any]]] = {
    "partitions": lambda result: result.partitions(3),
    "scalars": lambda result: result.scalars().partitions(3),
    "mappings": lambda result: result.mappings().partitions(3),
    "yield_per": lambda result: result.yield_per(4).partitions(),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "at once": {},
    "in chunks": {"yield_per": 5},
    "streamed": {"stream_results": True, "max_row_buffer": 4},
}


def _refused(read: Callable[[], Any]) -> None:
    def run() -> None:
        with bind("globex"), pytest.raises(TenantSwitchError):
            read()

    contextvars.copy_context().run(run)


def _ids(rows: Any) -> list[int]:
    """Return the keys of rows, mappings, objects and plain values."""
    plain = [row if isinstance(row, int | Call) else _first(row) for row in rows]
    return [one if isinstance(one, int) else one.id for one in plain]


def _first(row: Any) -> Any:
    return next(iter(getattr(row, "_mapping", row).values()))


@pytest.fixture(params=["core", "objects", "columns"])
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return what asks for twenty rows: on a connection, or in a session for objects or columns."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        connection.execute(insert(Call), [{"id": at, "company_id": "acme"} for at in ALL])
    guard(engine, Tenancy(Base.metadata, column="company_id"))
    statement = select(Call if request.param == "objects" else Call.id).order_by(Call.id)
    with bind("acme"), engine.connect() as connection:
        if request.param == "core":
            yield lambda options: connection.execute(statement, execution_options=options)
        else:
            with Session(connection) as session:
                yield lambda options: session.execute(statement, execution_options=options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("way", ["rows", "scalars", "mappings", "unique"])
def test_an_iteration_goes_on_after_a_refused_reader(
    ask: Callable[..., Any], way: str, options: dict[str, Any]
) -> None:
    """An exception ends a generator, which would look like the end of the rows to its owner."""
    if way == "unique" and "yield_per" in options:
        options = {}
    result = ask(options)
    read = iter(result if way == "rows" else getattr(result, way)())
    first = next(read)
    _refused(lambda: next(read))
    _refused(lambda: next(read))
    assert _ids([first, *read]) == ALL


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("way", BY_PART)
def test_parts_go_on_after_a_refused_reader(
    ask: Callable[..., Any], way: str, options: dict[str, Any]
) -> None:
    """The same for rows that are taken several at a time."""
    parts = BY_PART[way](ask(options))
    found = list(next(parts))
    _refused(lambda: next(parts))
    for part in parts:
        found += part
    assert _ids(found) == ALL


def test_an_error_of_its_own_ends_an_iteration(ask: Callable[..., Any]) -> None:
    """Only a refusal begins the rows anew."""
    rows = iter(ask({}))
    next(rows)
    assert len(list(rows)) == 19
    assert list(rows) == []
