"""Joins of every kind, nesting and condition."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, true
from sqlalchemy.orm import (
    aliased,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def inner_join(lab: Lab) -> Any:
    """Join a child to its parent."""
    p = lab.pair
    return lab.rows(select(p.child.table, p.parent.table).join_from(p.child.table, p.parent.table, p.on()))


@attack("reads")
def inner_join_on_anything(lab: Lab) -> Any:
    """Join a parent on a condition that is always true."""
    p = lab.pair
    return lab.rows(select(p.parent.table).select_from(p.child.table.join(p.parent.table, true())))


@attack("reads")
def left_join(lab: Lab) -> Any:
    """Left join the victim's parents."""
    p = lab.pair
    return lab.rows(
        select(p.parent.table).select_from(p.child.table.outerjoin(p.parent.table, p.parent.tenant == lab.b))
    )


@attack("reads")
def left_join_counts_children(lab: Lab) -> Any:
    """Left join children on a condition that is always true, so that each parent counts the victim's too."""
    p = lab.pair
    joined = p.parent.table.outerjoin(p.child.table, true())
    got = lab.rows(select(func.count(p.child.pk)).select_from(joined).where(p.parent.match(p.parent.a[0])))
    return lab.told(got[0][0], len(p.child.a))


@attack("reads")
def left_join_from_shared(lab: Lab) -> Any:
    """Left join an owned table to a shared one."""
    o, s = lab.owned, lab.shared
    return lab.rows(select(o.table).select_from(s.table.outerjoin(o.table, true())))


@attack("reads")
def left_join_found_nothing(lab: Lab) -> Any:
    """Learn from a missing match whether the victim's row exists."""
    o, s = lab.owned, lab.shared
    joined = s.table.outerjoin(o.table, o.match(o.b[0]))
    return lab.told(len(lab.rows(select(s.pk).select_from(joined).where(o.pk.is_(None)))), len(s.a))


@attack("reads")
def nested_outer_join(lab: Lab) -> Any:
    """Put a join on the outer side of a join."""
    p, s = lab.pair, lab.shared
    inner = p.child.table.join(p.parent.table, p.on())
    return lab.rows(select(p.parent.table).select_from(s.table.outerjoin(inner, true())))


@attack("reads")
def outer_join_of_outer_join(lab: Lab) -> Any:
    """Put an outer join on the outer side of an outer join."""
    p, s = lab.pair, lab.shared
    inner = p.child.table.outerjoin(p.parent.table, true())
    return lab.rows(select(p.parent.table).select_from(s.table.outerjoin(inner, true())))


@attack("reads")
def left_side_of_outer_join(lab: Lab) -> Any:
    """Keep the victim's rows on the preserved side of an outer join."""
    p = lab.pair
    joined = p.parent.table.outerjoin(p.child.table, and_(p.on(), p.child.tenant == lab.a))
    return lab.rows(select(p.parent.table).select_from(joined))


@attack("reads")
def full_join(lab: Lab) -> Any:
    """Full join."""
    lab.only("postgresql", "sqlite")
    p = lab.pair
    joined = p.child.table.join(p.parent.table, p.on(), full=True)
    return lab.rows(select(p.child.table, p.parent.table).select_from(joined))


@attack("reads")
def full_join_of_aliases(lab: Lab) -> Any:
    """Full join two aliases on a condition that is never true."""
    lab.only("postgresql", "sqlite")
    o = lab.owned
    one, two = o.table.alias(), o.table.alias()
    never = and_(one.c[o.pk.key] == two.c[o.pk.key], one.c[o.pk.key] != two.c[o.pk.key])
    return lab.rows(select(one, two).select_from(one.join(two, never, full=True)))


@attack("reads")
def full_join_of_join(lab: Lab) -> Any:
    """Full join a join to a shared table."""
    lab.only("postgresql", "sqlite")
    p, s = lab.pair, lab.shared
    inner = p.child.table.join(p.parent.table, p.on())
    return lab.rows(
        select(p.parent.table).select_from(inner.join(s.table, s.text == p.parent.text, full=True))
    )


@attack("reads")
def full_join_orm(lab: Lab) -> Any:
    """Full join mapped classes."""
    lab.only("postgresql", "sqlite")
    p = lab.pair
    return lab.orm(select(p.child.cls, p.parent.cls).join(p.child.cls.parent, full=True))


