"""Fragments of SQL text inside a statement."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    and_,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from tenantguard.testing.vectors.escapes.helpers import (
    column_of,
    name_of,
    text_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("raw SQL")
def fragment_in_columns(lab: Lab) -> Any:
    """Put a subquery as text among the columns."""
    return lab.rows(select(text(text_of(lab, lab.owned))))


@attack("raw SQL")
def fragment_in_where(lab: Lab) -> Any:
    """Put a subquery as text into WHERE."""
    o, s = lab.owned, lab.shared
    there = f"EXISTS (SELECT 1 FROM {name_of(lab, o)} WHERE {column_of(lab, o.tenant)} = :t)"
    return lab.told(len(lab.rows(select(s.table).where(text(there).bindparams(t=lab.b)))), 0)


@attack("raw SQL")
def fragment_closing_the_condition(lab: Lab) -> Any:
    """Widen the condition with OR in text."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == lab.a).where(text("1=1 OR 1=1")))


@attack("raw SQL")
def fragment_closing_the_bracket(lab: Lab) -> Any:
    """Close the bracket around a text fragment and widen the condition."""
    o = lab.owned
    return lab.rows(select(o.table).where(or_(text("1=1) OR (1=1"), o.tenant == lab.a), o.pk.is_not(None)))


@attack("raw SQL")
def fragment_beside_the_parent(lab: Lab) -> Any:
    """Widen, with OR in text, the condition that ties a part to its owner."""
    part = lab.part
    return lab.rows(select(part.child.table, part.parent.pk).where(and_(part.on(), text("1=1 OR 1=1"))))


@attack("raw SQL")
def fragment_beside_the_parent_in_join(lab: Lab) -> Any:
    """Widen, with a column given as text, the condition of a join that ties a part to its owner."""
    part = lab.part
    joined = part.child.table.join(part.parent.table, and_(part.on(), literal_column("1=1 OR 1=1", Boolean)))
    return lab.rows(select(part.child.table, part.parent.pk).select_from(joined))


@attack("raw SQL")
def fragment_with_comment(lab: Lab) -> Any:
    """Comment out whatever follows a text fragment."""
    o = lab.owned
    return lab.rows(select(o.table).where(text("1=1 -- ")))


@attack("raw SQL")
def fragment_unites(lab: Lab) -> Any:
    """Add a UNION with another select after a condition given as text."""
    o, s = lab.owned, lab.shared
    query = f"1=1 UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
    return lab.rows(select(s.text).where(text(query)))


@attack("raw SQL")
def fragment_in_group(lab: Lab) -> Any:
    """Put a union as text after GROUP BY."""
    o, s = lab.owned, lab.shared
    tail = f"{column_of(lab, s.text)} UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
    return lab.rows(select(s.text).group_by(text(tail)))


@attack("raw SQL")
def fragment_in_from(lab: Lab) -> Any:
    """Name the table as text in FROM."""
    o = lab.owned
    return lab.rows(select(literal_column(column_of(lab, o.text))).select_from(text(name_of(lab, o))))


@attack("raw SQL")
def fragment_joins(lab: Lab) -> Any:
    """Name two tables as text in FROM, the shared one first."""
    o, s = lab.owned, lab.shared
    both = text(f"{name_of(lab, s)} CROSS JOIN {name_of(lab, o)}")
    return lab.rows(select(literal_column(f"{name_of(lab, o)}.{column_of(lab, o.text)}")).select_from(both))


@attack("raw SQL")
def literal_column_subquery(lab: Lab) -> Any:
    """Put a subquery into a literal column."""
    return lab.rows(select(literal_column(text_of(lab, lab.owned))))


@attack("raw SQL")
def literal_column_as_text(lab: Lab) -> Any:
    """Put a subquery into a literal column of a shared table's select."""
    return lab.rows(select(lab.shared.pk, literal_column(text_of(lab, lab.owned)).label("x")))


@attack("raw SQL")
def column_name_subquery(lab: Lab) -> Any:
    """Put a subquery into the name of an ad-hoc literal column."""
    return lab.rows(select(column(text_of(lab, lab.owned), is_literal=True)))


