"""Objects that were loaded for the victim, or in a bypass, and are met again under the attacker."""

from __future__ import annotations

import contextlib
import copy
import pickle
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import InvalidRequestError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import (
    Session,
    aliased,
    joinedload,
    make_transient,
    object_session,
    scoped_session,
    selectinload,
    sessionmaker,
)
from sqlalchemy.orm.exc import ObjectDeletedError

from tenantguard.context import bind
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


def _used_by_victim(lab: Lab, session: Any) -> Any:
    """Load the victim's object in the session, as the request before did."""
    o = lab.owned
    with lab.victim():
        return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def switch_then_get(lab: Lab) -> Any:
    """Get by key what the session holds from the victim's turn."""
    o, session = lab.owned, lab.session()
    held = _used_by_victim(lab, session)
    found = session.get(o.cls, o.ident(o.b[0]))
    assert held is not None
    return found


@attack("identity map")
def switch_then_get_in_new_transaction(lab: Lab) -> Any:
    """Get by key after the victim's turn was committed without expiry."""
    o, session = lab.owned, lab.session(expire_on_commit=False)
    held = _used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def switch_then_query(lab: Lab) -> Any:
    """Query in a session that served the victim."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    assert held is not None
    session.scalars(select(lab.owned.cls)).all()
    return list(session.identity_map.values())


@attack("identity map")
def switch_then_legacy_get(lab: Lab) -> Any:
    """Use the legacy query's get on what the session holds."""
    o, session = lab.owned, lab.session()
    held = _used_by_victim(lab, session)
    assert held is not None
    return session.query(o.cls).populate_existing().filter(o.match(o.b[0])).first() or session.get(
        o.cls, o.ident(o.b[0])
    )


@attack("identity map")
def switch_then_lazy_load(lab: Lab) -> Any:
    """Load the parent of an object of the victim's turn."""
    p, session = lab.pair, lab.session()
    with lab.victim():
        child = session.get(p.child.cls, p.child.ident(p.child.b[0]))
    return child.parent


@attack("identity map")
def switch_then_lazy_load_from_map(lab: Lab) -> Any:
    """Load a parent that the session holds, so that no statement is sent."""
    p, session = lab.pair, lab.session()
    with lab.victim():
        child = session.get(p.child.cls, p.child.ident(p.child.b[0]))
        parents = session.scalars(select(p.parent.cls)).all()
    assert parents
    return child.parent


@attack("identity map")
def switch_then_lazy_children(lab: Lab) -> Any:
    """Load the children of an object of the victim's turn."""
    p, session = lab.pair, lab.session()
    with lab.victim():
        parent = session.get(p.parent.cls, p.parent.ident(p.parent.b[0]))
    return parent.children


@attack("identity map")
def own_child_meets_held_parent(lab: Lab) -> Any:
    """Let a row of one's own that refers to the victim's parent find it in the session."""
    p, session = lab.pair, lab.session(expire_on_commit=False)
    lab.arrange(update(p.child.table).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))
    with lab.victim():
        held = session.scalars(select(p.parent.cls)).all()
        session.commit()
    assert held
    return session.get(p.child.cls, p.child.ident(p.child.a[0])).parent


@attack("identity map")
def switch_then_refresh(lab: Lab) -> Any:
    """Refresh an object of the victim's turn."""
    session = lab.session(expire_on_commit=False)
    held = _used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    lab.arrange(update(lab.owned.table).values(lab.owned.set(text="globex, later")))
    _quietly(lambda: session.refresh(held))
    return getattr(held, lab.owned.text.key) == "globex, later" and held


@attack("identity map")
def switch_then_expired(lab: Lab) -> Any:
    """Read an attribute of the victim's object that expired with the commit."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    return _quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_expired_after_rollback(lab: Lab) -> Any:
    """Read an attribute of the victim's object that expired with the rollback."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    with lab.victim():
        session.rollback()
    return _quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_expire_one(lab: Lab) -> Any:
    """Expire an attribute of the victim's object oneself and read it again."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    session.expire(held, [lab.owned.text.key])
    return _quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_merge(lab: Lab) -> Any:
    """Merge into a session that holds the victim's object."""
    o, session = lab.owned, lab.session()
    held = _used_by_victim(lab, session)
    assert held is not None
    return session.merge(o.object(o.keys_of(o.b[0])))


@attack("identity map")
def switch_then_flush_change(lab: Lab) -> Any:
    """Change the victim's object that the session still holds."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    setattr(held, lab.owned.text.key, "taken")
    session.commit()


@attack("identity map")
def switch_then_flush_pending(lab: Lab) -> Any:
    """Commit what was added in the victim's turn."""
    o, session = lab.leaf, lab.session()
    with lab.victim():
        session.add(o.object(o.new("b")))
    session.commit()