@attack("reads")
def on_clause_subquery(lab: Lab) -> Any:
    """Hide a subquery in the ON clause of shared tables."""
    o, s = lab.owned, lab.shared
    other = s.table.alias()
    there = exists().where(o.match(o.b[0]))
    got = lab.rows(
        select(s.pk).select_from(s.table.join(other, and_(s.match(s.a[0]), s.match(s.a[0], other), there)))
    )
    return lab.told(len(got), 0)


@attack("reads")
def implicit_comma_join(lab: Lab) -> Any:
    """List two tables in FROM with the condition in WHERE."""
    p = lab.pair
    return lab.rows(select(p.child.table, p.parent.table).where(p.on()))


@attack("reads")
def cartesian_with_shared(lab: Lab) -> Any:
    """List an owned table beside a shared one, without a condition."""
    return lab.rows(select(lab.shared.pk, lab.owned.table).select_from(lab.shared.table, lab.owned.table))


@attack("reads")
def from_in_where_only(lab: Lab) -> Any:
    """Name the owned table only in WHERE."""
    o, s = lab.owned, lab.shared
    return lab.told(len(lab.rows(select(s.pk).where(s.match(s.a[0]), o.match(o.b[0])))), 0)


@attack("reads")
def from_in_order_only(lab: Lab) -> Any:
    """Name the owned table only in an outer join and in ORDER BY, and read the order."""
    o, s = lab.owned, lab.shared
    joined = s.table.outerjoin(o.table, and_(o.match(o.b[0]), s.pk == s.b[-1][s.pk.key]))
    got = lab.rows(select(s.pk).select_from(joined).order_by(case((o.pk.is_not(None), 0), else_=1), s.pk))
    return lab.told(got[0][0], min(row[s.pk.key] for row in s.a))


@attack("reads")
def self_join(lab: Lab) -> Any:
    """Join a table to an alias of itself."""
    o, other = lab.owned, lab.owned.table.alias()
    return lab.rows(select(other).select_from(o.table.join(other, other.c[o.pk.key] != o.pk)))


@attack("reads")
def join_through_to_wrong_parent(lab: Lab) -> Any:
    """Join a table without a tenant column to its parent on another condition than its key."""
    part = lab.part
    return lab.rows(
        select(part.child.table).select_from(
            part.child.table.join(part.parent.table, part.parent.match(part.parent.a[0]))
        )
    )


@attack("reads")
def join_through_either_key(lab: Lab) -> Any:
    """Join a table without a tenant column to its parent on the key or a condition that is always true."""
    part = lab.part
    joined = part.child.table.join(part.parent.table, or_(part.on(), true()))
    return lab.rows(select(part.child.table).select_from(joined))


@attack("reads")
def join_through_outwards(lab: Lab) -> Any:
    """Outer join a table without a tenant column to its parent."""
    part = lab.part
    return lab.rows(
        select(part.child.table).select_from(part.child.table.outerjoin(part.parent.table, part.on()))
    )


@attack("reads")
def join_through_parent_below(lab: Lab) -> Any:
    """Let the parent be guarded in a subquery of another select than the child."""
    part = lab.part
    guarded = select(part.parent.pk).where(part.on()).exists()
    return lab.rows(select(part.child.table).where(or_(guarded, true())))


@attack("reads")
def join_through_alias_of_parent(lab: Lab) -> Any:
    """Join the child to one alias of the parent and leave another alias free."""
    part = lab.part
    one = part.parent.table.alias()
    joined = part.child.table.outerjoin(one, part.on(parent=one)).join(part.parent.table, true())
    return lab.rows(select(part.child.table).select_from(joined))


@attack("reads")
def comma_join_through(lab: Lab) -> Any:
    """List a child and its parent with an OR between their keys and another condition."""
    part = lab.part
    return lab.rows(select(part.child.table).where(or_(part.on(), part.child.match(part.child.b[0]))))


@attack("reads")
def orm_join_relationship(lab: Lab) -> Any:
    """Join along a relationship."""
    p = lab.pair
    return lab.orm(select(p.child.cls, p.parent.cls).join(p.child.cls.parent))


@attack("reads")
def orm_outer_join_relationship(lab: Lab) -> Any:
    """Outer join along a relationship with a custom condition."""
    p = lab.pair
    return lab.orm(select(p.parent.cls, p.child.cls).outerjoin(p.parent.cls.children.and_(true())))


@attack("reads")
def orm_join_of_type(lab: Lab) -> Any:
    """Join along a relationship to an alias of its target."""
    p = lab.pair
    other = aliased(p.child.cls)
    return lab.orm(select(p.parent.cls, other).join(p.parent.cls.children.of_type(other)))
