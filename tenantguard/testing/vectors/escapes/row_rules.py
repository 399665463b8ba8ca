"""Row rules: what one shows is widened by the caller's parameters, by the statement around it, or by an earlier answer.

Each vector has a tenancy of its own, in which one owned table is shown by a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, MetaData, Table, exists, or_, select

from tenantguard.context import current
from tenantguard.sql.install import guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack

Rule = Callable[[Any, Any], Any]


def _ruled(lab: Lab, rule: Rule) -> tuple[Any, Table, Table]:
    """Return an engine on which a rule shows rows of an owned table, that table, and a shared one."""
    o, s, metadata = lab.owned, lab.shared, MetaData()
    owned, shared = (
        Table(
            shape.table.name,
            metadata,
            *[Column(c.name, c.type, primary_key=c.primary_key, nullable=False) for c in columns],
            schema=shape.table.schema,
        )
        for shape, columns in ((o, dict.fromkeys([*o.key, o.tenant, o.text])), (s, s.key))
    )
    engine = lab.kits_engine()
    if lab.guarded:
        tenancy = Tenancy(
            metadata,
            columns={owned.fullname: o.tenant.name},
            shared={shared.fullname},
            visible={
                owned.fullname: lambda table, tenant: or_(
                    table.c[o.tenant.name] == tenant, rule(table, shared)
                )
            },
        )
        engine = guard(engine, tenancy)
    return engine, owned, shared


@attack("reads")
def rule_parameter_overwritten(lab: Lab) -> Any:
    """Give a parameter that has the name of a row rule's own value."""
    name = lab.owned.text.name
    engine, owned, _ = _ruled(lab, lambda table, _: table.c[name] == "shown to everybody")
    given = {f"{name}_{n}": lab.owned.b[0][lab.owned.text.key] for n in range(3)}
    return lab.connect(engine).execute(select(owned.c[name]), given).all()


@attack("reads")
def rule_correlated(lab: Lab) -> Any:
    """Read the table that a row rule's subquery reads beside the one that it shows."""
    o, s = lab.owned, lab.shared
    key = s.pk.name
    engine, owned, shared = _ruled(lab, lambda _, other: ~exists().where(other.c[key].is_not(None)))
    beside = select(owned.c[o.text.name]).join(shared, shared.c[key].is_(None), isouter=True)
    return lab.connect(engine).execute(beside).all()


@attack("reads")
def rule_of_an_earlier_tenant(lab: Lab) -> Any:
    """Ask after the victim, for whom a row rule's value was another one."""
    engine, owned, _ = _ruled(lab, lambda table, _: table.c[lab.owned.tenant.name] == current().tenant)
    query = select(owned.c[lab.owned.text.name])
    with lab.victim(), engine.connect() as connection:
        connection.execute(query).all()
    return lab.connect(engine).execute(query).all()
