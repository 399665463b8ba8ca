"""What outlives a statement: prepared transactions, keys that a connection keeps, snapshots, and bypasses."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table, insert, select, update
from sqlalchemy.exc import DBAPIError

from tenantguard.sql.install import guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Pair
from tenantguard.testing.vectors.table import NotApplicable, attack

_MARIADB = ("mysql", "mariadb")


def _owned_pair(lab: Lab) -> Pair:
    """Return two tables that have the tenant column each, of which one refers to the other without it."""
    pair = lab.pair
    if {pair.child.placed.kind, pair.parent.placed.kind} != {"owned"}:
        raise NotApplicable("one of the two tables has no tenant column")
    return pair


@attack("pool")
def prepared_transactions_of_others(lab: Lab) -> Any:
    """List the transactions that were prepared on the server."""
    lab.only(*_MARIADB)
    name = f"globex{uuid.uuid4().hex}"
    admin = lab.hold(lab.admin.connect())
    for word in ("START", "END", "PREPARE"):
        admin.exec_driver_sql(f"XA {word} '{name}'")
    try:
        return [str(found) for found in lab.connect().recover_twophase()]
    finally:
        admin.exec_driver_sql(f"XA ROLLBACK '{name}'")


@attack("pool")
def last_key_of_the_connection(lab: Lab) -> Any:
    """Ask a query for the key that was generated last on its connection."""
    lab.only("sqlite")
    o = lab.leaf
    with lab.victim():
        lab.write(insert(o.table).values(o.new("b")))
    lab.start = lab.seeded.snapshot()
    told = lab.connect().execute(select(o.pk)).lastrowid
    return lab.told(told not in (None, 0), False)


@attack("writes")
def fk_seen_in_an_older_snapshot(lab: Lab) -> Any:
    """Name a parent that was the attacker's when the transaction began, and is the victim's now."""
    lab.only("postgresql", *_MARIADB)
    p = _owned_pair(lab)
    connection = lab.connect().execution_options(isolation_level="REPEATABLE READ")
    connection.execute(select(p.parent.table)).all()
    own = p.parent.a[0]
    lab.arrange(update(p.parent.table).where(p.parent.match(own)).values({p.parent.tenant: lab.b}))
    with contextlib.suppress(DBAPIError):  # PostgreSQL's, which says that the transaction is outdated
        connection.execute(insert(p.child.table).values({**p.child.new("a"), **p.to(own)}))
        connection.commit()


def _copies(lab: Lab, pair: Pair) -> tuple[Any, Table, Table]:
    """Return an engine of the kit's own, and the two tables in other metadata, without the key that links them."""
    metadata = MetaData()
    parent, child = (
        Table(
            shape.table.name,
            metadata,
            *[
                Column(c.name, c.type, key=c.key, primary_key=c.primary_key, nullable=c.nullable)
                for c in shape.columns
            ],
            schema=shape.table.schema,
        )
        for shape in (pair.parent, pair.child)
    )
    engine = lab.kits_engine()
    if lab.guarded:
        columns = {table.fullname: s.tenant.name for table, s in ((parent, pair.parent), (child, pair.child))}
        engine = guard(engine, Tenancy(metadata, columns=columns))
    return engine, parent, child


def _link(pair: Pair, parent: Table, child: Table, **how: Any) -> None:
    ours, theirs = [here.key for here, _ in pair.link], [parent.c[there.key] for _, there in pair.link]
    child.append_constraint(ForeignKeyConstraint(ours, theirs, **how))


@attack("writes")
def fk_defined_after_the_guard(lab: Lab) -> Any:
    """Name the victim's parent by a foreign key that was defined after the first statement."""
    p = _owned_pair(lab)
    engine, parent, child = _copies(lab, p)
    row = {**p.child.new("a"), **p.to(p.parent.a[0])}
    with engine.connect() as connection:
        connection.execute(insert(child).values(row))
        connection.rollback()
    _link(p, parent, child)
    with engine.begin() as connection:
        connection.execute(insert(child).values({**row, **p.to(p.parent.b[0])}))


@attack("writes")
def fk_in_a_savepoint_that_commits(lab: Lab) -> Any:
    """Name the victim's parent by a deferred key in a savepoint, whose release commits on SQLite."""
    lab.only("sqlite")
    p = _owned_pair(lab)
    engine, parent, child = _copies(lab, p)
    _link(p, parent, child, deferrable=True, initially="DEFERRED")
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(insert(child).values({**p.child.new("a"), **p.to(p.parent.b[0])}))
        connection.commit()


@attack("writes")
def fk_inside_a_bypass(lab: Lab) -> Any:
    """Tie the attacker's row to the victim's by mistake, in a bypass."""
    p = _owned_pair(lab)
    found = select(*[p.parent.table.c[c.key] for c in p.parent.key]).where(p.parent.match(p.parent.b[0]))
    names = list(p.to(p.parent.b[0]))
    row = {**p.child.new("a"), **p.to(p.parent.b[0])}
    if len(names) == 1:
        row[names[0]] = found.scalar_subquery()
    with lab.lifted():
        lab.write(insert(p.child.table).values(row))
