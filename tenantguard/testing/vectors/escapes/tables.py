"""The same table by other names, and tables without a tenant column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    MetaData,
    Table,
    column,
    func,
    select,
    table,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def ad_hoc_table(lab: Lab) -> Any:
    """Name the table without its metadata."""
    o = lab.owned
    made = table(o.table.name, column(o.text.name), schema=o.table.schema)
    return lab.rows(select(made))


@attack("reads")
def ad_hoc_table_in_subquery(lab: Lab) -> Any:
    """Name the table without its metadata, in a subquery of a shared table's select."""
    o, s = lab.owned, lab.shared
    made = table(o.table.name, column(o.text.name), schema=o.table.schema)
    return lab.rows(select(s.pk, select(func.max(made.c[o.text.name])).scalar_subquery()))


@attack("reads")
def ad_hoc_table_other_case(lab: Lab) -> Any:
    """Name the table without its metadata and in upper case, which the database treats as the same."""
    lab.only("sqlite")
    o = lab.owned
    return lab.rows(select(table(o.table.name.upper(), column(o.text.name))))


@attack("reads")
def twin_without_tenant(lab: Lab) -> Any:
    """Select a second Table of the same name that leaves the tenant column out."""
    return lab.rows(select(lab.owned.twin(without=[lab.owned.tenant.key])))


@attack("reads")
def twin_mapped(lab: Lab) -> Any:
    """Load a second class mapped to the same table without the tenant column."""
    cls = lab.map(lab.owned.twin(without=[lab.owned.tenant.key]))
    return lab.session().scalars(select(cls)).all()


@attack("reads")
def twin_get(lab: Lab) -> Any:
    """Get the victim's object by key through a second mapping."""
    o = lab.owned
    return lab.session().get(lab.map(o.twin(without=[o.tenant.key])), o.ident(o.b[0]))


@attack("reads")
def reflected_table(lab: Lab) -> Any:
    """Select the table as it was reflected from the database."""
    o = lab.owned
    found = Table(o.table.name, MetaData(), schema=o.table.schema, autoload_with=lab.admin)
    return lab.rows(select(found))


@attack("reads")
def view_as_table(lab: Lab) -> Any:
    """Select a view that is mapped as an owned table."""
    return lab.rows(select(lab.view))


@attack("reads")
def through_select(lab: Lab) -> Any:
    """Select a table that has no tenant column."""
    return lab.rows(select(lab.part.child.table))


@attack("reads")
def through_get(lab: Lab) -> Any:
    """Get the victim's object of a table that has no tenant column."""
    child = lab.part.child
    return lab.session().get(child.cls, child.ident(child.b[0]))


@attack("reads")
def through_count(lab: Lab) -> Any:
    """Count a table that has no tenant column."""
    child = lab.part.child
    return lab.told(lab.rows(select(func.count()).select_from(child.table))[0][0], len(child.a))


@attack("reads")
def grandchild_select(lab: Lab) -> Any:
    """Select a table that belongs through a table that belongs through another."""
    return lab.rows(select(lab.deep.child.table))


@attack("reads")
def grandchild_with_parent(lab: Lab) -> Any:
    """Join a grandchild to its parent, neither of which has a tenant column."""
    deep = lab.deep
    return lab.rows(
        select(deep.child.table, deep.parent.table).join_from(deep.child.table, deep.parent.table, deep.on())
    )


@attack("reads")
def association_select(lab: Lab) -> Any:
    """Select the association table itself."""
    return lab.rows(select(lab.bridge.table.table))


@attack("reads")
def composite_key_get(lab: Lab) -> Any:
    """Get the victim's object by a key that includes the tenant."""
    k = lab.keyed
    return lab.session().get(k.cls, k.ident(k.b[0]))


@attack("reads")
def every_table(lab: Lab) -> Any:
    """Select every table of the schema that is not shared."""
    wanted = [s for s in lab.shapes.values() if s.placed.kind != "shared"]
    return [lab.rows(select(shape.table)) for shape in wanted]


@attack("reads")
def every_class(lab: Lab) -> Any:
    """Load every mapped class of the application."""
    session = lab.session()
    wanted = [m for m in lab.mappers if lab.tenancy.of(m.local_table).kind != "shared"]
    return [session.scalars(select(m.class_)).unique().all() for m in wanted]
