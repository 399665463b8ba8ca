"""A booking service on plain Starlette: synchronous endpoints in threads and a scoped session."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import registry, relationship, scoped_session, sessionmaker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

mappers = registry(metadata=MetaData())
_rooms = Table(
    "rooms",
    mappers.metadata,
    Column("id", Integer, primary_key=True),
    Column("hotel_id", String(40), nullable=False),
    Column("name", String(40), nullable=False),
    UniqueConstraint("hotel_id", "id"),
)
_guests = Table(
    "guests",
    mappers.metadata,
    Column("id", Integer, primary_key=True),
    Column("hotel_id", String(40), nullable=False),
    Column("name", String(40), nullable=False),
)
_bookings = Table(
    "bookings",
    mappers.metadata,
    Column("room_id", Integer, primary_key=True),
    Column("guest_id", ForeignKey("guests.id"), primary_key=True),
    Column("hotel_id", String(40), nullable=False),
    ForeignKeyConstraint(["hotel_id", "room_id"], ["rooms.hotel_id", "rooms.id"]),
)


class Room:
    """A room, mapped apart from its class."""

    id: int
    name: str
    guests: list[Guest]

    def __init__(self, name: str) -> None:
        self.name = name


class Guest:
    """Somebody who stays."""

    id: int
    name: str

    def __init__(self, name: str) -> None:
        self.name = name


mappers.map_imperatively(Guest, _guests)
mappers.map_imperatively(
    Room, _rooms, properties={"guests": relationship(Guest, secondary=_bookings, order_by=_guests.c.name)}
)
session = scoped_session(sessionmaker())


def list_rooms(_request: Request) -> Response:
    """List rooms with who stays in them."""
    try:
        rooms = session.scalars(select(Room).order_by(Room.name)).all()
        return JSONResponse({room.name: [guest.name for guest in room.guests] for room in rooms})
    finally:
        session.remove()


def book(request: Request) -> Response:
    """Put a guest, known by key, into a room."""
    try:
        room = session.get(Room, int(request.query_params["room"]))
        guest = session.get(Guest, int(request.query_params["guest"]))
        if room is None or guest is None:
            return JSONResponse({}, 404)
        room.guests.append(guest)
        session.commit()
        return JSONResponse({"booked": room.name})
    finally:
        session.remove()


def book_blindly(request: Request) -> Response:
    """Write the association row itself, from whatever the client sent."""
    try:
        sent = {"room_id": request.query_params["room"], "guest_id": request.query_params["guest"]}
        session.execute(_bookings.insert().values({name: int(value) for name, value in sent.items()}))
        session.commit()
        return JSONResponse({})
    except IntegrityError:
        return JSONResponse({}, 409)
    finally:
        session.remove()


def rename_all(request: Request) -> Response:
    """Rename every room there is."""
    try:
        renamed = session.execute(update(Room).values(name=request.query_params["name"]))
        session.commit()
        return JSONResponse({"renamed": renamed.rowcount})  # type: ignore[attr-defined]  # an update has it
    finally:
        session.remove()


def create_app(engine: Engine) -> Starlette:
    """Return the booking service."""
    session.configure(bind=engine)
    return Starlette(
        routes=[
            Route("/rooms", list_rooms),
            Route("/bookings", book, methods=["POST"]),
            Route("/blind-bookings", book_blindly, methods=["POST"]),
            Route("/rooms", rename_all, methods=["PUT"]),
        ]
    )