@attack("raw SQL")
def label_with_subquery(lab: Lab) -> Any:
    """Put a subquery into a literal column inside a function inside ORDER BY of a limited select."""
    o, s = lab.owned, lab.shared
    there = f"(SELECT count(*) FROM {name_of(lab, o)} WHERE {column_of(lab, o.tenant)} = '{lab.b}')"
    got = lab.rows(select(s.pk).where(func.coalesce(literal_column(there), 0) > 0))
    return lab.told(len(got), 0)


@attack("raw SQL")
def prefix_with_query(lab: Lab) -> Any:
    """Put a query into a prefix of a select."""
    o, s = lab.owned, lab.shared
    lead = f"{column_of(lab, o.text)} FROM {name_of(lab, o)} UNION ALL SELECT"
    return lab.rows(select(s.text).prefix_with(lead))


@attack("raw SQL")
def suffix_with_query(lab: Lab) -> Any:
    """Put a query into a suffix of a select."""
    o, s = lab.owned, lab.shared
    tail = f"UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
    return lab.rows(select(s.text).suffix_with(tail))


@attack("raw SQL")
def statement_hint_with_query(lab: Lab) -> Any:
    """Put a query into a hint of a statement."""
    o, s = lab.owned, lab.shared
    lab.only("postgresql", "mysql", "mariadb")
    tail = f"UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
    return lab.rows(select(s.text).with_statement_hint(tail))


@attack("raw SQL")
def table_hint_with_query(lab: Lab) -> Any:
    """Put a query into a hint of a table."""
    o, s = lab.owned, lab.shared
    lab.only("mysql", "mariadb")
    tail = f"UNION ALL SELECT {column_of(lab, o.text)} FROM {name_of(lab, o)}"
    return lab.rows(select(s.text).with_hint(s.table, tail))


@attack("raw SQL")
def insert_prefix(lab: Lab) -> Any:
    """Put the beginning of another statement into the prefix of an insert."""
    o = lab.leaf
    lab.only("sqlite")
    lab.write(insert(o.table).prefix_with("OR REPLACE").values({**o.new("a"), **o.keys_of(o.b[0])}))


@attack("raw SQL")
def operator_with_query(lab: Lab) -> Any:
    """Put a query into an operator."""
    o, s = lab.owned, lab.shared
    there = f"EXISTS (SELECT 1 FROM {name_of(lab, o)} WHERE {column_of(lab, o.tenant)} = '{lab.b}')"
    return lab.told(len(lab.rows(select(s.table).where(s.pk.op(f"IS NOT NULL AND {there} AND 1 =")(1)))), 0)


@attack("raw SQL")
def text_in_cte_prefix(lab: Lab) -> Any:
    """Put a query into the suffix of a common table expression."""
    o, s = lab.owned, lab.shared
    extra = f", loot AS (SELECT {column_of(lab, o.text)} AS y FROM {name_of(lab, o)})"
    cte = select(s.table).cte("plain").suffix_with(extra)
    return lab.rows(select(cte.c[s.pk.key], literal_column("(SELECT max(y) FROM loot)")))


@attack("raw SQL")
def update_with_text_value(lab: Lab) -> Any:
    """Set a column to a subquery given as text."""
    o = lab.leaf
    theirs = f"(SELECT max(z.{column_of(lab, o.text)}) FROM {name_of(lab, o)} AS z)"
    lab.only("sqlite", "postgresql")
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.text: text(theirs)}))
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("raw SQL")
def delete_with_text_condition(lab: Lab) -> Any:
    """Delete under a text condition that closes the guard's bracket."""
    o = lab.leaf
    lab.write(delete(o.table).where(or_(text("1=1) OR (1=1"), o.tenant == lab.a), o.pk.is_not(None)))


@attack("raw SQL")
def returning_text(lab: Lab) -> Any:
    """Read a table with text in RETURNING."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    inner = f"(SELECT max(z.{column_of(lab, o.text)}) FROM {name_of(lab, o)} AS z)"
    return lab.write(update(o.table).where(o.match(o.a[0])).values(o.set(text="a")).returning(text(inner)))


@attack("raw SQL")
def server_default_of_insert(lab: Lab) -> Any:
    """Fill a column with SQL text that reads the victim's row."""
    o = lab.leaf
    theirs = f"(SELECT max(z.{column_of(lab, o.text)}) FROM {name_of(lab, o)} AS z)"
    lab.only("postgresql", "sqlite")
    lab.write(insert(o.table).values({**o.new("a"), o.text.key: literal_column(theirs)}))
    return lab.rows(select(o.text))
