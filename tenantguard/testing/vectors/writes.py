"""Writes to the victim's rows, and rows planted among them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, literal, select, true, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import aliased, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import ObjectDeletedError

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def flush_insert_names_victim(lab: Lab) -> Any:
    """Add an object that names the victim as its tenant."""
    lab.flush(lab.leaf.object(lab.leaf.new("b")))


@attack("writes")
def flush_many_one_names_victim(lab: Lab) -> Any:
    """Add many objects of which one names the victim."""
    o = lab.leaf
    lab.flush(*(o.object(o.new("b" if n == 2 else "a", 100 + n)) for n in range(4)))


@attack("writes")
def insert_values_names_victim(lab: Lab) -> Any:
    """Insert a row that names the victim on a connection."""
    lab.write(insert(lab.leaf.table).values(lab.leaf.new("b")))


@attack("writes")
def insert_parameters_name_victim(lab: Lab) -> Any:
    """Name the victim in the parameters, not in the statement."""
    lab.write(insert(lab.leaf.table), lab.leaf.new("b"))


@attack("writes")
def insert_many_parameters(lab: Lab) -> Any:
    """Execute many inserts of which the last names the victim."""
    o = lab.leaf
    lab.write(insert(o.table), [o.new("a", 100), o.new("a", 101), o.new("b", 102)])


@attack("writes")
def insert_multi_values(lab: Lab) -> Any:
    """Insert several rows in one VALUES of which one names the victim."""
    o = lab.leaf
    lab.write(insert(o.table).values([o.new("a", 100), o.new("b", 101)]))


@attack("writes")
def insert_by_expression(lab: Lab) -> Any:
    """Name the victim by an expression."""
    o = lab.leaf
    tenant = case((true(), literal(lab.b, o.tenant.type)), else_=literal(lab.a, o.tenant.type))
    lab.write(insert(o.table).values({**o.new("a"), o.tenant.key: tenant}))


@attack("writes")
def insert_by_subquery(lab: Lab) -> Any:
    """Name the victim by a scalar subquery of its own row."""
    o = lab.leaf
    tenant = select(func.max(o.table.alias().c[o.tenant.key])).scalar_subquery()
    lab.only("sqlite", "postgresql")
    lab.write(insert(o.table).values({**o.new("a"), o.tenant.key: tenant}))


@attack("writes")
def insert_copies_text(lab: Lab) -> Any:
    """Copy the victim's text into one's own row by a scalar subquery."""
    o = lab.leaf
    other = o.table.alias()
    text = select(other.c[o.text.key]).where(o.match(o.b[0], other)).scalar_subquery()
    lab.only("sqlite", "postgresql")
    return lab.write(insert(o.table).values({**o.new("a"), o.text.key: text}).returning(o.text))


@attack("writes")
def insert_orm_rows(lab: Lab) -> Any:
    """Insert rows through the session's bulk insert."""
    o = lab.leaf
    lab.orm_write(insert(o.cls), [o.new("a", 100), o.new("b", 101)])


@attack("writes")
def insert_orm_values(lab: Lab) -> Any:
    """Insert values through the session."""
    lab.orm_write(insert(lab.leaf.cls).values(lab.leaf.new("b")))


@attack("writes")
def insert_orm_raw(lab: Lab) -> Any:
    """Insert rows through the session with the raw strategy."""
    o = lab.leaf
    lab.orm_write(insert(o.cls), [o.new("b")], execution_options={"dml_strategy": "raw"})


@attack("writes")
def bulk_insert_mappings(lab: Lab) -> Any:
    """Use the legacy bulk insert of mappings."""
    session = lab.session()
    session.bulk_insert_mappings(lab.leaf.cls, [lab.leaf.new("b")])
    session.commit()


@attack("writes")
def bulk_save_objects(lab: Lab) -> Any:
    """Use the legacy bulk save of objects."""
    session = lab.session()
    session.bulk_save_objects([lab.leaf.object(lab.leaf.new("b"))])
    session.commit()


@attack("writes")
def insert_from_select_literal(lab: Lab) -> Any:
    """Insert from a select that names the victim as a literal."""
    o = lab.leaf
    row = o.new("b")
    chosen = select(*(literal(value, o.c[key].type) for key, value in row.items()))
    lab.write(insert(o.table).from_select(list(row), chosen))


