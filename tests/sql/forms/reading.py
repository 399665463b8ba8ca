"""Rows of the table: SELECT and its clauses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    Table,
    alias,
    case,
    cast,
    distinct,
    func,
    literal,
    over,
    select,
    true,
    within_group,
)
from sqlalchemy.orm import aliased

from tests.models import Base, Call, TagNote
from tests.sql.forms.form import Does, Group

T: dict[str, Table] = dict(Base.metadata.tables)
calls, numbers, users, tags, labels = (
    T["calls"],
    T["numbers"],
    T["users"],
    T["call_tags"],
    T["labels"],
)
comments, countries = T["comments"], T["countries"]
W, ON, D = Does.WHERE, Does.ON, Does.DERIVED

SELECT = Group("SELECT and its clauses")
_c, _n = calls.c, numbers.c

SELECT.add("columns", "`select(t.c.x)`", W, lambda db: select(_c.id, _c.note), "select()", "Select", "Column")
SELECT.add("a table", "`select(t)`, `t.select()`", W, lambda db: calls.select(), "Table", "FromClause.select")
SELECT.add("a mapped class", "`select(Model)`", W, lambda db: select(Call))
SELECT.add(
    "columns added later",
    "`.add_columns()`, `.with_only_columns()`, `.reduce_columns()`",
    W,
    lambda db: select(_c.id).add_columns(_c.note).with_only_columns(_c.seconds, _c.id).reduce_columns(),
    "Select.add_columns", "Select.with_only_columns", "Select.reduce_columns", "Select.column",
)  # fmt: skip
SELECT.add(
    "explicit FROM",
    "`.select_from()`",
    W,
    lambda db: select(func.count()).select_from(calls),
    "Select.select_from",
)
SELECT.add(
    "a through table",
    "`select(child)`",
    W,
    lambda db: select(tags),
)
SELECT.add("a chain of through tables", "`select(grandchild)`", W, lambda db: select(TagNote))
SELECT.add("an association table", "`select(secondary)`", W, lambda db: select(T["call_labels"]))
SELECT.add("a view", "`select(view)`", W, lambda db: select(T["call_stats"]))
SELECT.add("a shared table", "`select(shared)`", Does.NOTHING, lambda db: select(countries))
SELECT.add("a constant", "`select(literal(1))`", Does.NOTHING, lambda db: select(literal(1)))
SELECT.add(
    "criteria joined by OR",
    "`.where(a | b)`, `.filter()`, `.filter_by()`",
    W,
    lambda db: select(Call).where((_c.id == 1) | true()).filter(Call.seconds > 0).filter_by(country_code="DE"),
    "Select.where", "Select.filter", "Select.filter_by",
)  # fmt: skip
SELECT.add("DISTINCT", "`.distinct()`", W, lambda db: select(_c.number_id).distinct(), "Select.distinct")
SELECT.add(
    "DISTINCT ON",
    "`.ext(distinct_on())`",
    W,
    lambda db: select(_c.number_id, _c.id).ext(_distinct_on(_c.number_id)).order_by(_c.number_id, _c.id),
    "postgresql.distinct_on()", "DistinctOnClause", "HasSyntaxExtensions.ext",
    on=("postgresql",),
    ordered=True,
    lines=("2.1",),
)  # fmt: skip
SELECT.add(
    "DISTINCT ON, legacy form",
    "`.distinct(column)`",
    W,
    lambda db: _legacy_distinct_on(),
    on=("postgresql",),
    ordered=True,
)
SELECT.add(
    "GROUP BY on a key",
    "`.group_by(t.c.id)` beside its other columns",
    W,
    lambda db: select(_c.id, _c.note, func.count()).join(tags).group_by(_c.id),
    "GenerativeSelect.group_by",
)
SELECT.add(
    "GROUP BY ROLLUP, CUBE, GROUPING SETS",
    "`.group_by(func.rollup())`",
    W,
    lambda db: select(_c.number_id, func.sum(_c.seconds)).group_by(func.rollup(_c.number_id)),
    "rollup", "cube", "grouping_sets",
    on=("postgresql",),
)  # fmt: skip
SELECT.add(
    "HAVING",
    "`.having()`",
    W,
    lambda db: select(_c.number_id).group_by(_c.number_id).having(func.count() > 1),
    "Select.having",
)
SELECT.add(
    "aggregates",
    "`func.count()`, `distinct()`, `.filter()`",
    W,
    lambda db: select(func.count(distinct(_c.number_id)), func.max(_c.seconds), func.sum(_c.seconds)),
    "distinct()", "FunctionElement.filter", "FunctionFilter", "funcfilter()",
)  # fmt: skip
SELECT.add(
    "windows",
    "`over()`, frames",
    W,
    lambda db: select(_c.id, over(func.sum(_c.seconds), order_by=_c.id, rows=(None, 0))),
    "over()", "Over", "FrameClause", "FunctionElement.over",
)  # fmt: skip
SELECT.add(
    "ordered aggregates",
    "`within_group()`",
    W,
    lambda db: select(within_group(func.percentile_disc(0.5), _c.seconds)),
    "within_group()", "WithinGroup", "FunctionElement.within_group",
    on=("postgresql",),
)  # fmt: skip
SELECT.add(
    "LIMIT and OFFSET",
    "`.order_by().limit().offset()`, `.slice()`",
    W,
    lambda db: select(_c.id).order_by(_c.seconds.desc()).limit(2).offset(1),
    "GenerativeSelect.limit", "GenerativeSelect.offset", "GenerativeSelect.slice", "GenerativeSelect.order_by",
    ordered=True,
)  # fmt: skip
SELECT.add(
    "FETCH FIRST",
    "`.fetch(n, with_ties=True)`",
    W,
    lambda db: select(_c.id).order_by(_c.seconds).fetch(2),
    "GenerativeSelect.fetch",
    on=("postgresql", "mariadb"),
    ordered=True,
)
SELECT.add("FOR UPDATE", "`.with_for_update()`", W, lambda db: select(_c.id).with_for_update(),
           "GenerativeSelect.with_for_update", "ForUpdateArg")  # fmt: skip
SELECT.add(
    "FOR UPDATE OF",
    "`.with_for_update(of=t, skip_locked=True)`",
    W,
    lambda db: select(_c.id, _n.id).join(numbers).with_for_update(of=calls, skip_locked=True),
    on=("postgresql",),
)
SELECT.add(
    "shared row locks",
    "`.with_for_update(read=True, key_share=True)`",
    W,
    lambda db: select(_c.id).with_for_update(read=True, key_share=True),
    on=("postgresql",),
)
SELECT.add(
    "CASE over a subquery",
    "`case((exists(), ...))`",
    W,
    lambda db: select(_c.id, case((select(tags.c.id).where(tags.c.call_id == _c.id).exists(), 1), else_=0)),
)
SELECT.add("an alias", "`alias(t)`, `t.alias()`", W, lambda db: select(alias(calls, "c")), "alias()", "Alias",
           "FromClause.alias")  # fmt: skip
SELECT.add(
    "an alias of the class",
    "`aliased(Model)`",
    W,
    lambda db: select(aliased(Call, name="c")),
    "orm.aliased()",
)
SELECT.add(
    "a comma list",
    "`select(a.c.x, b.c.y)`",
    W,
    lambda db: select(_c.id, _n.id, users.c.id).where(_c.id >= _n.id, users.c.id >= _n.id),
)
SELECT.add(
    "known prefixes and suffixes",
    "`.prefix_with()`, `.suffix_with()`",
    W,
    lambda db: select(_c.number_id).prefix_with("DISTINCT"),
    "HasPrefixes.prefix_with", "HasSuffixes.suffix_with",
)  # fmt: skip
SELECT.add(
    "known hints",
    "`.with_hint()`, `.with_statement_hint()`",
    W,
    lambda db: select(_c.id).with_hint(calls, "USE INDEX (PRIMARY)", "mariadb"),
    "HasHints.with_hint", "HasHints.with_statement_hint",
    on=("mariadb",),
)  # fmt: skip
SELECT.add(
    "labels of each style",
    "`.set_label_style()`, `.label()`",
    W,
    lambda db: select(_c.id, _n.id).join(numbers).set_label_style(_style()),
    "GenerativeSelect.set_label_style", "Label", "label()",
)  # fmt: skip
SELECT.add(
    "a whole row as JSON",
    "`func.to_jsonb(t.table_valued())`",
    W,
    lambda db: select(cast(func.to_jsonb(numbers.table_valued()), String)),
    "TableValuedColumn", "NamedFromClause.table_valued",
    on=("postgresql",),
)  # fmt: skip


def _distinct_on(*columns: Any) -> Any:
    from sqlalchemy.dialects.postgresql import distinct_on

    return distinct_on(*columns)


def _legacy_distinct_on() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 2.1 prefers distinct_on()
        return select(_c.number_id, _c.id).distinct(_c.number_id).order_by(_c.number_id, _c.id)


def _style() -> Any:
    from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL

    return LABEL_STYLE_TABLENAME_PLUS_COL
