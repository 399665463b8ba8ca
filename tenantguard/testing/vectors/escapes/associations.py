"""Association rows that tie to the victim's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import make_transient_to_detached, relationship

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def association_insert(lab: Lab) -> Any:
    """Tie the attacker's left side to the victim's right side."""
    b = lab.bridge
    lab.write(insert(b.table.table).values({**b.table.a[0], **b.right.to(b.right.parent.b[0])}))


@attack("writes")
def association_insert_left(lab: Lab) -> Any:
    """Tie the victim's left side to the attacker's right side."""
    b = lab.bridge
    lab.write(insert(b.table.table).values({**b.table.a[0], **b.left.to(b.left.parent.b[0])}))


@attack("writes")
def association_insert_many(lab: Lab) -> Any:
    """Tie several rows at once, the last to the victim's."""
    b = lab.bridge
    mine = {**b.table.a[0], **b.right.to(b.right.parent.a[-1])}
    lab.write(insert(b.table.table), [mine, {**b.table.a[0], **b.right.to(b.right.parent.b[0])}])


@attack("writes")
def association_update(lab: Lab) -> Any:
    """Move one of the attacker's association rows to the victim's right side."""
    b = lab.bridge
    lab.write(
        update(b.table.table).where(b.table.match(b.table.a[0])).values(b.right.to(b.right.parent.b[0]))
    )


@attack("writes")
def association_from_select(lab: Lab) -> Any:
    """Tie the attacker's left side to whichever right side a select returns."""
    b = lab.bridge
    row = {**b.table.a[0], **b.right.to(b.right.parent.b[0])}
    chosen = select(*(literal(value, b.table.c[key].type) for key, value in row.items()))
    lab.write(insert(b.table.table).from_select(list(row), chosen))


@attack("writes")
def association_append(lab: Lab) -> Any:
    """Append a made-up object with the victim's key to a many-to-many list."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **b.joins()))
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    stub = right()
    for key, value in b.right.parent.keys_of(b.right.parent.b[0]).items():
        setattr(stub, key, value)
    make_transient_to_detached(stub)
    session.add(stub)
    owner.rights.append(stub)
    session.commit()


@attack("writes")
def association_write_only(lab: Lab) -> Any:
    """Add a made-up object with the victim's key to a write-only many-to-many list."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    many = relationship(right, secondary=b.table.table, lazy="write_only", passive_deletes=True, **b.joins())
    left = lab.map(b.left.parent.table, rights=many)
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    stub = right()
    for key, value in b.right.parent.keys_of(b.right.parent.b[0]).items():
        setattr(stub, key, value)
    make_transient_to_detached(stub)
    session.add(stub)
    owner.rights.add(stub)
    session.commit()


@attack("writes")
def association_by_flush_order(lab: Lab) -> Any:
    """Start a new session with a flush that ties the attacker's side to the victim's."""
    b = lab.bridge
    made = b.table.object({**b.table.a[0], **b.right.to(b.right.parent.b[0])})
    session = lab.session()
    session.add(made)
    session.flush()
    session.commit()
