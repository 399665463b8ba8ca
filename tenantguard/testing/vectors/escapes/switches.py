"""A session that served the victim and now serves the attacker."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from tenantguard.testing.vectors.escapes.helpers import (
    planted_child,
    quietly,
    used_by_victim,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("identity map")
def switch_then_get(lab: Lab) -> Any:
    """Get by key an object that the session holds from the victim's turn."""
    o, session = lab.owned, lab.session()
    held = used_by_victim(lab, session)
    found = session.get(o.cls, o.ident(o.b[0]))
    assert held is not None
    return found


@attack("identity map")
def switch_then_get_in_new_transaction(lab: Lab) -> Any:
    """Get by key after the victim's turn was committed without expiry."""
    o, session = lab.owned, lab.session(expire_on_commit=False)
    held = used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    assert held is not None
    return session.get(o.cls, o.ident(o.b[0]))


@attack("identity map")
def switch_then_query(lab: Lab) -> Any:
    """Query in a session that served the victim."""
    session = lab.session()
    held = used_by_victim(lab, session)
    assert held is not None
    session.scalars(select(lab.owned.cls)).all()
    return list(session.identity_map.values())


@attack("identity map")
def switch_then_legacy_get(lab: Lab) -> Any:
    """Use the legacy query's get on an object that the session holds."""
    o, session = lab.owned, lab.session()
    held = used_by_victim(lab, session)
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
    """Let one of the attacker's rows, which refers to the victim's parent, find that parent in the session."""
    p, session = planted_child(lab)[0], lab.session(expire_on_commit=False)
    with lab.victim():
        held = session.scalars(select(p.parent.cls)).all()
        session.commit()
    assert held
    return session.get(p.child.cls, p.child.ident(p.child.a[0])).parent


@attack("identity map")
def switch_then_refresh(lab: Lab) -> Any:
    """Refresh an object of the victim's turn."""
    session = lab.session(expire_on_commit=False)
    held = used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    lab.arrange(update(lab.owned.table).values(lab.owned.set(text="globex, later")))
    quietly(lambda: session.refresh(held))
    return getattr(held, lab.owned.text.key) == "globex, later" and held


@attack("identity map")
def switch_then_expired(lab: Lab) -> Any:
    """Read an attribute of the victim's object that expired with the commit."""
    session = lab.session()
    held = used_by_victim(lab, session)
    with lab.victim():
        session.commit()
    return quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_expired_after_rollback(lab: Lab) -> Any:
    """Read an attribute of the victim's object that expired with the rollback."""
    session = lab.session()
    held = used_by_victim(lab, session)
    with lab.victim():
        session.rollback()
    return quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_expire_one(lab: Lab) -> Any:
    """Expire an attribute of the victim's object and read it again."""
    session = lab.session()
    held = used_by_victim(lab, session)
    session.expire(held, [lab.owned.text.key])
    return quietly(lambda: getattr(held, lab.owned.text.key))


@attack("identity map")
def switch_then_merge(lab: Lab) -> Any:
    """Merge into a session that holds the victim's object."""
    o, session = lab.owned, lab.session()
    held = used_by_victim(lab, session)
    assert held is not None
    return session.merge(o.object(o.keys_of(o.b[0])))


@attack("identity map")
def switch_then_flush_change(lab: Lab) -> Any:
    """Change the victim's object that the session still holds."""
    session = lab.session()
    held = used_by_victim(lab, session)
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
    held = used_by_victim(lab, session)
    with lab.victim():
        setattr(held, lab.owned.text.key, "taken")
    session.scalars(select(lab.owned.cls)).all()
    session.commit()


@attack("identity map")
def switch_back_and_forth(lab: Lab) -> Any:
    """Use one session for the attacker, then the victim, then the attacker."""
    o, session = lab.owned, lab.session(expire_on_commit=False)
    session.get(o.cls, o.ident(o.a[0]))
    session.commit()
    held = used_by_victim(lab, session)
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
def switch_inside_stream(lab: Lab) -> Any:
    """Go on reading a stream of objects that was opened in the victim's turn."""
    session = lab.session()
    with lab.victim():
        stream = iter(session.scalars(select(lab.owned.cls).execution_options(yield_per=1)))
        next(stream)
    return list(stream)


@attack("identity map")
def switch_inside_result(lab: Lab) -> Any:
    """Go on fetching from a result that was opened in the victim's turn."""
    connection = lab.connect()
    with lab.victim():
        result = connection.execute(select(lab.owned.table))
        result.fetchone()
    return result.fetchall()
