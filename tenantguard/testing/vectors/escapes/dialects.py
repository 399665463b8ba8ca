"""Statements that only one database has."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    Integer,
    Text,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    tablesample,
    text,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, array

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("dialect")
def distinct_on(lab: Lab) -> Any:
    """Read one row of each tenant by DISTINCT ON."""
    lab.only("postgresql")
    o = lab.owned
    return lab.rows(select(o.table).distinct(o.tenant).order_by(o.tenant, o.pk))


@attack("dialect")
def any_array(lab: Lab) -> Any:
    """Compare the key with any element of an array."""
    lab.only("postgresql")
    o = lab.owned
    keys = bindparam("keys", [row[o.pk.key] for row in o.b], type_=ARRAY(Integer))
    if not isinstance(o.pk.type, Integer):
        raise NotApplicable("the key is no integer")
    return lab.rows(select(o.table).where(o.pk == any_(keys)))


@attack("dialect")
def array_of_subquery(lab: Lab) -> Any:
    """Collect the victim's texts into an array."""
    lab.only("postgresql")
    return lab.rows(select(func.array(select(lab.owned.text).scalar_subquery())))


@attack("dialect")
def array_agg(lab: Lab) -> Any:
    """Aggregate every text into an array."""
    lab.only("postgresql")
    o = lab.owned
    return lab.rows(select(func.array_agg(aggregate_order_by(o.text, o.pk))))


@attack("dialect")
def string_agg(lab: Lab) -> Any:
    """Aggregate every text into one."""
    o = lab.owned
    if lab.dialect == "postgresql":
        return lab.rows(select(func.string_agg(o.text, literal_column("','"))))
    return lab.rows(select(func.group_concat(o.text)))


@attack("dialect")
def sampled_table(lab: Lab) -> Any:
    """Read a sample of the table."""
    lab.only("postgresql")
    return lab.rows(select(tablesample(lab.owned.table, func.bernoulli(100))))


@attack("dialect")
def for_update_of(lab: Lab) -> Any:
    """Read and lock rows of one of two tables."""
    lab.only("postgresql", "mysql")
    p = lab.pair
    statement = select(p.child.table, p.parent.table).join_from(p.child.table, p.parent.table, p.on())
    return lab.rows(statement.with_for_update(of=p.child.table))


@attack("dialect")
def for_update_skip_locked(lab: Lab) -> Any:
    """Read the rows that nobody has locked."""
    lab.only("postgresql", "mysql", "mariadb")
    return lab.rows(select(lab.owned.table).with_for_update(skip_locked=True))


@attack("dialect")
def series_joined(lab: Lab) -> Any:
    """Join the table to a series of guessed keys."""
    lab.only("postgresql")
    o = lab.owned
    if not isinstance(o.pk.type, Integer):
        raise NotApplicable("the key is no integer")
    keys = func.generate_series(o.b[0][o.pk.key], o.b[-1][o.pk.key]).table_valued("k").render_derived()
    return lab.rows(select(o.text).select_from(keys.join(o.table, o.pk == keys.c.k)))


@attack("dialect")
def series_outer_joined(lab: Lab) -> Any:
    """Learn by an outer join to a series which keys are taken."""
    lab.only("postgresql")
    o = lab.owned
    if not isinstance(o.pk.type, Integer):
        raise NotApplicable("the key is no integer")
    keys = func.generate_series(o.b[0][o.pk.key], o.b[-1][o.pk.key]).table_valued("k").render_derived()
    found = lab.rows(select(o.text.is_not(None)).select_from(keys.outerjoin(o.table, o.pk == keys.c.k)))
    return lab.told([row[0] for row in found], [False] * len(found))


@attack("dialect")
def jsonb_of_row(lab: Lab) -> Any:
    """Turn whole rows into JSON."""
    lab.only("postgresql")
    o = lab.owned
    rows = select(o.table).subquery("r")
    return [str(row) for row in lab.rows(select(func.to_jsonb(rows.table_valued())))]


@attack("dialect")
def jsonb_of_table(lab: Lab) -> Any:
    """Turn the rows of a table into JSON by the table's name alone."""
    lab.only("postgresql")
    o = lab.owned
    return [str(row) for row in lab.rows(select(func.row_to_json(o.table.table_valued())))]


@attack("dialect")
def jsonb_aggregated(lab: Lab) -> Any:
    """Aggregate every text into one JSON value."""
    lab.only("postgresql")
    o = lab.owned
    return [str(row) for row in lab.rows(select(type_coerce(func.jsonb_agg(o.text), JSONB)))]


@attack("dialect")
def json_aggregated(lab: Lab) -> Any:
    """Aggregate every text into one JSON value, with SQLite's or MariaDB's function."""
    lab.only("sqlite", "mariadb", "mysql")
    o = lab.owned
    aggregate = func.json_group_array if lab.dialect == "sqlite" else func.json_arrayagg
    return lab.rows(select(aggregate(o.text)))


@attack("dialect")
def query_to_xml(lab: Lab) -> Any:
    """Have a function run a query that it is given as text."""
    lab.only("postgresql")
    sql = f"SELECT * FROM {lab.owned.table.name}"
    return lab.rows(select(cast(func.query_to_xml(sql, True, False, ""), Text)))


@attack("dialect")
def table_to_xml_by_parameter(lab: Lab) -> Any:
    """Have a function dump a table whose name is a parameter."""
    lab.only("postgresql")
    name = cast(literal(lab.owned.table.name), postgresql.REGCLASS)
    return lab.rows(select(cast(func.table_to_xml(name, True, False, ""), Text)))


