"""Legitimate operations: the same forms on the attacker's own rows, which must work and give exactly those.

A guard that breaks these is no guard but an outage. Each function raises ``AssertionError`` where the result
is not what a database with the tenant's rows and the shared ones alone would give.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    joinedload,
    relationship,
    selectinload,
    subqueryload,
    with_polymorphic,
)

from tenantguard.context import bind
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Shape
from tenantguard.testing.vectors.table import legitimate


def _same(got: Any, expected: Any) -> None:
    """Raise where two collections of rows differ, whatever their order."""
    left, right = sorted(map(repr, got)), sorted(map(repr, expected))
    if left != right:
        raise AssertionError(f"got {left[:5]}, the tenant's own rows give {right[:5]}")


def _equal(got: Any, expected: Any) -> None:
    if got != expected:
        raise AssertionError(f"got {got!r}, the tenant's own rows give {expected!r}")


def _keys(shape: Shape, rows: Any) -> list[Any]:
    return [shape.ident(row) for row in rows]


def _idents(shape: Shape, objects: Any) -> list[Any]:
    return [shape.ident({c.key: getattr(one, c.key) for c in shape.table.columns}) for one in objects]


def _rows(shape: Shape) -> list[tuple[Any, ...]]:
    return [tuple(row[c.key] for c in shape.table.columns) for row in shape.a]


def _count(lab: Lab, shape: Shape) -> int:
    return int(lab.rows(select(func.count()).select_from(shape.table))[0][0])


@legitimate("reads")
def own_rows(lab: Lab) -> Any:
    """Select every table on a connection."""
    for shape in lab.shapes.values():
        _same([tuple(row) for row in lab.rows(select(shape.table))], _rows(shape))


@legitimate("reads")
def own_objects(lab: Lab) -> Any:
    """Load every table as objects."""
    session = lab.session()
    for shape in lab.shapes.values():
        _same(_idents(shape, session.scalars(select(shape.cls)).all()), _keys(shape, shape.a))


@legitimate("reads")
def own_classes(lab: Lab) -> Any:
    """Load every class of the application's own."""
    session = lab.session()
    for mapper in lab.mappers:
        shape = lab.shapes.get(mapper.local_table)  # type: ignore[call-overload]  # a Table, or nothing is found
        if shape is not None and mapper.inherits is None:
            found = session.scalars(select(mapper.class_)).unique().all()
            _equal(len(found), len(shape.a))


@legitimate("reads")
def own_get(lab: Lab) -> Any:
    """Get each of one's own objects by its key."""
    session = lab.session()
    for shape in lab.shapes.values():
        for row in shape.a:
            found = session.get(shape.cls, shape.ident(row))
            _equal(found is not None, True)


@legitimate("reads")
def own_counts(lab: Lab) -> Any:
    """Count every table in two ways."""
    session = lab.session()
    for shape in lab.shapes.values():
        _equal(_count(lab, shape), len(shape.a))
        _equal(session.query(shape.cls).count(), len(shape.a))


@legitimate("reads")
def own_aggregates(lab: Lab) -> Any:
    """Sum and group."""
    o = lab.owned
    total = lab.rows(select(func.sum(o.number)))[0][0]
    _equal(int(total), sum(row[o.number.key] for row in o.a))
    _same(
        [tuple(r) for r in lab.rows(select(o.tenant, func.count()).group_by(o.tenant))], [(lab.a, len(o.a))]
    )


@legitimate("reads")
def own_exists(lab: Lab) -> Any:
    """Find one's own row by EXISTS."""
    o = lab.owned
    _equal(bool(lab.rows(select(exists().where(o.match(o.a[0]))))[0][0]), True)


@legitimate("reads")
def own_alias_and_subquery(lab: Lab) -> Any:
    """Select through an alias, a subquery and a common table expression."""
    o = lab.owned
    for source in (o.table.alias(), select(o.table).subquery(), select(o.table).cte()):
        _same([tuple(row) for row in lab.rows(select(source))], _rows(o))


@legitimate("reads")
def own_union(lab: Lab) -> Any:
    """Unite one's own rows with themselves."""
    o = lab.owned
    found = lab.rows(union_all(select(o.pk), select(o.pk)))
    _same([row[0] for row in found], [row[o.pk.key] for row in o.a] * 2)


