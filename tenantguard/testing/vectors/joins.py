"""Reads of several tables: joins of every kind, and relationships of every loader."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, true
from sqlalchemy.ext import serializer
from sqlalchemy.orm import (
    aliased,
    column_property,
    contains_eager,
    foreign,
    joinedload,
    lazyload,
    query_expression as empty_expression,
    raiseload,
    relationship,
    remote,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    with_expression,
    with_parent,
    with_polymorphic,
)
from sqlalchemy.orm.query import Query

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
    """Join outwards to the victim's parents."""
    p = lab.pair
    return lab.rows(
        select(p.parent.table).select_from(p.child.table.outerjoin(p.parent.table, p.parent.tenant == lab.b))
    )


@attack("reads")
def left_join_counts_children(lab: Lab) -> Any:
    """Join children outwards on anything, so that each parent counts the victim's too."""
    p = lab.pair
    joined = p.parent.table.outerjoin(p.child.table, true())
    got = lab.rows(select(func.count(p.child.pk)).select_from(joined).where(p.parent.match(p.parent.a[0])))
    return lab.told(got[0][0], len(p.child.a))


@attack("reads")
def left_join_from_shared(lab: Lab) -> Any:
    """Join an owned table outwards to a shared one."""
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
    """Join fully."""
    lab.only("postgresql", "sqlite")
    p = lab.pair
    joined = p.child.table.join(p.parent.table, p.on(), full=True)
    return lab.rows(select(p.child.table, p.parent.table).select_from(joined))


@attack("reads")
def full_join_of_aliases(lab: Lab) -> Any:
    """Join two aliases fully on a condition that never holds."""
    lab.only("postgresql", "sqlite")
    o = lab.owned
    one, two = o.table.alias(), o.table.alias()
    never = one.c[o.pk.key] == two.c[o.pk.key] + 1_000_000
    return lab.rows(select(one, two).select_from(one.join(two, never, full=True)))


@attack("reads")
def full_join_of_join(lab: Lab) -> Any:
    """Join a join fully to a shared table."""
    lab.only("postgresql", "sqlite")
    p, s = lab.pair, lab.shared
    inner = p.child.table.join(p.parent.table, p.on())
    return lab.rows(
        select(p.parent.table).select_from(inner.join(s.table, s.text == p.parent.text, full=True))
    )


@attack("reads")
def full_join_orm(lab: Lab) -> Any:
    """Join mapped classes fully."""
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
    """Name the owned table in WHERE alone."""
    o, s = lab.owned, lab.shared
    return lab.told(len(lab.rows(select(s.pk).where(s.match(s.a[0]), o.match(o.b[0])))), 0)


@attack("reads")
def from_in_order_only(lab: Lab) -> Any:
    """Name the owned table in an outer join and in ORDER BY alone, and read the order."""
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
    """Join a table without a tenant column to its parent on the key or anything."""
    part = lab.part
    joined = part.child.table.join(part.parent.table, or_(part.on(), true()))
    return lab.rows(select(part.child.table).select_from(joined))


@attack("reads")
def join_through_outwards(lab: Lab) -> Any:
    """Join a table without a tenant column outwards to its parent."""
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
    """Join outwards along a relationship with a condition of one's own."""
    p = lab.pair
    return lab.orm(select(p.parent.cls, p.child.cls).outerjoin(p.parent.cls.children.and_(true())))


@attack("reads")
def orm_join_of_type(lab: Lab) -> Any:
    """Join along a relationship to an alias of its target."""
    p = lab.pair
    other = aliased(p.child.cls)
    return lab.orm(select(p.parent.cls, other).join(p.parent.cls.children.of_type(other)))


def _planted_child(lab: Lab) -> Any:
    """Make a row of the attacker refer to the victim's parent, as a bug of an earlier year would have."""
    p = lab.pair
    row = {**p.child.a[0], **p.to(p.parent.b[0])}
    lab.arrange(p.child.table.update().where(p.child.match(row)).values(p.to(p.parent.b[0])))
    return p, row


def _parents(lab: Lab, statement: Any) -> list[Any]:
    """Return the loaded parents alone: the foreign key itself is the attacker's own column."""
    return [row[0].parent for row in lab.orm(statement)]


