"""Writes of the tenant's own rows by units of work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import (
    relationship,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.operations.helpers import (
    count,
    equal,
)
from tenantguard.testing.vectors.table import legitimate


@legitimate("writes")
def own_through_written(lab: Lab) -> Any:
    """Insert, change and delete rows of a table without a tenant column."""
    part = lab.part
    child = part.child
    lab.write(insert(child.table).values(child.new("a", 100)))
    lab.flush(child.object(child.new("a", 101)))
    changed = update(child.table).where(child.match(child.a[0])).values(child.set(text="mine"))
    equal(lab.write(changed), 1)
    equal(lab.write(delete(child.table).where(child.match(child.new("a", 100)))), 1)
    equal(count(lab, child), len(child.a) + 1)


@legitimate("writes")
def own_grandchild_written(lab: Lab) -> Any:
    """Insert rows that belong through a chain."""
    child = lab.deep.child
    lab.write(insert(child.table), [child.new("a", 100), child.new("a", 101)])
    lab.flush(child.object(child.new("a", 102)))
    equal(count(lab, child), len(child.a) + 3)


@legitimate("writes")
def own_parent_and_child_added(lab: Lab) -> Any:
    """Add a parent with a child in one flush."""
    p = lab.pair
    parent = p.parent.object(p.parent.unnamed(100))
    child = p.child.object({k: v for k, v in p.child.unnamed(100).items() if k not in p.to(p.parent.a[0])})
    child.parent = parent
    lab.flush(child)
    equal(count(lab, p.child), len(p.child.a) + 1)


@legitimate("writes")
def own_child_moved(lab: Lab) -> Any:
    """Move a child from one of the tenant's parents to another."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    child.parent = session.get(p.parent.cls, p.parent.ident(p.parent.a[-1]))
    session.commit()
    wanted = p.to(p.parent.a[0])
    equal(lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(wanted)), 1)


@legitimate("writes")
def own_association_edited(lab: Lab) -> Any:
    """Append to a many-to-many list and remove from it."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **b.joins()))
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    owner.rights = session.scalars(select(right)).all()
    session.commit()
    owner.rights = []
    session.commit()
    mine = b.left.to(b.left.parent.a[0])
    rest = [row for row in b.table.a if any(row[key] != value for key, value in mine.items())]
    equal(count(lab, b.table), len(rest))


@legitimate("writes")
def own_tree_written(lab: Lab) -> Any:
    """Add a row below one of the tenant's rows in the same table."""
    t = lab.tree
    lab.flush(t.child.object(t.child.new("a", 100, **t.to(t.parent.a[0]))))
    equal(count(lab, t.child), len(t.child.a) + 1)


@legitimate("writes")
def own_merge(lab: Lab) -> Any:
    """Merge one of the tenant's objects, whether it is stored or not."""
    o = lab.leaf
    session = lab.session()
    session.merge(o.object({**o.a[0], o.text.key: "mine"}))
    session.merge(o.object(o.new("a", 100)))
    session.commit()
    equal(count(lab, o), len(o.a) + 1)


@legitimate("writes")
def own_refresh(lab: Lab) -> Any:
    """Refresh and expire one of the tenant's objects."""
    o = lab.owned
    session = lab.session()
    held = session.get(o.cls, o.ident(o.a[0]))
    session.refresh(held)
    session.expire(held)
    equal(getattr(held, o.text.key), o.a[0][o.text.key])


@legitimate("writes")
def own_savepoint(lab: Lab) -> Any:
    """Roll back to a savepoint and go on."""
    o = lab.leaf
    session = lab.session()
    session.add(o.object(o.unnamed(100)))
    nested = session.begin_nested()
    session.add(o.object(o.unnamed(101)))
    session.flush()
    nested.rollback()
    session.add(o.object(o.unnamed(102)))
    session.commit()
    equal(count(lab, o), len(o.a) + 2)