@legitimate("reads")
def own_join(lab: Lab) -> Any:
    """Join children to their parents, inwards and outwards."""
    p = lab.pair
    linked = [row for row in p.child.a if all(value is not None for value in _link(p, row))]
    inner = select(p.child.pk).join_from(p.child.table, p.parent.table, p.on())
    outer = select(p.child.pk).join_from(p.child.table, p.parent.table, p.on(), isouter=True)
    _same([row[0] for row in lab.rows(inner)], [row[p.child.pk.key] for row in linked])
    _same([row[0] for row in lab.rows(outer)], [row[p.child.pk.key] for row in p.child.a])


def _link(pair: Any, row: Any) -> list[Any]:
    return [row[ours.key] for ours, _ in pair.link]


@legitimate("reads")
def own_outer_join_keeps_rows(lab: Lab) -> Any:
    """Keep each shared row where the outer side has no match of one's own."""
    o, s = lab.owned, lab.shared
    joined = s.table.outerjoin(o.table, o.match(o.b[0]))
    _equal(len(lab.rows(select(s.pk, o.pk).select_from(joined))), len(s.a))


@legitimate("reads")
def own_full_join(lab: Lab) -> Any:
    """Join fully and keep what has no match on either side."""
    lab.only("postgresql", "sqlite")
    p = lab.pair
    joined = p.child.table.join(p.parent.table, p.on(), full=True)
    found = lab.rows(select(p.child.pk, p.parent.pk).select_from(joined))
    used = {tuple(_link(p, row)) for row in p.child.a}
    free = [row for row in p.parent.a if tuple(row[theirs.key] for _, theirs in p.link) not in used]
    _equal(len(found), len(p.child.a) + len(free))


@legitimate("reads")
def own_loaders(lab: Lab) -> Any:
    """Load a relationship by each loader and find the same."""
    p = lab.pair
    for load in (joinedload, selectinload, subqueryload):
        found = (
            lab.session().scalars(select(p.parent.cls).options(load(p.parent.cls.children))).unique().all()
        )
        _same([len(one.children) for one in found], _children_counts(p))
    lazy = lab.session().scalars(select(p.parent.cls)).all()
    _same([len(one.children) for one in lazy], _children_counts(p))


def _children_counts(pair: Any) -> list[int]:
    wanted = [pair.to(row) for row in pair.parent.a]
    return [sum(all(c[k] == v for k, v in want.items()) for c in pair.child.a) for want in wanted]


@legitimate("reads")
def own_collections(lab: Lab) -> Any:
    """Read a write-only and a dynamic relationship."""
    p = lab.pair
    session = lab.session()
    parents = session.scalars(select(p.parent.cls)).all()
    _same([len(session.scalars(one.many.select()).all()) for one in parents], _children_counts(p))
    _same([one.some.count() for one in parents], _children_counts(p))


@legitimate("reads")
def own_relationship_conditions(lab: Lab) -> Any:
    """Filter by `any` and `has`."""
    p = lab.pair
    having = [count for count in _children_counts(p) if count]
    _equal(len(lab.orm(select(p.parent.cls).where(p.parent.cls.children.any()))), len(having))
    linked = [row for row in p.child.a if None not in _link(p, row)]
    _equal(len(lab.orm(select(p.child.cls).where(p.child.cls.parent.has()))), len(linked))


@legitimate("reads")
def own_contains_eager(lab: Lab) -> Any:
    """Load children from a join of one's own."""
    p = lab.pair
    joined = select(p.parent.cls).outerjoin(p.parent.cls.children)
    found = lab.session().scalars(joined.options(contains_eager(p.parent.cls.children))).unique().all()
    _same([len(one.children) for one in found], _children_counts(p))


@legitimate("reads")
def own_through(lab: Lab) -> Any:
    """Join a table without a tenant column to its parent."""
    part = lab.part
    found = lab.rows(select(part.child.pk).join_from(part.child.table, part.parent.table, part.on()))
    _same([row[0] for row in found], [row[part.child.pk.key] for row in part.child.a])