@attack("reads")
def lazy_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the parent of a row that already refers to the victim's."""
    p, row = _planted_child(lab)
    child = lab.session().get(p.child.cls, p.child.ident(row))
    return child.parent


@attack("reads")
def joined_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent in the same statement."""
    p, _ = _planted_child(lab)
    return _parents(lab, select(p.child.cls).options(joinedload(p.child.cls.parent)))


@attack("reads")
def inner_joined_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent in the same statement by an inner join."""
    p, _ = _planted_child(lab)
    return _parents(lab, select(p.child.cls).options(joinedload(p.child.cls.parent, innerjoin=True)))


@attack("reads")
def selectin_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent by IN."""
    p, _ = _planted_child(lab)
    return _parents(lab, select(p.child.cls).options(selectinload(p.child.cls.parent)))


@attack("reads")
def subquery_load_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent by a subquery."""
    p, _ = _planted_child(lab)
    return _parents(lab, select(p.child.cls).options(subqueryload(p.child.cls.parent)))


@attack("reads")
def contains_eager_of_foreign_parent(lab: Lab) -> Any:
    """Load the victim's parent from a join of one's own."""
    p, _ = _planted_child(lab)
    joined = select(p.child.cls).outerjoin(p.child.cls.parent)
    return _parents(lab, joined.options(contains_eager(p.child.cls.parent)))


@attack("reads")
def has_foreign_parent(lab: Lab) -> Any:
    """Ask by `has` whether one's row refers to a parent with a guessed text."""
    p, _ = _planted_child(lab)
    guess = p.parent.attr(p.parent.text) == p.parent.b[0][p.parent.text.key]
    return lab.told(len(lab.orm(select(p.child.cls).where(p.child.cls.parent.has(guess)))), 0)


def _planted_parent(lab: Lab) -> Any:
    """Make a row of the victim refer to the attacker's parent."""
    p = lab.pair
    row = p.child.b[0]
    lab.arrange(p.child.table.update().where(p.child.match(row)).values(p.to(p.parent.a[0])))
    return p


@attack("reads")
def lazy_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children of one's parent, to which the victim's row refers."""
    p = _planted_parent(lab)
    return lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0])).children


@attack("reads")
def joined_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children in the same statement."""
    p = _planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(joinedload(p.parent.cls.children)))


@attack("reads")
def selectin_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children by IN."""
    p = _planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(selectinload(p.parent.cls.children)))


@attack("reads")
def subquery_load_of_foreign_children(lab: Lab) -> Any:
    """Load the children by a subquery."""
    p = _planted_parent(lab)
    return lab.orm(select(p.parent.cls).options(subqueryload(p.parent.cls.children)))


@attack("reads")
def any_foreign_child(lab: Lab) -> Any:
    """Ask by `any` whether a child with a guessed key is there."""
    p = _planted_parent(lab)
    guess = p.child.attr(p.child.pk) == p.child.b[0][p.child.pk.key]
    return lab.told(len(lab.orm(select(p.parent.cls).where(p.parent.cls.children.any(guess)))), 0)


@attack("reads")
def write_only_children(lab: Lab) -> Any:
    """Select through a write-only relationship."""
    p = _planted_parent(lab)
    session = lab.session()
    parent = session.get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    return session.scalars(parent.many.select()).all()


@attack("reads")
def dynamic_children(lab: Lab) -> Any:
    """Query through a dynamic relationship."""
    p = _planted_parent(lab)
    parent = lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0]))
    return parent.some.all()


@attack("reads")
def dynamic_children_counted(lab: Lab) -> Any:
    """Count through a dynamic relationship."""
    p = _planted_parent(lab)
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


def _many_to_many(lab: Lab) -> Any:
    """Map the left side with a list of the right side through the association."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    joins = {"primaryjoin": b.left.on(), "secondaryjoin": b.right.on()}
    many = relationship(right, secondary=b.table.table, **joins)
    return b, lab.map(b.left.parent.table, rights=many), right


