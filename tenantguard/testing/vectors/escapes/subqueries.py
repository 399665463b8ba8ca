"""Subqueries, in each position that a statement has for one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    any_,
    case,
    func,
    literal,
    select,
    tuple_,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def subquery_in_from(lab: Lab) -> Any:
    """Select from a subquery."""
    inner = select(lab.owned.table).subquery()
    return lab.rows(select(inner))


@attack("reads")
def subquery_three_deep(lab: Lab) -> Any:
    """Select from a subquery of a subquery of a subquery."""
    inner = select(lab.owned.table).subquery()
    middle = select(inner).subquery()
    return lab.rows(select(select(middle).subquery()))


@attack("reads")
def scalar_subquery_in_columns(lab: Lab) -> Any:
    """Read the victim's text with a scalar subquery among the columns."""
    o = lab.owned
    return lab.rows(select(select(o.text).where(o.match(o.b[0])).scalar_subquery()))


@attack("reads")
def scalar_subquery_in_shared(lab: Lab) -> Any:
    """Put a scalar subquery of an owned table into a select of a shared one."""
    o, s = lab.owned, lab.shared
    return lab.rows(select(s.table, select(func.max(o.text)).scalar_subquery()))


@attack("reads")
def scalar_subquery_in_where(lab: Lab) -> Any:
    """Let a subquery in WHERE tell whether the victim's row exists."""
    o, s = lab.owned, lab.shared
    inner = select(func.count()).where(o.match(o.b[0])).scalar_subquery()
    return lab.told(len(lab.rows(select(s.table).where(inner == 1))), 0)


@attack("reads")
def scalar_subquery_in_order(lab: Lab) -> Any:
    """Let a subquery in ORDER BY reverse the order if the victim's row exists."""
    o, s = lab.owned, lab.shared
    there = select(func.count()).where(o.match(o.b[0])).scalar_subquery()
    flip = case((there > 0, literal(1)), else_=literal(-1))
    pk = s.pk
    rank = (
        select(func.count())
        .where(s.table.alias("ranked").c[pk.key] <= pk)
        .correlate(s.table)
        .scalar_subquery()
    )
    got = [row[0] for row in lab.rows(select(pk).order_by(rank * flip))]
    mine = sorted((row[pk.key] for row in s.a), reverse=True)
    return lab.told(got, mine)


@attack("reads")
def subquery_in_case(lab: Lab) -> Any:
    """Hide a subquery in CASE."""
    o = lab.owned
    inner = select(func.max(o.text)).scalar_subquery()
    return lab.rows(select(case((inner.is_not(None), inner), else_=literal(""))))


@attack("reads")
def subquery_in_function(lab: Lab) -> Any:
    """Hide a subquery in a function's argument."""
    o = lab.owned
    return lab.rows(select(func.coalesce(select(func.max(o.text)).scalar_subquery(), "")))


@attack("reads")
def subquery_in_limit(lab: Lab) -> Any:
    """Let a subquery in LIMIT tell how many rows the victim has."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite", "postgresql")
    many = select(func.count()).where(o.match(o.b[0])).select_from(o.table).scalar_subquery()
    return lab.told(len(lab.rows(select(s.table).limit(many))), 0)


@attack("reads")
def in_subquery(lab: Lab) -> Any:
    """Compare with a subquery using IN, in a shared table's select."""
    o, s = lab.owned, lab.shared
    found = lab.rows(select(s.table).where(literal(o.b[0][o.text.key]).in_(select(o.text))))
    return lab.told(len(found), 0)


@attack("reads")
def not_in_subquery(lab: Lab) -> Any:
    """Compare with a subquery using NOT IN."""
    o, s = lab.owned, lab.shared
    found = lab.rows(select(s.table).where(literal(o.b[0][o.text.key]).not_in(select(o.text))))
    return lab.told(len(found), len(s.a))


@attack("reads")
def tuple_in_subquery(lab: Lab) -> Any:
    """Compare a row value with a subquery."""
    o, s = lab.owned, lab.shared
    row = tuple_(literal(o.b[0][o.pk.key]), literal(o.b[0][o.text.key]))
    return lab.told(len(lab.rows(select(s.table).where(row.in_(select(o.pk, o.text))))), 0)


@attack("reads")
def any_subquery(lab: Lab) -> Any:
    """Compare with any value of a subquery."""
    lab.only("postgresql", "mysql", "mariadb")
    o, s = lab.owned, lab.shared
    found = lab.rows(
        select(s.table).where(literal(o.b[0][o.text.key]) == any_(select(o.text).scalar_subquery()))
    )
    return lab.told(len(found), 0)


@attack("reads")
def correlated_subquery(lab: Lab) -> Any:
    """Read more rows through a subquery correlated to one of the attacker's rows."""
    o, other = lab.owned, lab.owned.table.alias()
    inner = select(func.max(other.c[o.text.key])).where(other.c[o.pk.key] != o.pk).scalar_subquery()
    return lab.rows(select(o.pk, inner).where(o.tenant == lab.a))