@legitimate("reads")
def own_many_to_many(lab: Lab) -> Any:
    """Load a many-to-many relationship."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    joins = {"primaryjoin": b.left.on(), "secondaryjoin": b.right.on()}
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **joins))
    found = lab.session().scalars(select(left).options(selectinload(left.rights))).all()
    _equal(sum(len(one.rights) for one in found), len(b.table.a))


@legitimate("reads")
def own_tree(lab: Lab) -> Any:
    """Join a table to itself."""
    t = lab.tree
    other = aliased(t.parent.cls)
    linked = [row for row in t.child.a if None not in _link(t, row)]
    _equal(len(lab.orm(select(t.child.cls, other).join(t.child.cls.parent.of_type(other)))), len(linked))


@legitimate("reads")
def own_polymorphic(lab: Lab) -> Any:
    """Load a base with its subclasses."""
    wanted = lab.extension
    mapper = next((m for m in lab.mappers if m.local_table is wanted.child.table), None)
    if mapper is None:
        return lab.only("a schema whose joined tables are mapped")
    base = with_polymorphic(mapper.base_mapper.class_, "*")
    _equal(len(lab.session().scalars(select(base)).all()), len(wanted.parent.a))
    _equal(len(lab.session().scalars(select(mapper.class_)).all()), len(wanted.child.a))
    return None


@legitimate("reads")
def own_view(lab: Lab) -> Any:
    """Select a view and find as many rows as one's own."""
    found = lab.rows(select(lab.view))
    _equal(bool(found), True)


@legitimate("reads")
def own_paging(lab: Lab) -> Any:
    """Page through one's own rows and meet each once."""
    o = lab.owned
    pages = [lab.rows(select(o.pk).order_by(o.pk).limit(1).offset(n)) for n in range(len(o.a) + 1)]
    _same([row[0] for page in pages for row in page], [row[o.pk.key] for row in o.a])


@legitimate("reads")
def own_stream(lab: Lab) -> Any:
    """Stream one's own objects."""
    o = lab.owned
    found = list(lab.session().scalars(select(o.cls).execution_options(yield_per=1)))
    _same(_idents(o, found), _keys(o, o.a))


@legitimate("reads")
def own_window(lab: Lab) -> Any:
    """Number one's own rows."""
    o = lab.owned
    found = lab.rows(select(func.row_number().over(order_by=o.pk)))
    _same([row[0] for row in found], range(1, len(o.a) + 1))


@legitimate("reads")
def shared_rows(lab: Lab) -> Any:
    """Read shared rows, and join one's own to them."""
    s = lab.shared
    _same([tuple(row) for row in lab.rows(select(s.table))], _rows(s))
    o = lab.owned
    _equal(len(lab.rows(select(s.pk, o.pk).join_from(s.table, o.table, true()))), len(s.a) * len(o.a))


@legitimate("raw SQL")
def harmless_fragments(lab: Lab) -> Any:
    """Use texts that hold no query and name no table."""
    o = lab.owned
    name = str(lab.admin.dialect.identifier_preparer.quote(o.pk.name))
    statement = select(o.pk, literal_column("1")).where(text("1 = 1")).order_by(text(f"{name} DESC"))
    _same([row[0] for row in lab.rows(statement)], [row[o.pk.key] for row in o.a])


@legitimate("writes")
def insert_stamped(lab: Lab) -> Any:
    """Insert without naming a tenant, in each way, and find every row to be one's own."""
    o = lab.leaf
    lab.write(insert(o.table).values(o.unnamed(100)))
    lab.write(insert(o.table), o.unnamed(101))
    lab.write(insert(o.table), [o.unnamed(102), o.unnamed(103)])
    lab.write(insert(o.table).values([o.unnamed(104), o.unnamed(105)]))
    lab.orm_write(insert(o.cls), [o.unnamed(106), o.unnamed(107)])
    _stamped(lab, o, 8)


def _stamped(lab: Lab, shape: Shape, new: int) -> None:
    rows = lab.rows(select(shape.tenant))
    _same([row[0] for row in rows], [lab.a] * (len(shape.a) + new))


@legitimate("writes")
def flush_stamped(lab: Lab) -> Any:
    """Add objects that name no tenant."""
    o = lab.leaf
    lab.flush(*(o.object(o.unnamed(100 + n)) for n in range(3)))
    _stamped(lab, o, 3)


@legitimate("writes")
def flushed_object_knows_its_tenant(lab: Lab) -> Any:
    """Read the tenant of an object that was stamped, after the flush and after the commit."""
    o = lab.leaf
    session = lab.session()
    made = o.object(o.unnamed(100))
    session.add(made)
    session.flush()
    _equal(getattr(made, o.tenant.key), lab.a)
    session.commit()
    _equal(getattr(made, o.tenant.key), lab.a)