@attack("writes")
def insert_from_select_of_victim(lab: Lab) -> Any:
    """Copy the victim's rows to oneself."""
    o = lab.leaf
    row = o.new("a")
    keys = [key for key in row if key not in (o.pk.key, o.tenant.key, o.text.key)]
    chosen = select(
        literal(row[o.pk.key]),
        literal(lab.a, o.tenant.type),
        o.text,
        *(o.c[key] for key in keys),
    ).where(o.match(o.b[0]))
    lab.write(insert(o.table).from_select([o.pk.key, o.tenant.key, o.text.key, *keys], chosen))
    return lab.rows(select(o.text))


@attack("writes")
def insert_from_select_of_shared(lab: Lab) -> Any:
    """Insert from a select of a shared table, naming the victim in it."""
    o, s = lab.leaf, lab.shared
    row = o.new("b")
    chosen = select(*(literal(value, o.c[key].type) for key, value in row.items())).select_from(s.table)
    lab.write(insert(o.table).from_select(list(row), chosen.where(s.match(s.a[0]))))


@attack("writes")
def insert_from_cte(lab: Lab) -> Any:
    """Insert from a common table expression over the victim's rows."""
    o = lab.leaf
    row = o.new("b")
    cte = select(o.table).where(o.match(o.b[0])).cte("theirs")
    columns = [literal(row[o.pk.key]) if key == o.pk.key else cte.c[key] for key in row]
    lab.write(insert(o.table).from_select(list(row), select(*columns)))


@attack("writes")
def insert_returning_all(lab: Lab) -> Any:
    """Read a table by a subquery in RETURNING."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    other = o.table.alias()
    inner = select(func.max(other.c[o.text.key])).scalar_subquery()
    return lab.write(insert(o.table).values(o.new("a")).returning(inner))


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
def legacy_query_delete(lab: Lab) -> Any:
    """Delete with the legacy query."""
    o = lab.leaf
    session = lab.session()
    session.query(o.cls).filter(o.match(o.b[0])).delete(synchronize_session=False)
    session.commit()


@attack("writes")
def update_tenant_by_value(lab: Lab) -> Any:
    """Give one's own row to the victim by a statement."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).values(o.set(tenant=lab.b)))


@attack("writes")
def update_tenant_by_parameters(lab: Lab) -> Any:
    """Give one's own row to the victim by a parameter."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.tenant.key: bindparam("who")}), {"who": lab.b})


@attack("writes")
def update_tenant_by_expression(lab: Lab) -> Any:
    """Give one's own row to the victim by an expression."""
    o = lab.leaf
    who = case((o.pk == o.a[0][o.pk.key], literal(lab.b, o.tenant.type)), else_=o.tenant)
    lab.write(update(o.table).values({o.tenant: who}))


@attack("writes")
def update_tenant_by_key(lab: Lab) -> Any:
    """Give one's own row to the victim in a bulk update by primary key."""
    o = lab.leaf
    session = lab.session()
    session.execute(update(o.cls), [{**o.keys_of(o.a[0]), **o.set(tenant=lab.b)}])
    session.commit()


@attack("writes")
def update_ordered_values(lab: Lab) -> Any:
    """Give one's own row to the victim by ordered values."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).ordered_values((o.text, "x"), (o.tenant, lab.b)))


@attack("writes")
def object_changes_tenant(lab: Lab) -> Any:
    """Change the tenant of a loaded object."""
    o = lab.leaf
    session = lab.session()
    found = session.get(o.cls, o.ident(o.a[0]))
    setattr(found, o.tenant.key, lab.b)
    session.commit()


@attack("writes")
def object_tenant_by_sql(lab: Lab) -> Any:
    """Change the tenant of a loaded object to an SQL expression."""
    o = lab.leaf
    session = lab.session()
    found = session.get(o.cls, o.ident(o.a[0]))
    setattr(found, o.tenant.key, literal(lab.b, o.tenant.type))
    session.commit()


@attack("writes")
def object_insert_tenant_by_sql(lab: Lab) -> Any:
    """Add an object whose tenant is an SQL expression."""
    o = lab.leaf
    lab.flush(o.object(o.new("a", **{o.tenant.key: literal(lab.b, o.tenant.type)})))


@attack("writes")
def update_reads_victim(lab: Lab) -> Any:
    """Copy the victim's text into one's own row by a subquery in SET."""
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
    """Update children that are found through one's own parent by no condition at all."""
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
    lab.write(insert(made).values({f"k_{key}": value for key, value in o.new("b").items()}))


