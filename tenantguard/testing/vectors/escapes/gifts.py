"""Rows given to the victim: the tenant of a row changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, literal, update

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def update_tenant_by_value(lab: Lab) -> Any:
    """Give the attacker's row to the victim with a statement."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).values(o.set(tenant=lab.b)))


@attack("writes")
def update_tenant_by_parameters(lab: Lab) -> Any:
    """Give the attacker's row to the victim with a parameter."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.tenant.key: bindparam("who")}), {"who": lab.b})


@attack("writes")
def update_tenant_by_expression(lab: Lab) -> Any:
    """Give the attacker's row to the victim with an expression."""
    o = lab.leaf
    who = case((o.pk == o.a[0][o.pk.key], literal(lab.b, o.tenant.type)), else_=o.tenant)
    lab.write(update(o.table).values({o.tenant: who}))


@attack("writes")
def update_tenant_by_key(lab: Lab) -> Any:
    """Give the attacker's row to the victim in a bulk update by primary key."""
    o = lab.leaf
    session = lab.session()
    session.execute(update(o.cls), [{**o.keys_of(o.a[0]), **o.set(tenant=lab.b)}])
    session.commit()


@attack("writes")
def update_ordered_values(lab: Lab) -> Any:
    """Give the attacker's row to the victim with ordered values."""
    o = lab.leaf
    lab.write(update(o.table).where(o.match(o.a[0])).ordered_values((o.text, "x"), (o.tenant, lab.b)))


@attack("writes")
def object_changes_tenant(lab: Lab) -> Any:
    """Change the tenant of a loaded object."""
    o = lab.leaf
    session = lab.session()
    found = session.get(o.cls, o.ident(o.a[0]))
    setattr(found, o.tenant.key, lab.b)
    session.commit()


@attack("writes")
def object_tenant_by_sql(lab: Lab) -> Any:
    """Change the tenant of a loaded object to an SQL expression."""
    o = lab.leaf
    session = lab.session()
    found = session.get(o.cls, o.ident(o.a[0]))
    setattr(found, o.tenant.key, literal(lab.b, o.tenant.type))
    session.commit()


@attack("writes")
def object_insert_tenant_by_sql(lab: Lab) -> Any:
    """Add an object whose tenant is an SQL expression."""
    o = lab.leaf
    lab.flush(o.object({**o.new("a"), o.tenant.key: literal(lab.b, o.tenant.type)}))


@attack("writes")
def change_primary_key(lab: Lab) -> Any:
    """Learn from a changed key whether the victim has taken it."""
    k = lab.unreferred(lab.keyed)
    session = lab.session()
    found = session.get(k.cls, k.ident(k.a[0]))
    setattr(found, k.tenant.key, lab.b)
    setattr(found, k.pk.key, k.new("b")[k.pk.key])
    session.commit()


@attack("writes")
def key_changed_by_statement(lab: Lab) -> Any:
    """Give the attacker's row to the victim where the tenant is part of the key."""
    k = lab.unreferred(lab.keyed)
    other = k.new("b")[k.pk.key]
    lab.write(update(k.table).where(k.match(k.a[-1])).values({k.tenant: lab.b, k.pk: other}))
