"""``raw_sql="database"``: text reaches the database only where row security provably stands underneath."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    MetaData,
    create_engine,
    event,
    insert,
    literal,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from tenantguard import ConfigurationError, CrossTenantError, RawSQLError, Tenancy, bind, bypass, guard
from tests.models import Base, Call, CallTag, create_schema, make_tenancy, seed
from tests.servers import Backend, Database

OWNED = "company_id = current_setting('tenantguard.tenant', true)"
POLICIES = {
    "companies": "id = current_setting('tenantguard.tenant', true)",
    "call_tags": "EXISTS (SELECT 1 FROM calls c WHERE c.id = call_id)",
    "tag_notes": "EXISTS (SELECT 1 FROM call_tags t WHERE t.id = tag_id)",
    "call_labels": "EXISTS (SELECT 1 FROM calls c WHERE c.id = call_id)",
    "managers": "EXISTS (SELECT 1 FROM employees e WHERE e.id = managers.id)",
}


UNSEEN: list[tuple[str, type[Exception]]] = [
    ("INSERT INTO calls (id, company_id, number_id, country_code, seconds, note) "
     "VALUES (900, 'acme', 101, 'DE', 1, '')", CrossTenantError),
    ("UPDATE calls SET number_id = 101 WHERE id = 1", CrossTenantError),
    ("WITH x AS (UPDATE calls SET number_id = 101 RETURNING id) SELECT * FROM x", CrossTenantError),
    ("UPDATE countries SET name = 'x'", CrossTenantError),
    ("SELECT * INTO stolen FROM calls", RawSQLError),
    ("SELECT query FROM pg_stat_activity", RawSQLError),
    ('SELECT * FROM "pg_catalog"."pg_class"', RawSQLError),
    ("SELECT * FROM information_schema.tables", RawSQLError),
    ("SELECT ('calls'::text).pg_relation_filepath", RawSQLError),
    ("SELECT 1 /* /* */ ; SET tenantguard.tenant = 'globex' -- */", RawSQLError),
    ("((SET tenantguard.tenant = 'globex'))", RawSQLError),
    (r"SELECT E'\'' || set_config('tenantguard.tenant', 'globex', true) || ''", RawSQLError),
    (r'SELECT U&"set\005fconfig"(1, 2)', RawSQLError),
]  # fmt: skip

MADE = (
    "CREATE FUNCTION lower(int) RETURNS text LANGUAGE sql AS "
    "$$ SELECT set_config('tenantguard.tenant', 'globex', true) $$",
    "CREATE FUNCTION everybody(calls) RETURNS text LANGUAGE sql SECURITY DEFINER AS "
    "'SELECT string_agg(note, chr(32)) FROM calls'",
    "CREATE FUNCTION both_of(int, int) RETURNS text LANGUAGE sql SECURITY DEFINER AS "
    "'SELECT string_agg(note, chr(32)) FROM calls'",
    "CREATE OPERATOR @@@ (leftarg = int, rightarg = int, function = both_of)",
    "CREATE TYPE everyone AS (notes text)",
    "CREATE FUNCTION to_everyone(text) RETURNS everyone LANGUAGE sql SECURITY DEFINER AS "
    "'SELECT row(string_agg(note, chr(32)))::everyone FROM calls'",
    "CREATE CAST (text AS everyone) WITH FUNCTION to_everyone(text)",
)


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
        connection.execute(
            text("REVOKE ALL ON call_stats FROM tg_app")
        )  # a view, read with its owner's rights
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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("GRANT SELECT ON call_stats TO tg_app", "call_stats, a view"),
        ("CREATE VIEW v AS SELECT * FROM calls; GRANT SELECT ON v TO tg_app", r"public\.v, a view"),
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM calls; GRANT SELECT ON m TO tg_app", r"public\.m, a mater"),
        ("CREATE TABLE c () INHERITS (calls); GRANT SELECT ON c TO tg_app", r"not enabled on public\.c"),
        ("CREATE TABLE c (x int); GRANT SELECT (x) ON c TO tg_app", r"not enabled on public\.c"),
        ("CREATE SCHEMA s; CREATE TABLE s.c (x int); GRANT SELECT ON s.c TO tg_app; GRANT USAGE ON SCHEMA s TO tg_app",
         r"not enabled on s\.c"),
        ("ALTER TABLE calls OWNER TO tg_app", "owns calls and is exempt"),
        ("CREATE POLICY more ON calls USING (true)", "calls has no policy that restricts"),
    ],
)  # fmt: skip
def test_what_the_policies_do_not_hold_is_named(secured: Database, change: str, told: str) -> None:
    """A relation that the role can reach beside the policies, and a policy that lets more through, are faults."""
    owner = secured.create_engine()
    with owner.begin() as connection:
        for statement in change.split(";"):
            connection.execute(text(statement))
    engine = _engine(secured)
    with pytest.raises(ConfigurationError, match=told):
        guard(engine, _tenancy(), raw_sql="database")
    engine.dispose()


def test_other_ways_to_hold_rows_are_accepted(secured: Database) -> None:
    """A view with its reader's rights, a forced owner, restrictive policies and IN for EXISTS hold rows as well."""
    owner = secured.create_engine()
    with owner.begin() as connection:
        for statement in (
            "CREATE VIEW v WITH (security_invoker = true) AS SELECT * FROM calls",
            "GRANT SELECT ON v TO tg_app",
            "ALTER TABLE calls OWNER TO tg_app",
            "ALTER TABLE calls FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY more ON calls AS RESTRICTIVE USING ({OWNED})",
            "CREATE POLICY open_ ON calls USING (true)",
            "ALTER POLICY tenant ON call_tags USING (call_id IN (SELECT id FROM calls))",
            "CREATE TABLE alembic_version (version_num text)",
            "GRANT SELECT ON alembic_version TO tg_app",
        ):
            connection.execute(text(statement))
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM call_tags")).scalar() == 2
        assert connection.execute(text("SELECT count(*) FROM v")).scalar() == 3
    engine.dispose()


