"""Rows without a tenant column, written below the victim's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, literal, select, update

from tenantguard.testing.vectors.escapes.helpers import (
    stub_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def through_insert_core(lab: Lab) -> Any:
    """Insert a row without a tenant column below the victim's parent."""
    part = lab.part
    lab.write(insert(part.child.table).values(part.child.new("a", **part.to(part.parent.b[0]))))


@attack("writes")
def through_insert_many(lab: Lab) -> Any:
    """Insert many rows without a tenant column of which one is below the victim's parent."""
    part = lab.part
    rows = [part.child.new("a", 100), part.child.new("a", 101, **part.to(part.parent.b[0]))]
    lab.write(insert(part.child.table), rows)


@attack("writes")
def through_flush(lab: Lab) -> Any:
    """Add an object without a tenant column below the victim's parent."""
    part = lab.part
    lab.flush(part.child.object(part.child.new("a", **part.to(part.parent.b[0]))))


@attack("writes")
def through_insert_from_select(lab: Lab) -> Any:
    """Insert a row without a tenant column below the victim's parent from a select."""
    part = lab.part
    row = part.child.new("a", **part.to(part.parent.b[0]))
    chosen = select(*(literal(value, part.child.c[key].type) for key, value in row.items()))
    lab.write(insert(part.child.table).from_select(list(row), chosen))


@attack("writes")
def through_move_out(lab: Lab) -> Any:
    """Move the attacker's row without a tenant column to the victim's parent."""
    part = lab.part
    lab.write(
        update(part.child.table).where(part.child.match(part.child.a[0])).values(part.to(part.parent.b[0]))
    )


@attack("writes")
def through_move_out_object(lab: Lab) -> Any:
    """Move a loaded object without a tenant column to the victim's parent."""
    part = lab.part
    session = lab.session()
    child = session.get(part.child.cls, part.child.ident(part.child.a[0]))
    for key, value in part.to(part.parent.b[0]).items():
        setattr(child, key, value)
    session.commit()


@attack("writes")
def through_move_in(lab: Lab) -> Any:
    """Move the victim's row without a tenant column to the attacker's parent."""
    part = lab.part
    lab.write(
        update(part.child.table).where(part.child.match(part.child.b[0])).values(part.to(part.parent.a[0]))
    )


@attack("writes")
def through_move_in_stub(lab: Lab) -> Any:
    """Move the victim's row to the attacker's parent with a made-up object."""
    part = lab.part
    session = lab.session()
    stub = stub_of(part.child)
    session.add(stub)
    for key, value in part.to(part.parent.a[0]).items():
        setattr(stub, key, value)
    session.commit()


@attack("writes")
def grandchild_insert(lab: Lab) -> Any:
    """Insert a grandchild below the victim's child."""
    deep = lab.deep
    lab.write(insert(deep.child.table).values(deep.child.new("a", **deep.to(deep.parent.b[0]))))


@attack("writes")
def grandchild_flush(lab: Lab) -> Any:
    """Add a grandchild below the victim's child."""
    deep = lab.deep
    lab.flush(deep.child.object(deep.child.new("a", **deep.to(deep.parent.b[0]))))


@attack("writes")
def grandchild_move(lab: Lab) -> Any:
    """Move the attacker's grandchild below the victim's child."""
    deep = lab.deep
    lab.write(
        update(deep.child.table).where(deep.child.match(deep.child.a[0])).values(deep.to(deep.parent.b[0]))
    )


@attack("writes")
def joined_inheritance_insert(lab: Lab) -> Any:
    """Insert the second half of a joined-inheritance row for the victim's first half."""
    pair = lab.extension
    lab.arrange(pair.child.table.delete().where(pair.child.match(pair.child.b[-1])))
    lab.write(insert(pair.child.table).values(pair.child.b[-1]))
