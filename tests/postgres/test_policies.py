"""The policies of a tenancy: what the database itself shows and takes, whoever sends the statement."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Connection,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    create_engine,
    exists,
    or_,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine

from tenantguard import (
    ConfigurationError,
    PermissionDeniedError,
    Principal,
    RawSQLError,
    Tenancy,
    bind,
    bypass,
    guard,
)
from tenantguard.postgres import Roles, RowSecurity, add_key, check, install, policies, uninstall
from tenantguard.postgres.tables import secured
from tests.models import make_tenancy
from tests.postgres.world import Secured

NEW_CALL = "INSERT INTO calls (company_id, number_id, country_code, seconds, note) VALUES "
# a write, what refuses it, and the policy or the tie of a table without which it would pass
WRITES = [
    (f"{NEW_CALL} ('globex', 1, 'DE', 1, '')", "row-level security policy", ("calls", "tenantguard_insert")),
    ("UPDATE calls SET company_id = 'globex' WHERE id = 3", "row-level", ("calls", "tenantguard_update")),
    (f"{NEW_CALL} ('acme', 101, 'DE', 1, '')", "names a row of numbers", ("calls", "number_id")),
    ("UPDATE calls SET user_id = 101 WHERE id = 1", "names a row of users", ("calls", "user_id")),
    ("INSERT INTO call_tags (call_id, tag) VALUES (101, 'x')", "row-level", ("call_tags", "tenantguard_insert")),
    ("UPDATE call_tags SET call_id = 101 WHERE id = 1", "row-level security", ("call_tags", "tenantguard_update")),
    ("INSERT INTO tag_notes (tag_id, body) VALUES (101, 'x')", "row-level", ("tag_notes", "tenantguard_insert")),
    ("INSERT INTO call_labels VALUES (3, 101)", "names a row of labels", ("call_labels", "label_id")),
    ("UPDATE comments SET parent_id = 102 WHERE id = 2", "names a row of comments", ("comments", "parent_id")),
]  # fmt: skip
# the same write once with another tenant's row for parent, and once with one that is nowhere
PARENTS = [
    (f"{NEW_CALL} ('acme', {{}}, 'DE', 1, '')", 101),
    ("UPDATE calls SET user_id = {} WHERE id = 1", 101),
    ("INSERT INTO call_tags (call_id, tag) VALUES ({}, 'x')", 101),
    ("INSERT INTO order_lines VALUES ('acme', {}, 9, '')", 101),
]
UNSEEN = {
    "calls": "DELETE FROM calls WHERE id = 103",
    "users": "UPDATE users SET email = 'x' WHERE id = 101",
    "call_tags": "DELETE FROM call_tags WHERE id = 102",
    "orders": "UPDATE orders SET title = 'x' WHERE company_id = 'globex'",
}


def _open(connection: Any, table: str, name: str, what: str = "WITH CHECK (true)") -> None:
    """Open a policy, and take the seal's away, which asks for the tenant once more."""
    connection.execute(text(f"ALTER POLICY {name} ON {table} {what}"))
    connection.execute(text(f"DROP POLICY IF EXISTS tenantguard_seal ON {table}"))


def _drop(connection: Any, table: str, name: str) -> None:
    """Drop a policy and the floor beneath it, or the triggers of a foreign key."""
    if name.startswith("tenantguard_"):
        _open(connection, table, name)
        return
    tables = {one.placement.key[1]: one for one in secured(make_tenancy(), "public", sealed=True)}
    tie = next(tie for tie in tables[table].ties if tie.columns == (name,))
    for trigger in tie.names:
        connection.execute(text(f'DROP TRIGGER "{trigger}" ON {table}'))


