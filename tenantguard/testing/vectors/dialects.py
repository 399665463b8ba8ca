"""What one database can say and others cannot."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    Integer,
    Text,
    any_,
    bindparam,
    case,
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
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, array

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


def _upsert(lab: Lab, values: Any, **conflict: Any) -> Any:
    """Return an insert that updates on conflict, in the database's own words."""
    o = lab.leaf
    if lab.dialect in ("mysql", "mariadb"):
        return mysql.insert(o.table).values(values).on_duplicate_key_update(conflict["set_"])
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(o.table).values(values)
    return made.on_conflict_do_update(index_elements=list(o.table.primary_key.columns), **conflict)


@attack("dialect")
def upsert_victims_key(lab: Lab) -> Any:
    """Overwrite the victim's row by an upsert that hits its key."""
    o = lab.leaf
    lab.write(_upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="taken")))


@attack("dialect")
def upsert_takes_over(lab: Lab) -> Any:
    """Take the victim's row over by an upsert that sets its tenant."""
    o = lab.leaf
    lab.write(_upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(tenant=lab.a)))


@attack("dialect")
def upsert_gives_away(lab: Lab) -> Any:
    """Give one's own row away by an upsert that sets its tenant."""
    o = lab.leaf
    lab.write(_upsert(lab, dict(o.a[0]), set_=o.set(tenant=lab.b)))


@attack("dialect")
def upsert_names_victim(lab: Lab) -> Any:
    """Upsert a row that names the victim."""
    o = lab.leaf
    lab.write(_upsert(lab, o.new("b"), set_=o.set(text="taken")))


@attack("dialect")
def upsert_many(lab: Lab) -> Any:
    """Upsert many rows of which one hits the victim's key."""
    o = lab.leaf
    rows = [o.new("a", 100), {**o.new("a", 101), **o.keys_of(o.b[0])}]
    if lab.dialect in ("mysql", "mariadb"):
        made = mysql.insert(o.table)
        lab.write(made.on_duplicate_key_update({o.text.name: made.inserted[o.text.key]}), rows)
        return
    lab.write(_upsert(lab, rows[0], set_=o.set(text="taken")), rows)


@attack("dialect")
def upsert_multi_values(lab: Lab) -> Any:
    """Upsert several VALUES of which one hits the victim's key."""
    o = lab.leaf
    lab.write(
        _upsert(lab, [o.new("a", 100), {**o.new("a", 101), **o.keys_of(o.b[0])}], set_=o.set(text="taken"))
    )


@attack("dialect")
def upsert_with_where(lab: Lab) -> Any:
    """Upsert on the victim's key with a condition of one's own."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    lab.write(
        _upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="x"), where=o.tenant == lab.b)
    )


@attack("dialect")
def upsert_returning(lab: Lab) -> Any:
    """Read the victim's row by RETURNING of an upsert."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    statement = _upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(number=1))
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
    lab.orm_write(_upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="taken")))


@attack("dialect")
def upsert_subquery_in_set(lab: Lab) -> Any:
    """Read the victim's text by a subquery in the conflict clause."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    other = o.table.alias()
    theirs = select(func.max(other.c[o.text.key])).scalar_subquery()
    lab.write(_upsert(lab, dict(o.a[0]), set_={o.text.key: theirs}))
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("dialect")
def upsert_through(lab: Lab) -> Any:
    """Overwrite the victim's row of a table without a tenant column by an upsert."""
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
    """Move one's own row to the victim's parent in the conflict clause."""
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
    """Plant a row for the victim by an insert that ignores conflicts."""
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
    """Aggregate every text into one JSON value, in SQLite's or MariaDB's words."""
    lab.only("sqlite", "mariadb", "mysql")
    o = lab.owned
    aggregate = func.json_group_array if lab.dialect == "sqlite" else func.json_arrayagg
    return lab.rows(select(aggregate(o.text)))


@attack("dialect")
def query_to_xml(lab: Lab) -> Any:
    """Have a function run a query from a text."""
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
    """Have the text search's statistics run a query from a text."""
    lab.only("postgresql")
    o = lab.owned
    sql = f"SELECT to_tsvector('simple', {o.text.name}) FROM {o.table.name}"
    return lab.rows(select(func.ts_stat(sql).table_valued("word").c.word))


@attack("dialect")
def query_in_text_search_column(lab: Lab) -> Any:
    """Have the text search's statistics run a query, among the columns."""
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
    found = lab.rows(
        select(cast(view.c.histogram_bounds, Text), cast(view.c.most_common_vals, Text)).where(
            view.c.tablename == lab.owned.table.name
        )
    )
    return found


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
    """Read the schema's text by a pragma function: it names no tenant, but the table list of another program would."""
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
    """Update the victim's parent as the second table of an update of one's own child."""
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


@attack("dialect")
def case_in_conflict_target(lab: Lab) -> Any:
    """Overwrite the victim's row by an upsert whose condition is a case."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    always = case((o.tenant == lab.b, true()), else_=true())
    lab.write(_upsert(lab, {**o.new("a"), **o.keys_of(o.b[0])}, set_=o.set(text="x"), where=always))


@attack("dialect")
def conflict_on_unique_column(lab: Lab) -> Any:
    """Overwrite the victim's row by an upsert that hits a unique column of it."""
    shape = next((s for s in lab.shapes.values() if _unique(s) and s.placed.kind == "owned"), None)
    if shape is None:
        raise NotApplicable("no owned table has a column that is unique by itself")
    unique = _unique(shape)[0]
    row = {**shape.new("a"), unique.key: shape.b[0][unique.key]}
    changed = shape.set(number=1)
    if lab.dialect in ("mysql", "mariadb"):
        lab.write(mysql.insert(shape.table).values(row).on_duplicate_key_update(changed))
        return
    made: Any = (postgresql if lab.dialect == "postgresql" else sqlite).insert(shape.table).values(row)
    lab.write(made.on_conflict_do_update(index_elements=[unique], set_=changed))


def _unique(shape: Any) -> list[Any]:
    return [c for c in shape.table.columns if c.unique and not c.primary_key and not c.foreign_keys]
