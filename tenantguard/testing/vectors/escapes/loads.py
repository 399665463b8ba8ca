"""Relationships that lead to another tenant's row, by every loader."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import (
    contains_eager,
    joinedload,
    selectinload,
    subqueryload,
    with_parent,
)

from tenantguard.testing.vectors.escapes.helpers import (
    parents_of,
    planted_child,
    planted_parent,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def lazy_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the parent of a row that already refers to the victim's."""
    p, row = planted_child(lab)
    child = lab.session().get(p.child.cls, p.child.ident(row))
    return child.parent


@attack("reads")
def joined_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent in the same statement."""
    p, _ = planted_child(lab)
    return parents_of(lab, select(p.child.cls).options(joinedload(p.child.cls.parent)))


@attack("reads")
def inner_joined_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent in the same statement with an inner join."""
    p, _ = planted_child(lab)
    return parents_of(lab, select(p.child.cls).options(joinedload(p.child.cls.parent, innerjoin=True)))


@attack("reads")
def selectin_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent with IN."""
    p, _ = planted_child(lab)
    return parents_of(lab, select(p.child.cls).options(selectinload(p.child.cls.parent)))


@attack("reads")
def subquery_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent with a subquery."""
    p, _ = planted_child(lab)
    return parents_of(lab, select(p.child.cls).options(subqueryload(p.child.cls.parent)))


@attack("reads")
def contains_eager_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent from a hand-written join."""
    p, _ = planted_child(lab)
    joined = select(p.child.cls).outerjoin(p.child.cls.parent)
    return parents_of(lab, joined.options(contains_eager(p.child.cls.parent)))


@attack("reads")
def has_foreign_parent(lab: Lab) -> Any:
    """Ask with `has` whether the attacker's row refers to a parent with a guessed text."""
    p, _ = planted_child(lab)
    guess = p.parent.attr(p.parent.text) == p.parent.b[0][p.parent.text.key]
    return lab.told(len(lab.orm(select(p.child.cls).where(p.child.cls.parent.has(guess)))), 0)


@attack("reads")
def lazy_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children of the attacker's parent, to which the victim's row refers."""
    p = planted_parent(lab)
    return lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0])).children


@attack("reads")
def joined_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children in the same statement."""
    p = planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(joinedload(p.parent.cls.children)))


@attack("reads")
def selectin_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children with IN."""
    p = planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(selectinload(p.parent.cls.children)))


@attack("reads")
def subquery_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children with a subquery."""
    p = planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(subqueryload(p.parent.cls.children)))


@attack("reads")
def any_foreign_child(lab: Lab) -> Any:
    """Ask with `any` whether there is a child with a guessed key."""
    p = planted_parent(lab)
    guess = p.child.attr(p.child.pk) == p.child.b[0][p.child.pk.key]
    return lab.told(len(lab.orm(select(p.parent.cls).where(p.parent.cls.children.any(guess)))), 0)


@attack("reads")
def write_only_children(lab: Lab) -> Any:
    """Select through a write-only relationship."""
    p = planted_parent(lab)
    session = lab.session()
    parent = session.get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    return session.scalars(parent.many.select()).all()


@attack("reads")
def dynamic_children(lab: Lab) -> Any:
    """Query through a dynamic relationship."""
    p = planted_parent(lab)
    parent = lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    return parent.some.all()


@attack("reads")
def dynamic_children_counted(lab: Lab) -> Any:
    """Count through a dynamic relationship."""
    p = planted_parent(lab)
    parent = lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    wanted = p.to(p.parent.a[0])
    mine = [row for row in p.child.a if all(row[key] == value for key, value in wanted.items())]
    return lab.told(parent.some.count(), len(mine))


@attack("reads")
def children_of_stub(lab: Lab) -> Any:
    """Select the children of a parent that was made up from the victim's key."""
    p = lab.pair
    stub = p.parent.object(p.parent.keys_of(p.parent.b[0]))
    return lab.session().scalars(select(p.child.cls).where(with_parent(stub, p.parent.cls.children))).all()


@attack("reads")
def compare_with_stub(lab: Lab) -> Any:
    """Compare a relationship with a parent that was made up from the victim's key."""
    p = lab.pair
    stub = p.parent.object(p.parent.keys_of(p.parent.b[0]))
    return lab.session().scalars(select(p.child.cls).where(p.child.cls.parent == stub)).all()


@attack("reads")
def lazy_load_of_pending_child(lab: Lab) -> Any:
    """Load the parent of a pending object that names the victim's key."""
    p = lab.pair
    session = lab.session(autoflush=False, enable_baked_queries=False)
    child = p.child.object(p.child.new("a", **p.to(p.parent.b[0])))
    session.add(child)
    session.enable_relationship_loading(child)
    return child.parent


@attack("reads")
def lazy_load_through(lab: Lab) -> Any:
    """Load children without a tenant column of a stub that has the victim's key."""
    part = lab.part
    session = lab.session(autoflush=False)
    stub = part.parent.object(part.parent.keys_of(part.parent.b[0]))
    session.enable_relationship_loading(stub)
    return stub.children