def test_a_role_that_can_be_reset_is_not_trusted(secured: Database) -> None:
    """SET ROLE on a superuser's connection leaves a way back, so the guard does not start."""
    engine = secured.create_engine()

    @event.listens_for(engine, "connect")
    def _set_role(connection: Any, _record: object) -> None:
        connection.execute("SET ROLE tg_app")
        connection.commit()

    with pytest.raises(ConfigurationError, match="superuser or has BYPASSRLS"):
        guard(engine, _tenancy(), raw_sql="database")


def test_what_a_savepoint_told_is_told_again(secured: Database) -> None:
    """ROLLBACK TO SAVEPOINT takes the setting back as well, so it is told anew."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    count = text("SELECT min(company_id), count(*) FROM calls")
    with engine.connect() as connection:
        with bind("acme"):
            assert connection.execute(count).one() == ("acme", 3)
            savepoint = connection.begin_nested()
        with bind("globex"):
            assert connection.execute(count).one() == ("globex", 3)
            savepoint.rollback()
            assert connection.execute(count).one() == ("globex", 3)
    engine.dispose()


def test_autocommit_is_refused(secured: Database) -> None:
    """What was told ends with the statement under AUTOCOMMIT: refused, instead of an empty answer."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(RawSQLError, match="AUTOCOMMIT"):
            connection.execute(text("SELECT count(*) FROM calls"))
    engine.dispose()
    unaware = create_engine(make_url(secured.url).set(username="tg_app"), connect_args={"autocommit": True})
    with pytest.raises(ConfigurationError, match="autocommit"):
        guard(unaware, _tenancy(), raw_sql="database")
    unaware.dispose()


def test_several_tenants_are_refused(secured: Database) -> None:
    """Row security is told one tenant: under several nothing would be seen, and so it is refused."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    everything = select(Call.id)
    with (
        bind(["acme", "globex"]),
        engine.connect() as connection,
        pytest.raises(RawSQLError, match="several are bound"),
    ):
        connection.execute(everything)
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lower(7)",
        "SELECT E'\\'' || lower(7) || ''",
        "SELECT $$'$$ || lower(7) || $$'$$",
        "SELECT lower /* */ (7)",
        "SELECT calls.everybody FROM calls",
        "SELECT (c).EVERYBODY FROM calls c",
        "SELECT E'\\'' || c.everybody || '' FROM calls c",
        "SELECT calls . /* */ everybody FROM calls",
        "SELECT 1 @@@ 2",
        "SELECT 'x'::text::public.everyone",
    ],
)
def test_what_the_users_have_made_is_not_called(secured: Database, statement: str) -> None:
    """By either door: a function may read with its owner's rights, or tell row security another tenant."""
    owner = secured.create_engine()
    with owner.begin() as connection:
        for made in MADE:
            connection.exec_driver_sql(made)
    owner.dispose()
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), engine.connect() as connection:
        for execute in (lambda sql: connection.execute(text(sql)), connection.exec_driver_sql):
            with pytest.raises(RawSQLError, match="user-defined function"):
                execute(statement)
            connection.rollback()
        assert connection.execute(text("SELECT lower(max(company_id)) FROM calls")).scalar() == "acme"
    engine.dispose()


