"""Objects carried between sessions, and sessions that a bypass has filled."""

from __future__ import annotations

import contextlib
import copy
import pickle
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import (
    Session,
    aliased,
    make_transient,
    object_session,
    scoped_session,
    selectinload,
    sessionmaker,
)

from tenantguard.context import bind
from tenantguard.testing.vectors.escapes.helpers import (
    planted_child,
    planted_parent,
    quietly,
    used_by_victim,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("identity map")
def carried_to_another_session(lab: Lab) -> Any:
    """Add the victim's object to the attacker's session and load more of it."""
    p, theirs, mine = lab.pair, lab.session(), lab.session()
    with lab.victim():
        child = theirs.get(p.child.cls, p.child.ident(p.child.b[0]))
        theirs.expunge(child)
    mine.add(child)
    return child.parent


@attack("identity map")
def carried_to_a_session_that_picks_its_engine(lab: Lab) -> Any:
    """Add the victim's object to a session whose engine is not known yet, and get it by its key."""
    o, theirs, engine = lab.owned, lab.session(), lab.engine

    class Picking(Session):
        def get_bind(self, *_args: Any, **_kw: Any) -> Any:
            return engine

    with lab.victim():
        held = theirs.get(o.cls, o.ident(o.b[0]))
        theirs.expunge(held)
    mine = lab.hold(Picking())
    mine.add(held)
    return mine.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def carried_and_changed(lab: Lab) -> Any:
    """Add the victim's object to the attacker's session, change it and commit."""
    o, theirs, mine = lab.owned, lab.session(), lab.session()
    with lab.victim():
        held = theirs.get(o.cls, o.ident(o.b[0]))
        theirs.expunge(held)
    mine.add(held)
    setattr(held, o.text.key, "taken")
    mine.commit()


@attack("identity map")
def carried_and_merged(lab: Lab) -> Any:
    """Merge the victim's object into the attacker's session without querying the database."""
    p, theirs, mine = lab.pair, lab.session(), lab.session()
    with lab.victim():
        held = theirs.get(p.child.cls, p.child.ident(p.child.b[0]))
        theirs.expunge(held)
    return mine.merge(held, load=False).parent


@attack("identity map")
def carried_and_copied(lab: Lab) -> Any:
    """Insert the victim's object again, unchanged."""
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
    mapper = own_parent(lab)
    shape, session = lab.shapes[mapper.local_table], lab.session()
    with lab.victim():
        held = session.get(mapper.class_, shape.ident(shape.b[0]))
        session.expunge(held)
        stored = _pickled(held)
    mine = lab.session()
    read = pickle.loads(stored)  # noqa: S301 - made three lines above
    mine.add(read)
    names = [key for key, found in mapper.relationships.items() if found.lazy == "select"]
    return [quietly(partial(getattr, read, name)) for name in names]


def _pickled(held: Any) -> bytes:
    try:
        return pickle.dumps(held)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotApplicable(f"the class cannot be pickled: {error}") from error


def own_parent(lab: Lab) -> Any:
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
    """Get by key an object that the session holds from a bypass."""
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
    return quietly(lambda: getattr(held, o.text.key))


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
    """Query the attacker's parents in a session that holds everybody's children."""
    p, session = planted_parent(lab), lab.session()
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
    """Use a scoped session that was not removed after the victim's request."""
    o = lab.owned
    registry = scoped_session(sessionmaker(lab.engine))
    lab.hold(contextlib.closing(registry))
    held = used_by_victim(lab, registry)
    assert held is not None
    return registry.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def subclassed_session_reused(lab: Lab) -> Any:
    """Use a subclass of Session that overrides execution."""

    class Quiet(Session):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            return super().execute(*args, **kwargs)

    o, session = lab.owned, lab.hold(Quiet(lab.engine))
    held = used_by_victim(lab, session)
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def session_shared_by_requests(lab: Lab) -> Any:
    """Share one session between two requests that run at the same time."""
    o, session = lab.owned, lab.session()
    with bind(lab.a):
        session.get(o.cls, o.ident(o.a[0]))
    held = used_by_victim(lab, session)
    return [held] and session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def autobegun_by_attribute(lab: Lab) -> Any:
    """Make access to an unloaded attribute the first thing a session does."""
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
    """Load the attacker's children eagerly into a session that holds the victim's parent of one of them."""
    p, session = planted_child(lab)[0], lab.session(expire_on_commit=False)
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
    held = used_by_victim(lab, session)
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
    """Bind the attacker's session to a connection in the middle of the victim's transaction."""
    o, connection = lab.leaf, lab.connect()
    with lab.victim():
        connection.execute(update(o.table).values(o.set(text="globex, not committed")))
    return lab.hold(Session(connection)).scalars(select(o.cls)).all()
