"""Inserts that meet a key that is taken."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    case,
    func,
    insert,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


def upsert(lab: Lab, values: Any, **conflict: Any) -> Any:
    """Return an insert that updates on conflict, in the database's own words."""
    o = lab.leaf
    if lab.dialect in ("mysql", "mariadb"):
        return mysql.insert(o.table).values(values).on_duplicate_key_update(conflict["set_"])
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table).values(values)
    return made.on_conflict_do_update(index_elements=list(o.table.primary_key.columns), **conflict)


@attack("dialect")
def upsert_victims_key(lab: Lab) -> Any:
    """Overwrite the victim's row with an upsert that hits its key."""
    o = lab.leaf
    lab.write(upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="taken")))


@attack("dialect")
def upsert_takes_over(lab: Lab) -> Any:
    """Take over the victim's row with an upsert that sets its tenant."""
    o = lab.leaf
    lab.write(upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(tenant=lab.a)))


@attack("dialect")
def upsert_gives_away(lab: Lab) -> Any:
    """Give the attacker's row away with an upsert that sets its tenant."""
    o = lab.leaf
    lab.write(upsert(lab, dict(o.a[0]), set_=o.set(tenant=lab.b)))


@attack("dialect")
def upsert_names_victim(lab: Lab) -> Any:
    """Upsert a row that names the victim."""
    o = lab.leaf
    lab.write(upsert(lab, o.new("b"), set_=o.set(text="taken")))


@attack("dialect")
def upsert_many(lab: Lab) -> Any:
    """Upsert many rows of which one hits the victim's key."""
    o = lab.leaf
    rows = [o.new("a", 100), {**o.new("a", 101), **o.keys_of(o.b[0])}]
    if lab.dialect in ("mysql", "mariadb"):
        made = mysql.insert(o.table)
        lab.write(made.on_duplicate_key_update({o.text.name: made.inserted[o.text.key]}), rows)
        return
    lab.write(upsert(lab, rows[0], set_=o.set(text="taken")), rows)


@attack("dialect")
def upsert_multi_values(lab: Lab) -> Any:
    """Upsert several VALUES of which one hits the victim's key."""
    o = lab.leaf
    lab.write(
        upsert(lab, [o.new("a", 100), {**o.new("a", 101), **o.keys_of(o.b[0])}], set_=o.set(text="taken"))
    )


@attack("dialect")
def upsert_with_where(lab: Lab) -> Any:
    """Upsert on the victim's key with an added condition."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    lab.write(upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="x"), where=o.tenant == lab.b))


@attack("dialect")
def upsert_returning(lab: Lab) -> Any:
    """Read the victim's row from an upsert's RETURNING."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    statement = upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(number=1))
    return lab.write(statement.returning(o.table))


@attack("dialect")
def upsert_from_select(lab: Lab) -> Any:
    """Upsert from a select that yields the victim's key."""
    lab.only("postgresql")
    o = lab.leaf
    row = {**o.new("a"), **o.keys_of(o.b[0])}
    chosen = select(*(literal(value, o.c[key].type) for key, value in row.items()))
    statement = postgresql.insert(o.table).from_select(list(row), chosen)
    lab.write(statement.on_conflict_do_update(index_elements=[o.pk], set_=o.set(text="taken")))


@attack("dialect")
def upsert_orm(lab: Lab) -> Any:
    """Upsert through a session on the victim's key."""
    o = lab.leaf
    lab.orm_write(upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="taken")))


@attack("dialect")
def upsert_subquery_in_set(lab: Lab) -> Any:
    """Read the victim's text with a subquery in the conflict clause."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    other = o.table.alias()
    theirs = select(func.max(other.c[o.text.key])).scalar_subquery()
    lab.write(upsert(lab, dict(o.a[0]), set_={o.text.key: theirs}))
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("dialect")
def upsert_through(lab: Lab) -> Any:
    """Overwrite the victim's row of a table without a tenant column with an upsert."""
    child = lab.part.child
    row = {**child.new("a"), **child.keys_of(child.b[0])}
    changed = child.set(text="taken")
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(mysql.insert(child.table).values(row).on_duplicate_key_update(changed))
        return
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(child.table).values(row)
    lab.write(made.on_conflict_do_update(index_elements=[child.pk], set_=changed))


@attack("dialect")
def upsert_moves_foreign_key(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent in the conflict clause."""
    p = lab.pair
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(
            mysql.insert(p.child.table)
            .values(dict(p.child.a[0]))
            .on_duplicate_key_update(p.to(p.parent.b[0]))
        )
        return
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(p.child.table)
    made = made.values(dict(p.child.a[0]))
    lab.write(made.on_conflict_do_update(index_elements=[p.child.pk], set_=p.to(p.parent.b[0])))


@attack("dialect")
def upsert_do_nothing_counts(lab: Lab) -> Any:
    """Plant a row for the victim with an insert that ignores conflicts."""
    o = lab.leaf
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(mysql.insert(o.table).prefix_with("IGNORE").values(o.new("b")))
        return
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table)
    lab.write(made.values(o.new("b")).on_conflict_do_nothing())


@attack("dialect")
def upsert_excluded(lab: Lab) -> Any:
    """Overwrite the victim's row with the values that were to be inserted."""
    o = lab.leaf
    row = {**o.new("a"), **o.keys_of(o.b[0])}
    if lab.dialect in ("mysql", "mariadb"):
        made = mysql.insert(o.table).values(row)
        lab.write(made.on_duplicate_key_update({o.text.name: made.inserted[o.text.key]}))
        return
    other: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table).values(row)
    lab.write(
        other.on_conflict_do_update(index_elements=[o.pk], set_={o.text.key: other.excluded[o.text.key]})
    )


@attack("dialect")
def replace_into(lab: Lab) -> Any:
    """Replace the victim's row by its key."""
    lab.only("sqlite", "mysql", "mariadb")
    o = lab.leaf
    row = {**o.new("a"), **o.keys_of(o.b[0])}
    prefix = "OR REPLACE" if lab.dialect == "sqlite" else None
    if prefix is None:
        names = ", ".join(o.c[key].name for key in row)
        marks = ", ".join(f":v{n}" for n in range(len(row)))
        lab.write(
            text(f"REPLACE INTO {o.table.name} ({names}) VALUES ({marks})"),
            {f"v{n}": value for n, value in enumerate(row.values())},
        )
    else:
        lab.write(insert(o.table).prefix_with(prefix).values(row))


@attack("dialect")
def case_in_conflict_target(lab: Lab) -> Any:
    """Overwrite the victim's row with an upsert whose condition is a CASE."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    always = case((o.tenant == lab.b, true()), else_=true())
    lab.write(upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="x"), where=always))


@attack("dialect")
def conflict_on_unique_column(lab: Lab) -> Any:
    """Overwrite the victim's row with an upsert that hits one of its unique columns."""
    shape = next((s for s in lab.shapes.values() if unique_columns(s) and s.placed.kind == "owned"), None)
    if shape is None:
        raise NotApplicable("no owned table has a column that is unique by itself")
    unique = unique_columns(shape)[0]
    row = {**shape.new("a"), unique.key: shape.b[0][unique.key]}
    changed = shape.set(number=1)
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(mysql.insert(shape.table).values(row).on_duplicate_key_update(changed))
        return
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(shape.table).values(row)
    lab.write(made.on_conflict_do_update(index_elements=[unique], set_=changed))


def unique_columns(shape: Any) -> list[Any]:
    return [c for c in shape.table.columns if c.unique and not c.primary_key and not c.foreign_keys]