@pytest.mark.parametrize(
    ("table", "mine"),
    [("calls", 3), ("call_tags", 2), ("tag_notes", 1), ("managers", 1), ("companies", 1), ("call_stats", 2)],
)
def test_each_table_shows_the_tenants_rows(sealed: Secured, table: str, mine: int) -> None:
    """Owned, through one or two parents, by inheritance, and through a view: one tenant's rows, and nobody's none."""
    count = text(f"SELECT count(*) FROM {table}")
    for tenant, expected in (("acme", mine), ("globex", mine), ("none such", 0), (None, 0)):
        with sealed.told(tenant) as connection:
            assert connection.execute(count).scalar() == expected
    with sealed.engine(str(sealed.roles.maintenance)).connect() as connection:
        assert connection.execute(count).scalar() == 3 * mine


@pytest.mark.parametrize(("statement", "said", "held_by"), WRITES)
def test_a_write_for_another_tenant_is_refused(
    sealed: Secured, statement: str, said: str, held_by: tuple[str, str]
) -> None:
    """By the policy or the trigger that is named, and by nothing else: without it the write passes."""
    with sealed.told("acme") as connection, pytest.raises(DBAPIError, match=said):
        connection.execute(text(statement))
    with sealed.owner.connect() as connection:
        _drop(connection, *held_by)
        if statement.startswith("UPDATE") and held_by[1] == "tenantguard_update":
            _open(connection, held_by[0], "tenantguard_select", "USING (true)")
        connection.execute(text(f"SET LOCAL ROLE {sealed.roles.application}"))
        sealed.tell(connection, "acme")
        assert connection.execute(text(statement)).rowcount == 1
        connection.rollback()


def test_a_key_that_a_trigger_changes_is_verified(sealed: Secured) -> None:
    """An UPDATE need not name the column: the application's own trigger may write another tenant's key into it."""
    with sealed.owner.connect() as connection:
        body = "BEGIN NEW.number_id = NEW.seconds; RETURN NEW; END"
        connection.execute(text(f"CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS '{body}'"))
        connection.execute(
            text("CREATE TRIGGER moves BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION moved()")
        )
        connection.execute(text(f"SET LOCAL ROLE {sealed.roles.application}"))
        sealed.tell(connection, "acme")
        assert connection.execute(text("UPDATE calls SET seconds = 2 WHERE id = 1")).rowcount == 1
        with pytest.raises(IntegrityError, match="names a row of numbers"):
            connection.execute(text("UPDATE calls SET seconds = 101 WHERE id = 1"))


@pytest.mark.parametrize(("statement", "theirs"), PARENTS)
def test_a_parent_that_is_nowhere_and_another_tenants_are_one_answer(
    sealed: Secured, statement: str, theirs: int
) -> None:
    """PostgreSQL's own error for a missing row would tell which keys others have."""
    said = []
    for parent in (theirs, 99_999):
        with sealed.told("acme") as connection, pytest.raises(DBAPIError) as caught:
            connection.execute(text(statement.format(parent)))
        said.append(str(caught.value.orig).partition("CONTEXT")[0])
    assert said[0].replace("101", "99999") == said[1]


@pytest.mark.parametrize("table", UNSEEN)
def test_another_tenants_row_is_not_met(sealed: Secured, table: str) -> None:
    """An UPDATE or DELETE meets no row of another tenant, and would without the policy that hides it."""
    with sealed.told("acme") as connection:
        assert connection.execute(text(UNSEEN[table])).rowcount == 0
    with sealed.owner.connect() as connection:
        for name in ("select", UNSEEN[table][:6].lower()):
            _open(connection, table, f"tenantguard_{name}", "USING (true)")
        if UNSEEN[table].startswith("UPDATE"):
            _open(connection, table, "tenantguard_update")
        connection.execute(text(f"SET LOCAL ROLE {sealed.roles.application}"))
        sealed.tell(connection, "acme")
        try:
            assert connection.execute(text(UNSEEN[table])).rowcount
        except IntegrityError as error:  # the row was met: other rows name it
            assert "violates foreign key constraint" in str(error)  # noqa: PT017 - either will do
        connection.rollback()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE countries SET name = 'x'", "TRUNCATE calls", "ALTER TABLE calls DISABLE ROW LEVEL SECURITY",
     "CREATE TABLE mine (id int)", "DROP POLICY tenantguard_seal ON calls", "SET ROLE tgpgs_{worker}_maintenance",
     "CREATE TEMP TABLE t (id int)", "SELECT last_value FROM calls_id_seq",
     "ALTER TABLE calls DISABLE TRIGGER ALL", "SET session_replication_role = replica"],
)  # fmt: skip
def test_the_applications_role_has_the_fewest_rights(sealed: Secured, statement: str) -> None:
    """Shared tables are read-only, and nothing is owned, truncated or referenced."""
    with (
        sealed.told("acme") as connection,
        pytest.raises(DBAPIError, match=r"denied|must be owner|does not exist"),
    ):
        connection.execute(text(statement.format(worker=sealed.name)))


