"""Asynchronous engines and connections."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("pool")
async def async_stream(lab: Lab) -> Any:
    """Stream rows on an asynchronous connection."""
    engine = lab.new_async_engine()
    try:
        async with engine.connect() as connection:
            result = await connection.stream(select(lab.owned.table))
            return [row async for row in result]
    finally:
        await engine.dispose()


@attack("pool")
async def async_stream_scalars(lab: Lab) -> Any:
    """Stream objects in an asynchronous session."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine) as session:
            return [one async for one in await session.stream_scalars(select(lab.owned.cls))]
    finally:
        await engine.dispose()


@attack("pool")
async def async_sync_engine(lab: Lab) -> Any:
    """Wrap the synchronous engine of an asynchronous one anew."""
    engine = lab.new_async_engine()
    try:
        async with AsyncEngine(engine.sync_engine).connect() as connection:
            return (await connection.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()


@attack("pool")
async def async_run_sync(lab: Lab) -> Any:
    """Work on the synchronous connection inside `run_sync`."""
    engine = lab.new_async_engine()
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(lambda inner: inner.execute(select(lab.owned.table)).all())
    finally:
        await engine.dispose()


@attack("pool")
async def async_engine_copy(lab: Lab) -> Any:
    """Copy an asynchronous engine with its execution options."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine.execution_options(anything=1)) as session:
            return (await session.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()


@attack("pool")
async def async_update(lab: Lab) -> Any:
    """Update on an asynchronous connection."""
    engine, o = lab.new_async_engine(), lab.owned
    try:
        async with engine.begin() as connection:
            await connection.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))
    finally:
        await engine.dispose()


@attack("pool")
async def async_flush(lab: Lab) -> Any:
    """Add the victim's object in an asynchronous session."""
    engine, o = lab.new_async_engine(), lab.leaf
    try:
        async with AsyncSession(engine) as session:
            session.add(o.object(o.new("b")))
            await session.commit()
    finally:
        await engine.dispose()


@attack("pool")
async def async_connection_by_hand(lab: Lab) -> Any:
    """Construct an AsyncConnection by hand."""
    engine = lab.new_async_engine()
    try:
        async with AsyncConnection(engine) as connection:
            return (await connection.execute(select(lab.owned.table))).all()
    finally:
        await engine.dispose()
