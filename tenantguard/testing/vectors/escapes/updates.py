"""Updates of the victim's rows, and updates that read them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import aliased

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def update_core(lab: Lab) -> Any:
    """Update the victim's row on a connection."""
    o = lab.owned
    lab.write(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))


@attack("writes")
def update_everything(lab: Lab) -> Any:
    """Update without a condition."""
    lab.write(update(lab.owned.table).values(lab.owned.set(text="taken")))


@attack("writes")
def update_many_parameters(lab: Lab) -> Any:
    """Execute many updates by key."""
    o = lab.owned
    statement = update(o.table).where(o.pk == bindparam("k")).values({o.text.key: bindparam("t")})
    lab.write(statement, [{"k": row[o.pk.key], "t": "taken"} for row in (*o.a, *o.b)])


@attack("writes")
def update_rowcount(lab: Lab) -> Any:
    """Learn from the number of matched rows whether the victim's row exists."""
    o = lab.owned
    return lab.told(lab.write(update(o.table).where(o.match(o.b[0])).values(o.set(text="x"))), 0)


@attack("writes")
def update_orm_enabled(lab: Lab) -> Any:
    """Update mapped rows by a statement in a session."""
    o = lab.owned
    lab.orm_write(update(o.cls).where(o.match(o.b[0])).values(o.set(text="taken")))


@attack("writes")
def update_orm_fetch(lab: Lab) -> Any:
    """Update mapped rows and let the session fetch which."""
    o = lab.owned
    lab.orm_write(
        update(o.cls).where(o.tenant == lab.b).values(o.set(text="taken")),
        execution_options={"synchronize_session": "fetch"},
    )


@attack("writes")
def update_orm_by_key(lab: Lab) -> Any:
    """Update mapped rows in bulk by primary key."""
    o = lab.owned
    session = lab.session()
    session.execute(update(o.cls), [{**o.keys_of(row), **o.set(text="taken")} for row in o.b])
    session.commit()


@attack("writes")
def bulk_update_mappings(lab: Lab) -> Any:
    """Use the legacy bulk update."""
    o = lab.owned
    session = lab.session()
    session.bulk_update_mappings(o.cls, [{**o.keys_of(o.b[0]), **o.set(text="taken")}])
    session.commit()


@attack("writes")
def legacy_query_update(lab: Lab) -> Any:
    """Update with the legacy query."""
    o = lab.owned
    session = lab.session()
    session.query(o.cls).filter(o.match(o.b[0])).update(o.set(text="taken"), synchronize_session=False)
    session.commit()


@attack("writes")
def update_reads_victim(lab: Lab) -> Any:
    """Copy the victim's text into the attacker's row with a subquery in SET."""
    o = lab.leaf
    lab.only("sqlite", "postgresql")
    other = o.table.alias()
    theirs = select(other.c[o.text.key]).where(o.match(o.b[0], other)).scalar_subquery()
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.text: theirs}))
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("writes")
def update_from_second_table(lab: Lab) -> Any:
    """Copy a parent's text through the second table of UPDATE ... FROM."""
    lab.only("sqlite", "postgresql")
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    lab.write(statement.values({p.child.text: p.parent.text}))
    return lab.rows(select(p.child.text).where(p.child.match(p.child.a[0])))


@attack("writes")
def update_from_counts(lab: Lab) -> Any:
    """Learn from UPDATE ... FROM whether the victim's parent exists."""
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    return lab.told(lab.write(statement.values({p.child.table.c[p.child.text.key]: "learned"})), 0)


@attack("writes")
def update_from_victims_children(lab: Lab) -> Any:
    """Update children that are found through the attacker's parent, without a join condition."""
    lab.only("sqlite", "postgresql")
    p = lab.pair
    statement = update(p.child.table).where(p.parent.match(p.parent.a[0]))
    lab.write(statement.values({p.child.text: p.parent.text}))


@attack("writes")
def update_through(lab: Lab) -> Any:
    """Update a row of a table without a tenant column."""
    child = lab.part.child
    lab.write(update(child.table).where(child.match(child.b[0])).values(child.set(text="taken")))


@attack("writes")
def update_grandchild(lab: Lab) -> Any:
    """Update a row that belongs through a chain."""
    child = lab.deep.child
    lab.write(update(child.table).where(child.match(child.b[0])).values(child.set(text="taken")))


@attack("writes")
def update_joined_inheritance(lab: Lab) -> Any:
    """Update a joined-inheritance class by a statement: every tenant's rows without a join condition."""
    child = lab.extension.child
    mapper = next((m for m in lab.mappers if m.local_table is child.table), None)
    entity = mapper.class_ if mapper is not None else child.cls
    lab.orm_write(
        update(entity).values({child.text.key: "taken"}), execution_options={"synchronize_session": False}
    )


@attack("writes")
def update_joined_inheritance_by_base(lab: Lab) -> Any:
    """Update a joined-inheritance class on a condition of its base."""
    pair = lab.extension
    mapper = next((m for m in lab.mappers if m.local_table is pair.child.table), None)
    entity = mapper.class_ if mapper is not None else pair.child.cls
    statement = (
        update(entity).where(pair.parent.match(pair.parent.a[-1])).values({pair.child.text.key: "taken"})
    )
    lab.orm_write(statement, execution_options={"synchronize_session": False})


@attack("writes")
def update_alias(lab: Lab) -> Any:
    """Update with a condition on an alias of the table."""
    o, other = lab.owned, lab.owned.table.alias()
    lab.only("sqlite", "postgresql")
    lab.write(update(o.table).where(other.c[o.pk.key] == o.a[0][o.pk.key]).values({o.text: "taken"}))


@attack("writes")
def update_twin(lab: Lab) -> Any:
    """Update a second Table of the same name that leaves the tenant column out."""
    o = lab.owned
    twin = o.twin(without=[o.tenant.key])
    lab.write(update(twin).where(o.match(o.b[0], twin)).values({o.text.key: "taken"}))


@attack("writes")
def insert_twin_with_tenant_renamed(lab: Lab) -> Any:
    """Insert through a second Table in which the tenant column has another key."""
    o = lab.leaf
    twin = o.twin()
    made = type(twin)(
        o.table.name,
        type(twin.metadata)(),
        *(type(c)(c.name, c.type, key=f"k_{c.key}", primary_key=c.primary_key) for c in twin.columns),
    )
    lab.write(insert(made).values({f"k_{key}": value for key, value in o.complete("b").items()}))


@attack("writes")
def update_returning(lab: Lab) -> Any:
    """Read the victim's row from an update's RETURNING."""
    lab.only("sqlite", "postgresql")
    o = lab.owned
    return lab.write(update(o.table).where(o.match(o.b[0])).values(o.set(text="x")).returning(o.table))


@attack("writes")
def update_from_alias_of_itself(lab: Lab) -> Any:
    """Copy text between rows of a mapped class through an alias of it."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    other = aliased(o.cls)
    text = getattr(other, o.text.key)
    statement = update(o.cls).where(o.match(o.a[0]), getattr(other, o.pk.key) == o.b[0][o.pk.key])
    lab.orm_write(statement.values({o.text.key: text}), execution_options={"synchronize_session": False})
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("writes")
def write_in_savepoint(lab: Lab) -> Any:
    """Update the victim's row inside a savepoint after a failed one."""
    o = lab.owned
    session = lab.session()
    outer = session.begin_nested()
    session.execute(update(o.table).where(o.match(o.a[0])).values(o.set(text="mine")))
    outer.rollback()
    with session.begin_nested():
        session.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))
    session.commit()
