"""A help desk on SQLModel and FastAPI with synchronous endpoints; companies are known by a UUID."""

from collections.abc import Iterator, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from sqlalchemy import Engine
from sqlmodel import Field, Relationship, Session, SQLModel, col, func, select


class Org(SQLModel, table=True):
    """A customer of the help desk."""

    __tablename__ = "orgs"

    id: UUID = Field(primary_key=True)
    name: str


class Ticket(SQLModel, table=True):
    """What somebody needs help with."""

    __tablename__ = "tickets"

    id: int | None = Field(default=None, primary_key=True)
    org_id: UUID | None = Field(default=None, foreign_key="orgs.id", nullable=False)
    title: str = Field(max_length=80)
    open: bool = True
    replies: list["Reply"] = Relationship(back_populates="ticket")


class Reply(SQLModel, table=True):
    """What was answered."""

    __tablename__ = "replies"

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="tickets.id")
    text: str = Field(max_length=200)
    ticket: Ticket = Relationship(back_populates="replies")


router = APIRouter()


def get_session(request: Request) -> Iterator[Session]:
    """Give the request a session of its own."""
    with Session(request.app.state.engine) as session:
        yield session


Database = Annotated[Session, Depends(get_session)]


@router.get("/tickets")
def list_tickets(session: Database) -> Sequence[Ticket]:
    """List the tickets."""
    return session.exec(select(Ticket).order_by(col(Ticket.id))).all()


@router.get("/tickets/{number}")
def read_ticket(number: int, session: Database) -> Ticket:
    """Return a ticket by its key."""
    ticket = session.get(Ticket, number)
    if ticket is None:
        raise HTTPException(404)
    return ticket


@router.post("/tickets")
def open_ticket(title: str, session: Database) -> Ticket:
    """Open a ticket."""
    ticket = Ticket(title=title)
    session.add(ticket)
    session.commit()
    session.refresh(ticket)
    return ticket


@router.post("/tickets/{number}/replies")
def reply(number: int, text: str, session: Database) -> Reply:
    """Answer a ticket, without having looked at it."""
    written = Reply(ticket_id=number, text=text)
    session.add(written)
    session.commit()
    session.refresh(written)
    return written


@router.get("/tickets/{number}/replies")
def list_replies(number: int, session: Database) -> list[str]:
    """List the answers by way of the relationship."""
    return [reply.text for reply in read_ticket(number, session).replies]


@router.get("/replies/count")
def count_replies(session: Database) -> int:
    """Count the answers, without naming their tickets."""
    return session.exec(select(func.count()).select_from(Reply)).one()


@router.delete("/tickets/{number}")
def close_ticket(number: int, session: Database) -> None:
    """Delete a ticket by its key."""
    session.delete(read_ticket(number, session))
    session.commit()


def create_app(engine: Engine) -> FastAPI:
    """Return the help desk."""
    app = FastAPI()
    app.state.engine = engine
    app.include_router(router)
    return app
