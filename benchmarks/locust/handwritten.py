"""The call centre as a careful programmer writes it without a guard: PyJWT in a dependency, filters by hand.

The models, schemas and statements are the example's; what is added is what isolation needs: the
condition on every statement, and the check that a row named by the client is the company's own.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request
from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.locust.identity import company_of
from examples.fastapi_app import queries
from examples.fastapi_app.models import Call, CallTag, Comment, Company, Country, Number, User
from examples.fastapi_app.routes import Database, Sessions, health, tag_automatically
from examples.fastapi_app.schemas import (
    AgentStatistics,
    BulkTag,
    BulkTagged,
    CallChange,
    CallDetail,
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

router = APIRouter()
router.add_api_route("/health", health)
Mine = Annotated[str, Depends(company_of)]


@router.get("/company", response_model=CompanyOut)
async def company(mine: Mine, session: Database) -> Any:
    """Return the company."""
    return (await session.scalars(select(Company).where(Company.id == mine))).one()


@router.get("/countries", response_model=list[CountryOut])
async def countries(mine: Mine, session: Database) -> Any:
    """List the countries."""
    return (await session.scalars(select(Country).order_by(Country.name))).all()


@router.get("/numbers", response_model=list[NumberOut])
async def numbers(mine: Mine, session: Database) -> Any:
    """List the telephone numbers."""
    query = select(Number).where(Number.company_id == mine).order_by(Number.number)
    return (await session.scalars(query)).all()


@router.get("/calls", response_model=CallPage)
async def list_calls(wanted: Annotated[PagedFilter, Query()], mine: Mine, session: Database) -> Any:
    """List calls, newest first, a page at a time."""
    query = queries.filtered(wanted).where(Call.company_id == mine)
    total = await session.scalar(queries.counted(query))
    page = queries.newest_first(query).limit(wanted.size).offset((wanted.page - 1) * wanted.size)
    calls = (await session.scalars(queries.with_relations(page))).all()
    return {"total": total, "page": wanted.page, "size": wanted.size, "calls": calls}


@router.get("/calls/{call_id}", response_model=CallDetail)
async def read_call(call_id: int, mine: Mine, session: Database) -> Call:
    """Return one call with its comments."""
    return await _found(session, call_id, mine)


@router.post("/calls", status_code=201, response_model=CallOut)
async def create_call(
    given: CallIn, mine: Mine, request: Request, session: Database, sessions: Sessions, later: BackgroundTasks
) -> Call:
    """Record a call."""
    await _own(session, select(Number.id).where(Number.id == given.number_id, Number.company_id == mine))
    await _own_agent(session, given.agent_id, mine)
    call = Call(**given.model_dump(), company_id=mine)
    session.add(call)
    await session.commit()
    later.add_task(tag_automatically, sessions, call.id)
    request.app.state.live.announce()
    return await _found(session, call.id, mine)


@router.patch("/calls/{call_id}", response_model=CallDetail)
async def change_call(call_id: int, change: CallChange, mine: Mine, session: Database) -> Call:
    """Change what is known about a call."""
    call = await _found(session, call_id, mine)
    await _own_agent(session, change.agent_id, mine)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(call, name, value)
    await session.commit()
    return await _found(session, call_id, mine)


@router.post("/calls/tags", response_model=BulkTagged)
async def tag_calls(given: BulkTag, mine: Mine, session: Database) -> BulkTagged:
    """Put a word on many calls at once."""
    wanted = set(given.call_ids)
    own = select(Call.id).where(Call.id.in_(wanted), Call.company_id == mine)
    if set(await session.scalars(own)) != wanted:
        raise HTTPException(404, "there is no such call")
    tagged = set(await session.scalars(queries.already_tagged(given.call_ids, given.tag)))
    rows = [{"call_id": number, "tag": given.tag} for number in sorted(wanted - tagged)]
    if rows:
        await session.execute(insert(CallTag), rows)
        await session.commit()
    return BulkTagged(tagged=len(rows))


@router.post("/calls/{call_id}/comments", status_code=201, response_model=CommentOut)
async def comment_on_call(call_id: int, given: CommentIn, mine: Mine, session: Database) -> Comment:
    """Write a comment on a call."""
    await _own(session, select(Call.id).where(Call.id == call_id, Call.company_id == mine))
    comment = Comment(call_id=call_id, text=given.text, company_id=mine)
    session.add(comment)
    await session.commit()
    return comment


@router.get("/statistics/agents", response_model=list[AgentStatistics])
async def statistics_by_agent(mine: Mine, session: Database) -> Any:
    """Sum up the answered calls of each agent."""
    query = _where(queries.by_agent(), Call.company_id == mine, User.company_id == mine)
    return (await session.execute(query)).all()


@router.get("/statistics/numbers", response_model=list[NumberStatistics])
async def statistics_by_number(mine: Mine, session: Database) -> Any:
    """Sum up the calls on each number."""
    return (await session.execute(_where(queries.by_number(), Number.company_id == mine))).all()


@router.get("/statistics/days", response_model=list[DayStatistics])
async def statistics_by_day(mine: Mine, session: Database) -> Any:
    """Sum up the calls of each day."""
    return (await session.execute(_where(queries.by_day(), Call.company_id == mine))).all()


def _where(query: Any, *mine: Any) -> Any:
    return query.where(*mine)


async def _own_agent(session: AsyncSession, agent_id: int | None, mine: str) -> None:
    if agent_id is not None:
        await _own(session, select(User.id).where(User.id == agent_id, User.company_id == mine))


async def _own(session: AsyncSession, query: Select[Any]) -> None:
    if await session.scalar(query) is None:
        raise HTTPException(404, "there is no such row")


async def _found(session: AsyncSession, call_id: int, mine: str) -> Call:
    query = queries.in_detail(call_id).where(Call.company_id == mine)
    call = await session.scalar(query.execution_options(populate_existing=True))
    if call is None:
        raise HTTPException(404, "there is no such call")
    return call
