"""Reads of one table: each way to select, count, group and nest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    MetaData,
    Table,
    and_,
    any_,
    case,
    column,
    delete,
    distinct,
    exists,
    except_,
    func,
    insert,
    intersect,
    lambda_stmt,
    lateral,
    literal,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    tuple_,
    union,
    union_all,
    update,
    values,
)
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Bundle, aliased, load_only, undefer

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def core_select(lab: Lab) -> Any:
    """Select an owned table on a connection."""
    return lab.rows(select(lab.owned.table))


@attack("reads")
def core_select_by_key(lab: Lab) -> Any:
    """Select the victim's row by its key on a connection."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.match(o.b[0])))


@attack("reads")
def table_select_method(lab: Lab) -> Any:
    """Use the table's own select method."""
    return lab.rows(lab.owned.table.select())


@attack("reads")
def core_select_in_session(lab: Lab) -> Any:
    """Execute a Core select of a table in a session."""
    return lab.session().execute(select(lab.owned.table)).all()


@attack("reads")
def orm_select(lab: Lab) -> Any:
    """Select a mapped class in a session."""
    return lab.session().scalars(select(lab.owned.cls)).all()


@attack("reads")
def orm_select_on_connection(lab: Lab) -> Any:
    """Execute a select of a mapped class on a connection, beside the ORM."""
    return lab.rows(select(lab.owned.cls))


@attack("reads")
def orm_get(lab: Lab) -> Any:
    """Get the victim's object by its key."""
    o = lab.owned
    return lab.session().get(o.cls, o.ident(o.b[0]))


@attack("reads")
def orm_get_for_update(lab: Lab) -> Any:
    """Get and lock the victim's object by its key."""
    o = lab.owned
    return lab.session().get(o.cls, o.ident(o.b[0]), with_for_update=True)


@attack("reads")
def orm_get_one(lab: Lab) -> Any:
    """Get the victim's object by its key, or fail."""
    o = lab.owned
    return _none_if_missing(lambda: lab.session().get_one(o.cls, o.ident(o.b[0])))


@attack("reads")
def orm_column_select(lab: Lab) -> Any:
    """Select single attributes of a mapped class."""
    o = lab.owned
    return lab.orm(select(o.attr(o.pk), o.attr(o.text)))


@attack("reads")
def orm_bundle(lab: Lab) -> Any:
    """Select a bundle of attributes."""
    o = lab.owned
    return lab.orm(select(Bundle("both", o.attr(o.pk), o.attr(o.text))))


@attack("reads")
def orm_alias(lab: Lab) -> Any:
    """Select an alias of a mapped class."""
    return lab.session().scalars(select(aliased(lab.owned.cls))).all()


@attack("reads")
def orm_alias_of_subquery(lab: Lab) -> Any:
    """Map the class onto a subquery of its table."""
    o = lab.owned
    return lab.session().scalars(select(aliased(o.cls, select(o.table).subquery()))).all()


@attack("reads")
def core_alias(lab: Lab) -> Any:
    """Select an alias of a table."""
    return lab.rows(select(lab.owned.table.alias("mine")))


@attack("reads")
def alias_of_alias(lab: Lab) -> Any:
    """Select an alias of an alias."""
    return lab.rows(select(lab.owned.table.alias("one").alias("two")))


@attack("reads")
def legacy_query(lab: Lab) -> Any:
    """Use the legacy query."""
    return lab.session().query(lab.owned.cls).all()


@attack("reads")
def legacy_query_get(lab: Lab) -> Any:
    """Filter the legacy query by the victim's key."""
    o = lab.owned
    return lab.session().query(o.cls).filter(o.match(o.b[0])).one_or_none()


@attack("reads")
def legacy_query_count(lab: Lab) -> Any:
    """Count with the legacy query."""
    return lab.told(lab.session().query(lab.owned.cls).count(), len(lab.owned.a))


@attack("reads")
def legacy_query_from_self(lab: Lab) -> Any:
    """Wrap the legacy query in a subquery and select from it."""
    session = lab.session()
    inner = session.query(lab.owned.table).subquery()
    return session.query(inner).all()


@attack("reads")
def legacy_query_exists(lab: Lab) -> Any:
    """Ask with the legacy query whether the victim's row exists."""
    o = lab.owned
    session = lab.session()
    return lab.told(
        bool(session.query(session.query(o.cls).filter(o.match(o.b[0])).exists()).scalar()), False
    )


@attack("reads")
def legacy_query_union(lab: Lab) -> Any:
    """Unite two legacy queries."""
    session = lab.session()
    return session.query(lab.owned.cls).union(session.query(lab.owned.cls)).all()


