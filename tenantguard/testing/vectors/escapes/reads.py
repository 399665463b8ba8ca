"""Reads of one table: each way to select it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    and_,
    func,
    lambda_stmt,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Bundle, aliased, load_only, undefer

from tenantguard.testing.vectors.escapes.helpers import (
    none_if_missing,
)
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
    return none_if_missing(lambda: lab.session().get_one(o.cls, o.ident(o.b[0])))


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
    """Ask for everything that is not the attacker's."""
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
def literal_names_table(lab: Lab) -> Any:
    """Pass the columns as text and name the table only in FROM."""
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
    """Page beyond the attacker's rows."""
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
