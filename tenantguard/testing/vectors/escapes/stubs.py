"""Made-up objects that have the victim's key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tenantguard.testing.vectors.escapes.helpers import (
    quietly,
    stub_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("writes")
def stub_update(lab: Lab) -> Any:
    """Change a made-up object that has the victim's key."""
    o = lab.owned
    session = lab.session()
    stub = stub_of(o)
    session.add(stub)
    setattr(stub, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_update_claims_tenant(lab: Lab) -> Any:
    """Change a made-up object that has the victim's key and claims to be the attacker's."""
    o = lab.owned
    session = lab.session()
    stub = stub_of(o, **o.set(tenant=lab.a))
    session.add(stub)
    setattr(stub, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_delete(lab: Lab) -> Any:
    """Delete a made-up object that has the victim's key."""
    session = lab.session()
    session.delete(stub_of(lab.leaf))
    session.commit()


@attack("writes")
def stub_takes_over(lab: Lab) -> Any:
    """Move the victim's row to the attacker with a made-up object."""
    o = lab.leaf
    session = lab.session()
    stub = stub_of(o)
    session.add(stub)
    setattr(stub, o.tenant.key, lab.a)
    session.commit()
    return session.scalars(select(o.cls)).all()


@attack("writes")
def stub_refresh(lab: Lab) -> Any:
    """Refresh a made-up object that has the victim's key."""
    session = lab.session()
    stub = stub_of(lab.owned)
    session.add(stub)
    quietly(lambda: session.refresh(stub))
    return stub


@attack("writes")
def stub_expired_attribute(lab: Lab) -> Any:
    """Read an attribute of a made-up object that was never loaded."""
    o = lab.owned
    session = lab.session()
    stub = stub_of(o)
    session.add(stub)
    return quietly(lambda: getattr(stub, o.text.key))


@attack("writes")
def merge_existing_key(lab: Lab) -> Any:
    """Merge an object that has the victim's key."""
    o = lab.owned
    session = lab.session()
    merged = session.merge(o.object({**o.b[0], o.tenant.key: lab.a, o.text.key: "taken"}))
    session.commit()
    return merged


@attack("writes")
def merge_without_load(lab: Lab) -> Any:
    """Merge an object that has the victim's key without querying the database."""
    o = lab.owned
    session = lab.session()
    merged = session.merge(stub_of(o, **o.set(tenant=lab.a)), load=False)
    setattr(merged, o.text.key, "taken")
    session.commit()


@attack("writes")
def stub_through(lab: Lab) -> Any:
    """Change a made-up object of a table without a tenant column."""
    child = lab.part.child
    session = lab.session()
    stub = stub_of(child)
    session.add(stub)
    setattr(stub, child.text.key, "taken")
    session.commit()


@attack("writes")
def stub_bulk_update(lab: Lab) -> Any:
    """Save a made-up object that has the victim's key with the legacy bulk save."""
    o = lab.owned
    session = lab.session()
    stub = stub_of(o)
    setattr(stub, o.text.key, "taken")
    session.bulk_save_objects([stub])
    session.commit()