@attack("reads")
def count_rows(lab: Lab) -> Any:
    """Count the rows of a table."""
    return lab.told(lab.rows(select(func.count()).select_from(lab.owned.table))[0][0], len(lab.owned.a))


@attack("reads")
def count_column(lab: Lab) -> Any:
    """Count the values of a column, the table being named by it alone."""
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
    """Read the greatest text."""
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


@attack("reads")
def where_true_or(lab: Lab) -> Any:
    """Widen the condition with OR."""
    o = lab.owned
    return lab.rows(select(o.table).where(or_(o.tenant == lab.a, true())))


@attack("reads")
def where_names_victim(lab: Lab) -> Any:
    """Ask for the victim's rows by its tenant id."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == lab.b))


@attack("reads")
def where_not_mine(lab: Lab) -> Any:
    """Ask for whatever is not one's own."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant != lab.a))


@attack("reads")
def where_comes_later(lab: Lab) -> Any:
    """Add conditions and columns after the statement was used once."""
    o = lab.owned
    base = select(o.pk)
    lab.rows(base)
    return lab.rows(base.add_columns(o.text).where(o.tenant == lab.b))


@attack("reads")
def only_columns_replaced(lab: Lab) -> Any:
    """Replace the columns and keep the FROM."""
    o = lab.owned
    return lab.told(
        lab.rows(select(o.table).with_only_columns(func.count(), maintain_column_froms=True))[0][0], len(o.a)
    )


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
    """Read the victim's text by a scalar subquery among the columns."""
    o = lab.owned
    return lab.rows(select(select(o.text).where(o.match(o.b[0])).scalar_subquery()))


@attack("reads")
def scalar_subquery_in_shared(lab: Lab) -> Any:
    """Hang a scalar subquery of an owned table on a select of a shared one."""
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
    """Let a subquery in ORDER BY turn the order when the victim's row exists."""
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
    """Compare with a subquery by IN, from a shared table's select."""
    o, s = lab.owned, lab.shared
    found = lab.rows(select(s.table).where(literal(o.b[0][o.text.key]).in_(select(o.text))))
    return lab.told(len(found), 0)


@attack("reads")
def not_in_subquery(lab: Lab) -> Any:
    """Compare with a subquery by NOT IN."""
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
    """Read more rows through a subquery correlated to a row of one's own."""
    o, other = lab.owned, lab.owned.table.alias()
    inner = select(func.max(other.c[o.text.key])).where(other.c[o.pk.key] != o.pk).scalar_subquery()
    return lab.rows(select(o.pk, inner).where(o.tenant == lab.a))


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
    """Climb from a row of one's own to every row by a recursive expression."""
    o = lab.owned
    seed = (
        select(o.table.c[o.pk.key], o.table.c[o.text.key]).where(o.match(o.a[0])).cte("climb", recursive=True)
    )
    other = o.table.alias()
    step = select(other.c[o.pk.key], other.c[o.text.key]).where(other.c[o.pk.key] > seed.c[o.pk.key])
    return lab.rows(select(seed.union(step)))


@attack("reads")
def cte_materialized_prefix(lab: Lab) -> Any:
    """Select from a common table expression with a prefix of its own."""
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


@attack("reads")
def ad_hoc_table(lab: Lab) -> Any:
    """Name the table without the metadata."""
    o = lab.owned
    made = table(o.table.name, column(o.text.name), schema=o.table.schema)
    return lab.rows(select(made))


@attack("reads")
def ad_hoc_table_in_subquery(lab: Lab) -> Any:
    """Name the table without the metadata, in a subquery of a shared table's select."""
    o, s = lab.owned, lab.shared
    made = table(o.table.name, column(o.text.name), schema=o.table.schema)
    return lab.rows(select(s.pk, select(func.max(made.c[o.text.name])).scalar_subquery()))


@attack("reads")
def ad_hoc_table_other_case(lab: Lab) -> Any:
    """Name the table without the metadata and in upper case, which the database takes for the same."""
    lab.only("sqlite")
    o = lab.owned
    return lab.rows(select(table(o.table.name.upper(), column(o.text.name))))


@attack("reads")
def twin_without_tenant(lab: Lab) -> Any:
    """Select a second Table of the same name that leaves the tenant column out."""
    return lab.rows(select(lab.owned.twin(without=[lab.owned.tenant.key])))


@attack("reads")
def twin_mapped(lab: Lab) -> Any:
    """Load a second class mapped to the same table without the tenant column."""
    cls = lab.map(lab.owned.twin(without=[lab.owned.tenant.key]))
    return lab.session().scalars(select(cls)).all()