@attack("writes")
def update_returning(lab: Lab) -> Any:
    """Read the victim's row by RETURNING of an update."""
    lab.only("sqlite", "postgresql")
    o = lab.owned
    return lab.write(update(o.table).where(o.match(o.b[0])).values(o.set(text="x")).returning(o.table))


@attack("writes")
def delete_core(lab: Lab) -> Any:
    """Delete the victim's row on a connection."""
    lab.write(delete(lab.leaf.table).where(lab.leaf.match(lab.leaf.b[0])))


@attack("writes")
def delete_everything(lab: Lab) -> Any:
    """Delete without a condition."""
    lab.write(delete(lab.leaf.table))


@attack("writes")
def delete_orm_enabled(lab: Lab) -> Any:
    """Delete mapped rows by a statement in a session."""
    lab.orm_write(delete(lab.leaf.cls).where(lab.leaf.match(lab.leaf.b[0])))


@attack("writes")
def delete_many_parameters(lab: Lab) -> Any:
    """Execute many deletes by key."""
    o = lab.leaf
    lab.write(delete(o.table).where(o.pk == bindparam("k")), [{"k": row[o.pk.key]} for row in o.b])


@attack("writes")
def delete_using(lab: Lab) -> Any:
    """Delete one's own row only if the victim's parent exists."""
    lab.only("postgresql", "mysql", "mariadb")
    o, other = lab.leaf, lab.pair.parent
    statement = delete(o.table).where(o.match(o.a[0]), other.match(other.b[0]))
    return lab.told(lab.write(statement), 0)


@attack("writes")
def delete_by_subquery(lab: Lab) -> Any:
    """Delete one's own row if a subquery finds the victim's."""
    o, other = lab.leaf, lab.owned
    there = select(other.pk).where(other.match(other.b[0])).exists()
    return lab.told(lab.write(delete(o.table).where(o.match(o.a[0]), there)), 0)


@attack("writes")
def delete_through(lab: Lab) -> Any:
    """Delete a row of a table without a tenant column."""
    child = lab.deep.child
    lab.write(delete(child.table).where(child.match(child.b[0])))


@attack("writes")
def delete_association(lab: Lab) -> Any:
    """Delete the victim's association rows."""
    table = lab.bridge.table
    lab.write(delete(table.table).where(table.match(table.b[0])))


@attack("writes")
def delete_returning(lab: Lab) -> Any:
    """Read the victim's row by RETURNING of a delete."""
    lab.only("sqlite", "postgresql")
    return lab.write(delete(lab.leaf.table).where(lab.leaf.match(lab.leaf.b[0])).returning(lab.leaf.table))


def _stub(lab: Lab, shape: Any, **values: Any) -> Any:
    """Make an object that looks as if the victim's row had been loaded."""
    stub = shape.object(shape.keys_of(shape.b[0]))
    make_transient_to_detached(stub)
    for key, value in values.items():
        set_committed_value(stub, key, value)
    return stub


