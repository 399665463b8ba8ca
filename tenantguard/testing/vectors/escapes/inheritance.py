"""Classes that share a table, or have the tenant column in another one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import (
    selectin_polymorphic,
    with_polymorphic,
)

from tenantguard.testing.vectors.escapes.helpers import (
    joined_mapper,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("reads")
def joined_inheritance_child(lab: Lab) -> Any:
    """Select the table of a joined-inheritance child by itself."""
    return lab.rows(select(lab.extension.child.table))


@attack("reads")
def joined_inheritance_class(lab: Lab) -> Any:
    """Load one of the application's joined-inheritance classes."""
    mapper = joined_mapper(lab)
    return lab.session().scalars(select(mapper.class_)).all()


@attack("reads")
def joined_inheritance_get(lab: Lab) -> Any:
    """Get the victim's object of a joined-inheritance class."""
    mapper = joined_mapper(lab)
    child = lab.extension.child
    return lab.session().get(mapper.class_, child.ident(child.b[0]))


@attack("reads")
def joined_inheritance_count(lab: Lab) -> Any:
    """Count a joined-inheritance class."""
    mapper = joined_mapper(lab)
    got = lab.session().scalar(select(func.count()).select_from(mapper.class_))
    return lab.told(got, len(lab.extension.child.a))


@attack("reads")
def polymorphic_load(lab: Lab) -> Any:
    """Load a base with all its subclasses in one statement."""
    mapper = joined_mapper(lab).base_mapper
    return lab.orm(select(with_polymorphic(mapper.class_, "*")))


@attack("reads")
def polymorphic_selectin(lab: Lab) -> Any:
    """Load a base, and the subclasses' columns with IN."""
    mapper = joined_mapper(lab)
    base = mapper.base_mapper.class_
    return lab.orm(select(base).options(selectin_polymorphic(base, [mapper.class_])))


@attack("reads")
def polymorphic_aliased_flat(lab: Lab) -> Any:
    """Load a flat alias of a base with its subclasses."""
    mapper = joined_mapper(lab).base_mapper
    return lab.orm(select(with_polymorphic(mapper.class_, "*", aliased=True, flat=True)))


@attack("reads")
def polymorphic_of_type(lab: Lab) -> Any:
    """Load the second table of a joined-inheritance row lazily, after the base alone was selected."""
    mapper = joined_mapper(lab)
    found = lab.orm(select(mapper.base_mapper.class_))
    return [getattr(row[0], lab.extension.child.text.key, None) for row in found]


@attack("reads")
def single_table_subclass(lab: Lab) -> Any:
    """Load a subclass that shares its table with its base."""
    return lab.session().scalars(select(lab.subclass.class_)).all()
