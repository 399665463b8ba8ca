"""Trees, associations, mapped expressions and statements put together from parts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, true
from sqlalchemy.ext import serializer
from sqlalchemy.orm import (
    aliased,
    column_property,
    foreign,
    joinedload,
    lazyload,
    raiseload,
    relationship,
    remote,
    selectinload,
    with_expression,
)
from sqlalchemy.orm import (
    query_expression as empty_expression,
)
from sqlalchemy.orm.query import Query

from tenantguard.testing.vectors.escapes.helpers import (
    many_to_many,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def tree_children(lab: Lab) -> Any:
    """Load the whole table along its reference to itself."""
    t = lab.tree
    other = aliased(t.child.cls)
    return lab.orm(select(t.child.cls, other).outerjoin(other, true()))


@attack("reads")
def tree_eager(lab: Lab) -> Any:
    """Load two levels of a table that refers to itself."""
    t = lab.tree
    return lab.orm(
        select(t.parent.cls).options(joinedload(t.parent.cls.children).joinedload(t.parent.cls.children))
    )


@attack("reads")
def tree_recursive(lab: Lab) -> Any:
    """Walk a tree from the victim's root."""
    t = lab.tree
    root = select(t.child.table).where(t.child.match(t.child.b[0])).cte("walk", recursive=True)
    below = t.child.table.alias()
    return lab.rows(select(root.union_all(select(below).where(t.on(child=below, parent=root)))))


@attack("reads")
def secondary_join(lab: Lab) -> Any:
    """Join two tables through their association."""
    b = lab.bridge
    joined = b.left.parent.table.join(b.table.table, b.left.on()).join(b.right.parent.table, b.right.on())
    return lab.rows(select(b.left.parent.table, b.right.parent.table).select_from(joined))


@attack("reads")
def secondary_only_right(lab: Lab) -> Any:
    """Join the association to the parent that it does not belong through."""
    b = lab.bridge
    return lab.rows(select(b.table.table).select_from(b.table.table.join(b.right.parent.table, b.right.on())))


@attack("reads")
def secondary_lazy_load(lab: Lab) -> Any:
    """Load the far side of an association for a stub that has the victim's key."""
    b, left, _ = many_to_many(lab)
    session = lab.session(autoflush=False)
    stub = left()
    for key, value in b.left.parent.keys_of(b.left.parent.b[0]).items():
        setattr(stub, key, value)
    session.enable_relationship_loading(stub)
    return stub.rights


@attack("reads")
def secondary_selectin_load(lab: Lab) -> Any:
    """Load both sides of an association by IN."""
    _, left, _ = many_to_many(lab)
    return lab.orm(select(left).options(selectinload(left.rights)))


@attack("reads")
def secondary_any(lab: Lab) -> Any:
    """Ask with `any` for a right side with a guessed text."""
    b, left, right = many_to_many(lab)
    text = b.right.parent.text.key
    guess = getattr(right, text) == b.right.parent.b[0][text]
    return lab.orm(select(left).where(left.rights.any(guess)))


@attack("reads")
def column_property_subquery(lab: Lab) -> Any:
    """Map a column to a count of another table."""
    p = lab.pair
    counted = select(func.count()).select_from(p.child.table).scalar_subquery()
    cls = lab.map(p.parent.table, counted=column_property(counted))
    row = lab.orm(select(cls).where(p.parent.match(p.parent.a[0])))[0][0]
    return lab.told(row.counted, len(p.child.a))


@attack("reads")
def query_expression(lab: Lab) -> Any:
    """Fill a mapped attribute by a subquery given with the query."""
    o = lab.owned
    cls = lab.map(o.table, beside_it=empty_expression())
    other = o.table.alias()
    inner = select(func.max(other.c[o.text.key])).scalar_subquery()
    return [row[0].beside_it for row in lab.orm(select(cls).options(with_expression(cls.beside_it, inner)))]


@attack("reads")
def relationship_on_anything(lab: Lab) -> Any:
    """Load a relationship whose condition ignores every key."""
    p = lab.pair
    child = lab.map(p.child.table)
    condition = p.parent.pk != foreign(remote(p.child.pk))
    cls = lab.map(
        p.parent.table, anything=relationship(child, primaryjoin=condition, viewonly=True, uselist=True)
    )
    return lab.orm(select(cls).options(selectinload(cls.anything)))


@attack("reads")
def every_relationship(lab: Lab) -> Any:
    """Load every relationship of the application's own classes by IN, from every class."""
    session = lab.session()
    kept: list[Any] = []
    for mapper in lab.mappers:
        if lab.tenancy.of(mapper.local_table).kind != "shared":
            options = [
                selectinload(getattr(mapper.class_, name))
                for name, found in mapper.relationships.items()
                if found.lazy not in ("write_only", "dynamic")
            ]
            kept += session.scalars(select(mapper.class_).options(*options)).unique().all()
    return kept


@attack("reads")
def refused_loaders(lab: Lab) -> Any:
    """Mix loaders that load nothing or raise with one that loads."""
    p = lab.pair
    options = [raiseload("*"), lazyload(p.child.cls.parent)]
    found = lab.orm(select(p.child.cls).options(*options))
    return [row[0].parent for row in found]


@attack("reads")
def legacy_query_join(lab: Lab) -> Any:
    """Join with the legacy query and take the condition along."""
    p = lab.pair
    query: Query[Any] = lab.session().query(p.child.cls, p.parent.cls)
    return query.join(p.parent.cls, p.child.cls.parent).filter(p.child.tenant == lab.b).all()


@attack("reads")
def subquery_alias_joined(lab: Lab) -> Any:
    """Join a mapped class to an alias of a subquery of its parent."""
    p = lab.pair
    parents = aliased(p.parent.cls, select(p.parent.cls).subquery())
    return lab.orm(select(p.child.cls, parents).outerjoin(parents, true()))


@attack("reads")
def serialized_statement(lab: Lab) -> Any:
    """Execute a statement that was serialized and read back."""
    o = lab.owned
    text = serializer.dumps(select(o.table).where(o.match(o.b[0])))  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
    found = serializer.loads(text, o.table.metadata, None, lab.engine)  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
    return lab.rows(found)
