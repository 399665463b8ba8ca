"""Citus: what the tenancy gives it, and what cannot be distributed; on a real one where its URL is given."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    text,
)

from tenantguard import ConfigurationError, Tenancy
from tenantguard.postgres.citus import distribution
from tests.models import make_tenancy


def _tenancy() -> Tenancy:
    metadata = MetaData()
    Table("countries", metadata, Column("code", String(2), primary_key=True))
    for name in ("calls", "call_notes"):
        table = Table(
            name,
            metadata,
            Column("company_id", String(9), primary_key=True),
            Column("id", Integer, primary_key=True),
        )
    table.append_column(Column("call_id", Integer))
    table.append_column(Column("country", ForeignKey("countries.code")))
    table.append_constraint(ForeignKeyConstraint(["company_id", "call_id"], ["calls.company_id", "calls.id"]))
    return Tenancy(metadata, column="company_id", shared={"countries"})


def test_tables_are_placed_together() -> None:
    """Shared tables are on every node, and the others on the shard of their tenant."""
    assert distribution(_tenancy()) == [
        "SELECT create_reference_table('public.countries')",
        "SELECT create_distributed_table('public.calls', 'company_id', colocate_with => 'none')",
        "SELECT create_distributed_table('public.call_notes', 'company_id', colocate_with => 'public.calls')",
    ]


def test_what_cannot_be_distributed_is_listed() -> None:
    """Tables without the column, and keys without the tenant."""
    with pytest.raises(ConfigurationError, match=r"call_tags belongs through") as raised:
        distribution(make_tenancy())
    assert "calls has a key (id) without the tenant" in str(raised.value)
    assert "calls names numbers by a foreign key without the tenant" in str(raised.value)


@pytest.mark.skipif("TG_CITUS_URL" not in os.environ, reason="no package has Citus: TG_CITUS_URL names one")
def test_a_real_citus_takes_it() -> None:
    """A statement that names its tenant is planned for one shard."""
    engine, tenancy = create_engine(os.environ["TG_CITUS_URL"]), _tenancy()
    tenancy.metadata[0].create_all(engine)
    with engine.begin() as connection:
        for statement in distribution(tenancy):
            connection.execute(text(statement))
        plan = connection.execute(
            text("EXPLAIN SELECT count(*) FROM calls WHERE company_id = 'acme'")
        ).scalars()
        assert any("Task Count: 1" in line for line in plan)
        connection.rollback()
    tenancy.metadata[0].drop_all(engine)