@legitimate("writes")
def bulk_stamped(lab: Lab) -> Any:
    """Use the legacy bulk operations without naming a tenant."""
    o = lab.leaf
    session = lab.session()
    session.bulk_insert_mappings(o.cls, [o.unnamed(100)])
    session.bulk_save_objects([o.object(o.unnamed(101))])
    session.commit()
    _stamped(lab, o, 2)


@legitimate("writes")
def insert_naming_oneself(lab: Lab) -> Any:
    """Insert rows that name one's own tenant."""
    o = lab.leaf
    lab.write(insert(o.table), [o.new("a", 100), o.new("a", 101)])
    lab.flush(o.object(o.new("a", 102)))
    _stamped(lab, o, 3)


@legitimate("writes")
def insert_returning(lab: Lab) -> Any:
    """Insert in batches and get the keys back in order."""
    lab.only("sqlite", "postgresql", "mariadb")
    o = lab.leaf
    rows = [o.unnamed(100 + n) for n in range(6)]
    statement = insert(o.cls).returning(o.attr(o.pk), sort_by_parameter_order=True)
    options = {"insertmanyvalues_page_size": 2}
    found = lab.orm_write(statement, rows, execution_options=options)
    _equal([row[0] for row in found], [row[o.pk.key] for row in rows])


@legitimate("writes")
def insert_from_own_select(lab: Lab) -> Any:
    """Copy a row of one's own by a select."""
    o = lab.leaf
    fresh = o.new("a", 100)
    columns = [c for c in o.table.columns if c.key in fresh]
    chosen = select(*(bindparam("k", fresh[c.key]) if c is o.pk else c for c in columns))
    lab.write(insert(o.table).from_select([c.name for c in columns], chosen.where(o.match(o.a[0]))))
    _equal(_count(lab, o), len(o.a) + 1)


@legitimate("writes")
def update_own(lab: Lab) -> Any:
    """Update one's own rows in each way."""
    o = lab.owned
    changed = o.set(text="mine")
    _equal(lab.write(update(o.table).where(o.match(o.a[0])).values(changed)), 1)
    session = lab.session()
    found = session.get(o.cls, o.ident(o.a[1]))
    setattr(found, o.text.key, "mine")
    session.commit()
    session.execute(update(o.cls), [{**o.keys_of(o.a[2]), **changed}])
    session.commit()
    rows = lab.rows(select(o.text).where(o.text == "mine"))
    _equal(len(rows), 3)


@legitimate("writes")
def update_everything_of_ones_own(lab: Lab) -> Any:
    """Update without a condition."""
    o = lab.owned
    _equal(lab.write(update(o.table).values(o.set(number=o.number + 1))), len(o.a))


@legitimate("writes")
def update_synchronized(lab: Lab) -> Any:
    """Update by a statement and find the loaded objects changed."""
    o = lab.owned
    session = lab.session()
    held = session.scalars(select(o.cls)).all()
    for how in ("evaluate", "fetch"):
        statement = update(o.cls).where(o.attr(o.number) > 0).values(o.set(text=how))
        session.execute(statement, execution_options={"synchronize_session": how})
        _same([getattr(one, o.text.key) for one in held], [how] * len(o.a))
    session.commit()


@legitimate("writes")
def update_from_own_parent(lab: Lab) -> Any:
    """Copy a text from one's own parent."""
    lab.only("sqlite", "postgresql")
    p = lab.pair
    parent = next(row for row in p.parent.a if any(_refers(p, child, row) for child in p.child.a))
    statement = (
        update(p.child.table).where(p.on(), p.parent.match(parent)).values({p.child.text: p.parent.text})
    )
    many = sum(_refers(p, child, parent) for child in p.child.a)
    _equal(lab.write(statement), many)


def _refers(pair: Any, child: Any, parent: Any) -> bool:
    return all(child[key] == value for key, value in pair.to(parent).items())


@legitimate("writes")
def delete_own(lab: Lab) -> Any:
    """Delete one's own rows by a statement and by an object."""
    o = lab.leaf
    _equal(lab.write(delete(o.table).where(o.match(o.a[0]))), 1)
    session = lab.session()
    session.delete(session.get(o.cls, o.ident(o.a[1])))
    session.commit()
    _equal(_count(lab, o), len(o.a) - 2)


