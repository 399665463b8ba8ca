"""Names that the database treats as others: columns in another case, parts of a group, CTEs named like a table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import column, exists, insert, literal, select, table, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


def _other_case(of: Any, *names: str) -> Any:
    """Return a table whose columns are the named ones, each in the other case."""
    columns = [column(c.name.swapcase() if c.name in names else c.name, c.type) for c in of.columns]
    return table(of.name, *columns, schema=of.schema)


def _conflicting(lab: Lab) -> Any:
    lab.only("sqlite", "postgresql")
    return sqlite.insert if lab.dialect == "sqlite" else postgresql.insert


@attack("writes")
def tenant_in_other_case(lab: Lab) -> Any:
    """Give a row away by an ad-hoc table that writes the tenant column in another case."""
    lab.only("sqlite", "mysql", "mariadb")  # on PostgreSQL it is another column
    o = lab.leaf
    name = o.tenant.name.swapcase()
    twin = _other_case(o.table, o.tenant.name)
    lab.write(update(twin).where(o.match(o.a[0], twin)).values({name: lab.b}))


@attack("writes")
def fk_in_other_case(lab: Lab) -> Any:
    """Point a new row at the victim's parent by a foreign key in another case."""
    lab.only("sqlite", "mysql", "mariadb")
    p = lab.pair
    keys = p.to(p.parent.b[0])
    row = {**p.child.new("a"), **keys}
    names = {key: p.child.c[key].name for key in keys}
    given = {names[k].swapcase() if k in names else p.child.c[k].name: value for k, value in row.items()}
    lab.write(insert(_other_case(p.child.table, *names.values())).values(given))


@attack("writes")
def conflict_in_other_case(lab: Lab) -> Any:
    """Give a row away by a conflict clause that sets the tenant column in another case."""
    lab.only("sqlite")
    o = lab.leaf
    made = _conflicting(lab)(o.table).values({**o.a[0]})
    keys = list(o.table.primary_key)
    lab.write(made.on_conflict_do_update(index_elements=keys, set_={o.tenant.name.swapcase(): lab.b}))


@attack("writes")
def tenant_in_a_group(lab: Lab) -> Any:
    """Give a row away by setting a group of columns, the tenant among them."""
    lab.only("sqlite", "postgresql")
    o = lab.leaf
    other = next(c for c in o.columns if c.name != o.tenant.name and not c.primary_key)
    group = tuple_(o.tenant, other)
    values = select(literal(lab.b, o.tenant.type), literal(o.a[0][other.key], other.type)).scalar_subquery()
    lab.write(update(o.table).where(o.match(o.a[0])).values({group: values}))


@attack("writes")
def fk_in_a_group(lab: Lab) -> Any:
    """Move a row to the victim's parent by setting a group of columns."""
    lab.only("sqlite", "postgresql")
    p = lab.pair
    keys = p.to(p.parent.b[0])
    group = tuple_(*(p.child.c[key] for key in keys))
    values = select(*(literal(value, p.child.c[key].type) for key, value in keys.items())).scalar_subquery()
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values({group: values}))


@attack("writes")
def tenant_named_twice(lab: Lab) -> Any:
    """Give a row away by naming the tenant column twice, first as the victim's and then as the attacker's."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.tenant.key: lab.b, o.tenant: lab.a}))


@attack("writes")
def fk_named_twice(lab: Lab) -> Any:
    """Move a row to the victim's parent by naming the foreign key twice."""
    p = lab.pair
    theirs, own = p.to(p.parent.b[0]), p.to(p.parent.a[0])
    twice = {**theirs, **{p.child.c[key]: value for key, value in own.items()}}
    lab.write(update(p.child.table).where(p.child.match(p.child.a[0])).values(twice))


@attack("writes")
def conflict_names_tenant_twice(lab: Lab) -> Any:
    """Give a row away with a conflict clause that names the tenant column twice; SQLite takes the last."""
    lab.only("sqlite")
    o = lab.leaf
    made = _conflicting(lab)(o.table).values({**o.a[0]})
    twice = {o.tenant: lab.a, column(o.tenant.name): lab.b}
    lab.write(made.on_conflict_do_update(index_elements=list(o.table.primary_key), set_=twice))


def _shadow(lab: Lab, parent: Any) -> Any:
    """Return a CTE of the parent's name, in which the victim's row is the attacker's."""
    row, tenant = parent.b[0], getattr(parent, "tenant", None)
    columns = [
        literal(lab.a if tenant is not None and c.name == tenant.name else row[c.key], c.type).label(c.name)
        for c in parent.columns
    ]
    return select(*columns).cte(parent.table.name)


@attack("reads")
def cte_shadows_the_parent(lab: Lab) -> Any:
    """Read the victim's rows of a through table beside a CTE that has the name of its parent."""
    p = lab.part
    shadow = _shadow(lab, p.parent)
    return lab.rows(select(p.child.table).where(exists(select(literal(1)).select_from(shadow))))


@attack("writes")
def cte_shadows_the_parent_of_an_update(lab: Lab) -> Any:
    """Change the victim's rows of a through table beside a CTE that has the name of its parent."""
    lab.only("sqlite", "postgresql")
    p = lab.part
    shadow = _shadow(lab, p.parent)
    link = next(iter(p.link))[0]
    beside = exists(select(literal(1)).select_from(shadow))
    other = next(c for c in p.child.columns if c is not link and not c.primary_key)
    changed = update(p.child.table).values({other: literal(p.child.a[0][other.key], other.type)})
    lab.write(changed.where(beside, p.child.match(p.child.b[0])))


@attack("writes")
def cte_shadows_the_parent_of_an_insert(lab: Lab) -> Any:
    """Insert, from a CTE that has the name of the parent, rows that point at the victim's."""
    p = lab.pair
    keys = p.to(p.parent.b[0])
    row = {**p.child.new("a"), **keys}
    shadow = _shadow(lab, p.parent)
    values = [literal(value, p.child.c[key].type) for key, value in row.items()]
    lab.write(insert(p.child.table).from_select(list(row), select(*values).select_from(shadow)))