def test_legitimate_writes_pass(sealed: Secured) -> None:
    """Own rows are written, pointed at, tied and deleted; a key of several rows in one statement is seen as well."""
    with sealed.told("acme") as connection:
        for statement in (
            f"{NEW_CALL} ('acme', 1, 'DE', 1, '') RETURNING id",
            "INSERT INTO comments (id, company_id, call_id, parent_id, body) OVERRIDING SYSTEM VALUE "
            "VALUES (900, 'acme', 1, NULL, ''), (901, 'acme', 1, 900, '')",
            "INSERT INTO call_tags (call_id, tag) VALUES (2, 'x')",
            "INSERT INTO call_labels VALUES (3, 2)",
            "INSERT INTO sessions_log (what) VALUES ('x')",
            "UPDATE calls SET seconds = 5, number_id = 2 WHERE id = 1",
            "DELETE FROM order_lines WHERE order_id = 1 AND line = 1",
        ):
            assert connection.execute(text(statement)).rowcount > 0, statement


def test_the_tenants_index_is_used_and_each_setting_read_once(sealed: Secured) -> None:
    """The setting and the seal are plans of their own, which run once, and the index of the tenant column serves."""
    with sealed.told("acme") as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.execute(text("EXPLAIN SELECT * FROM calls ORDER BY seconds")).scalars())
    assert (plan.count("InitPlan"), plan.count("One-Time Filter")) == (5, 1), (
        plan
    )  # both are one, or nothing is read
    assert "Index Cond: ((company_id)::text = " in plan


def test_installing_again_changes_nothing(empty: Secured) -> None:
    """It may be run as often as wanted; uninstalling leaves tables as they were."""
    empty.fill(sealed=True)
    described = text(
        "SELECT polrelid::regclass::text, polname, pg_get_expr(polqual, polrelid), obj_description(oid) "
        "FROM pg_policy ORDER BY 1, 2".replace("::", r"\:\:")
    )
    with empty.owner.connect() as connection:
        before = connection.execute(described).all()
    empty.secure(empty.tenancy, sealed=True)
    with empty.owner.begin() as connection:
        assert connection.execute(described).all() == before
        assert check(connection, empty.tenancy, empty.roles, sealed=True) == []
        uninstall(connection, empty.tenancy, empty.roles)
        assert connection.execute(described).all() == []
        assert connection.execute(text("SELECT count(*) FROM pg_class WHERE relrowsecurity")).scalar() == 0
        assert (
            connection.execute(text("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")).scalar() == 0
        )


