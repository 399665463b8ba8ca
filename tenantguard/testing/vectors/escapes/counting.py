"""Counts, aggregates, windows and EXISTS, which reveal rows without returning them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    distinct,
    exists,
    func,
    not_,
    select,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def count_rows(lab: Lab) -> Any:
    """Count the rows of a table."""
    return lab.told(lab.rows(select(func.count()).select_from(lab.owned.table))[0][0], len(lab.owned.a))


@attack("reads")
def count_column(lab: Lab) -> Any:
    """Count the values of a column; nothing else names the table."""
    return lab.told(lab.rows(select(func.count(lab.owned.pk)))[0][0], len(lab.owned.a))


@attack("reads")
def count_distinct(lab: Lab) -> Any:
    """Count distinct tenants."""
    return lab.told(lab.rows(select(func.count(distinct(lab.owned.tenant))))[0][0], 1)


@attack("reads")
def sum_of_numbers(lab: Lab) -> Any:
    """Sum a column."""
    o = lab.owned
    got = lab.rows(select(func.sum(o.number)))[0][0]
    return lab.told(int(got), sum(row[o.number.key] for row in o.a))


@attack("reads")
def max_of_text(lab: Lab) -> Any:
    """Read the greatest value of a text column."""
    return lab.rows(select(func.max(lab.owned.text)))


@attack("reads")
def filtered_aggregate(lab: Lab) -> Any:
    """Count with a FILTER clause that names the victim's row."""
    o = lab.owned
    lab.only("sqlite", "postgresql")
    got = lab.rows(select(func.count(o.pk).filter(o.match(o.b[0]))))[0][0]
    return lab.told(got, 0)


@attack("reads")
def exists_row(lab: Lab) -> Any:
    """Ask whether the victim's row exists."""
    o = lab.owned
    return lab.told(bool(lab.rows(select(exists().where(o.match(o.b[0]))))[0][0]), False)


@attack("reads")
def exists_of_select(lab: Lab) -> Any:
    """Ask whether a select finds the victim's row."""
    o = lab.owned
    return lab.told(bool(lab.rows(select(select(o.pk).where(o.match(o.b[0])).exists()))[0][0]), False)


@attack("reads")
def not_exists_row(lab: Lab) -> Any:
    """Ask whether no such row exists."""
    o = lab.owned
    return lab.told(bool(lab.rows(select(not_(exists().where(o.match(o.b[0])))))[0][0]), True)


@attack("reads")
def group_by_tenant(lab: Lab) -> Any:
    """Count the rows of each tenant."""
    o = lab.owned
    return lab.rows(select(o.tenant, func.count()).group_by(o.tenant))


@attack("reads")
def group_by_key(lab: Lab) -> Any:
    """Group by the primary key and read the other columns."""
    o = lab.owned
    return lab.rows(select(o.pk, func.max(o.text)).group_by(o.pk))


@attack("reads")
def having_subquery(lab: Lab) -> Any:
    """Let a subquery in HAVING tell whether the victim's row exists."""
    o, other = lab.owned, lab.owned.table.alias()
    inner = select(func.count()).select_from(other).where(o.match(o.b[0], other)).scalar_subquery()
    found = lab.rows(select(func.count(o.pk)).group_by(o.tenant).having(inner > 0))
    return lab.told(len(found), 0)


@attack("reads")
def window_function(lab: Lab) -> Any:
    """Count over a window."""
    o = lab.owned
    got = lab.rows(select(func.count().over()).select_from(o.table))
    return lab.told(got[0][0], len(o.a))


@attack("reads")
def window_lag(lab: Lab) -> Any:
    """Read the neighbour's text through a window."""
    o = lab.owned
    return lab.rows(
        select(func.lag(o.text).over(order_by=o.text.desc()), func.lead(o.text).over(order_by=o.pk))
    )
