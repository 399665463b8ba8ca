"""The schema of a guarded engine is made, inspected and reflected as that of any engine."""

from __future__ import annotations

import enum
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Enum, Integer, MetaData, String, Table, inspect

from tenantguard import Tenancy, bind, guard
from tests.servers import Database

TABLE = ("get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_unique_constraints")
MULTI = ("get_multi_columns", "get_multi_pk_constraint", "get_multi_foreign_keys", "get_multi_indexes")
OWN = ("get_enums", "get_domains", "get_foreign_table_names")  # which only PostgreSQL's inspector has


class Status(enum.Enum):
    """How a call ended; a type of its own on PostgreSQL."""

    answered = 1
    missed = 2


@pytest.fixture
def metadata() -> MetaData:
    """Give one owned table with an enumeration."""
    found = MetaData()
    Table(
        "calls",
        found,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
        Column("status", Enum(Status)),
    )
    return found


@pytest.fixture
def engine(database: Database, metadata: MetaData) -> Engine:
    """Give a guarded engine on a schema that was made through it, with nothing bound."""
    guarded = guard(database.create_engine(), Tenancy(metadata, column="company_id"))
    metadata.create_all(guarded)
    return guarded


def test_a_schema_is_made_again_and_dropped_with_nothing_bound(engine: Engine, metadata: MetaData) -> None:
    """What looks first whether a table or a type is there may look."""
    metadata.create_all(engine)
    metadata.drop_all(engine)
    assert inspect(engine).get_table_names() == []


@pytest.mark.parametrize("bound", [nullcontext(), bind("acme")], ids=["unbound", "bound"])
def test_a_schema_is_reflected(engine: Engine, bound: Any) -> None:
    """Reflection reads the catalogue, which holds no row of a tenant."""
    reflected = MetaData()
    with bound:
        reflected.reflect(engine)
    assert set(reflected.tables["calls"].c.keys()) == {"id", "company_id", "status"}


def test_an_inspector_answers_under_a_tenant(engine: Engine) -> None:
    """Every question of an inspector is the catalogue's, those that only PostgreSQL knows included."""
    inspector: Any = inspect(engine)
    with bind("acme"):
        assert inspector.has_table("calls")
        for name in TABLE:
            getattr(inspector, name)("calls")
        for name in (*MULTI, *(own for own in OWN if hasattr(inspector, own))):
            getattr(inspector, name)()
