"""Explaining under row security: plans under policies, sealed or not, of tables with any name."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, select

from tenantguard import Tenancy
from tenantguard.adoption.explanation import explain, plans
from tests.postgres.world import Secured

metadata = MetaData()
orders = Table(
    'Orders "of" the.shop',
    metadata,
    Column("id", Integer, primary_key=True),
    Column("Company", String, nullable=False),
    schema="Main Office",
)
lines = Table(
    "Lines", metadata, Column("id", Integer, primary_key=True), Column("order", ForeignKey(orders.c.id))
)
tenancy = Tenancy(metadata, column="Company", through={"Lines": "order"})


@pytest.mark.parametrize("sealed", [False, True])
def test_plans_under_row_security_are_shown(empty: Secured, sealed: bool) -> None:
    """Names with capitals, spaces, quotes and dots are found, and a seal does not stand in the way of a plan."""
    with empty.owner.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "Main Office"')
        metadata.create_all(connection)
    empty.secure(tenancy, sealed=sealed)
    for statement in (select(orders.c.id), select(lines.c.id)):
        told = explain(tenancy, statement, "postgresql")
        with empty.engine(empty.roles.application).connect() as connection:
            plans(told, tenancy, statement, connection, "acme", "refuse")
        assert list(told.plans) == [
            "without the guard",
            "with the guard",
            "under row security alone",
            "under row security and the guard",
        ]
        assert "InitPlan" in "\n".join(told.plans["under row security alone"])


def test_a_role_that_is_exempt_is_told(empty: Secured) -> None:
    """The owner of the server sees every row, and its plan would say so."""
    with empty.owner.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "Main Office"')
        metadata.create_all(connection)
    empty.secure(tenancy)
    told = explain(tenancy, select(orders), "postgresql")
    with empty.owner.connect() as connection:
        plans(told, tenancy, select(orders), connection, "acme", "refuse")
    assert "exempt" in told.plans["under row security"][0]
