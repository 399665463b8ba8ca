"""Reads of the tenant's own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    exists,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.orm import (
    aliased,
    relationship,
    selectinload,
    with_polymorphic,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.operations.helpers import (
    count,
    equal,
    idents,
    keys,
    link_values,
    own_values,
    same,
)
from tenantguard.testing.vectors.table import legitimate


@legitimate("reads")
def own_rows(lab: Lab) -> Any:
    """Select every table on a connection."""
    for shape in lab.shapes.values():
        same([tuple(row) for row in lab.rows(select(shape.table))], own_values(shape))


@legitimate("reads")
def own_objects(lab: Lab) -> Any:
    """Load every table as objects."""
    session = lab.session()
    for shape in lab.shapes.values():
        same(idents(shape, session.scalars(select(shape.cls)).all()), keys(shape, shape.a))


@legitimate("reads")
def own_classes(lab: Lab) -> Any:
    """Load every class of the application."""
    session = lab.session()
    for mapper in lab.mappers:
        shape = lab.shapes.get(mapper.local_table)  # type: ignore[call-overload]  # a Table, or nothing is found
        if shape is not None and mapper.inherits is None:
            found = session.scalars(select(mapper.class_)).unique().all()
            equal(len(found), len(shape.a))


@legitimate("reads")
def own_get(lab: Lab) -> Any:
    """Get each of the tenant's objects by its key."""
    session = lab.session()
    for shape in lab.shapes.values():
        for row in shape.a:
            found = session.get(shape.cls, shape.ident(row))
            equal(found is not None, True)


@legitimate("reads")
def own_counts(lab: Lab) -> Any:
    """Count every table in two ways."""
    session = lab.session()
    for shape in lab.shapes.values():
        equal(count(lab, shape), len(shape.a))
        equal(session.query(shape.cls).count(), len(shape.a))


@legitimate("reads")
def own_aggregates(lab: Lab) -> Any:
    """Sum and group."""
    o = lab.owned
    total = lab.rows(select(func.sum(o.number)))[0][0]
    equal(int(total), sum(row[o.number.key] for row in o.a))
    same([tuple(r) for r in lab.rows(select(o.tenant, func.count()).group_by(o.tenant))], [(lab.a, len(o.a))])


@legitimate("reads")
def own_exists(lab: Lab) -> Any:
    """Find one of the tenant's rows with EXISTS."""
    o = lab.owned
    equal(bool(lab.rows(select(exists().where(o.match(o.a[0]))))[0][0]), True)


@legitimate("reads")
def own_alias_and_subquery(lab: Lab) -> Any:
    """Select through an alias, a subquery and a common table expression."""
    o = lab.owned
    for source in (o.table.alias(), select(o.table).subquery(), select(o.table).cte()):
        columns = [source.c[column.key] for column in o.columns]
        same([tuple(row) for row in lab.rows(select(*columns))], own_values(o))


@legitimate("reads")
def own_union(lab: Lab) -> Any:
    """Unite the tenant's rows with themselves."""
    o = lab.owned
    found = lab.rows(union_all(select(o.pk), select(o.pk)))
    same([row[0] for row in found], [row[o.pk.key] for row in o.a] * 2)


@legitimate("reads")
def own_join(lab: Lab) -> Any:
    """Join children to their parents, with inner and outer joins."""
    p = lab.pair
    linked = [row for row in p.child.a if all(value is not None for value in link_values(p, row))]
    inner = select(p.child.pk).join_from(p.child.table, p.parent.table, p.on())
    outer = select(p.child.pk).join_from(p.child.table, p.parent.table, p.on(), isouter=True)
    same([row[0] for row in lab.rows(inner)], [row[p.child.pk.key] for row in linked])
    same([row[0] for row in lab.rows(outer)], [row[p.child.pk.key] for row in p.child.a])


@legitimate("reads")
def own_outer_join_keeps_rows(lab: Lab) -> Any:
    """Keep each shared row where the tenant has no match on the outer side."""
    o, s = lab.owned, lab.shared
    joined = s.table.outerjoin(o.table, o.match(o.b[0]))
    equal(len(lab.rows(select(s.pk, o.pk).select_from(joined))), len(s.a))


@legitimate("reads")
def own_through(lab: Lab) -> Any:
    """Join a table without a tenant column to its parent."""
    part = lab.part
    found = lab.rows(select(part.child.pk).join_from(part.child.table, part.parent.table, part.on()))
    same([row[0] for row in found], [row[part.child.pk.key] for row in part.child.a])


@legitimate("reads")
def own_many_to_many(lab: Lab) -> Any:
    """Load a many-to-many relationship."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **b.joins()))
    found = lab.session().scalars(select(left).options(selectinload(left.rights))).all()
    equal(sum(len(one.rights) for one in found), len(b.table.a))


@legitimate("reads")
def own_tree(lab: Lab) -> Any:
    """Join a table to itself."""
    t = lab.tree
    other = aliased(t.parent.cls)
    linked = [row for row in t.child.a if None not in link_values(t, row)]
    equal(len(lab.orm(select(t.child.cls, other).join(t.child.cls.parent.of_type(other)))), len(linked))


@legitimate("reads")
def own_polymorphic(lab: Lab) -> Any:
    """Load a base with its subclasses."""
    wanted = lab.extension
    mapper = next((m for m in lab.mappers if m.local_table is wanted.child.table), None)
    if mapper is None:
        return lab.only("a schema whose joined tables are mapped")
    base = with_polymorphic(mapper.base_mapper.class_, "*")
    equal(len(lab.session().scalars(select(base)).all()), len(wanted.parent.a))
    equal(len(lab.session().scalars(select(mapper.class_)).all()), len(wanted.child.a))
    return None


@legitimate("reads")
def own_view(lab: Lab) -> Any:
    """Select a view and find as many rows as the tenant has."""
    found = lab.rows(select(lab.view))
    equal(bool(found), True)


@legitimate("reads")
def own_paging(lab: Lab) -> Any:
    """Page through the tenant's rows and see each once."""
    o = lab.owned
    pages = [lab.rows(select(o.pk).order_by(o.pk).limit(1).offset(n)) for n in range(len(o.a) + 1)]
    same([row[0] for page in pages for row in page], [row[o.pk.key] for row in o.a])


@legitimate("reads")
def own_stream(lab: Lab) -> Any:
    """Stream the tenant's objects."""
    o = lab.owned
    found = list(lab.session().scalars(select(o.cls).execution_options(yield_per=1)))
    same(idents(o, found), keys(o, o.a))


@legitimate("reads")
def own_window(lab: Lab) -> Any:
    """Number the tenant's rows."""
    o = lab.owned
    found = lab.rows(select(func.row_number().over(order_by=o.pk)))
    same([row[0] for row in found], range(1, len(o.a) + 1))


@legitimate("reads")
def shared_rows(lab: Lab) -> Any:
    """Read shared rows, and join the tenant's rows to them."""
    s = lab.shared
    same([tuple(row) for row in lab.rows(select(s.table))], own_values(s))
    o = lab.owned
    equal(len(lab.rows(select(s.pk, o.pk).join_from(s.table, o.table, true()))), len(s.a) * len(o.a))


@legitimate("raw SQL")
def harmless_fragments(lab: Lab) -> Any:
    """Use text fragments that contain no query and name no table."""
    o = lab.owned
    name = str(lab.admin.dialect.identifier_preparer.quote(o.pk.name))
    statement = select(o.pk, literal_column("1")).where(text("1 = 1")).order_by(text(f"{name} DESC"))
    same([row[0] for row in lab.rows(statement)], [row[o.pk.key] for row in o.a])
