"""``raw_sql="database"``: text reaches the database only where row security provably stands underneath."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, MetaData, create_engine, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from tenantguard import ConfigurationError, RawSQLError, Tenancy, bind, bypass, guard
from tests.models import Base, Call, create_schema, make_tenancy, seed
from tests.servers import Backend, Database

OWNED = "company_id = current_setting('tenantguard.tenant', true)"
POLICIES = {
    "companies": "id = current_setting('tenantguard.tenant', true)",
    "call_tags": "EXISTS (SELECT 1 FROM calls c WHERE c.id = call_id)",
    "tag_notes": "EXISTS (SELECT 1 FROM call_tags t WHERE t.id = tag_id)",
    "call_labels": "EXISTS (SELECT 1 FROM calls c WHERE c.id = call_id)",
    "managers": "EXISTS (SELECT 1 FROM employees e WHERE e.id = managers.id)",
}


def _tables() -> MetaData:
    """Return the test models without the view, which has no policies of its own."""
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        if not table.info.get("is_view"):
            table.to_metadata(metadata)
    return metadata


@pytest.fixture
def secured(make_database: Callable[[Backend, str], Database]) -> Iterator[Database]:
    """Give a PostgreSQL database with a policy on every table of a tenant, and the role ``tg_app``."""
    database = make_database("postgresql", "secured")
    owner = database.create_engine()
    create_schema(owner)
    seed(owner)
    tenancy = make_tenancy(_tables())
    with owner.begin() as connection:
        connection.execute(
            text("DO $$ BEGIN CREATE ROLE tg_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        )
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO tg_app"))
        for placement in tenancy:
            if placement.kind != "shared":
                rule = POLICIES.get(placement.name, OWNED)
                connection.execute(text(f"ALTER TABLE {placement.name} ENABLE ROW LEVEL SECURITY"))
                connection.execute(text(f"CREATE POLICY tenant ON {placement.name} USING ({rule})"))
    owner.dispose()
    yield database
    database.close()


def _tenancy() -> Tenancy:
    return make_tenancy(_tables())


def _engine(database: Database) -> Engine:
    return create_engine(make_url(database.url).set(username="tg_app"))


def test_text_reads_the_tenants_rows(secured: Database) -> None:
    """Text is let through, and the policies hold it to the tenant, in each transaction anew."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    for tenant in ("acme", "globex"):
        with bind(tenant), Session(engine) as session:
            found = session.execute(text("SELECT company_id, count(*) FROM calls GROUP BY 1")).all()
            assert found == [(tenant, 3)]
            session.commit()
            assert session.scalar(text("SELECT count(*) FROM tag_notes")) == 1
            assert len(session.scalars(select(Call)).all()) == 3
            assert session.connection().exec_driver_sql("SELECT count(*) FROM calls").scalar() == 3
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('tenantguard.tenant', 'globex', true)",
        "SET tenantguard.tenant = 'globex'",
        "SELECT 1; SET tenantguard.tenant = 'globex'",
        "RESET ALL",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT pg_catalog.set_config('tenantguard.tenant', 'globex', true)",
        "SELECT \"set_config\"('tenantguard.tenant', 'globex', true)",
    ],
)
def test_text_that_could_change_the_setting_is_refused(secured: Database, statement: str) -> None:
    """Row security trusts a setting, so no text may reach for it."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), Session(engine) as session:
        with pytest.raises(RawSQLError):
            session.execute(text(statement))
        with pytest.raises(RawSQLError):
            session.connection().exec_driver_sql(statement)
        assert session.scalar(text("SELECT count(*) FROM calls")) == 3
    engine.dispose()


def test_a_bypass_before_does_not_linger(secured: Database) -> None:
    """What a bypass told row security is told anew under the tenant, on the same connection."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with engine.connect() as connection:
        with bypass(reason="test"):
            assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 0
        with bind("acme"):
            assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 3
        with bind("globex"):
            assert connection.execute(text("SELECT DISTINCT company_id FROM calls")).scalar() == "globex"
    engine.dispose()


def test_a_superuser_is_not_subject(secured: Database) -> None:
    """The guard does not start where the connected role is exempt."""
    with pytest.raises(ConfigurationError, match="superuser or has BYPASSRLS"):
        guard(secured.create_engine(), _tenancy(), raw_sql="database")


def test_a_table_without_policies_is_named(secured: Database) -> None:
    """Every table that row security does not hold is listed, on an asynchronous engine as well."""
    owner = secured.create_engine()
    with owner.begin() as connection:
        connection.execute(text("DROP POLICY tenant ON calls"))
        connection.execute(text("ALTER TABLE labels DISABLE ROW LEVEL SECURITY"))
    owner.dispose()
    url = make_url(secured.url).set(username="tg_app", drivername="postgresql+psycopg")
    with pytest.raises(ConfigurationError, match=r"calls has no policy(?s:.)*not enabled on labels"):
        guard(create_async_engine(url), _tenancy(), raw_sql="database")


def test_other_databases_have_no_row_security() -> None:
    """The mode is refused where there is nothing to rely on."""
    with pytest.raises(ConfigurationError, match="which PostgreSQL has"):
        guard(create_engine("sqlite://"), make_tenancy(), raw_sql="database")
