"""Sessions, engines and bindings, used as they should be."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    Session,
)

from tenantguard.context import bind
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.operations.helpers import (
    equal,
    idents,
    keys,
    same,
)
from tenantguard.testing.vectors.table import legitimate


@legitimate("identity map")
def own_identity(lab: Lab) -> Any:
    """Get the same object twice, before and after a commit."""
    o = lab.owned
    session = lab.session()
    held = session.get(o.cls, o.ident(o.a[0]))
    equal(session.get(o.cls, o.ident(o.a[0])) is held, True)
    session.commit()
    equal(session.get(o.cls, o.ident(o.a[0])) is held, True)


@legitimate("identity map")
def own_session_across_blocks(lab: Lab) -> Any:
    """Use one session in two blocks of the same tenant."""
    o = lab.owned
    session = lab.session()
    with bind(lab.a):
        held = session.get(o.cls, o.ident(o.a[0]))
        session.commit()
    with bind(lab.a):
        equal(getattr(held, o.text.key), o.a[0][o.text.key])


@legitimate("identity map")
def other_session_after_bypass(lab: Lab) -> Any:
    """Work in a bypass with one session and then under the tenant with another."""
    o = lab.owned
    with lab.lifted():
        equal(len(lab.session().scalars(select(o.cls)).all()) >= len(o.a) + len(o.b), True)
    same(idents(o, lab.session().scalars(select(o.cls)).all()), keys(o, o.a))


@legitimate("identity map")
def session_reused_after_close(lab: Lab) -> Any:
    """Close a session after one tenant and use it for another."""
    o = lab.owned
    session = lab.session()
    with lab.victim():
        session.scalars(select(o.cls)).all()
        session.close()
    same(idents(o, session.scalars(select(o.cls)).all()), keys(o, o.a))


@legitimate("context")
def union_of_tenants(lab: Lab) -> Any:
    """Read the union of two tenants."""
    o = lab.owned
    with bind([lab.a, lab.b]):
        found = lab.session().scalars(select(o.cls)).all()
        same(idents(o, found), [*keys(o, o.a), *keys(o, o.b)])


@legitimate("context")
def bypass_reads_all(lab: Lab) -> Any:
    """Read and write everybody's rows in a bypass, with SQL text too."""
    o = lab.leaf
    with lab.lifted():
        name = lab.admin.dialect.identifier_preparer.format_table(o.table)
        many = lab.connect().execute(text(f"SELECT count(*) FROM {name}")).scalar()
        equal(many, len(o.a) + len(o.b))
        lab.write(insert(o.table).values(o.new("b")))
        lab.write(delete(o.table).where(o.match(o.new("b"))))


@legitimate("cache")
def same_statement_for_each(lab: Lab) -> Any:
    """Execute one statement for each tenant in turn and get that tenant's rows."""
    o = lab.owned
    statement = select(o.pk)
    for who, rows in ((lab.a, o.a), (lab.b, o.b), (lab.a, o.a)):
        with bind(who):
            same([row[0] for row in lab.rows(statement)], [row[o.pk.key] for row in rows])


@legitimate("pool")
def own_engine_copy(lab: Lab) -> Any:
    """Use a copy of the engine, and a session on a connection."""
    o = lab.owned
    connection = lab.connect(lab.engine.execution_options(anything=1))
    same([row[0] for row in connection.execute(select(o.pk))], [row[o.pk.key] for row in o.a])
    found = lab.hold(Session(lab.connect())).scalars(select(o.cls)).all()
    same(idents(o, found), keys(o, o.a))


@legitimate("pool")
async def own_async_session(lab: Lab) -> Any:
    """Read, add and stream in an asynchronous session."""
    engine, o = lab.new_async_engine(), lab.leaf
    try:
        async with AsyncSession(engine) as session:
            same(idents(o, (await session.scalars(select(o.cls))).all()), keys(o, o.a))
            session.add(o.object(o.unnamed(100)))
            await session.commit()
            many = [one async for one in await session.stream_scalars(select(o.cls))]
            equal(len(many), len(o.a) + 1)
    finally:
        await engine.dispose()
