"""Foreign keys that point at the victim's rows, on every path that writes one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, insert, literal, select, true, update
from sqlalchemy.orm import make_transient_to_detached, relationship

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def fk_flush_insert(lab: Lab) -> Any:
    """Add an object whose foreign key names the victim's parent."""
    p = lab.pair
    lab.flush(p.child.object(p.child.new("a", **p.to(p.parent.b[0]))))


@attack("writes")
def fk_flush_many(lab: Lab) -> Any:
    """Add many objects of which the last names the victim's parent."""
    p = lab.pair
    rows = [p.child.new("a", 100 + n) for n in range(3)]
    rows[-1].update(p.to(p.parent.b[0]))
    lab.flush(*(p.child.object(row) for row in rows))


@attack("writes")
def fk_flush_update(lab: Lab) -> Any:
    """Move a loaded object to the victim's parent."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    for key, value in p.to(p.parent.b[0]).items():
        setattr(child, key, value)
    session.commit()


@attack("writes")
def fk_flush_by_sql(lab: Lab) -> Any:
    """Move a loaded object to the victim's parent by an SQL expression."""
    p = lab.pair
    session = lab.session()
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    for key, value in p.to(p.parent.b[0]).items():
        setattr(child, key, literal(value, p.child.c[key].type))
    session.commit()


@attack("writes")
def fk_stub_parent(lab: Lab) -> Any:
    """Give a made-up parent with the victim's key to a new child."""
    p = lab.pair
    session = lab.session()
    stub = _stub(p.parent)
    session.add(stub)
    child = p.child.object(p.child.new("a"))
    child.parent = stub
    session.add(child)
    session.commit()


@attack("writes")
def fk_append_to_stub(lab: Lab) -> Any:
    """Append a loaded child to the list of a made-up parent."""
    p = lab.pair
    session = lab.session()
    stub = _stub(p.parent)
    session.add(stub)
    child = session.get(p.child.cls, p.child.ident(p.child.a[0]))
    child.parent = stub
    session.commit()


@attack("writes")
def fk_write_only_add(lab: Lab) -> Any:
    """Add a child to the write-only list of a made-up parent."""
    p = lab.pair
    session = lab.session()
    stub = _stub(p.parent)
    session.add(stub)
    stub.many.add(p.child.object(p.child.new("a")))
    session.commit()


def _stub(shape: Any) -> Any:
    stub = shape.object(shape.keys_of(shape.b[0]))
    make_transient_to_detached(stub)
    return stub


@attack("writes")
def fk_insert_core(lab: Lab) -> Any:
    """Insert on a connection a row that names the victim's parent."""
    p = lab.pair
    lab.write(insert(p.child.table).values(p.child.new("a", **p.to(p.parent.b[0]))))


@attack("writes")
def fk_insert_parameters(lab: Lab) -> Any:
    """Name the victim's parent in the parameters of the last of many inserts."""
    p = lab.pair
    lab.write(insert(p.child.table), [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))])


@attack("writes")
def fk_insert_multi_values(lab: Lab) -> Any:
    """Name the victim's parent in the second of several VALUES."""
    p = lab.pair
    rows = [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))]
    lab.write(insert(p.child.table).values(rows))


@attack("writes")
def fk_insert_expression(lab: Lab) -> Any:
    """Name the victim's parent by an expression."""
    p = lab.pair
    lab.write(insert(p.child.table).values({**p.child.new("a"), **_expressions(p)}))


def _expressions(pair: Any) -> dict[str, Any]:
    chosen = pair.to(pair.parent.b[0])
    return {
        key: case((true(), literal(value, pair.child.c[key].type)), else_=None)
        for key, value in chosen.items()
    }


@attack("writes")
def fk_insert_subquery(lab: Lab) -> Any:
    """Name the victim's parent by a scalar subquery over another table."""
    p, s = lab.pair, lab.shared
    chosen = {
        key: select(literal(value, p.child.c[key].type)).select_from(s.table).limit(1).scalar_subquery()
        for key, value in p.to(p.parent.b[0]).items()
    }
    lab.write(insert(p.child.table).values({**p.child.new("a"), **chosen}))


