"""Asynchronous sessions that served the victim."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import (
    joinedload,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("identity map")
async def async_switch_then_get(lab: Lab) -> Any:
    """Get by key an object that an asynchronous session holds from the victim's turn."""
    engine, o = lab.new_async_engine(), lab.owned
    try:
        async with AsyncSession(engine) as session:
            with lab.victim():
                held = await session.get(o.cls, o.ident(o.b[0]))
            assert held is not None
            return await session.get(o.cls, o.ident(o.b[0]))
    finally:
        await engine.dispose()


@attack("identity map")
async def async_switch_then_refresh(lab: Lab) -> Any:
    """Refresh the victim's object in an asynchronous session."""
    engine, o = lab.new_async_engine(), lab.owned
    try:
        async with AsyncSession(engine) as session:
            with lab.victim():
                held = await session.get(o.cls, o.ident(o.b[0]))
                await session.commit()
            await session.refresh(held)
            return held
    except InvalidRequestError:
        return None
    finally:
        await engine.dispose()


@attack("identity map")
async def async_bypass_then_get(lab: Lab) -> Any:
    """Get by key an object that an asynchronous session holds from a bypass."""
    engine, o = lab.new_async_engine(), lab.owned
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            with lab.lifted():
                held = await session.get(o.cls, o.ident(o.b[0]))
                await session.commit()
            assert held is not None
            return await session.get(o.cls, o.ident(o.b[0]))
    finally:
        await engine.dispose()


@attack("identity map")
async def async_scoped_session_reused(lab: Lab) -> Any:
    """Use an asynchronous scoped session that was not removed after the victim's request."""
    engine, o = lab.new_async_engine(), lab.owned
    registry = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    try:
        with lab.victim():
            held = await registry.get(o.cls, o.ident(o.b[0]))
        assert held is not None
        return await registry.get(o.cls, o.ident(o.b[0]))
    finally:
        await registry.remove()
        await engine.dispose()


@attack("identity map")
async def async_lazy_load_in_run_sync(lab: Lab) -> Any:
    """Load more of the victim's object inside `run_sync`."""
    engine, p = lab.new_async_engine(), lab.pair
    try:
        async with AsyncSession(engine) as session:
            with lab.victim():
                child: Any = await session.get(p.child.cls, p.child.ident(p.child.b[0]))
            return await session.run_sync(lambda _: child.parent)
    finally:
        await engine.dispose()


@attack("identity map")
async def async_eager_after_switch(lab: Lab) -> Any:
    """Query eagerly in an asynchronous session that served the victim."""
    engine, p = lab.new_async_engine(), lab.pair
    try:
        async with AsyncSession(engine) as session:
            with lab.victim():
                held = (await session.scalars(select(p.parent.cls))).all()
            assert held
            await session.scalars(select(p.child.cls).options(joinedload(p.child.cls.parent)))
            return list(session.sync_session.identity_map.values())
    finally:
        await engine.dispose()
