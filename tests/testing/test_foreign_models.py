"""The kit on models as applications have them: one row for each tenant, a clock, keys that are texts."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import Column, DateTime, ForeignKey, MetaData, String, Table, UniqueConstraint, func

from tenantguard import Tenancy
from tenantguard.testing import Oracle, laboratory
from tenantguard.testing.attack import attack, chosen
from tenantguard.testing.campaign import prove
from tenantguard.testing.vectors import Outcome


def _now() -> datetime.datetime:
    return datetime.datetime.now()  # noqa: DTZ005 - as applications write it


def _table(metadata: MetaData, name: str, *parts: Column[str] | UniqueConstraint, clock: object) -> None:
    Table(
        name,
        metadata,
        Column("id", String(36), primary_key=True),
        Column("project_id", ForeignKey("projects.id"), nullable=False),
        Column("status", String(20)),
        Column("updated_at", DateTime, default=_now, onupdate=clock),
        *parts,
    )


@pytest.fixture
def tenancy() -> Tenancy:
    """Give the tenancy of a vault: projects, their one quota, their secrets, and who uses a secret."""
    metadata = MetaData()
    Table("projects", metadata, Column("id", String(36), primary_key=True), Column("name", String(40)))
    _table(metadata, "quotas", UniqueConstraint("project_id"), clock=_now)
    _table(metadata, "secrets", clock=func.now())
    secret: Column[str] = Column("secret_id", ForeignKey("secrets.id"), nullable=False)
    digest: Column[str] = Column("digest", String(36))
    _table(metadata, "consumers", secret, digest, UniqueConstraint("digest"), clock=_now)
    return Tenancy(metadata, column="project_id", columns={"projects": "id"})


def clocks(tenancy: Tenancy) -> list[object]:
    """Return what fills the columns that change with a row."""
    tables = [table for metadata in tenancy.metadata for table in metadata.tables.values()]
    return [table.c.updated_at.onupdate for table in tables if "status" in table.c]


def test_the_oracle_agrees(tenancy: Tenancy) -> None:
    """Neither a key that only the tenant is, nor the time of a change, is taken for a leak."""
    before = clocks(tenancy)
    with Oracle(tenancy.metadata, tenancy) as oracle:
        tally = prove(oracle, programs=60, seed=1)
    assert tally.disagreements == 0, tally.reports
    assert tally.refusals == 0, tally.reports
    assert clocks(tenancy) == before


@pytest.mark.parametrize("name", ["fk_update_arithmetic", "insert_from_own_select", "insert_stamped"])
def test_the_vectors_fit(tenancy: Tenancy, name: str) -> None:
    """What a schema has no shape for is left out, and breaks nothing."""
    with laboratory(tenancy, "sqlite://") as lab:
        report = attack(lab, chosen(names=[name]))
    fine = {Outcome.HELD, Outcome.REFUSED, Outcome.NOT_APPLICABLE}
    assert {result.outcome for result in report.results} <= fine, report.as_dict()
