"""New rows whose foreign key names the victim's parent."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, literal, select

from tenantguard.testing.vectors.escapes.helpers import (
    key_expressions,
    stub_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def fk_flush_insert(lab: Lab) -> Any:
    """Add an object whose foreign key names the victim's parent."""
    p = lab.pair
    lab.flush(p.child.object(p.child.new("a", **p.to(p.parent.b[0]))))


@attack("writes")
def fk_flush_many(lab: Lab) -> Any:
    """Add many objects of which the last names the victim's parent."""
    p = lab.pair
    rows = [p.child.new("a", 100 + n) for n in range(3)]
    rows[-1].update(p.to(p.parent.b[0]))
    lab.flush(*(p.child.object(row) for row in rows))


@attack("writes")
def fk_stub_parent(lab: Lab) -> Any:
    """Give a made-up parent with the victim's key to a new child."""
    p = lab.pair
    session = lab.session()
    stub = stub_of(p.parent)
    session.add(stub)
    child = p.child.object(p.child.new("a"))
    child.parent = stub
    session.add(child)
    session.commit()


@attack("writes")
def fk_append_to_stub(lab: Lab) -> Any:
    """Append a loaded child to the list of a made-up parent."""
    p = lab.pair
    session = lab.session()
    stub = stub_of(p.parent)
    session.add(stub)
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    child.parent = stub
    session.commit()


@attack("writes")
def fk_write_only_add(lab: Lab) -> Any:
    """Add a child to the write-only list of a made-up parent."""
    p = lab.pair
    session = lab.session()
    stub = stub_of(p.parent)
    session.add(stub)
    stub.many.add(p.child.object(p.child.new("a")))
    session.commit()


@attack("writes")
def fk_insert_core(lab: Lab) -> Any:
    """Insert a row that names the victim's parent on a connection."""
    p = lab.pair
    lab.write(insert(p.child.table).values(p.child.new("a", **p.to(p.parent.b[0]))))


@attack("writes")
def fk_insert_parameters(lab: Lab) -> Any:
    """Name the victim's parent in the parameters of the last of many inserts."""
    p = lab.pair
    lab.write(insert(p.child.table), [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))])


@attack("writes")
def fk_insert_multi_values(lab: Lab) -> Any:
    """Name the victim's parent in the second of several VALUES."""
    p = lab.pair
    rows = [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))]
    lab.write(insert(p.child.table).values(rows))


@attack("writes")
def fk_insert_expression(lab: Lab) -> Any:
    """Name the victim's parent with an expression."""
    p = lab.pair
    lab.write(insert(p.child.table).values({**p.child.new("a"), **key_expressions(p)}))


@attack("writes")
def fk_insert_subquery(lab: Lab) -> Any:
    """Name the victim's parent with a scalar subquery over another table."""
    p, s = lab.pair, lab.shared
    chosen = {
        key: select(literal(value, p.child.c[key].type)).select_from(s.table).limit(1).scalar_subquery()
        for key, value in p.to(p.parent.b[0]).items()
    }
    lab.write(insert(p.child.table).values({**p.child.new("a"), **chosen}))


@attack("writes")
def fk_insert_from_select(lab: Lab) -> Any:
    """Insert from a select that names the victim's parent."""
    p = lab.pair
    row = p.child.new("a", **p.to(p.parent.b[0]))
    chosen = select(*(literal(value, p.child.c[key].type) for key, value in row.items()))
    lab.write(insert(p.child.table).from_select(list(row), chosen))


@attack("writes")
def fk_insert_orm_rows(lab: Lab) -> Any:
    """Insert a row that names the victim's parent with the session's bulk insert."""
    p = lab.pair
    lab.orm_write(insert(p.child.cls), [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))])


@attack("writes")
def fk_bulk_insert_mappings(lab: Lab) -> Any:
    """Use the legacy bulk insert with a row that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.bulk_insert_mappings(p.child.cls, [p.child.new("a", **p.to(p.parent.b[0]))])
    session.commit()


@attack("writes")
def fk_bulk_save_objects(lab: Lab) -> Any:
    """Use the legacy bulk save with an object that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.bulk_save_objects([p.child.object(p.child.new("a", **p.to(p.parent.b[0])))])
    session.commit()


@attack("writes")
def fk_tree_flush(lab: Lab) -> Any:
    """Refer to the victim's row of the same table."""
    t = lab.tree
    lab.flush(t.child.object(t.child.new("a", **t.to(t.parent.b[0]))))