@attack("reads")
def secondary_lazy_load(lab: Lab) -> Any:
    """Load the far side of an association for a stub that has the victim's key."""
    b, left, _ = _many_to_many(lab)
    session = lab.session(autoflush=False)
    stub = left()
    for key, value in b.left.parent.keys_of(b.left.parent.b[0]).items():
        setattr(stub, key, value)
    session.enable_relationship_loading(stub)
    return stub.rights


@attack("reads")
def secondary_selectin_load(lab: Lab) -> Any:
    """Load both sides of an association by IN."""
    _, left, _ = _many_to_many(lab)
    return lab.orm(select(left).options(selectinload(left.rights)))


@attack("reads")
def secondary_any(lab: Lab) -> Any:
    """Ask by `any` for a right side with a guessed text."""
    b, left, right = _many_to_many(lab)
    text = b.right.parent.text.key
    guess = getattr(right, text) == b.right.parent.b[0][text]
    return lab.orm(select(left).where(left.rights.any(guess)))


@attack("reads")
def joined_inheritance_child(lab: Lab) -> Any:
    """Select the table of a joined-inheritance child by itself."""
    return lab.rows(select(lab.extension.child.table))


@attack("reads")
def joined_inheritance_class(lab: Lab) -> Any:
    """Load a joined-inheritance class of the application's own."""
    mapper = _joined_mapper(lab)
    return lab.session().scalars(select(mapper.class_)).all()


@attack("reads")
def joined_inheritance_get(lab: Lab) -> Any:
    """Get the victim's object of a joined-inheritance class."""
    mapper = _joined_mapper(lab)
    child = lab.extension.child
    return lab.session().get(mapper.class_, child.ident(child.b[0]))


@attack("reads")
def joined_inheritance_count(lab: Lab) -> Any:
    """Count a joined-inheritance class."""
    mapper = _joined_mapper(lab)
    got = lab.session().scalar(select(func.count()).select_from(mapper.class_))
    return lab.told(got, len(lab.extension.child.a))


@attack("reads")
def polymorphic_load(lab: Lab) -> Any:
    """Load a base with all its subclasses in one statement."""
    mapper = _joined_mapper(lab).base_mapper
    return lab.orm(select(with_polymorphic(mapper.class_, "*")))


@attack("reads")
def polymorphic_selectin(lab: Lab) -> Any:
    """Load a base, and the subclasses' columns by IN."""
    mapper = _joined_mapper(lab)
    base = mapper.base_mapper.class_
    return lab.orm(select(base).options(selectin_polymorphic(base, [mapper.class_])))


@attack("reads")
def polymorphic_aliased_flat(lab: Lab) -> Any:
    """Load a flat alias of a base with its subclasses."""
    mapper = _joined_mapper(lab).base_mapper
    return lab.orm(select(with_polymorphic(mapper.class_, "*", aliased=True, flat=True)))


@attack("reads")
def polymorphic_of_type(lab: Lab) -> Any:
    """Load the second table of a joined-inheritance row lazily, after the base alone was selected."""
    mapper = _joined_mapper(lab)
    found = lab.orm(select(mapper.base_mapper.class_))
    return [getattr(row[0], lab.extension.child.texts[0].key, None) for row in found]


def _joined_mapper(lab: Lab) -> Any:
    wanted = lab.extension.child.table
    found = [m for m in lab.mappers if m.local_table is wanted and m.inherits is not None]
    if not found:
        lab.only("a schema whose joined tables are mapped by inheritance")
    return found[0]


@attack("reads")
def single_table_subclass(lab: Lab) -> Any:
    """Load a subclass that shares its table with its base."""
    return lab.session().scalars(select(lab.subclass.class_)).all()


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
    cls = lab.map(o.table, extra=empty_expression())
    other = o.table.alias()
    inner = select(func.max(other.c[o.text.key])).scalar_subquery()
    return [row[0].extra for row in lab.orm(select(cls).options(with_expression(cls.extra, inner)))]


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
def own_loaders(lab: Lab) -> Any:
    """Load every relationship of the application's own classes by IN, from every class."""
    session, kept = lab.session(), []
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
    text = serializer.dumps(select(o.table).where(o.match(o.b[0])))
    return lab.rows(serializer.loads(text, o.table.metadata, None, lab.engine))