def test_what_no_policy_sees_is_refused(secured: Database) -> None:
    """Foreign keys, shared rows, new tables and system tables have no policies; texts that reach for them fail."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), engine.connect() as connection:
        for statement, error in UNSEEN:
            with pytest.raises(error):
                connection.execute(text(statement))
            with pytest.raises(error):
                connection.exec_driver_sql(statement)
        connection.rollback()
    engine.dispose()


def test_a_parent_that_row_security_hides_is_refused(secured: Database) -> None:
    """Policies hide another tenant's parent from the guard's look-up, and not from the database's constraint."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    changed = update(Call).where(Call.id == 1).values(number_id=101)
    with (
        bind("acme"),
        Session(engine) as session,
        pytest.raises(CrossTenantError, match="does not exist for tenant acme"),
    ):
        session.execute(changed)
    both = update(Call).where(Call.id == 1).values(number_id=1, user_id=101)
    with (
        bind("acme"),
        Session(engine) as session,
        pytest.raises(CrossTenantError, match="does not exist for tenant acme"),
    ):
        session.execute(both)
    with bind("acme"), Session(engine) as session:
        session.execute(update(Call).where(Call.id == 1).values(number_id=2))
        assert session.scalars(select(Call.number_id).where(Call.id == 1)).one() == 2
    engine.dispose()


def test_parameters_of_the_driver_and_comments_pass(secured: Database) -> None:
    """A text is read with the driver's own way of writing parameters, and may hold comments."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    with bind("acme"), engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT id FROM calls /* some */ WHERE id >= %(low)s AND 7 %% 2 = 1 -- really", {"low": 0}
        )
        assert len(found.all()) == 3
        assert connection.exec_driver_sql("UPDATE calls SET seconds = %s WHERE true", (5,)).rowcount == 3
    engine.dispose()


def test_other_databases_have_no_row_security() -> None:
    """The mode is refused where there is nothing to rely on."""
    with pytest.raises(ConfigurationError, match="which PostgreSQL has"):
        guard(create_engine("sqlite://"), make_tenancy(), raw_sql="database")


def test_a_sequence_that_may_be_read_is_named(secured: Database) -> None:
    """It tells how many rows others have stored; new keys need no such right."""
    owner, engine = secured.create_engine(), _engine(secured)
    with owner.begin() as connection:
        connection.execute(text("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tg_app"))
    with pytest.raises(ConfigurationError, match=r"may read the sequence public\.\w+"):
        guard(engine, _tenancy(), raw_sql="database")
    with owner.begin() as connection:
        connection.execute(text("REVOKE SELECT ON ALL SEQUENCES IN SCHEMA public FROM tg_app"))
    guard(engine, _tenancy(), raw_sql="database")
    engine.dispose()


def test_nobody_else_is_told_while_a_stream_is_open(secured: Database) -> None:
    """Its cursor asks the policies for each row; read to its end or closed, it stands in nobody's way."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")
    options = {"stream_results": True, "max_row_buffer": 1}
    with engine.connect() as connection:
        for end in ("close", "all"):
            with bind("acme"):
                stream = connection.execute(text("SELECT id FROM calls"), execution_options=options)
                assert stream.fetchone() is not None
                assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 3
            for other in (bind("globex"), bypass(reason="look")):
                with other, pytest.raises(RawSQLError, match="a stream of another binding is open"):
                    connection.execute(text("SELECT 1"))
            with bind("acme"):
                getattr(stream, end)()
            with bind("globex"):
                assert connection.execute(text("SELECT min(id) FROM calls")).scalar() == 101
    engine.dispose()


def test_a_read_back_stands_beside_row_security(secured: Database) -> None:
    """Rolling a refused write back to its savepoint leaves the tenant told, and the transaction usable."""
    engine = guard(_engine(secured), _tenancy(), raw_sql="database")

    def added(at: int, key: int) -> Any:
        return insert(CallTag).values(id=at, call_id=literal(key - 1) + 1, tag="x")

    with bind("acme"), engine.begin() as connection:
        for key in (101, 424242):
            with pytest.raises(CrossTenantError):
                connection.execute(added(900, key))
            assert connection.scalar(text("SELECT count(*) FROM calls")) == 3
        connection.execute(added(901, 1))
        with pytest.raises(CrossTenantError):
            connection.execute(update(CallTag).where(CallTag.id == 901).values(call_id=101))
        assert connection.execute(update(CallTag).where(CallTag.id == 0).values(call_id=101)).rowcount == 0
    with bind("globex"), engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM call_tags WHERE id > 899")) == 0
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(text("SELECT id, call_id FROM call_tags WHERE id > 899")).all() == [
            (901, 1)
        ]
    engine.dispose()