@attack("writes")
def fk_insert_from_select(lab: Lab) -> Any:
    """Insert from a select that names the victim's parent."""
    p = lab.pair
    row = p.child.new("a", **p.to(p.parent.b[0]))
    chosen = select(*(literal(value, p.child.c[key].type) for key, value in row.items()))
    lab.write(insert(p.child.table).from_select(list(row), chosen))


@attack("writes")
def fk_insert_orm_rows(lab: Lab) -> Any:
    """Insert through the session's bulk insert a row that names the victim's parent."""
    p = lab.pair
    lab.orm_write(insert(p.child.cls), [p.child.new("a", 100), p.child.new("a", 101, **p.to(p.parent.b[0]))])


@attack("writes")
def fk_bulk_insert_mappings(lab: Lab) -> Any:
    """Use the legacy bulk insert with a row that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.bulk_insert_mappings(p.child.cls, [p.child.new("a", **p.to(p.parent.b[0]))])
    session.commit()


@attack("writes")
def fk_bulk_save_objects(lab: Lab) -> Any:
    """Use the legacy bulk save with an object that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.bulk_save_objects([p.child.object(p.child.new("a", **p.to(p.parent.b[0])))])
    session.commit()


@attack("writes")
def fk_update_value(lab: Lab) -> Any:
    """Move one's own row to the victim's parent by a statement."""
    p = lab.pair
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))


@attack("writes")
def fk_update_parameters(lab: Lab) -> Any:
    """Move one's own row to the victim's parent by a parameter of many updates."""
    p = lab.pair
    (key, value), *_ = p.to(p.parent.b[0]).items()
    statement = update(p.child.table).where(p.child.pk == bindparam("k")).values({key: bindparam("v")})
    lab.write(statement, [{"k": p.child.a[0][p.child.pk.key], "v": value}])


@attack("writes")
def fk_update_expression(lab: Lab) -> Any:
    """Move one's own row to the victim's parent by an expression."""
    p = lab.pair
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(_expressions(p)))


@attack("writes")
def fk_update_arithmetic(lab: Lab) -> Any:
    """Move one's own row to the victim's parent by adding to the key."""
    p = lab.pair
    (key, value), *_ = p.to(p.parent.b[0]).items()
    row = next(row for row in p.child.a if isinstance(row[key], int))
    shift = value - row[key]
    lab.write(update(p.child.table).where(p.child.match(row)).values({key: p.child.c[key] + shift}))


@attack("writes")
def fk_update_orm(lab: Lab) -> Any:
    """Move one's own row to the victim's parent by a statement in a session."""
    p = lab.pair
    lab.orm_write(update(p.child.cls).where(p.child.match(p.child.a[0])).values(p.to(p.parent.b[0])))


@attack("writes")
def fk_update_by_key(lab: Lab) -> Any:
    """Move one's own row to the victim's parent in a bulk update by primary key."""
    p = lab.pair
    session = lab.session()
    session.execute(update(p.child.cls), [{**p.child.keys_of(p.child.a[0]), **p.to(p.parent.b[0])}])
    session.commit()


@attack("writes")
def fk_bulk_update_mappings(lab: Lab) -> Any:
    """Move one's own row to the victim's parent in the legacy bulk update."""
    p = lab.pair
    session = lab.session()
    session.bulk_update_mappings(p.child.cls, [{**p.child.keys_of(p.child.a[0]), **p.to(p.parent.b[0])}])
    session.commit()


@attack("writes")
def fk_merge(lab: Lab) -> Any:
    """Merge an object of one's own that names the victim's parent."""
    p = lab.pair
    session = lab.session()
    session.merge(p.child.object({**p.child.a[0], **p.to(p.parent.b[0])}))
    session.commit()