@legitimate("writes")
def own_through_written(lab: Lab) -> Any:
    """Insert, change and delete rows of a table without a tenant column."""
    part = lab.part
    child = part.child
    lab.write(insert(child.table).values(child.new("a", 100)))
    lab.flush(child.object(child.new("a", 101)))
    changed = update(child.table).where(child.match(child.a[0])).values(child.set(text="mine"))
    _equal(lab.write(changed), 1)
    _equal(lab.write(delete(child.table).where(child.match(child.new("a", 100)))), 1)
    _equal(_count(lab, child), len(child.a) + 1)


@legitimate("writes")
def own_grandchild_written(lab: Lab) -> Any:
    """Insert rows that belong through a chain."""
    child = lab.deep.child
    lab.write(insert(child.table), [child.new("a", 100), child.new("a", 101)])
    lab.flush(child.object(child.new("a", 102)))
    _equal(_count(lab, child), len(child.a) + 3)


@legitimate("writes")
def own_parent_and_child_added(lab: Lab) -> Any:
    """Add a parent with a child in one flush."""
    p = lab.pair
    parent = p.parent.object(p.parent.unnamed(100))
    child = p.child.object({k: v for k, v in p.child.unnamed(100).items() if k not in p.to(p.parent.a[0])})
    child.parent = parent
    lab.flush(child)
    _equal(_count(lab, p.child), len(p.child.a) + 1)


@legitimate("writes")
def own_child_moved(lab: Lab) -> Any:
    """Move a child from one parent of one's own to another."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    child.parent = session.get(p.parent.cls, p.parent.ident(p.parent.a[-1]))
    session.commit()
    wanted = p.to(p.parent.a[0])
    _equal(lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(wanted)), 1)


@legitimate("writes")
def own_association_edited(lab: Lab) -> Any:
    """Append to a many-to-many list and remove from it."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    joins = {"primaryjoin": b.left.on(), "secondaryjoin": b.right.on()}
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **joins))
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    owner.rights = session.scalars(select(right)).all()
    session.commit()
    owner.rights = []
    session.commit()
    mine = b.left.to(b.left.parent.a[0])
    rest = [row for row in b.table.a if any(row[key] != value for key, value in mine.items())]
    _equal(_count(lab, b.table), len(rest))


@legitimate("writes")
def own_tree_written(lab: Lab) -> Any:
    """Add a row below a row of one's own in the same table."""
    t = lab.tree
    lab.flush(t.child.object(t.child.new("a", 100, **t.to(t.parent.a[0]))))
    _equal(_count(lab, t.child), len(t.child.a) + 1)


@legitimate("writes")
def own_merge(lab: Lab) -> Any:
    """Merge an object of one's own, there or not."""
    o = lab.leaf
    session = lab.session()
    session.merge(o.object({**o.a[0], o.text.key: "mine"}))
    session.merge(o.object(o.new("a", 100)))
    session.commit()
    _equal(_count(lab, o), len(o.a) + 1)


@legitimate("writes")
def own_refresh(lab: Lab) -> Any:
    """Refresh and expire an object of one's own."""
    o = lab.owned
    session = lab.session()
    held = session.get(o.cls, o.ident(o.a[0]))
    session.refresh(held)
    session.expire(held)
    _equal(getattr(held, o.text.key), o.a[0][o.text.key])


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
    _equal(_count(lab, o), len(o.a) + 2)


@legitimate("dialect")
def own_upsert(lab: Lab) -> Any:
    """Upsert on one's own key and on a free one."""
    o = lab.leaf
    for row in (dict(o.a[0]), o.new("a", 100)):
        changed = o.set(text="mine")
        if lab.dialect in ("mysql", "mariadb"):
            lab.write(mysql.insert(o.table).values(row).on_duplicate_key_update(changed))
        else:
            made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table).values(row)
            lab.write(
                made.on_conflict_do_update(index_elements=list(o.table.primary_key.columns), set_=changed)
            )
    _equal(_count(lab, o), len(o.a) + 1)
    _equal(len(lab.rows(select(o.pk).where(o.text == "mine"))), 1)


