"""Citus: what the tenancy gives it, and what cannot be distributed; on a real one where its URL is given."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    exists,
    select,
    text,
    update,
)

import tenantguard.postgres.migrations  # noqa: F401 - registers the operations
from tenantguard import ConfigurationError, Tenancy, bind, guard
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
    assert [line for line in distribution(_tenancy()) if line.startswith("SELECT")] == [
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


def test_a_shared_table_names_no_row_of_one_shard() -> None:
    """A foreign key from a table that is on every node is listed as well."""
    (metadata,) = _tenancy().metadata
    key = ForeignKeyConstraint(["whose", "call_id"], ["calls.company_id", "calls.id"])
    Table("prices", metadata, Column("whose", String(9)), Column("call_id", Integer), key)
    tenancy = Tenancy(metadata, column="company_id", shared={"countries", "prices"}, openly_shared={"prices"})
    with pytest.raises(ConfigurationError, match="prices is on every node, and names calls by a foreign key"):
        distribution(tenancy)


def test_a_migration_distributes_them() -> None:
    """As an operation, whose statements an offline migration writes as they are."""
    script = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": script}
    )
    operations: Any = Operations(context)
    operations.distribute_tenancy(distribution(_tenancy()))
    written = [line for line in script.getvalue().split(";\n") if line.strip()]
    assert [line.strip() for line in written] == distribution(_tenancy())


_SHAPES: dict[str, Callable[[Table, Table, Table], Any]] = {
    "select": lambda calls, notes, countries: select(calls),
    "join": lambda calls, notes, countries: select(calls.c.id, countries).join_from(calls, notes).join(countries),
    "full join": lambda calls, notes, countries: select(calls.c.id, notes.c.id).select_from(
        calls.join(notes, calls.c.id == notes.c.call_id, full=True)
    ),
    "exists": lambda calls, notes, countries: select(calls.c.id).where(exists().where(notes.c.call_id == calls.c.id)),
    "update": lambda calls, notes, countries: update(notes).values(call_id=None),
    "delete": lambda calls, notes, countries: delete(notes),
}  # fmt: skip


@pytest.fixture(scope="module")
def citus() -> Iterator[tuple[Engine, Tenancy]]:
    """Yield a guarded engine of a real Citus, with rows of two tenants on it."""
    owner, tenancy = create_engine(os.environ["TG_CITUS_URL"]), _tenancy()
    (metadata,) = tenancy.metadata
    metadata.create_all(owner)
    try:
        with owner.begin() as connection:
            for statement in distribution(tenancy):
                connection.execute(text(statement))
            connection.execute(metadata.tables["countries"].insert(), {"code": "de"})
        engine = guard(create_engine(owner.url), tenancy, row_security=False)
        for tenant in ("acme", "globex"):
            with bind(tenant), engine.begin() as connection:
                connection.execute(metadata.tables["calls"].insert(), {"id": 1})
                connection.execute(
                    metadata.tables["call_notes"].insert(), {"id": 1, "call_id": 1, "country": "de"}
                )
        yield engine, tenancy
        engine.dispose()
    finally:
        metadata.drop_all(owner)
        owner.dispose()


@pytest.mark.skipif("TG_CITUS_URL" not in os.environ, reason="no package has Citus: TG_CITUS_URL names one")
@pytest.mark.parametrize("shape", _SHAPES)
def test_a_guarded_statement_is_one_shards(citus: tuple[Engine, Tenancy], shape: str) -> None:
    """It touches the tenant's one row, and Citus plans one task for it."""
    engine, tenancy = citus
    tables = tenancy.metadata[0].tables
    statement = _SHAPES[shape](tables["calls"], tables["call_notes"], tables["countries"])
    sent: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _d, text, given, *_: sent.append((text, given)))
    with bind("acme"), engine.connect() as connection:
        result = connection.execute(statement)
        assert (len(result.all()) if result.returns_rows else result.rowcount) == 1
        connection.rollback()
    with create_engine(engine.url).connect() as plain:
        plan = list(plain.exec_driver_sql(f"EXPLAIN {sent[-1][0]}", sent[-1][1]).scalars())
    assert [line.strip() for line in plan if "Task Count" in line] == ["Task Count: 1"], sent