@attack("reads")
def twin_get(lab: Lab) -> Any:
    """Get the victim's object by key through a second mapping."""
    o = lab.owned
    return lab.session().get(lab.map(o.twin(without=[o.tenant.key])), o.ident(o.b[0]))


@attack("reads")
def reflected_table(lab: Lab) -> Any:
    """Select the table as it was reflected from the database."""
    o = lab.owned
    found = Table(o.table.name, MetaData(), schema=o.table.schema, autoload_with=lab.admin)
    return lab.rows(select(found))


@attack("reads")
def view_as_table(lab: Lab) -> Any:
    """Select a view that is mapped as an owned table."""
    return lab.rows(select(lab.view))


@attack("reads")
def literal_names_table(lab: Lab) -> Any:
    """Put the columns in as text and name the table as FROM only."""
    o = lab.owned
    return lab.rows(select(literal_column(o.text.name)).select_from(o.table))


@attack("reads")
def load_only_and_undefer(lab: Lab) -> Any:
    """Leave the tenant column out of the load and fetch it later."""
    o = lab.owned
    return lab.session().scalars(select(o.cls).options(load_only(o.attr(o.text)), undefer("*"))).all()


@attack("reads")
def distinct_rows(lab: Lab) -> Any:
    """Select distinct values."""
    return lab.rows(select(lab.owned.text).distinct())


@attack("reads")
def limit_offset(lab: Lab) -> Any:
    """Page beyond one's own rows."""
    o = lab.owned
    return lab.rows(select(o.table).order_by(o.pk).limit(100).offset(len(o.a)))


@attack("reads")
def between_keys(lab: Lab) -> Any:
    """Ask for a range of keys."""
    o = lab.owned
    return lab.rows(select(o.text).where(and_(o.pk >= o.b[0][o.pk.key], o.pk <= o.b[-1][o.pk.key])))


@attack("reads")
def stream_with_yield_per(lab: Lab) -> Any:
    """Stream objects in batches."""
    session = lab.session()
    return list(session.scalars(select(lab.owned.cls).execution_options(yield_per=1)))


@attack("reads")
def lambda_statement(lab: Lab) -> Any:
    """Build the statement from a lambda."""
    table_ = lab.owned.table
    return lab.rows(lambda_stmt(lambda: select(table_)))


@attack("reads")
def through_select(lab: Lab) -> Any:
    """Select a table that has no tenant column."""
    return lab.rows(select(lab.part.child.table))


@attack("reads")
def through_get(lab: Lab) -> Any:
    """Get the victim's object of a table that has no tenant column."""
    child = lab.part.child
    return lab.session().get(child.cls, child.ident(child.b[0]))


@attack("reads")
def through_count(lab: Lab) -> Any:
    """Count a table that has no tenant column."""
    child = lab.part.child
    return lab.told(lab.rows(select(func.count()).select_from(child.table))[0][0], len(child.a))


@attack("reads")
def grandchild_select(lab: Lab) -> Any:
    """Select a table that belongs through a table that belongs through another."""
    return lab.rows(select(lab.deep.child.table))


@attack("reads")
def grandchild_with_parent(lab: Lab) -> Any:
    """Join a grandchild to its parent, neither of which has a tenant column."""
    deep = lab.deep
    return lab.rows(
        select(deep.child.table, deep.parent.table).join_from(deep.child.table, deep.parent.table, deep.on())
    )


@attack("reads")
def association_select(lab: Lab) -> Any:
    """Select the association table itself."""
    return lab.rows(select(lab.bridge.table.table))


@attack("reads")
def composite_key_get(lab: Lab) -> Any:
    """Get the victim's object by a key that includes the tenant."""
    k = lab.keyed
    return lab.session().get(k.cls, k.ident(k.b[0]))


@attack("reads")
def every_table(lab: Lab) -> Any:
    """Select every table of the schema that is not shared."""
    wanted = [s for s in lab.shapes.values() if s.placed.kind != "shared"]
    return [lab.rows(select(shape.table)) for shape in wanted]


@attack("reads")
def every_class(lab: Lab) -> Any:
    """Load every mapped class of the application's own."""
    session = lab.session()
    wanted = [m for m in lab.mappers if lab.tenancy.of(m.local_table).kind != "shared"]
    return [session.scalars(select(m.class_)).unique().all() for m in wanted]


def _none_if_missing(load: Any) -> Any:
    try:
        return load()
    except NoResultFound:
        return None
