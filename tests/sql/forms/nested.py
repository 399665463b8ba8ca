"""Rows of the table: subqueries and common table expressions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from tests.models import Call
from tests.sql.forms.form import Does, Group
from tests.sql.forms.reading import T, calls, comments, countries, numbers, tags, users

W = Does.WHERE
_c, _n = calls.c, numbers.c

SUBQUERIES = Group("Subqueries")
CTES = Group("Common table expressions")

SUBQUERIES.add("derived table", "`.subquery()`", W,
               lambda db: select(select(_c.id, _c.seconds).subquery()), "Subquery", "SelectBase.subquery",
               "SelectBase.alias", "AliasedReturnsRows", "FromClauseAlias")  # fmt: skip
SUBQUERIES.add("scalar subquery", "`.scalar_subquery()`", W,
               lambda db: select(_c.id, select(func.count(users.c.id)).scalar_subquery()), "ScalarSelect",
               "SelectBase.scalar_subquery", "SelectStatementGrouping", "SelectBase.label")  # fmt: skip
SUBQUERIES.add(
    "correlated subquery",
    "`.correlate()`, `.correlate_except()`",
    W,
    lambda db: select(
        _c.id, select(func.count(tags.c.id)).where(tags.c.call_id >= _c.id).correlate(calls).scalar_subquery()
    ),
    "Select.correlate", "Select.correlate_except", "ScalarSelect.correlate", "ScalarSelect.correlate_except",
    "ScalarSelect.where",
)  # fmt: skip
SUBQUERIES.add(
    "subquery of a shared table's statement",
    "`select(shared.c.x).where(exists())`",
    W,
    lambda db: select(countries).where(exists(select(_c.id).where(_c.country_code == countries.c.code))),
)
SUBQUERIES.add(
    "EXISTS",
    "`exists()`, `.exists()`",
    W,
    lambda db: select(exists().where(_c.seconds > 100).select_from(calls)),
    "exists()", "Exists", "SelectBase.exists", "Exists.where", "Exists.select_from", "Exists.select",
    "Exists.correlate", "Exists.correlate_except", "Exists.with_hint", "Exists.with_statement_hint",
)  # fmt: skip
SUBQUERIES.add(
    "IN", "`.in_(select())`", W, lambda db: select(_n.id).where(_n.id.not_in(select(_c.number_id)))
)
SUBQUERIES.add(
    "row values IN",
    "`tuple_().in_(select())`",
    W,
    lambda db: select(_n.id).where(tuple_(_n.id, _n.company_id).in_(select(_c.number_id, _c.company_id))),
    "tuple_()", "Tuple",
)  # fmt: skip
SUBQUERIES.add(
    "ANY and ALL",
    "`any_(select())`, `all_(select())`",
    W,
    lambda db: select(_c.id).where(_all()),
    "any_()", "all_()", "CollectionAggregate", "CollectionAggregateFunction", "all_", "any_", "some",
    on=("postgresql", "mariadb"),
)  # fmt: skip
SUBQUERIES.add("in ORDER BY", "`.order_by(select())`", W,
               lambda db: select(_c.id).order_by(_newest(), _c.id.desc()), ordered=True)  # fmt: skip
SUBQUERIES.add("in LIMIT", "`.limit(select())`", W, lambda db: _limited(), on=("sqlite", "postgresql"))
SUBQUERIES.add(
    "any() and has()",
    "`Model.many.any()`, `Model.one.has()`",
    W,
    lambda db: select(Call.id).where(Call.tags.any(), Call.number.has(digits="+491")),
)
SUBQUERIES.add(
    "array of a subquery",
    "`postgresql.array(select())`, `func.array()`",
    W,
    lambda db: select(cast(func.array(select(_c.id).order_by(_c.id).scalar_subquery()), String)),
    "postgresql.array()", "array", "postgresql.array_agg()", "array_agg", "aggregate_order_by",
    "postgresql.aggregate_order_by()", "aggregate_order_by()", "AggregateOrderBy", "aggregate_orderby_inline",
    "FunctionElement.aggregate_order_by",
    on=("postgresql",),
)  # fmt: skip


def _all() -> Any:
    from sqlalchemy import all_

    return _c.seconds >= all_(select(users.c.id).scalar_subquery())


def _newest() -> Any:
    return select(func.count(tags.c.id)).where(tags.c.call_id == _c.id).scalar_subquery()


def _limited() -> Any:
    return select(_c.id).order_by(_c.id).limit(select(func.count(users.c.id)).scalar_subquery())


# -- CTEs ----------------------------------------------------------------------------------------------

CTES.add("plain", "`.cte()`, `cte()`", W, lambda db: select(select(_c.id).cte("c")), "cte()", "CTE", "HasCTE.cte",
         "CTE.alias")  # fmt: skip
CTES.add("recursive", "`.cte(recursive=True)`, `.union_all()`", W, lambda db: _recursive(), "CTE.union",
         "CTE.union_all")  # fmt: skip
CTES.add(
    "referenced many times",
    "`cte.alias()`",
    W,
    lambda db: _many_times(),
)
CTES.add("nesting", "`.cte(nesting=True)`", W, lambda db: _nesting())
CTES.add("with the name of a table", "`select(numbers).cte('calls')`", W, lambda db: _shadowing())
CTES.add(
    "inside a CTE",
    "`select(select(t).cte()).cte()`",
    W,
    lambda db: select(select(select(_c.id).cte("inner_")).cte("outer_")),
)
CTES.add(
    "independent",
    "`.add_cte(cte)`",
    W,
    lambda db: select(_n.id).add_cte(select(_c.id).cte("unused")),
    "HasCTE.add_cte",
)
CTES.add(
    "with an UPDATE",
    "`update().returning().cte()`",
    W,
    lambda db: select(update(calls).values(note="x").returning(_c.id).cte("changed")),
    on=("postgresql",),
)
CTES.add(
    "with a DELETE",
    "`delete().returning().cte()`",
    W,
    lambda db: select(T["tag_notes"].delete().returning(T["tag_notes"].c.id).cte("gone")),
    on=("postgresql",),
)
CTES.add(
    "with an INSERT",
    "`insert().returning().cte()`",
    Does.STAMPED,
    lambda db: select(
        insert(numbers).values(id=900, digits="+9", **db.stamp).returning(_n.id, _n.company_id).cte("made")
    ),
    on=("postgresql",),
)
CTES.add(
    "before an UPDATE or a DELETE",
    "`update().where(id.in_(select(cte)))`",
    W,
    lambda db: update(calls).values(note="x").where(_c.id.in_(select(select(_c.id).cte("c").c.id))),
    on=("sqlite", "postgresql"),
)


def _recursive() -> Any:
    base = (
        select(comments.c.id, literal(0).label("depth"))
        .where(comments.c.parent_id.is_(None))
        .cte("up", recursive=True)
    )
    return select(
        base.union_all(select(comments.c.id, base.c.depth + 1).where(comments.c.parent_id == base.c.id))
    )


def _many_times() -> Any:
    one = select(_c.id, _c.number_id).cte("c")
    two = one.alias("d")
    return select(one.c.id, two.c.id).where(one.c.number_id == two.c.number_id)


def _nesting() -> Any:
    inner = select(_c.id).cte("inner_", nesting=True)
    outer = select(inner.c.id).cte("outer_")
    return select(outer.c.id, _n.id).join_from(outer, numbers, _n.id <= outer.c.id)


def _shadowing() -> Any:
    shadow = select(_n.id, _n.digits).cte("calls")
    return select(shadow.c.id, select(func.count(users.c.id)).scalar_subquery())
