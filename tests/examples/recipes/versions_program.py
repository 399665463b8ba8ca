"""The recipe for SQLAlchemy-Continuum, run: each company reads and restores the versions of its own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy_continuum import version_class

from examples.recipes import versions
from tenantguard import bind, bypass, guard

engine = guard(create_engine("sqlite://"), versions.tenancy)
with bypass(reason="tables of a test"), engine.begin() as connection:
    versions.Base.metadata.create_all(connection)
for company in ("acme", "globex"):
    with bind(company), Session(engine) as session:
        contract: Any = versions.Contract(title=f"{company} 1")
        session.add(contract)
        session.commit()
        contract.title = f"{company} 2"
        session.commit()
        titles = list(session.scalars(select(version_class(versions.Contract).title)))
        assert titles == [f"{company} 1", f"{company} 2"], titles
        contract.versions[0].revert()
        session.commit()
        assert contract.title == f"{company} 1"
engine.dispose()
