"""Collations: a tenant column to which two tenants are one is refused when the engine first connects."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, text

from tenantguard import ConfigurationError, Tenancy, bind, guard
from tests.servers import Database

_LOOSE = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_collation_that_is_not_deterministic_is_refused(
    postgresql_database: Database, created: bool, told: bool
) -> None:
    """Whether the table is there yet, and whether the metadata names the collation or only the database has it."""
    if not created and not told:
        pytest.skip("nobody knows of it")
    plain = postgresql_database.create_engine()
    metadata = MetaData()
    Table(
        "calls", metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9, collation="loose" if told else None), nullable=False),
    )  # fmt: skip
    with plain.begin() as connection:
        connection.execute(text(_LOOSE))
        if created:
            connection.execute(
                text('CREATE TABLE calls (id int, company_id varchar(9) COLLATE "loose" NOT NULL)')
            )
    engine = guard(postgresql_database.create_engine(), Tenancy(metadata, column="company_id"))
    with bind("acme"), pytest.raises(ConfigurationError, match=r"not deterministic \(calls.company_id\)"):
        engine.connect()


def test_a_collation_of_another_column_is_not_asked_about(postgresql_database: Database) -> None:
    """A name that ignores case tells no tenants apart."""
    plain = postgresql_database.create_engine()
    metadata = MetaData()
    calls = Table(
        "calls", metadata,
        Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
        Column("name", String(9, collation="loose")),
    )  # fmt: skip
    with plain.begin() as connection:
        connection.execute(text(_LOOSE))
        calls.create(connection)
    engine = guard(postgresql_database.create_engine(), Tenancy(metadata, column="company_id"))
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(calls.select()).all() == []
