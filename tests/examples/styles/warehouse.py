"""A warehouse on Litestar with an asynchronous session that it injects; models are dataclasses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.types import Middleware
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship


class Base(MappedAsDataclass, DeclarativeBase):
    """Gather the tables."""


class Item(Base):
    """What is stored."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    merchant: Mapped[str] = mapped_column(String(40), init=False)
    name: Mapped[str] = mapped_column(String(40))
    moves: Mapped[list[Move]] = relationship(default_factory=list, lazy="selectin")


class Move(Base):
    """How many came in or went out."""

    __tablename__ = "moves"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), init=False)
    quantity: Mapped[int]


async def provide_session(state: State) -> AsyncIterator[AsyncSession]:
    """Give the request a session, and commit at its end."""
    async with AsyncSession(state.engine) as session, session.begin():
        yield session


@get("/items")
async def list_items(session: NamedDependency[AsyncSession]) -> dict[str, int]:
    """Return how many there are of each item."""
    items = await session.scalars(select(Item).order_by(Item.name))
    return {item.name: sum(move.quantity for move in item.moves) for item in items}


@get("/stock")
async def stock(session: NamedDependency[AsyncSession]) -> int:
    """Sum up every move."""
    return int(await session.scalar(select(func.sum(Move.quantity))) or 0)


@post("/items/{name:str}")
async def add_item(
    session: NamedDependency[AsyncSession], name: FromPath[str], quantity: FromQuery[int]
) -> int:
    """Take a new item in."""
    item = Item(name=name, moves=[Move(quantity=quantity)])
    session.add(item)
    await session.flush()
    return item.id


@patch("/items/{number:int}")
async def rename_item(
    session: NamedDependency[AsyncSession], number: FromPath[int], name: FromQuery[str]
) -> str:
    """Rename an item that is looked up by its key."""
    item = await session.get(Item, number)
    if item is None:
        raise NotFoundException
    item.name = name
    return item.name


def create_app(engine: AsyncEngine, middleware: list[Middleware] | None = None) -> Litestar:
    """Return the warehouse."""
    handlers: list[Any] = [list_items, stock, add_item, rename_item]
    return Litestar(
        handlers,
        dependencies={"session": Provide(provide_session)},
        middleware=middleware or [],
        state=State({"engine": engine}),
    )
