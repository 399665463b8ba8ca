"""Deletes of the victim's rows, and writes to rows that everybody reads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from tenantguard.testing.vectors.escapes.helpers import (
    other_value,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def legacy_query_delete(lab: Lab) -> Any:
    """Delete with the legacy query."""
    o = lab.leaf
    session = lab.session()
    session.query(o.cls).filter(o.match(o.b[0])).delete(synchronize_session=False)
    session.commit()


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
    """Delete the attacker's row only if the victim's parent exists."""
    lab.only("postgresql", "mysql", "mariadb")
    o, other = lab.leaf, lab.pair.parent
    statement = delete(o.table).where(o.match(o.a[0]), other.match(other.b[0]))
    return lab.told(lab.write(statement), 0)


@attack("writes")
def delete_by_subquery(lab: Lab) -> Any:
    """Delete the attacker's row if a subquery finds the victim's."""
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
    """Read the victim's row from a delete's RETURNING."""
    lab.only("sqlite", "postgresql")
    return lab.write(delete(lab.leaf.table).where(lab.leaf.match(lab.leaf.b[0])).returning(lab.leaf.table))


@attack("writes")
def shared_insert(lab: Lab) -> Any:
    """Insert a row that everybody reads."""
    s = lab.shared
    row = {**s.a[0], **{c.key: other_value(s.a[0][c.key]) for c in s.table.primary_key.columns}}
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
