"""Inserts that name the victim, or copy from it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, func, insert, literal, select, true

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
    """Execute many inserts, of which the last names the victim."""
    o = lab.leaf
    lab.write(insert(o.table), [o.new("a", 100), o.new("a", 101), o.new("b", 102)])


@attack("writes")
def insert_multi_values(lab: Lab) -> Any:
    """Insert several rows in one VALUES, of which one names the victim."""
    o = lab.leaf
    lab.write(insert(o.table).values([o.new("a", 100), o.new("b", 101)]))


@attack("writes")
def insert_by_expression(lab: Lab) -> Any:
    """Name the victim with an expression."""
    o = lab.leaf
    tenant = case((true(), literal(lab.b, o.tenant.type)), else_=literal(lab.a, o.tenant.type))
    lab.write(insert(o.table).values({**o.new("a"), o.tenant.key: tenant}))


@attack("writes")
def insert_by_subquery(lab: Lab) -> Any:
    """Name the victim with a scalar subquery of its own row."""
    o = lab.leaf
    other = o.table.alias()
    tenant = select(other.c[o.tenant.key]).where(o.match(o.b[0], other)).scalar_subquery()
    lab.only("sqlite", "postgresql")
    lab.write(insert(o.table).values({**o.new("a"), o.tenant.key: tenant}))


@attack("writes")
def insert_copies_text(lab: Lab) -> Any:
    """Copy the victim's text into the attacker's row with a scalar subquery."""
    o = lab.leaf
    other = o.table.alias()
    text = select(other.c[o.text.key]).where(o.match(o.b[0], other)).scalar_subquery()
    lab.only("sqlite", "postgresql")
    return lab.write(insert(o.table).values({**o.new("a"), o.text.key: text}).returning(o.text))


@attack("writes")
def insert_orm_rows(lab: Lab) -> Any:
    """Insert rows with the session's bulk insert."""
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
    """Copy the victim's rows to the attacker."""
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
    """Read a table with a subquery in RETURNING."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    other = o.table.alias()
    inner = select(func.max(other.c[o.text.key])).scalar_subquery()
    return lab.write(insert(o.table).values(o.new("a")).returning(inner))