@attack("identity map")
def switch_then_delete(lab: Lab) -> Any:
    """Delete the victim's object that the session still holds."""
    o, session = lab.leaf, lab.session()
    with lab.victim():
        held = session.get(o.cls, o.ident(o.b[0]))
    session.delete(held)
    session.commit()


@attack("identity map")
def switch_with_autoflush(lab: Lab) -> Any:
    """Let a query flush the change that was made in the victim's turn."""
    session = lab.session()
    held = _used_by_victim(lab, session)
    with lab.victim():
        setattr(held, lab.owned.text.key, "taken")
    session.scalars(select(lab.owned.cls)).all()
    session.commit()


@attack("identity map")
def switch_back_and_forth(lab: Lab) -> Any:
    """Use one session under oneself, then the victim, then oneself."""
    o, session = lab.owned, lab.session(expire_on_commit=False)
    session.get(o.cls, o.ident(o.a[0]))
    session.commit()
    held = _used_by_victim(lab, session)
    return session.get(o.cls, o.ident(o.b[0])) or held


@attack("identity map")
def switch_after_close(lab: Lab) -> Any:
    """Read an unloaded parent of the victim's object after the session was closed and used again."""
    p, session = lab.pair, lab.session()
    with lab.victim():
        child = session.get(p.child.cls, p.child.ident(p.child.b[0]))
        session.close()
    session.add(child)
    return child.parent


@attack("identity map")
def carried_to_another_session(lab: Lab) -> Any:
    """Add the victim's object to a session of one's own and load more of it."""
    p, theirs, mine = lab.pair, lab.session(), lab.session()
    with lab.victim():
        child = theirs.get(p.child.cls, p.child.ident(p.child.b[0]))
        theirs.expunge(child)
    mine.add(child)
    return child.parent


@attack("identity map")
def carried_and_changed(lab: Lab) -> Any:
    """Add the victim's object to a session of one's own, change it and commit."""
    o, theirs, mine = lab.owned, lab.session(), lab.session()
    with lab.victim():
        held = theirs.get(o.cls, o.ident(o.b[0]))
        theirs.expunge(held)
    mine.add(held)
    setattr(held, o.text.key, "taken")
    mine.commit()


@attack("identity map")
def carried_and_merged(lab: Lab) -> Any:
    """Merge the victim's object into a session of one's own without a look at the database."""
    p, theirs, mine = lab.pair, lab.session(), lab.session()
    with lab.victim():
        held = theirs.get(p.child.cls, p.child.ident(p.child.b[0]))
        theirs.expunge(held)
    return mine.merge(held, load=False).parent


@attack("identity map")
def carried_and_copied(lab: Lab) -> Any:
    """Insert the victim's object anew as it is."""
    o, theirs, mine = lab.leaf, lab.session(), lab.session()
    with lab.victim():
        held = theirs.get(o.cls, o.ident(o.b[0]))
        theirs.expunge(held)
        make_transient(held)
    setattr(held, o.pk.key, o.new("b")[o.pk.key])
    mine.add(held)
    mine.commit()


@attack("identity map")
def pickled_and_loaded(lab: Lab) -> Any:
    """Load more of the victim's object after it was pickled."""
    mapper = _own_parent(lab)
    shape, session = lab.shapes[mapper.local_table], lab.session()
    with lab.victim():
        held = session.get(mapper.class_, shape.ident(shape.b[0]))
        session.expunge(held)
        stored = pickle.dumps(held)
    mine = lab.session()
    read = pickle.loads(stored)  # noqa: S301 - made three lines above
    mine.add(read)
    names = [key for key, found in mapper.relationships.items() if found.lazy == "select"]
    return [_quietly(partial(getattr, read, name)) for name in names]


def _own_parent(lab: Lab) -> Any:
    """Return a class of the application's own that has a relationship; the kit's own cannot be pickled."""
    for mapper in lab.mappers:
        owned = lab.tenancy.of(mapper.local_table).kind == "owned" and mapper.inherits is None
        if (
            owned
            and mapper.local_table in lab.shapes
            and any(r.lazy == "select" for r in mapper.relationships)
        ):
            return mapper
    return lab.only("a schema whose owned classes have relationships")


@attack("identity map")
def bypass_then_get(lab: Lab) -> Any:
    """Get by key what the session holds from a bypass."""
    o, session = lab.owned, lab.session()
    with lab.lifted():
        held = session.get(o.cls, o.ident(o.b[0]))
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def bypass_then_lazy_load(lab: Lab) -> Any:
    """Load more of an object that was loaded in a bypass."""
    p, session = lab.pair, lab.session()
    with lab.lifted():
        child = session.get(p.child.cls, p.child.ident(p.child.b[0]))
    return child.parent


@attack("identity map")
def bypass_then_expired(lab: Lab) -> Any:
    """Read an expired attribute of an object that was loaded in a bypass."""
    o, session = lab.owned, lab.session()
    with lab.lifted():
        held = session.get(o.cls, o.ident(o.b[0]))
        session.commit()
    return _quietly(lambda: getattr(held, o.text.key))


