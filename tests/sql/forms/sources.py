"""Rows of the table: set operations, and what else may stand in a FROM."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Integer,
    String,
    column,
    except_,
    except_all,
    func,
    intersect,
    intersect_all,
    select,
    table,
    tablesample,
    tuple_,
    union,
    union_all,
    values,
)

from tests.models import Call
from tests.sql.forms.form import Does, Group
from tests.sql.forms.reading import calls, numbers, users

W = Does.WHERE
_c, _n = calls.c, numbers.c

SETS = Group("Set operations")
SOURCES = Group("Other FROM elements")

SETS.add("UNION", "`union()`, `.union()`", W, lambda db: union(select(_c.id), select(_n.id)), "union()",
         "CompoundSelect", "Select.union")  # fmt: skip
SETS.add("UNION ALL", "`union_all()`", W, lambda db: union_all(select(_c.id), select(_n.id)), "union_all()",
         "Select.union_all")  # fmt: skip
SETS.add("EXCEPT", "`except_()`", W, lambda db: except_(select(_c.id), select(users.c.id)), "except_()",
         "Select.except_")  # fmt: skip
SETS.add("INTERSECT", "`intersect()`", W, lambda db: intersect(select(_c.id), select(users.c.id)), "intersect()",
         "Select.intersect")  # fmt: skip
SETS.add(
    "EXCEPT ALL and INTERSECT ALL",
    "`except_all()`, `intersect_all()`",
    W,
    lambda db: except_all(select(_c.id), intersect_all(select(_c.id), select(users.c.id))),
    "except_all()", "intersect_all()", "Select.except_all", "Select.intersect_all",
    on=("postgresql", "mariadb"),
)  # fmt: skip
SETS.add(
    "nested, with limits",
    "`union(select().limit(), ...).limit()`",
    W,
    lambda db: _nested_limits(),
    on=("postgresql", "mariadb"),
    ordered=True,
)
SETS.add("as a derived table", "`union().subquery()`", W, lambda db: _counted(), "CompoundSelect.self_group")
SETS.add("of a class", "`select(Model).from_statement(union())`", W,
         lambda db: select(Call).from_statement(union_all(select(calls).where(_c.id > 1), select(calls).where(_c.id < 2))),
         "FromStatement", "Select.from_statement")  # fmt: skip


def _nested_limits() -> Any:
    one = select(_c.id.label("id")).order_by(_c.id.desc()).limit(1)
    two = select(_n.id.label("id")).order_by(_n.id.desc()).limit(1)
    return union_all(union_all(one, two).limit(5), select(users.c.id)).order_by("id").limit(3)


def _counted() -> Any:
    both = union_all(select(_c.id), select(_n.id)).subquery("both_")
    return select(func.count(), func.sum(both.c.id)).select_from(both)


# -- other things in a FROM ----------------------------------------------------------------------------

SOURCES.add(
    "VALUES",
    "`values().data()`, joined",
    W,
    lambda db: _values(),
    "values()", "Values", "Values.data", "Values.alias",
    on=("postgresql",),
)  # fmt: skip
SOURCES.add(
    "VALUES as a CTE",
    "`values().cte()`",
    Does.NOTHING,
    lambda db: select(values(column("n", Integer), name="v").data([(1,), (2,)]).cte("v")),
    "Values.lateral",
    on=("sqlite", "postgresql"),
    lines=("2.1",),
)
SOURCES.add(
    "VALUES as a set of rows",
    "`.scalar_values()`",
    W,
    lambda db: select(_c.id).where(
        tuple_(_c.id, _c.seconds).in_(
            values(column("a", Integer), column("b", Integer)).data([(1, 10), (101, 1010)]).scalar_values()
        )
    ),
    "ScalarValues", "Values.scalar_values",
    on=("sqlite", "postgresql"),
)  # fmt: skip
SOURCES.add(
    "TABLESAMPLE",
    "`tablesample(t)`, `t.tablesample()`",
    W,
    lambda db: select(tablesample(calls, func.bernoulli(100))),
    "tablesample()", "TableSample", "FromClause.tablesample",
    on=("postgresql",),
)  # fmt: skip
SOURCES.add(
    "ad-hoc table",
    "`table('calls', column('id'))`",
    W,
    lambda db: select(table("calls", column("id"), column("note")).c.note),
    "table()", "TableClause", "ColumnClause", "column()", "FromClause",
)  # fmt: skip
SOURCES.add(
    "set-returning function",
    "`func.f().table_valued()`",
    Does.ON,
    lambda db: _series(),
    "TableValuedAlias", "FunctionElement.table_valued", "FunctionElement.scalar_table_valued",
    "ScalarFunctionColumn", "TableValuedAlias.alias", "TableValuedAlias.render_derived", "FunctionElement.select",
    on=("postgresql",),
)  # fmt: skip
SOURCES.add(
    "function of one column",
    "`func.f().column_valued()`",
    Does.NOTHING,
    lambda db: select(func.unnest(func.string_to_array("a,b", ",")).column_valued("x")),
    "FunctionElement.column_valued", "FunctionElement.alias", "Function", "FunctionElement",
    on=("postgresql",),
)  # fmt: skip
SOURCES.add(
    "rows of JSON",
    "`func.json_each().table_valued()`",
    W,
    lambda db: _json(),
    on=("sqlite",),
)
SOURCES.add(
    "LATERAL function",
    "`func.f(t.c.x).table_valued().lateral()`",
    W,
    lambda db: _lateral_function(),
    "TableValuedAlias.lateral",
    on=("postgresql",),
)
SOURCES.add(
    "a function that runs SQL or reads a table",
    "`func.query_to_xml('...')`",
    Does.REFUSED,
    lambda db: select(func.query_to_xml("SELECT * FROM calls", True, True, "")),
    why="known to read no rows",
    on=("postgresql",),
)
SOURCES.add(
    "a table outside the tenancy",
    "`table('pg_stat_statements')`",
    Does.REFUSED,
    lambda db: select(table("elsewhere", column("id")).c.id),
    why="outside the tenancy",
)
SOURCES.add(
    "a table of the database's own",
    "`table('columns', schema='information_schema')`",
    Does.REFUSED,
    lambda db: select(table("columns", column("table_name"), schema="information_schema")),
    why="outside the tenancy",
)


def _values() -> Any:
    wanted = values(column("id", Integer), column("why", String), name="wanted").data([(1, "x"), (101, "y")])
    return select(_c.id, wanted.c.why).join_from(calls, wanted, wanted.c.id == _c.id)


def _json() -> Any:
    parts = func.json_each("[1, 101]").table_valued("value")
    return select(_c.id, parts.c.value).join_from(calls, parts, parts.c.value == _c.id)


def _series() -> Any:
    series = func.generate_series(1, 3).table_valued("n").render_derived()
    return select(series.c.n, _c.id).select_from(series.outerjoin(calls, _c.id == series.c.n))


def _lateral_function() -> Any:
    parts = func.generate_series(1, _c.id).table_valued("n").render_derived("parts").lateral("parts")
    return select(_c.id, parts.c.n).select_from(calls.join(parts, parts.c.n > 0))