def test_nothing_is_half_done(empty: Secured) -> None:
    """A statement that fails leaves no policy behind, and one sentence."""
    empty.owner.dispose()
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("company_id", Text, nullable=False))
    metadata.create_all(empty.owner)
    tenancy = Tenancy(metadata, column="company_id")
    with empty.owner.begin() as connection:  # a procedure where the seal's function has to stand
        connection.execute(text("CREATE SCHEMA tenantguard"))
        connection.execute(
            text("CREATE FUNCTION tenantguard.sealed_tenant() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        )
    with pytest.raises(
        ConfigurationError, match="cannot be changed on the database: cannot change return type"
    ):
        empty.secure(tenancy, sealed=True)
    with empty.owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_policy")).scalar() == 0


def _typed(type_: Any) -> Tenancy:
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("company_id", type_, nullable=False))
    return Tenancy(metadata, column="company_id")


@pytest.mark.parametrize(
    ("type_", "mine", "other"),
    [
        (Integer(), 1, 12),
        (Uuid(), UUID(int=1), UUID(int=2)),
        (CHAR(4), "ab", "abc"),
        (CHAR(4), "ab", "ab "),
        (String(2), "ab", "abc"),
        (Text(collation="C"), "O'Brien \\ %s :x", "o"),
        (Enum("ab", "abc", name="tenants"), "ab", "abc"),
    ],
)
def test_every_type_of_tenant(empty: Secured, type_: Any, mine: Any, other: Any) -> None:
    """Ids are compared whole: one that is cut to a column's length would be another's."""
    tenancy = _typed(type_)
    tenancy.metadata[0].create_all(empty.owner)
    with empty.owner.begin() as connection:
        connection.execute(tenancy.metadata[0].tables["a"].insert(), [{"id": 1, "company_id": mine}])
    empty.secure(tenancy, sealed=True)
    for tenant, expected in ((mine, 1), (other, 0)):
        with empty.told(str(tenant)) as connection:
            assert connection.execute(text("SELECT count(*) FROM a")).scalar() == expected


@pytest.mark.parametrize("type_", [Integer(), Uuid()])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_a_bypass_that_policies_apply_to(empty: Secured, type_: Any, driver: str) -> None:
    """Nobody is no number and no UUID: one sentence names the engine that is missing, in place of the database's."""
    tenancy = _typed(type_)
    tenancy.metadata[0].create_all(empty.owner)
    empty.secure(tenancy, sealed=True)
    engine = create_async_engine(empty.url(empty.roles.application, driver), poolclass=NullPool)
    guard(engine, tenancy, row_security=RowSecurity(empty.seal))
    with bypass(reason="test"):
        async with engine.connect() as connection:
            with pytest.raises(RawSQLError, match=r"hide every row; use RowSecurity\(maintenance"):
                await connection.execute(tenancy.metadata[0].tables["a"].select())
            await connection.rollback()
            with pytest.raises(DBAPIError, match='integer: "x"'):
                await connection.execute(text("SELECT CAST('x' AS integer)"))


class _Odd(TypeDecorator[Any]):
    impl, cache_ok = String, True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Store it turned round."""
        return value[::-1]


@pytest.mark.parametrize(
    ("type_", "said"), [(_Odd(), "has a custom type"), (Uuid(native_uuid=False), "holds UUIDs as text")]
)
def test_a_type_whose_stored_form_is_unknown_is_refused(type_: Any, said: str) -> None:
    """A policy compares what is stored, and only the application knows how it converts."""
    with pytest.raises(ConfigurationError, match=rf"1 fault\(s\):\n  - a.company_id {said}"):
        policies(_typed(type_))


def _ruled() -> Tenancy:
    metadata = MetaData()
    users = Table(
        "users",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(9)),
        Column("staff", Integer),
    )
    members = Table(
        "members", metadata, Column("id", Integer, primary_key=True),
        Column("company_id", String(9), nullable=False), Column("user_id", ForeignKey("users.id")),
    )  # fmt: skip
    Table("templates", metadata, Column("id", Integer, primary_key=True), Column("company_id", String(9)))
    return Tenancy(
        metadata,
        column="company_id",
        nullable={"templates"},
        visible={
            "templates": lambda t, tenant: or_(t.c.company_id == tenant, t.c.company_id.is_(None)),
            "users": lambda t, tenant: exists().where(
                members.c.user_id == users.c.id,
                members.c.company_id == tenant,
                members.c.company_id != "100%:x",
            ),
        },
        changeable={"users": {"name"}},
    )


def _permitted(empty: Secured) -> Tenancy:
    """Return a tenancy with permissions, whose tables are filled and secured with a seal."""
    metadata = MetaData()
    for name, more in (("customers", ()), ("invoices", ("customers.id",)), ("audits", ())):
        Table(
            name, metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False),
            *[Column("parent_id", ForeignKey(key)) for key in more],
        )  # fmt: skip
    Table(
        "lines", metadata, Column("id", Integer, primary_key=True),
        Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    )  # fmt: skip
    tenancy = Tenancy(
        metadata,
        column="company_id",
        through={"lines": "invoice_id"},
        permissions={
            "customers": {"read": "c:read", "write": "c:write"},
            "invoices": {"read": "b:read", "write": ["b:write", "b:more"]},
            "lines": {"read": "l:read", "write": "l:write"},
            "audits": {"read": "a:read"},
        },
    )
    metadata.create_all(empty.owner)
    with empty.owner.begin() as connection:
        for row in ("customers VALUES (1, 'acme')", "invoices VALUES (1, 'acme', 1)", "lines VALUES (1, 1)"):
            connection.execute(text(f"INSERT INTO {row}"))
    empty.secure(tenancy, sealed=True)
    return tenancy


def test_policies_ask_for_permissions(empty: Secured) -> None:
    """Of whoever writes, on every way; and of whoever reads a table that no foreign key names."""
    _permitted(empty)
    write = "UPDATE invoices SET id = id"
    for permissions, statement, outcome in (
        ("b:read", write, None),
        ("b:write", write, None),
        ("b:more b:write", write, 1),
        ("", "INSERT INTO customers VALUES (9, 'acme')", None),
        ("b:read", "INSERT INTO invoices VALUES (1, 'acme', 1) ON CONFLICT (id) DO UPDATE SET id = 1", None),
        ("l:read", "DELETE FROM lines", 0),
        ("l:write", "DELETE FROM lines", 1),
        ("", "SELECT * FROM lines", 0),
        ("l:read", "SELECT * FROM lines", 1),
        ("", "SELECT * FROM customers FOR UPDATE", 1),
        ("", "INSERT INTO audits VALUES (9, 'acme') RETURNING id", 1),
    ):
        with empty.told("acme", permissions=permissions) as connection:
            if outcome is None:
                with pytest.raises(ProgrammingError, match="row-level security"):
                    connection.execute(text(statement))
            else:
                assert connection.execute(text(statement)).rowcount == outcome, (permissions, statement)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_policies_keep_nobody_out_whom_the_guard_lets_in(empty: Secured, driver: str) -> None:
    """What it looks up takes no permission; and what is told changes with the binding, inside of a transaction too."""
    tenancy = _permitted(empty)
    table = tenancy.metadata[0].tables
    made = create_async_engine(empty.url(empty.roles.application, driver), poolclass=NullPool)
    engine = guard(made, tenancy, row_security=RowSecurity(empty.seal))
    writer = Principal("ada", "acme", frozenset({"b:write", "b:more", "x"}))
    async with engine.connect() as connection:
        with bind(writer):
            await connection.execute(table["invoices"].insert().values(id=2, parent_id=1))
        with bind(Principal("bob", "acme", frozenset({"l:write", "l:read"}))):
            await connection.execute(table["lines"].insert().values(id=2, invoice_id=2))
            assert len((await connection.execute(table["lines"].select())).all()) == 2
            with pytest.raises(PermissionDeniedError):
                await connection.execute(table["invoices"].update().values(id=3))
        with bind(writer):
            await connection.execute(table["invoices"].update().values(parent_id=1))
    await made.dispose()


def _secured_rules(empty: Secured) -> Tenancy:
    """Return a tenancy with row rules, whose tables are filled and secured."""
    tenancy = _ruled()
    tenancy.metadata[0].create_all(empty.owner)
    with empty.owner.begin() as connection:
        connection.execute(text("INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)"))
        connection.execute(text("INSERT INTO members VALUES (1, 'acme', 1), (2, 'globex', 2)"))
        connection.execute(text("INSERT INTO templates VALUES (1, 'acme'), (2, NULL), (3, 'globex')"))
    empty.secure(tenancy)
    return tenancy


def test_row_rules_become_policies(empty: Secured) -> None:
    """What a rule shows is read and pointed at; it is changed in the columns that are named, and not added to."""
    _secured_rules(empty)
    with empty.told("acme") as connection:
        assert connection.execute(text("SELECT id FROM users")).scalars().all() == [1]
        assert connection.execute(text("SELECT id FROM templates ORDER BY 1")).scalars().all() == [1, 2]
        assert connection.execute(text("UPDATE templates SET id = id + 10")).rowcount == 1
        assert connection.execute(text("UPDATE users SET name = 'x'")).rowcount == 1
        with pytest.raises(ProgrammingError, match="row-level security"), connection.begin_nested():
            connection.execute(text("INSERT INTO templates VALUES (9, NULL)"))
        assert connection.execute(text("INSERT INTO members VALUES (3, 'acme', 1)")).rowcount == 1
        with pytest.raises(IntegrityError, match="names a row of users"), connection.begin_nested():
            connection.execute(text("INSERT INTO members VALUES (4, 'acme', 2)"))
        for statement in ("UPDATE users SET staff = 1", "INSERT INTO users VALUES (9)", "DELETE FROM users"):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
                connection.execute(text(statement))


def test_text_is_held_by_the_policies_of_row_rules(empty: Secured) -> None:
    """``raw_sql="database"`` takes them where they were written from this very rule, and are what they were."""
    tenancy = _secured_rules(empty)

    def shown(tenancy: Tenancy) -> list[Any]:
        engine = create_engine(empty.url(empty.roles.application), poolclass=NullPool)
        guard(engine, tenancy, raw_sql="database")
        with bind("acme"), engine.connect() as connection:
            both = text("SELECT id FROM users UNION ALL SELECT id FROM templates ORDER BY 1")
            return [*connection.execute(both).scalars()]

    assert shown(tenancy) == [1, 1, 2]
    metadata = tenancy.metadata[0]
    other = Tenancy(
        metadata, column="company_id", nullable={"templates"}, changeable={"users": {"name"}},
        visible={"templates": lambda t, tenant: t.c.company_id == tenant, "users": lambda t, _: t.c.staff == 1},
    )  # fmt: skip
    with pytest.raises(
        ConfigurationError, match=r"templates has no policy that restricts(?s:.)*users has no policy"
    ):
        shown(other)
    with empty.owner.begin() as connection:
        connection.execute(text("ALTER POLICY tenantguard_select ON users USING (true)"))
    with pytest.raises(ConfigurationError, match="users has no policy that restricts"):
        shown(tenancy)


def test_a_deferred_key_is_asked_when_it_is_checked(empty: Secured) -> None:
    """A parent that comes later in the transaction will do, and another tenant's will not."""
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("company_id", Text, nullable=False))
    Table(
        "b", metadata, Column("id", Integer, primary_key=True), Column("company_id", Text, nullable=False),
        Column("a_id", ForeignKey("a.id", deferrable=True, initially="DEFERRED")),
    )  # fmt: skip
    metadata.create_all(empty.owner)
    with empty.owner.begin() as connection:
        connection.execute(text("INSERT INTO a VALUES (9, 'globex')"))
    empty.secure(Tenancy(metadata, column="company_id"))
    for parent in (1, 9):
        with empty.told("acme") as connection:
            connection.execute(text(f"INSERT INTO b VALUES (1, 'acme', {parent})"))
            connection.execute(text("INSERT INTO a VALUES (1, 'acme')"))
            checked = text("SET CONSTRAINTS ALL IMMEDIATE")
            if parent == 1:
                connection.execute(checked)
            else:
                with pytest.raises(IntegrityError, match="names a row of a "):
                    connection.execute(checked)


