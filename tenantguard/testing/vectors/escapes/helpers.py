"""What several escapes need: planted rows, made-up objects, names as SQL text."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    case,
    literal,
    true,
)
from sqlalchemy.exc import InvalidRequestError, NoResultFound
from sqlalchemy.orm import (
    make_transient_to_detached,
    relationship,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import ObjectDeletedError

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Shape
from tenantguard.testing.vectors.table import NotApplicable


def none_if_missing(load: Any) -> Any:
    try:
        return load()
    except NoResultFound:
        return None


def planted_child(lab: Lab) -> Any:
    """Make a row of the attacker refer to the victim's parent, as a bug of an earlier year would have."""
    p = _plantable(lab.pair)
    row = {**p.child.a[0], **p.to(p.parent.b[0])}
    lab.arrange(p.child.table.update().where(p.child.match(row)).values(p.to(p.parent.b[0])))
    return p, row


def planted_parent(lab: Lab) -> Any:
    """Make a row of the victim refer to the attacker's parent."""
    p = _plantable(lab.pair)
    row = p.child.b[0]
    lab.arrange(p.child.table.update().where(p.child.match(row)).values(p.to(p.parent.a[0])))
    return p


def _plantable(pair: Any) -> Any:
    if pair.belongs:
        raise NotApplicable(
            f"a row of {pair.child.table.name} belongs to whoever owns the row that it refers to"
        )
    return pair


def parents_of(lab: Lab, statement: Any) -> list[Any]:
    """Return the loaded parents alone: the foreign key itself is the attacker's own column."""
    return [row[0].parent for row in lab.orm(statement)]


def many_to_many(lab: Lab) -> Any:
    """Map the left side with a list of the right side through the association."""
    b = lab.bridge
    right = lab.map(b.right.parent.table)
    many = relationship(right, secondary=b.table.table, **b.joins())
    return b, lab.map(b.left.parent.table, rights=many), right


def joined_mapper(lab: Lab) -> Any:
    wanted = lab.extension.child.table
    found = [m for m in lab.mappers if m.local_table is wanted and m.inherits is not None]
    if not found:
        lab.only("a schema whose joined tables are mapped by inheritance")
    return found[0]


def stub_of(shape: Any, **values: Any) -> Any:
    """Make an object that looks as if the victim's row had been loaded."""
    stub = shape.object(shape.keys_of(shape.b[0]))
    make_transient_to_detached(stub)
    for key, value in values.items():
        set_committed_value(stub, key, value)
    return stub


def quietly(load: Any) -> Any:
    """Return what was loaded, or nothing where the row seems not to be there, as SQLAlchemy says it."""
    try:
        return load()
    except (InvalidRequestError, NoResultFound, ObjectDeletedError):
        return None


def other_value(value: Any) -> Any:
    return value + 500 if isinstance(value, int) else f"x{value}"[:12]


def key_expressions(pair: Any) -> dict[str, Any]:
    chosen = pair.to(pair.parent.b[0])
    return {
        key: case((true(), literal(value, pair.child.c[key].type)), else_=None)
        for key, value in chosen.items()
    }


def used_by_victim(lab: Lab, session: Any) -> Any:
    """Load the victim's object in the session, as the request before did."""
    o = lab.owned
    with lab.victim():
        return session.get(o.cls, o.ident(o.b[0]))


def name_of(lab: Lab, shape: Shape) -> str:
    return str(lab.admin.dialect.identifier_preparer.format_table(shape.table))


def column_of(lab: Lab, found: Any) -> str:
    return str(lab.admin.dialect.identifier_preparer.quote(found.name))


def all_of(lab: Lab, shape: Shape) -> str:
    return f"SELECT * FROM {name_of(lab, shape)}"


def text_of(lab: Lab, shape: Shape) -> str:
    return f"(SELECT max({column_of(lab, shape.text)}) FROM {name_of(lab, shape)})"
