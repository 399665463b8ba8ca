"""Names that mean something else than the guard's own SQL assumes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, insert, literal, select

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Shape
from tenantguard.testing.vectors.table import attack


def _forged(shape: Shape, owner: Any, **options: Any) -> CTE:
    """Return a CTE with the name of an owned table, and in it the victim's row under the attacker's tenant."""
    row = {**{c.key: shape.b[0][c.key] for c in shape.columns}, shape.tenant.key: owner}
    columns = (literal(value, shape.table.c[key].type).label(key) for key, value in row.items())
    return select(*columns).cte(shape.table.name, **options)


@attack("reads")
def alias_named_as_ours(lab: Lab) -> Any:
    """Give a table the alias that the guard's own condition uses."""
    child = lab.extension.child
    return [
        *lab.rows(select(child.table.alias("tenantguard_1"))),
        *lab.rows(select(child.table.alias("tenantguard_2"))),
    ]


@attack("reads")
def alias_named_as_ours_aloud(lab: Lab) -> Any:
    """Give a table the alias that the guard's own condition uses, in capitals."""
    return lab.rows(select(lab.extension.child.table.alias("TENANTGUARD_1")))


@attack("reads")
def cte_named_as_parent(lab: Lab) -> Any:
    """Hide the parent of a table without a tenant column behind a CTE of its name, with a forged row."""
    part = lab.part
    forged = _forged(part.parent, lab.a)
    return lab.rows(select(part.child.table).select_from(part.child.table, forged))


@attack("reads")
def cte_named_as_parent_nested(lab: Lab) -> Any:
    """Hide the parent behind a CTE that stands in a subquery."""
    part = lab.part
    forged = _forged(part.parent, lab.a, nesting=True)
    inner = select(part.child.table).select_from(part.child.table, forged).subquery()
    return lab.rows(select(inner))


@attack("reads")
def cte_named_as_joined_parent(lab: Lab) -> Any:
    """Join a table without a tenant column to its parent, which a CTE of its name hides."""
    part = lab.part
    forged = _forged(part.parent, lab.a)
    joined = part.child.table.join(part.parent.table, part.on())
    there = select(forged.c[part.parent.pk.key]).exists()
    return lab.rows(select(part.child.table).select_from(joined).where(there))


@attack("writes")
def cte_named_as_key(lab: Lab) -> Any:
    """Insert below the victim's parent from a select in which a CTE hides the parents."""
    part = lab.part
    forged = _forged(part.parent, lab.a)
    row = part.child.new("a", **part.to(part.parent.b[0]))
    chosen = select(*(literal(value, part.child.c[key].type) for key, value in row.items())).select_from(
        forged
    )
    lab.write(insert(part.child.table).from_select(list(row), chosen))