def test_what_was_granted_before_is_revoked(sealed: Secured) -> None:
    """Installing takes every right that the application's role needs not, on tables, sequences, schema and database."""
    role = sealed.roles.application
    held = text(
        f"SELECT has_table_privilege('{role}', 'calls', 'TRUNCATE'), "
        f"has_schema_privilege('{role}', 'public', 'CREATE'), "
        f"has_sequence_privilege('{role}', 'calls_id_seq', 'SELECT'), "
        f"has_database_privilege('{role}', current_database(), 'TEMPORARY')"
    )
    with sealed.owner.connect() as connection:
        for right in ("TRUNCATE ON calls", "CREATE ON SCHEMA public", "SELECT ON SEQUENCE calls_id_seq"):
            for name in ("PUBLIC", role):
                connection.execute(text(f"GRANT {right} TO {name}"))
        database = connection.dialect.identifier_preparer.quote(str(sealed.owner.url.database))
        connection.execute(text(f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC"))
        assert tuple(connection.execute(held).one()) == (True,) * 4
        install(connection, sealed.tenancy, sealed.roles, seal=sealed.seal)
        assert tuple(connection.execute(held).one()) == (False,) * 4
        connection.rollback()


def test_an_empty_setting_is_nobody(empty: Secured) -> None:
    """After a transaction the setting is empty, and a row whose tenant is an empty string is not shown."""
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("company_id", Text, nullable=False))
    metadata.create_all(empty.owner)
    with empty.owner.begin() as connection:
        connection.execute(text("INSERT INTO a VALUES (1, '')"))
    empty.secure(Tenancy(metadata, column="company_id"))
    with empty.told("acme") as connection:
        connection.rollback()
        assert connection.execute(text("SELECT current_setting('tenantguard.tenant', true)")).scalar() == ""
        assert connection.execute(text("SELECT count(*) FROM a")).scalar() == 0


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_parent_that_an_older_snapshot_shows(sealed: Secured, level: Any) -> None:
    """One that went to another tenant since the transaction began is refused; one that stayed is taken."""
    assert sealed.seal is not None
    change = text("UPDATE numbers SET company_id = :to WHERE id = 2")
    with sealed.engine(sealed.roles.application).connect() as connection:
        connection.execution_options(isolation_level=level)
        sealed.tell(connection, "acme")
        connection.execute(text("SELECT count(*) FROM numbers"))
        try:
            with sealed.owner.begin() as owner:
                owner.execute(change, {"to": "globex"})
            connection.execute(text(f"{NEW_CALL} ('acme', 1, 'DE', 1, '')"))
            with pytest.raises(OperationalError, match="could not serialize access"):
                connection.execute(text(f"{NEW_CALL} ('acme', 2, 'DE', 1, '')"))
        finally:
            connection.rollback()
            with sealed.owner.begin() as owner:
                owner.execute(change, {"to": "acme"})


@pytest.mark.parametrize("name", ["public", "pg_app", "", "x" * 64, "none"])
def test_names_that_are_no_roles(name: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="is not a valid name"):
        Roles(name)


def test_odd_names_stand_in_statements_as_names(empty: Secured) -> None:
    """Quotes, percent signs, colons and dollars in the names of tables, columns and roles are quoted."""
    metadata, odd = MetaData(schema="My: schema%s"), "t \"x'; $$ %s :y"
    Table(
        odd, metadata, Column("id", Integer, primary_key=True),
        Column('co"l %(a)s', Text, nullable=False), Column("parent :id", ForeignKey(f"My: schema%s.{odd}.id")),
    )  # fmt: skip
    tenancy = Tenancy(metadata, column='co"l %(a)s')
    if tenancy.faults():
        pytest.fail(str(tenancy.faults()))
    with empty.owner.begin() as connection:
        connection.execute(text('CREATE SCHEMA "My\\: schema%s"'))
        metadata.create_all(connection)
    empty.roles = Roles("tgpgs o'd \"app %s :r")
    try:
        empty.secure(tenancy, sealed=True)
        with empty.owner.connect() as connection:
            assert check(connection, tenancy, empty.roles, sealed=True) == []
    finally:
        with empty.owner.begin() as connection:
            role = 'tgpgs o\'d ""app %s \\:r'
            connection.execute(text(f'DROP OWNED BY "{role}"'))
            connection.execute(text(f'DROP ROLE "{role}"'))


def test_what_is_not_what_it_should_be(empty: Secured) -> None:
    """One sentence names it, in place of an attribute that something else has not."""
    given: Any = empty
    with empty.owner.connect() as connection:
        for call, said in (
            (lambda: install(given.owner, given.tenancy), "through a connection, not Engine"),
            (lambda: check(given.owner, given.tenancy), "through a connection, not Engine"),
            (lambda: install(connection, given), "written from a Tenancy, not Secured"),
            (lambda: install(connection, given.tenancy, given), r'roles are Roles\("app"\), not Secured'),
            (lambda: policies(given.tenancy, given), r'roles are Roles\("app"\), not Secured'),
            (lambda: add_key(connection, given), r"the key comes in a Seal\(key\), not Secured"),
            (lambda: RowSecurity(given), r"seal is a Seal\(key\), not Secured"),
            (lambda: RowSecurity(maintenance=given), "maintenance is an engine, not Secured"),
        ):
            with pytest.raises(ConfigurationError, match=said):
                call()


def test_where_nothing_can_be_installed(empty: Secured) -> None:
    """Another database, a missing table, and a role without rights: one sentence each."""
    with (
        create_engine("sqlite://").connect() as connection,
        pytest.raises(ConfigurationError, match="to sqlite"),
    ):
        install(connection, empty.tenancy)
    with (
        empty.owner.connect() as connection,
        pytest.raises(ConfigurationError, match=r"1 table\(s\)(.*)public.a; run its"),
    ):
        install(connection, _typed(Text()))
    with empty.owner.begin() as connection:
        connection.execute(text("CREATE TABLE a (id int, company_id text)"))
        uninstall(connection, _typed(Text()))  # nothing to remove yet
        connection.execute(text("DROP ROLE IF EXISTS tgpgs_nobody"))
        connection.execute(text("CREATE ROLE tgpgs_nobody LOGIN"))
    with (
        empty.engine("tgpgs_nobody").connect() as connection,
        pytest.raises(ConfigurationError, match=r"permission denied"),
    ):
        install(connection, _typed(Text()), Roles("tgpgs_nobody_app"))
    with empty.owner.begin() as connection:
        connection.execute(text("DROP ROLE tgpgs_nobody"))


@pytest.mark.parametrize(
    ("version", "recovers", "schema", "said"),
    [
        ((12, 9), False, "public", r"the server is PostgreSQL 12\.9; the policies need 13"),
        ((15, 1), True, "public", "the server is in recovery and takes no change"),
        ((15, 1), False, None, "no schema of the connection's search_path"),
    ],
)
def test_a_server_that_cannot(
    version: tuple[int, int], recovers: bool, schema: str | None, said: str
) -> None:
    """One that is too old, a standby, and one without a schema to look in, before anything is changed."""
    connection: Any = Mock(spec=Connection)
    connection.dialect = Mock(spec=["name", "server_version_info"])
    connection.dialect.name, connection.dialect.server_version_info = "postgresql", version
    connection.execute.return_value.one.return_value = (recovers, schema)
    for change in (install, uninstall):
        with pytest.raises(ConfigurationError, match=said):
            change(connection, make_tenancy())


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_url_that_does_not_connect(driver: str) -> None:
    """Where the database has to be asked first, one sentence says that it was not."""
    url = f"postgresql+{driver}://nobody:hidden@127.0.0.1:1/nowhere"
    engine: Any = create_async_engine(url) if driver == "asyncpg" else create_engine(url)
    with pytest.raises(ConfigurationError, match=r"cannot be verified: (?!.*hidden)"):
        guard(engine, make_tenancy(), raw_sql="database")