@attack("writes")
def stub_update(lab: Lab) -> Any:
    """Change a made-up object that has the victim's key."""
    o = lab.owned
    session = lab.session()
    stub = _stub(lab, o)
    session.add(stub)
    setattr(stub, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_update_claims_tenant(lab: Lab) -> Any:
    """Change a made-up object that has the victim's key and claims to be one's own."""
    o = lab.owned
    session = lab.session()
    stub = _stub(lab, o, **o.set(tenant=lab.a))
    session.add(stub)
    setattr(stub, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_delete(lab: Lab) -> Any:
    """Delete a made-up object that has the victim's key."""
    session = lab.session()
    session.delete(_stub(lab, lab.leaf))
    session.commit()


@attack("writes")
def stub_takes_over(lab: Lab) -> Any:
    """Move the victim's row to oneself by a made-up object."""
    o = lab.leaf
    session = lab.session()
    stub = _stub(lab, o)
    session.add(stub)
    setattr(stub, o.tenant.key, lab.a)
    session.commit()
    return session.scalars(select(o.cls)).all()


@attack("writes")
def stub_refresh(lab: Lab) -> Any:
    """Refresh a made-up object that has the victim's key."""
    session = lab.session()
    stub = _stub(lab, lab.owned)
    session.add(stub)
    _quietly(lambda: session.refresh(stub))
    return stub


@attack("writes")
def stub_expired_attribute(lab: Lab) -> Any:
    """Read an attribute of a made-up object that was never loaded."""
    o = lab.owned
    session = lab.session()
    stub = _stub(lab, o)
    session.add(stub)
    return _quietly(lambda: getattr(stub, o.text.key))


@attack("writes")
def merge_existing_key(lab: Lab) -> Any:
    """Merge an object that has the victim's key."""
    o = lab.owned
    session = lab.session()
    merged = session.merge(o.object({**o.b[0], o.tenant.key: lab.a, o.text.key: "taken"}))
    session.commit()
    return merged


@attack("writes")
def merge_without_load(lab: Lab) -> Any:
    """Merge an object that has the victim's key without a look at the database."""
    o = lab.owned
    session = lab.session()
    merged = session.merge(_stub(lab, o, **o.set(tenant=lab.a)), load=False)
    setattr(merged, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_through(lab: Lab) -> Any:
    """Change a made-up object of a table without a tenant column."""
    child = lab.part.child
    session = lab.session()
    stub = _stub(lab, child)
    session.add(stub)
    setattr(stub, child.text.key, "taken")
    session.commit()


@attack("writes")
def stub_bulk_update(lab: Lab) -> Any:
    """Save a made-up object that has the victim's key by the legacy bulk save."""
    o = lab.owned
    session = lab.session()
    stub = _stub(lab, o)
    setattr(stub, o.text.key, "taken")
    session.bulk_save_objects([stub])
    session.commit()


@attack("writes")
def change_primary_key(lab: Lab) -> Any:
    """Learn from a changed key whether it is taken by the victim."""
    k = lab.keyed
    session = lab.session()
    found = session.get(k.cls, k.ident(k.a[0]))
    setattr(found, k.tenant.key, lab.b)
    setattr(found, k.pk.key, k.new("b")[k.pk.key])
    session.commit()


@attack("writes")
def key_changed_by_statement(lab: Lab) -> Any:
    """Give one's own row to the victim where the tenant is part of the key."""
    k = lab.keyed
    other = k.new("b")[k.pk.key]
    lab.write(update(k.table).where(k.match(k.a[-1])).values({k.tenant: lab.b, k.pk: other}))


@attack("writes")
def shared_insert(lab: Lab) -> Any:
    """Insert a row that everybody reads."""
    s = lab.shared
    row = {**s.a[0], **{c.key: _other(s.a[0][c.key]) for c in s.table.primary_key.columns}}
    lab.write(insert(s.table).values(row))


@attack("writes")
def shared_update(lab: Lab) -> Any:
    """Update rows that everybody reads."""
    lab.write(update(lab.shared.table).values(lab.shared.set(text="taken")))


@attack("writes")
def shared_flush(lab: Lab) -> Any:
    """Change an object that everybody reads."""
    s = lab.shared
    session = lab.session()
    found = session.get(s.cls, s.ident(s.a[0]))
    setattr(found, s.text.key, "taken")
    session.commit()


@attack("writes")
def shared_delete(lab: Lab) -> Any:
    """Delete a row that everybody reads and nothing refers to."""
    s = lab.shared
    lab.write(delete(s.table).where(s.match(s.a[-1])))


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


def _quietly(load: Any) -> Any:
    """Return what was loaded, or nothing where the row seems not to be there, as SQLAlchemy says it."""
    try:
        return load()
    except (InvalidRequestError, ObjectDeletedError):
        return None


def _other(value: Any) -> Any:
    return value + 500 if isinstance(value, int) else f"x{value}"[:12]
