"""The statements of the call centre, as they would be written for a single company."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Date, Executable, Select, case, func, select
from sqlalchemy.orm import joinedload, selectinload

from examples.fastapi_app.models import Call, CallTag, Country, Number, User
from examples.fastapi_app.schemas import CallFilter

Rows = Executable  # of several columns


def filtered(wanted: CallFilter) -> Select[Call]:
    """Select the calls that a filter is about."""
    query = select(Call)
    for column in (Call.status, Call.direction, Call.number_id, Call.agent_id):
        value = getattr(wanted, column.key)
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(Call.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Call.started_at < wanted.until)
    if wanted.tag is not None:
        query = query.where(Call.tags.any(CallTag.tag == wanted.tag))
    return query


def counted(query: Select[Call]) -> Select[int]:
    """Count what a query selects."""
    return select(func.count()).select_from(query.subquery())


def newest_first(query: Select[Call]) -> Select[Call]:
    """Order calls as people read them."""
    return query.order_by(Call.started_at.desc(), Call.id.desc())


def with_relations(query: Select[Call]) -> Select[Call]:
    """Load what a list shows beside each call."""
    return query.options(joinedload(Call.number), joinedload(Call.agent), selectinload(Call.tags))


def in_detail(call_id: int) -> Select[Call]:
    """Select one call with everything that belongs to it."""
    return with_relations(select(Call).where(Call.id == call_id)).options(selectinload(Call.comments))


def calls_after(last_id: int) -> Select[Call]:
    """Select the calls that came since one was seen, oldest first."""
    return with_relations(select(Call).where(Call.id > last_id)).order_by(Call.id)


def last_call_id() -> Select[int | None]:
    """Select the id of the latest call."""
    return select(func.max(Call.id))


def for_export(wanted: CallFilter) -> Rows:
    """Select the columns of the export."""
    query = newest_first(filtered(wanted)).join(Call.number).join(Call.agent, isouter=True)
    return query.with_only_columns(
        Call.id,
        Call.started_at,
        Call.direction,
        Call.status,
        Call.caller,
        Number.number,
        User.name,
        Call.seconds,
    )


def by_agent() -> Rows:
    """Sum up the answered calls of each agent, busiest first."""
    calls = func.count(Call.id)
    return (
        select(User.name, calls.label("calls"), (func.sum(Call.seconds) / 60.0).label("minutes"))
        .join(Call, Call.agent_id == User.id)
        .where(Call.status == "answered")
        .group_by(User.id, User.name)
        .order_by(calls.desc(), User.name)
    )


def by_number() -> Rows:
    """Sum up each number, those that never rang included."""
    return (
        select(
            Number.number,
            Number.label,
            Country.name.label("country"),
            func.count(Call.id).label("calls"),
            _missed().label("missed"),
        )
        .join(Country, Country.code == Number.country_code)
        .join(Call, Call.number_id == Number.id, isouter=True)
        .group_by(Number.id, Number.number, Number.label, Country.name)
        .order_by(Number.number)
    )


def by_day() -> Rows:
    """Sum up each day, latest first."""
    day = func.date(Call.started_at, type_=Date)
    return (
        select(
            day.label("day"),
            func.count().label("calls"),
            _missed().label("missed"),
            func.max(Call.seconds).label("longest"),
        )
        .group_by(day)
        .order_by(day.desc())
    )


def _missed() -> Any:
    return func.coalesce(func.sum(case((Call.status == "missed", 1), else_=0)), 0)


def already_tagged(call_ids: list[int], tag: str) -> Select[int]:
    """Select those of the calls that already carry a word."""
    return select(CallTag.call_id).where(CallTag.call_id.in_(call_ids), CallTag.tag == tag)