@attack("writes")
def fk_update_from_second_table(lab: Lab) -> Any:
    """Take the key of the victim's parent from the second table of UPDATE ... FROM."""
    p = lab.pair
    statement = update(p.child.table).where(p.child.match(p.child.a[0]), p.parent.match(p.parent.b[0]))
    lab.write(statement.values({ours: theirs for ours, theirs in p.link}))


@attack("writes")
def fk_tree_flush(lab: Lab) -> Any:
    """Refer to the victim's row of the same table."""
    t = lab.tree
    lab.flush(t.child.object(t.child.new("a", **t.to(t.parent.b[0]))))


@attack("writes")
def fk_tree_update(lab: Lab) -> Any:
    """Move one's own row below the victim's row of the same table."""
    t = lab.tree
    lab.write(update(t.child.table).where(t.child.match(t.child.a[-1])).values(t.to(t.parent.b[0])))


@attack("writes")
def through_insert_core(lab: Lab) -> Any:
    """Insert a row without a tenant column below the victim's parent."""
    part = lab.part
    lab.write(insert(part.child.table).values(part.child.new("a", **part.to(part.parent.b[0]))))


@attack("writes")
def through_insert_many(lab: Lab) -> Any:
    """Insert many rows without a tenant column of which one is below the victim's parent."""
    part = lab.part
    rows = [part.child.new("a", 100), part.child.new("a", 101, **part.to(part.parent.b[0]))]
    lab.write(insert(part.child.table), rows)


@attack("writes")
def through_flush(lab: Lab) -> Any:
    """Add an object without a tenant column below the victim's parent."""
    part = lab.part
    lab.flush(part.child.object(part.child.new("a", **part.to(part.parent.b[0]))))


@attack("writes")
def through_insert_from_select(lab: Lab) -> Any:
    """Insert a row without a tenant column below the victim's parent from a select."""
    part = lab.part
    row = part.child.new("a", **part.to(part.parent.b[0]))
    chosen = select(*(literal(value, part.child.c[key].type) for key, value in row.items()))
    lab.write(insert(part.child.table).from_select(list(row), chosen))


@attack("writes")
def through_move_out(lab: Lab) -> Any:
    """Move one's own row without a tenant column to the victim's parent."""
    part = lab.part
    lab.write(
        update(part.child.table).where(part.child.match(part.child.a[0])).values(part.to(part.parent.b[0]))
    )


@attack("writes")
def through_move_out_object(lab: Lab) -> Any:
    """Move a loaded object without a tenant column to the victim's parent."""
    part = lab.part
    session = lab.session()
    child = session.get(part.child.cls, part.child.ident(part.child.a[0]))
    for key, value in part.to(part.parent.b[0]).items():
        setattr(child, key, value)
    session.commit()


@attack("writes")
def through_move_in(lab: Lab) -> Any:
    """Move the victim's row without a tenant column to one's own parent."""
    part = lab.part
    lab.write(
        update(part.child.table).where(part.child.match(part.child.b[0])).values(part.to(part.parent.a[0]))
    )


@attack("writes")
def through_move_in_stub(lab: Lab) -> Any:
    """Move the victim's row to one's own parent by a made-up object."""
    part = lab.part
    session = lab.session()
    stub = _stub(part.child)
    session.add(stub)
    for key, value in part.to(part.parent.a[0]).items():
        setattr(stub, key, value)
    session.commit()


@attack("writes")
def grandchild_insert(lab: Lab) -> Any:
    """Insert a grandchild below the victim's child."""
    deep = lab.deep
    lab.write(insert(deep.child.table).values(deep.child.new("a", **deep.to(deep.parent.b[0]))))


@attack("writes")
def grandchild_flush(lab: Lab) -> Any:
    """Add a grandchild below the victim's child."""
    deep = lab.deep
    lab.flush(deep.child.object(deep.child.new("a", **deep.to(deep.parent.b[0]))))