@attack("dialect")
def query_in_text_search(lab: Lab) -> Any:
    """Have text search statistics run a query that is given as text."""
    lab.only("postgresql")
    o = lab.owned
    sql = f"SELECT to_tsvector('simple', {o.text.name}) FROM {o.table.name}"
    return lab.rows(select(func.ts_stat(sql).table_valued("word").c.word))


@attack("dialect")
def query_in_text_search_column(lab: Lab) -> Any:
    """Have text search statistics run a query in the column list."""
    lab.only("postgresql")
    o = lab.owned
    sql = f"SELECT to_tsvector('simple', {o.text.name}) FROM {o.table.name}"
    return [str(row) for row in lab.rows(select(cast(func.ts_stat(sql), Text)))]


@attack("dialect")
def statistics_view(lab: Lab) -> Any:
    """Read the most common values of a column from the planner's statistics."""
    lab.only("postgresql")
    lab.arrange(text(f"ANALYZE {lab.owned.table.name}"))
    view = table("pg_stats", column("tablename"), column("histogram_bounds"), column("most_common_vals"))
    read = select(cast(view.c.histogram_bounds, Text), cast(view.c.most_common_vals, Text))
    return lab.rows(read.where(view.c.tablename == lab.owned.table.name))


@attack("dialect")
def sqlite_rowid(lab: Lab) -> Any:
    """Read by the row id that SQLite gives each row."""
    lab.only("sqlite")
    o = lab.owned
    return lab.rows(
        select(literal_column("rowid"), o.text).select_from(o.table).where(literal_column("rowid") > 0)
    )


@attack("dialect")
def sqlite_pragma_function(lab: Lab) -> Any:
    """Read the schema's text through a pragma function: it names no tenant, but another program's table list would."""
    lab.only("sqlite")
    lab.arrange(text("CREATE TABLE tg_globex_plan (x INTEGER)"))
    lab.remove_later("TABLE", "tg_globex_plan")
    master = table("sqlite_master", column("name"))
    return lab.rows(select(master))


@attack("dialect")
def sqlite_generated_rows(lab: Lab) -> Any:
    """Read the table through json_each over a subquery that aggregates it."""
    lab.only("sqlite")
    o = lab.owned
    inner = select(func.json_group_array(o.text)).scalar_subquery()
    each = func.json_each(inner).table_valued("value")
    return lab.rows(select(each.c.value))


@attack("dialect")
def multi_table_update(lab: Lab) -> Any:
    """Update two tables at once."""
    lab.only("mysql", "mariadb")
    p = lab.pair
    statement = (
        update(p.child.table).where(p.on()).values({p.child.text: "taken", p.parent.text: "taken too"})
    )
    lab.write(statement)


@attack("dialect")
def multi_table_update_second(lab: Lab) -> Any:
    """Update the victim's parent as the second table in an update of the attacker's child."""
    lab.only("mysql", "mariadb")
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    lab.write(statement.values({p.parent.text: "taken"}))


@attack("dialect")
def multi_table_delete(lab: Lab) -> Any:
    """Delete the victim's rows as the first of two tables."""
    lab.only("mysql", "mariadb")
    o, p = lab.leaf, lab.pair
    lab.write(delete(o.table).where(o.match(o.b[0]), p.parent.match(p.parent.b[0])))


@attack("dialect")
def update_limit(lab: Lab) -> Any:
    """Update a limited number of rows."""
    lab.only("mysql", "mariadb")
    o = lab.owned
    lab.write(
        update(o.table).where(o.match(o.b[0])).values(o.set(text="x")).with_dialect_options(mysql_limit=5)
    )


@attack("dialect")
def group_by_rollup(lab: Lab) -> Any:
    """Count over groups and over all of them."""
    lab.only("postgresql")
    o = lab.owned
    return lab.rows(select(o.tenant, func.count()).group_by(func.rollup(o.tenant)))


@attack("dialect")
def percentile(lab: Lab) -> Any:
    """Read the last value of an ordered set."""
    lab.only("postgresql")
    o = lab.owned
    return lab.rows(select(func.percentile_disc(1.0).within_group(o.text)))


@attack("dialect")
def unnest_subquery(lab: Lab) -> Any:
    """Unnest an array that was aggregated over the table."""
    lab.only("postgresql")
    o = lab.owned
    inner = select(func.array_agg(o.text)).scalar_subquery()
    return lab.rows(select(func.unnest(inner)))


@attack("dialect")
def array_literal(lab: Lab) -> Any:
    """Put a subquery into an array literal."""
    lab.only("postgresql")
    return lab.rows(select(array([select(func.max(lab.owned.text)).scalar_subquery()])))


@attack("dialect")
def lateral_from_function(lab: Lab) -> Any:
    """Join the table laterally to a set-returning function."""
    lab.only("postgresql")
    o = lab.owned
    one = func.generate_series(1, 1).table_valued("n").lateral()
    return lab.rows(select(o.text).select_from(one.outerjoin(o.table, true())))


@attack("dialect")
def returning_of_old_row(lab: Lab) -> Any:
    """Read by RETURNING an expression over the row of another table."""
    lab.only("postgresql")
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    return lab.write(statement.values({p.child.text: "x"}).returning(p.parent.table))


@attack("dialect")
def inserting_expression(lab: Lab) -> Any:
    """Insert and read back a value that is an expression over the victim's rows."""
    lab.only("postgresql")
    o = lab.leaf
    other = o.table.alias()
    theirs = select(func.string_agg(other.c[o.text.key], literal_column("' '"))).scalar_subquery()
    short = func.left(theirs, 80)
    return lab.write(insert(o.table).values({**o.new("a"), o.text.key: short}).returning(o.text))
