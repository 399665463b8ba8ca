"""Common table expressions, set operations, LATERAL and VALUES."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    column,
    delete,
    except_,
    func,
    insert,
    intersect,
    lateral,
    literal,
    select,
    true,
    union,
    union_all,
    update,
    values,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def cte_plain(lab: Lab) -> Any:
    """Select from a common table expression."""
    return lab.rows(select(select(lab.owned.table).cte("mine")))


@attack("reads")
def cte_named_as_table(lab: Lab) -> Any:
    """Select from a common table expression that has the table's own name."""
    lab.only("postgresql", "mysql", "mariadb")
    return lab.rows(select(select(lab.owned.table).cte(lab.owned.table.name)))


@attack("reads")
def cte_nesting(lab: Lab) -> Any:
    """Select from a nested common table expression."""
    inner = select(lab.owned.table).cte("inner_one", nesting=True)
    return lab.rows(select(select(inner).cte("outer_one")))


@attack("reads")
def cte_twice(lab: Lab) -> Any:
    """Refer to a common table expression twice."""
    o = lab.owned
    cte = select(o.table).cte("mine")
    again = cte.alias("again")
    return lab.rows(select(cte, again).where(cte.c[o.pk.key] == again.c[o.pk.key]))


@attack("reads")
def cte_recursive(lab: Lab) -> Any:
    """Climb from one of the attacker's rows to every row with a recursive expression."""
    o = lab.owned
    seed = (
        select(o.table.c[o.pk.key], o.table.c[o.text.key]).where(o.match(o.a[0])).cte("climb", recursive=True)
    )
    other = o.table.alias()
    step = select(other.c[o.pk.key], other.c[o.text.key]).where(other.c[o.pk.key] > seed.c[o.pk.key])
    return lab.rows(select(seed.union(step)))


@attack("reads")
def cte_materialized_prefix(lab: Lab) -> Any:
    """Select from a common table expression with a prefix."""
    lab.only("postgresql")
    cte = select(lab.owned.table).cte("mine").prefix_with("MATERIALIZED", dialect="postgresql")
    return lab.rows(select(cte))


@attack("reads")
def cte_added_to_shared(lab: Lab) -> Any:
    """Add a common table expression to a select of a shared table, and use it in a subquery."""
    o, s = lab.owned, lab.shared
    cte = select(o.table).cte("mine")
    return lab.rows(select(s.table, select(func.max(cte.c[o.text.key])).scalar_subquery()).add_cte(cte))


@attack("reads")
def cte_inserting(lab: Lab) -> Any:
    """Change the victim's row in a data-modifying common table expression and read it back."""
    lab.only("postgresql")
    o = lab.leaf
    cte = update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")).returning(o.table).cte("taken")
    return lab.write(select(cte))


@attack("reads")
def cte_deleting_unreferenced(lab: Lab) -> Any:
    """Delete in a data-modifying common table expression that nothing refers to."""
    lab.only("postgresql")
    o, s = lab.leaf, lab.shared
    return lab.write(select(s.table).add_cte(delete(o.table).where(o.match(o.b[0])).cte("gone")))


@attack("reads")
def cte_insert_named(lab: Lab) -> Any:
    """Insert a row for the victim in a data-modifying common table expression."""
    lab.only("postgresql")
    o, s = lab.leaf, lab.shared
    return lab.write(select(s.table).add_cte(insert(o.table).values(o.new("b")).cte("planted")))


@attack("reads")
def union_of_tables(lab: Lab) -> Any:
    """Unite an owned table with a shared one."""
    o, s = lab.owned, lab.shared
    return lab.rows(union(select(s.text), select(o.text)))


@attack("reads")
def union_all_nested(lab: Lab) -> Any:
    """Unite limited selects, nested."""
    o, s = lab.owned, lab.shared
    part = select(select(o.text).order_by(o.text.desc()).limit(2).subquery())
    return lab.rows(union_all(select(s.text), union_all(part, part).subquery().select()))


@attack("reads")
def intersect_with_guess(lab: Lab) -> Any:
    """Intersect a guessed value with the table."""
    o = lab.owned
    guess = literal(o.b[0][o.text.key], o.text.type)
    return lab.told(len(lab.rows(intersect(select(guess), select(o.text)))), 0)


@attack("reads")
def except_guess(lab: Lab) -> Any:
    """Take the table away from a guessed value."""
    o = lab.owned
    guess = literal(o.b[0][o.text.key], o.text.type)
    return lab.told(len(lab.rows(except_(select(guess), select(o.text)))), 1)


@attack("reads")
def union_in_subquery(lab: Lab) -> Any:
    """Select from a union."""
    o = lab.owned
    return lab.rows(select(union(select(o.pk), select(o.pk)).subquery()))


@attack("reads")
def union_of_objects(lab: Lab) -> Any:
    """Load objects from a union."""
    o = lab.owned
    both = union_all(select(o.cls).where(o.tenant == lab.a), select(o.cls).where(o.tenant == lab.b))
    return lab.session().scalars(select(o.cls).from_statement(both)).all()


@attack("reads")
def lateral_subquery(lab: Lab) -> Any:
    """Join a lateral subquery to a shared table."""
    lab.only("postgresql")
    o, s = lab.owned, lab.shared
    inner = lateral(select(o.table))
    return lab.rows(select(s.pk, inner).join(inner, true()))


@attack("reads")
def values_joined(lab: Lab) -> Any:
    """Join a list of guessed keys to the table."""
    o = lab.owned
    lab.only("postgresql")
    keys = values(column("k", o.pk.type), name="guess").data([(row[o.pk.key],) for row in o.b])
    return lab.rows(select(o.text).join(keys, keys.c.k == o.pk))