@legitimate("dialect")
def own_upsert_stamped(lab: Lab) -> Any:
    """Upsert without naming a tenant."""
    o = lab.leaf
    row = o.unnamed(100)
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(mysql.insert(o.table).values(row).on_duplicate_key_update(o.set(text="mine")))
    else:
        made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table).values(row)
        lab.write(made.on_conflict_do_nothing())
    _stamped(lab, o, 1)


@legitimate("identity map")
def own_identity(lab: Lab) -> Any:
    """Get the same object twice, before and after a commit."""
    o = lab.owned
    session = lab.session()
    held = session.get(o.cls, o.ident(o.a[0]))
    _equal(session.get(o.cls, o.ident(o.a[0])) is held, True)
    session.commit()
    _equal(session.get(o.cls, o.ident(o.a[0])) is held, True)


@legitimate("identity map")
def own_session_across_blocks(lab: Lab) -> Any:
    """Use one session in two blocks of the same tenant."""
    o = lab.owned
    session = lab.session()
    with bind(lab.a):
        held = session.get(o.cls, o.ident(o.a[0]))
        session.commit()
    with bind(lab.a):
        _equal(getattr(held, o.text.key), o.a[0][o.text.key])


@legitimate("identity map")
def other_session_after_bypass(lab: Lab) -> Any:
    """Work in a bypass with one session and then under the tenant with another."""
    o = lab.owned
    with lab.lifted():
        _equal(len(lab.session().scalars(select(o.cls)).all()) >= len(o.a) + len(o.b), True)
    _same(_idents(o, lab.session().scalars(select(o.cls)).all()), _keys(o, o.a))


@legitimate("identity map")
def session_reused_after_close(lab: Lab) -> Any:
    """Close a session after one tenant and use it for another."""
    o = lab.owned
    session = lab.session()
    with lab.victim():
        session.scalars(select(o.cls)).all()
        session.close()
    _same(_idents(o, session.scalars(select(o.cls)).all()), _keys(o, o.a))


@legitimate("context")
def union_of_tenants(lab: Lab) -> Any:
    """Read the union of two tenants."""
    o = lab.owned
    with bind([lab.a, lab.b]):
        found = lab.session().scalars(select(o.cls)).all()
        _same(_idents(o, found), [*_keys(o, o.a), *_keys(o, o.b)])


@legitimate("context")
def bypass_reads_all(lab: Lab) -> Any:
    """Read and write for everybody in a bypass, text included."""
    o = lab.leaf
    with lab.lifted():
        name = lab.admin.dialect.identifier_preparer.format_table(o.table)
        many = lab.connect().execute(text(f"SELECT count(*) FROM {name}")).scalar()
        _equal(many, len(o.a) + len(o.b))
        lab.write(insert(o.table).values(o.new("b")))
        lab.write(delete(o.table).where(o.match(o.new("b"))))


@legitimate("cache")
def same_statement_for_each(lab: Lab) -> Any:
    """Execute one statement for each tenant in turn and get each one's rows."""
    o = lab.owned
    statement = select(o.pk)
    for who, rows in ((lab.a, o.a), (lab.b, o.b), (lab.a, o.a)):
        with bind(who):
            _same([row[0] for row in lab.rows(statement)], [row[o.pk.key] for row in rows])


@legitimate("pool")
def own_engine_copy(lab: Lab) -> Any:
    """Use a copy of the engine, and a session on a connection."""
    o = lab.owned
    connection = lab.connect(lab.engine.execution_options(anything=1))
    _same([row[0] for row in connection.execute(select(o.pk))], [row[o.pk.key] for row in o.a])
    found = lab.hold(Session(lab.connect())).scalars(select(o.cls)).all()
    _same(_idents(o, found), _keys(o, o.a))


@legitimate("pool")
async def own_async_session(lab: Lab) -> Any:
    """Read, add and stream in an asynchronous session."""
    engine, o = lab.new_async_engine(), lab.leaf
    try:
        async with AsyncSession(engine) as session:
            _same(_idents(o, (await session.scalars(select(o.cls))).all()), _keys(o, o.a))
            session.add(o.object(o.unnamed(100)))
            await session.commit()
            many = [one async for one in await session.stream_scalars(select(o.cls))]
            _equal(len(many), len(o.a) + 1)
    finally:
        await engine.dispose()
