"""Writes of the tenant's own rows by statements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.operations.helpers import (
    count,
    equal,
    refers,
    same,
    stamped,
)
from tenantguard.testing.vectors.shapes import unique_names
from tenantguard.testing.vectors.table import legitimate

FAR = 10_000


@legitimate("writes")
def insert_stamped(lab: Lab) -> Any:
    """Insert without naming a tenant, in each way, and find that every row is the tenant's."""
    o = lab.leaf
    lab.write(insert(o.table).values(o.unnamed(100)))
    lab.write(insert(o.table), o.unnamed(101))
    lab.write(insert(o.table), [o.unnamed(102), o.unnamed(103)])
    lab.write(insert(o.table).values([o.unnamed(104), o.unnamed(105)]))
    lab.orm_write(insert(o.cls), [o.unnamed(106), o.unnamed(107)])
    stamped(lab, o, 8)


@legitimate("writes")
def flush_stamped(lab: Lab) -> Any:
    """Add objects that name no tenant."""
    o = lab.leaf
    lab.flush(*(o.object(o.unnamed(100 + n)) for n in range(3)))
    stamped(lab, o, 3)


@legitimate("writes")
def flushed_object_knows_its_tenant(lab: Lab) -> Any:
    """Read the tenant of a stamped object, after the flush and after the commit."""
    o = lab.leaf
    session = lab.session()
    made = o.object(o.unnamed(100))
    session.add(made)
    session.flush()
    equal(getattr(made, o.tenant.key), lab.a)
    session.commit()
    equal(getattr(made, o.tenant.key), lab.a)


@legitimate("writes")
def bulk_stamped(lab: Lab) -> Any:
    """Use the legacy bulk operations without naming a tenant."""
    o = lab.leaf
    session = lab.session()
    session.bulk_insert_mappings(o.cls, [o.unnamed(100)])
    session.bulk_save_objects([o.object(o.unnamed(101))])
    session.commit()
    stamped(lab, o, 2)


@legitimate("writes")
def insert_naming_oneself(lab: Lab) -> Any:
    """Insert rows that name the tenant."""
    o = lab.leaf
    lab.write(insert(o.table), [o.new("a", 100), o.new("a", 101)])
    lab.flush(o.object(o.new("a", 102)))
    stamped(lab, o, 3)


@legitimate("writes")
def insert_returning(lab: Lab) -> Any:
    """Insert in batches and get the keys back in order."""
    lab.only("sqlite", "postgresql", "mariadb")
    o = lab.leaf
    rows = [o.unnamed(100 + n) for n in range(6)]
    statement = insert(o.cls).returning(o.attr(o.pk), sort_by_parameter_order=True)
    options = {"insertmanyvalues_page_size": 2}
    found = lab.orm_write(statement, rows, execution_options=options)
    equal([row[0] for row in found], [row[o.pk.key] for row in rows])


@legitimate("writes")
def insert_from_own_select(lab: Lab) -> Any:
    """Copy one of the tenant's rows with a select."""
    o = lab.leaf
    fresh = o.new("a", 100)
    columns = [c for c in o.table.columns if c.key in fresh]
    alone = {o.pk, *(c for c in columns if _alone(c))}
    chosen = select(*(bindparam(None, fresh[c.key], c.type) if c in alone else c for c in columns))
    lab.write(insert(o.table).from_select([c.name for c in columns], chosen.where(o.match(o.a[0]))))
    equal(count(lab, o), len(o.a) + 1)


def _alone(column: Column[Any]) -> bool:
    """Tell whether a copy of a row needs another value here."""
    return not column.foreign_keys and bool(column.unique or column.name in unique_names(column.table))


@legitimate("writes")
def update_own(lab: Lab) -> Any:
    """Update the tenant's rows in each way."""
    o = lab.owned
    first, second, third = (
        o.new("a", 100 + n)[o.text.key] for n in range(3)
    )  # unlike one another: it may be unique
    equal(lab.write(update(o.table).where(o.match(o.a[0])).values(o.set(text=first))), 1)
    session = lab.session()
    setattr(session.get(o.cls, o.ident(o.a[1])), o.text.key, second)
    session.commit()
    session.execute(update(o.cls), [{**o.keys_of(o.a[2]), **o.set(text=third)}])
    session.commit()
    rows = [lab.rows(select(o.text).where(o.match(row)))[0][0] for row in o.a[:3]]
    equal(rows, [first, second, third])


@legitimate("writes")
def update_everything_of_ones_own(lab: Lab) -> Any:
    """Update without a condition."""
    o = lab.owned
    # far enough that no row meets another's number on the way, where numbers are unique
    equal(lab.write(update(o.table).values(o.set(number=o.number + FAR))), len(o.a))


@legitimate("writes")
def update_synchronized(lab: Lab) -> Any:
    """Update with a statement and find the loaded objects changed."""
    o = lab.owned
    session = lab.session()
    held = session.scalars(select(o.cls)).all()
    for how in ("evaluate", "fetch"):
        numbers = [getattr(one, o.number.key) + FAR for one in held]
        statement = update(o.cls).where(o.attr(o.number) > 0).values(o.set(number=o.attr(o.number) + FAR))
        session.execute(statement, execution_options={"synchronize_session": how})
        same([getattr(one, o.number.key) for one in held], numbers)
    session.commit()


@legitimate("writes")
def update_from_own_parent(lab: Lab) -> Any:
    """Copy a text from one of the tenant's parents."""
    lab.only("sqlite", "postgresql")
    p = lab.pair
    parent = next(row for row in p.parent.a if any(refers(p, child, row) for child in p.child.a))
    statement = (
        update(p.child.table).where(p.on(), p.parent.match(parent)).values({p.child.text: p.parent.text})
    )
    many = sum(refers(p, child, parent) for child in p.child.a)
    equal(lab.write(statement), many)


@legitimate("writes")
def delete_own(lab: Lab) -> Any:
    """Delete the tenant's rows with a statement and as an object."""
    o = lab.leaf
    equal(lab.write(delete(o.table).where(o.match(o.a[0]))), 1)
    session = lab.session()
    session.delete(session.get(o.cls, o.ident(o.a[1])))
    session.commit()
    equal(count(lab, o), len(o.a) - 2)


@legitimate("dialect")
def own_upsert(lab: Lab) -> Any:
    """Upsert on one of the tenant's keys and on a free one."""
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
    equal(count(lab, o), len(o.a) + 1)
    equal(len(lab.rows(select(o.pk).where(o.text == "mine"))), 1)


@legitimate("dialect")
def own_upserts(lab: Lab) -> Any:
    """Upsert many rows at once, each with the values that were to be inserted."""
    o = lab.leaf
    text = o.repeatable
    new = o.complete("a", n=100)
    rows = [{**{key: row.get(key) for key in {**o.a[0], **new}}, text.key: "mine"} for row in (o.a[0], new)]
    if lab.dialect in ("mysql", "mariadb"):
        made = mysql.insert(o.table)
        lab.write(made.on_duplicate_key_update({text.name: made.inserted[text.key]}), rows)
    else:
        other: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table)
        keys = list(o.table.primary_key.columns)
        changed = {text.key: other.excluded[text.key]}
        lab.write(other.on_conflict_do_update(index_elements=keys, set_=changed).returning(o.pk), rows)
    equal(count(lab, o), len(o.a) + 1)
    equal(len(lab.rows(select(o.pk).where(text == "mine"))), 2)


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
    stamped(lab, o, 1)
