"""The endpoints; none of them mentions a company, a token or a permission."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.fastapi_app import queries
from examples.fastapi_app.models import Call, CallTag, Comment, Company, Country, Number
from examples.fastapi_app.schemas import (
    AgentStatistics,
    BulkTag,
    BulkTagged,
    CallChange,
    CallDetail,
    CallFilter,
    CallIn,
    CallOut,
    CallPage,
    CommentIn,
    CommentOut,
    CompanyOut,
    CountryOut,
    DayStatistics,
    NumberOut,
    NumberStatistics,
    PagedFilter,
)

LONG_CALL = 900  # seconds
_COLUMNS = ("id", "started_at", "direction", "status", "caller", "number", "agent", "seconds")

router = APIRouter()


def get_sessions(request: Request) -> async_sessionmaker[AsyncSession]:
    """Return the factory of sessions."""
    sessions: async_sessionmaker[AsyncSession] = request.app.state.sessions
    return sessions


Sessions = Annotated[async_sessionmaker[AsyncSession], Depends(get_sessions)]


async def get_session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Give the request a session of its own."""
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(get_session)]


@router.get("/health", tags=["service"])
async def health() -> dict[str, str]:
    """Tell that the service is up."""
    return {"status": "ok"}


@router.get("/company", tags=["company"], response_model=CompanyOut)
async def company(session: Database) -> Company:
    """Return the company; there is only one."""
    return (await session.scalars(select(Company))).one()


@router.get("/countries", tags=["company"], response_model=list[CountryOut])
async def countries(session: Database) -> Any:
    """List the countries."""
    return (await session.scalars(select(Country).order_by(Country.name))).all()


@router.get("/numbers", tags=["company"], response_model=list[NumberOut])
async def numbers(session: Database) -> Any:
    """List the telephone numbers."""
    return (await session.scalars(select(Number).order_by(Number.number))).all()


@router.get("/calls", tags=["calls"], response_model=CallPage)
async def list_calls(wanted: Annotated[PagedFilter, Query()], session: Database) -> Any:
    """List calls, newest first, a page at a time."""
    query = queries.filtered(wanted)
    total = await session.scalar(queries.counted(query))
    page = queries.newest_first(query).limit(wanted.size).offset((wanted.page - 1) * wanted.size)
    calls = (await session.scalars(queries.with_relations(page))).all()
    return {"total": total, "page": wanted.page, "size": wanted.size, "calls": calls}


@router.get("/calls/{call_id}", tags=["calls"], response_model=CallDetail)
async def read_call(call_id: int, session: Database) -> Call:
    """Return one call with its comments."""
    return await _found(session, call_id)


@router.post("/calls", tags=["calls"], status_code=201, response_model=CallOut)
async def create_call(
    given: CallIn, request: Request, session: Database, sessions: Sessions, later: BackgroundTasks
) -> Call:
    """Record a call; it is tagged in the background and shown to whoever watches."""
    call = Call(**given.model_dump())
    session.add(call)
    await session.commit()
    later.add_task(tag_automatically, sessions, call.id)
    request.app.state.live.announce()
    return await _found(session, call.id)


@router.patch("/calls/{call_id}", tags=["calls"], response_model=CallDetail)
async def change_call(call_id: int, change: CallChange, session: Database) -> Call:
    """Change what is known about a call."""
    call = await _found(session, call_id)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(call, name, value)
    await session.commit()
    return await _found(session, call_id)


@router.post("/calls/tags", tags=["calls"], response_model=BulkTagged)
async def tag_calls(given: BulkTag, session: Database) -> BulkTagged:
    """Put a word on many calls at once."""
    tagged = set(await session.scalars(queries.already_tagged(given.call_ids, given.tag)))
    rows = [{"call_id": number, "tag": given.tag} for number in sorted(set(given.call_ids) - tagged)]
    if rows:
        await session.execute(insert(CallTag), rows)
        await session.commit()
    return BulkTagged(tagged=len(rows))


@router.post("/calls/{call_id}/comments", tags=["calls"], status_code=201, response_model=CommentOut)
async def comment_on_call(call_id: int, given: CommentIn, session: Database) -> Comment:
    """Write a comment on a call."""
    comment = Comment(call_id=call_id, text=given.text)
    session.add(comment)
    await session.commit()
    return comment


@router.get("/statistics/agents", tags=["statistics"], response_model=list[AgentStatistics])
async def statistics_by_agent(session: Database) -> Any:
    """Sum up the answered calls of each agent."""
    return (await session.execute(queries.by_agent())).all()


@router.get("/statistics/numbers", tags=["statistics"], response_model=list[NumberStatistics])
async def statistics_by_number(session: Database) -> Any:
    """Sum up the calls on each number."""
    return (await session.execute(queries.by_number())).all()


@router.get("/statistics/days", tags=["statistics"], response_model=list[DayStatistics])
async def statistics_by_day(session: Database) -> Any:
    """Sum up the calls of each day."""
    return (await session.execute(queries.by_day())).all()


@router.get("/calls.csv", tags=["calls"])
async def export_calls(wanted: Annotated[CallFilter, Query()], sessions: Sessions) -> StreamingResponse:
    """Stream every call as CSV, row by row."""
    return StreamingResponse(_csv_lines(sessions, wanted), media_type="text/csv")


@router.get("/reports/old", tags=["statistics"])
async def old_report(session: Database) -> dict[str, int]:
    """Count every call in SQL written by hand: the report that somebody forgot about."""
    rows = (await session.execute(text("select * from calls"))).all()
    return {"calls": len(rows)}


async def tag_automatically(sessions: async_sessionmaker[AsyncSession], call_id: int) -> None:
    """Put a word on a call that says by itself what it was; runs after the answer was sent."""
    async with sessions() as session:
        call = await session.get_one(Call, call_id)
        word = "call-back" if call.status != "answered" else "long" if call.seconds >= LONG_CALL else None
        if word is not None:
            session.add(CallTag(call_id=call.id, tag=word))
            await session.commit()


async def _found(session: AsyncSession, call_id: int) -> Call:
    query = queries.in_detail(call_id).execution_options(populate_existing=True)
    call = await session.scalar(query)
    if call is None:
        raise HTTPException(404, "there is no such call")
    return call


async def _csv_lines(sessions: async_sessionmaker[AsyncSession], wanted: CallFilter) -> AsyncIterator[str]:
    yield _csv_line(_COLUMNS)
    async with sessions() as session:
        async for row in await session.stream(queries.for_export(wanted)):
            yield _csv_line(row)


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