@attack("writes")
def grandchild_move(lab: Lab) -> Any:
    """Move one's own grandchild below the victim's child."""
    deep = lab.deep
    lab.write(
        update(deep.child.table).where(deep.child.match(deep.child.a[0])).values(deep.to(deep.parent.b[0]))
    )


@attack("writes")
def joined_inheritance_insert(lab: Lab) -> Any:
    """Insert the second half of a joined-inheritance row for the victim's first half."""
    pair = lab.extension
    lab.arrange(pair.child.table.delete().where(pair.child.match(pair.child.b[-1])))
    lab.write(insert(pair.child.table).values(pair.child.b[-1]))


@attack("writes")
def association_insert(lab: Lab) -> Any:
    """Tie one's own left side to the victim's right side."""
    b = lab.bridge
    lab.write(insert(b.table.table).values({**b.table.a[0], **b.right.to(b.right.parent.b[0])}))


@attack("writes")
def association_insert_left(lab: Lab) -> Any:
    """Tie the victim's left side to one's own right side."""
    b = lab.bridge
    lab.write(insert(b.table.table).values({**b.table.a[0], **b.left.to(b.left.parent.b[0])}))


@attack("writes")
def association_insert_many(lab: Lab) -> Any:
    """Tie several rows at once, the last to the victim's."""
    b = lab.bridge
    mine = {**b.table.a[0], **b.right.to(b.right.parent.a[-1])}
    lab.write(insert(b.table.table), [mine, {**b.table.a[0], **b.right.to(b.right.parent.b[0])}])


@attack("writes")
def association_update(lab: Lab) -> Any:
    """Move an association row of one's own to the victim's right side."""
    b = lab.bridge
    lab.write(
        update(b.table.table).where(b.table.match(b.table.a[0])).values(b.right.to(b.right.parent.b[0]))
    )


@attack("writes")
def association_from_select(lab: Lab) -> Any:
    """Tie one's own left side to whatever right side a select names."""
    b = lab.bridge
    row = {**b.table.a[0], **b.right.to(b.right.parent.b[0])}
    chosen = select(*(literal(value, b.table.c[key].type) for key, value in row.items()))
    lab.write(insert(b.table.table).from_select(list(row), chosen))


@attack("writes")
def association_append(lab: Lab) -> Any:
    """Append a made-up object with the victim's key to a many-to-many list."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    joins = {"primaryjoin": b.left.on(), "secondaryjoin": b.right.on()}
    left = lab.map(b.left.parent.table, rights=relationship(right, secondary=b.table.table, **joins))
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    stub = right()
    for key, value in b.right.parent.keys_of(b.right.parent.b[0]).items():
        setattr(stub, key, value)
    make_transient_to_detached(stub)
    session.add(stub)
    owner.rights.append(stub)
    session.commit()


@attack("writes")
def association_write_only(lab: Lab) -> Any:
    """Add a made-up object with the victim's key to a write-only many-to-many list."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    joins = {"primaryjoin": b.left.on(), "secondaryjoin": b.right.on()}
    many = relationship(right, secondary=b.table.table, lazy="write_only", passive_deletes=True, **joins)
    left = lab.map(b.left.parent.table, rights=many)
    session = lab.session()
    owner = session.get(left, b.left.parent.ident(b.left.parent.a[0]))
    stub = right()
    for key, value in b.right.parent.keys_of(b.right.parent.b[0]).items():
        setattr(stub, key, value)
    make_transient_to_detached(stub)
    session.add(stub)
    owner.rights.add(stub)
    session.commit()


@attack("writes")
def association_by_flush_order(lab: Lab) -> Any:
    """Begin a fresh session with a flush that ties one's own side to the victim's."""
    b = lab.bridge
    made = b.table.object({**b.table.a[0], **b.right.to(b.right.parent.b[0])})
    session = lab.session()
    session.add(made)
    session.flush()
    session.commit()
