"""A text that is sent to the driver again is not read again, and is the bound tenant's each time all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, inspect

from tenantguard import CrossTenantError, NoTenantError, RawSQLError, bind, bypass, guard
from tests.models import create_schema, make_tenancy, seed
from tests.sql.world import memory_engine

COUNT = "SELECT count(*) FROM calls WHERE id > ?"
ACME = 3  # calls


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give a guarded engine that rewrites text and has read one already."""
    bare = memory_engine()
    create_schema(bare)
    seed(bare)
    rewriting = guard(bare, make_tenancy(), raw_sql="rewrite")
    with bind("acme"), rewriting.connect() as connection:
        assert _count(connection) == ACME
    yield rewriting
    rewriting.dispose()


def _count(connection: Connection, *given: Any) -> Any:
    return connection.exec_driver_sql(COUNT, given or (0,)).scalar()


def test_a_repeat_is_the_bound_tenants(engine: Engine) -> None:
    """The tenant is the one that is bound now, on one connection too."""
    with bypass(reason="what is there"), engine.connect() as connection:
        asked = "SELECT count(*) FROM calls WHERE company_id = ?"
        held: dict[str, Any] = {
            one: connection.exec_driver_sql(asked, (one,)).scalar() for one in ("acme", "globex")
        }
        everything = _count(connection)
    with engine.connect() as connection:
        for tenant in ("acme", "globex", "acme"):
            with bind(tenant):
                assert _count(connection) == held[tenant] == _count(connection)
        with bind(["acme", "globex"]):
            assert _count(connection) == sum(held.values())
        with bypass(reason="all of them"):
            assert _count(connection) == everything


def test_a_repeat_with_nothing_bound_is_refused(engine: Engine) -> None:
    """That a text was let through for a tenant says nothing about nobody."""
    with engine.connect() as connection, pytest.raises(RawSQLError):
        _count(connection)


def test_a_repeat_for_a_tenant_of_another_type_is_refused(engine: Engine) -> None:
    """A number is no name, whatever the database makes of it."""
    with engine.connect() as connection, bind(1), pytest.raises(NoTenantError):
        _count(connection)


def test_a_repeat_with_another_number_of_parameters_is_refused(engine: Engine) -> None:
    """A parameter too many would take the place of the tenant."""
    with engine.connect() as connection, bind("acme"):
        for given in ((0, "globex"), ()):
            with pytest.raises(RawSQLError):
                connection.exec_driver_sql(COUNT, given)


def test_the_tenant_goes_between_parameters(engine: Engine) -> None:
    """Where the text has parameters after its WHERE, each stays in its place when it is repeated."""
    with engine.connect() as connection, bind("acme"):
        for most in (2, 1, 2):
            rows = connection.exec_driver_sql(
                "SELECT company_id FROM calls WHERE id > ? ORDER BY id LIMIT ?", (0, most)
            )
            assert rows.scalars().all() == ["acme"] * most


def test_values_are_verified_each_time(engine: Engine) -> None:
    """A text whose parameters have to be looked at is never one that needs nothing but its tenant."""
    sent = "INSERT INTO call_tags (call_id, tag) VALUES (?, 'x')"
    with engine.begin() as connection, bind("acme"):
        for _ in range(2):
            connection.exec_driver_sql(sent, (1,))
            with pytest.raises(CrossTenantError):
                connection.exec_driver_sql(sent, (101,))


def test_many_rows_get_the_tenant_each(engine: Engine) -> None:
    """Several sets of parameters take the way on which each is looked at."""
    sent = "INSERT INTO labels (name) VALUES (?)"
    with engine.begin() as connection, bind("acme"):
        for given in (("one",), [("two",), ("three",)], ("four",)):
            connection.exec_driver_sql(sent, given)
        found = connection.exec_driver_sql(
            "SELECT company_id FROM labels WHERE name IN ('one', 'three', 'four')"
        )
        assert found.scalars().all() == ["acme"] * 3


def test_inspection_is_not_rewritten(engine: Engine) -> None:
    """What SQLAlchemy asks of the schema on a guarded connection stays as it is between repeats."""
    with engine.connect() as connection, bind("acme"):
        assert _count(connection) == ACME
        assert inspect(connection).has_table("calls")
        assert _count(connection) == ACME
