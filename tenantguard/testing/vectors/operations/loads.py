"""Relationships between the tenant's own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    select,
)
from sqlalchemy.orm import (
    contains_eager,
    joinedload,
    selectinload,
    subqueryload,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.operations.helpers import (
    children_counts,
    equal,
    link_values,
    same,
)
from tenantguard.testing.vectors.table import legitimate


@legitimate("reads")
def own_full_join(lab: Lab) -> Any:
    """Full join and keep what has no match on either side."""
    lab.only("postgresql", "sqlite")
    p = lab.pair
    joined = p.child.table.join(p.parent.table, p.on(), full=True)
    found = lab.rows(select(p.child.pk, p.parent.pk).select_from(joined))
    used = {tuple(link_values(p, row)) for row in p.child.a}
    free = [row for row in p.parent.a if tuple(row[theirs.key] for _, theirs in p.link) not in used]
    equal(len(found), len(p.child.a) + len(free))


@legitimate("reads")
def own_loaders(lab: Lab) -> Any:
    """Load a relationship with each loader and find the same rows."""
    p = lab.pair
    for load in (joinedload, selectinload, subqueryload):
        found = (
            lab.session().scalars(select(p.parent.cls).options(load(p.parent.cls.children))).unique().all()
        )
        same([len(one.children) for one in found], children_counts(p))
    lazy = lab.session().scalars(select(p.parent.cls)).all()
    same([len(one.children) for one in lazy], children_counts(p))


@legitimate("reads")
def own_collections(lab: Lab) -> Any:
    """Read a write-only and a dynamic relationship."""
    p = lab.pair
    session = lab.session()
    parents = session.scalars(select(p.parent.cls)).all()
    same([len(session.scalars(one.many.select()).all()) for one in parents], children_counts(p))
    same([one.some.count() for one in parents], children_counts(p))


@legitimate("reads")
def own_relationship_conditions(lab: Lab) -> Any:
    """Filter by `any` and `has`."""
    p = lab.pair
    having = [count for count in children_counts(p) if count]
    equal(len(lab.orm(select(p.parent.cls).where(p.parent.cls.children.any()))), len(having))
    linked = [row for row in p.child.a if None not in link_values(p, row)]
    equal(len(lab.orm(select(p.child.cls).where(p.child.cls.parent.has()))), len(linked))


@legitimate("reads")
def own_contains_eager(lab: Lab) -> Any:
    """Load children from a hand-written join."""
    p = lab.pair
    joined = select(p.parent.cls).outerjoin(p.parent.cls.children)
    found = lab.session().scalars(joined.options(contains_eager(p.parent.cls.children))).unique().all()
    same([len(one.children) for one in found], children_counts(p))