@attack("identity map")
def bypass_then_flush(lab: Lab) -> Any:
    """Commit the change of an object that was loaded in a bypass."""
    o, session = lab.owned, lab.session()
    with lab.lifted():
        held = session.get(o.cls, o.ident(o.b[0]))
        setattr(held, o.text.key, "taken")
    session.commit()


@attack("identity map")
def bypass_then_identity_map(lab: Lab) -> Any:
    """Query one's own parents in a session that holds everybody's children."""
    p, session = lab.pair, lab.session()
    lab.arrange(update(p.child.table).where(p.child.match(p.child.b[0])).values(p.to(p.parent.a[0])))
    with lab.lifted():
        parents = session.scalars(select(p.parent.cls).options(selectinload(p.parent.cls.children))).all()
    assert parents
    found = session.get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    return [list(found.children)]


@attack("identity map")
def unbound_then_get(lab: Lab) -> Any:
    """Get by key in a session whose objects were merged before any tenant was bound."""
    o, session = lab.owned, lab.session()
    held = o.object(o.b[0])
    with lab.lifted():
        held = session.merge(held)
        session.flush()
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def scoped_session_reused(lab: Lab) -> Any:
    """Use a scoped session that nobody removed after the victim's request."""
    o = lab.owned
    registry = scoped_session(sessionmaker(lab.engine))
    lab.hold(contextlib.closing(registry))
    held = _used_by_victim(lab, registry)
    assert held is not None
    return registry.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def subclassed_session_reused(lab: Lab) -> Any:
    """Use a subclass of Session with an execution of its own."""

    class Quiet(Session):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            return super().execute(*args, **kwargs)

    o, session = lab.owned, lab.hold(Quiet(lab.engine))
    held = _used_by_victim(lab, session)
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def session_shared_by_requests(lab: Lab) -> Any:
    """Share one session between two requests that run at the same time."""
    o, session = lab.owned, lab.session()
    with bind(lab.a):
        session.get(o.cls, o.ident(o.a[0]))
    held = _used_by_victim(lab, session)
    return [held] and session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def autobegun_by_attribute(lab: Lab) -> Any:
    """Make an access to an unloaded attribute the first thing that a session does."""
    p, theirs = lab.pair, lab.session()
    with lab.victim():
        child = theirs.get(p.child.cls, p.child.ident(p.child.b[0]))
        theirs.expunge(child)
    fresh = lab.session()
    fresh.add(child)
    assert object_session(child) is fresh
    return child.parent


@attack("identity map")
def eager_with_held_parent(lab: Lab) -> Any:
    """Load one's own children eagerly into a session that holds the victim's parent of one of them."""
    p, session = lab.pair, lab.session(expire_on_commit=False)
    lab.arrange(update(p.child.table).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))
    with lab.lifted():
        held = session.scalars(select(p.parent.cls)).all()
        session.commit()
    assert held
    found = session.scalars(select(p.child.cls).options(selectinload(p.child.cls.parent))).all()
    return [child.parent for child in found]


@attack("identity map")
def populate_existing(lab: Lab) -> Any:
    """Write fresh rows over the objects of the victim's turn."""
    o, session = lab.owned, lab.session()
    held = _used_by_victim(lab, session)
    other = aliased(o.cls)
    session.execute(select(other).execution_options(populate_existing=True)).all()
    return session.get(o.cls, o.ident(o.b[0])) or copy.copy(held.__dict__)


@attack("identity map")
def held_inside_savepoint(lab: Lab) -> Any:
    """Switch to the attacker inside a savepoint of the victim's transaction."""
    o, session = lab.owned, lab.session()
    with lab.victim():
        session.begin_nested()
        held = session.get(o.cls, o.ident(o.b[0]))
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def connection_of_victims_session(lab: Lab) -> Any:
    """Bind a session of one's own to a connection in the middle of the victim's transaction."""
    o, connection = lab.leaf, lab.connect()
    with lab.victim():
        connection.execute(update(o.table).values(o.set(text="globex, not committed")))
    return lab.hold(Session(connection)).scalars(select(o.cls)).all()


@attack("identity map")
async def async_switch_then_get(lab: Lab) -> Any:
    """Get by key what an asynchronous session holds from the victim's turn."""
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
    """Get by key what an asynchronous session holds from a bypass."""
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
    """Use an asynchronous scoped session that nobody removed after the victim's request."""
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
                child = await session.get(p.child.cls, p.child.ident(p.child.b[0]))
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


def _quietly(load: Any) -> Any:
    """Return what was loaded, or nothing where the row seems not to be there, as SQLAlchemy says it."""
    try:
        return load()
    except (InvalidRequestError, NoResultFound, ObjectDeletedError):
        return None
