"""Planted faults: a clean schema has no finding, and each fault that is put into it is found by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Computed,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    create_engine,
    event,
    text,
)
from sqlalchemy.types import TypeEngine

from tenantguard import Tenancy
from tenantguard.checks.live.inspection import live_findings
from tenantguard.checks.models import model_findings
from tests.checks.clean import fill, key, make, tenancy, tenant
from tests.postgres.world import Secured
from tests.servers import Backend, Database

Plant = Callable[[MetaData], Tenancy]


def _ids(findings: Any) -> set[str]:
    return {one.rule.id for one in findings}


def _with(*parts: Callable[[], Any], **more: Any) -> Plant:
    """Return what adds a table of these columns, and says this of it."""

    def plant(metadata: MetaData) -> Tenancy:
        Table("planted", metadata, *[part() for part in parts])
        return tenancy(metadata, **more)

    return plant


def _column(name: str, *parts: Any, **more: Any) -> Callable[[], Any]:
    return lambda: Column(name, *[part() if callable(part) else part for part in parts], **more)


def _to(target: str, **more: Any) -> Callable[[], Any]:
    return lambda: ForeignKey(target, **more)


MODELS: dict[str, tuple[str, Plant]] = {
    "a table of which nothing is said": ("TG101", _with(key)),
    "a name that is no table": ("TG102", lambda m: tenancy(m, shared={"counties"})),
    "a parent by no foreign key": ("TG102", _with(key, _column("call_id", Integer), through={"planted": "call_id"})),
    "a generated tenant column": (
        "TG102",
        _with(key, _column("a", String(20)), _column("company_id", String(20), lambda: Computed("a"), nullable=False)),
    ),
    "a shared table with a tenant column": ("TG103", _with(key, tenant, shared={"planted"})),
    "a shared table of tenants' children": (
        "TG103",
        _with(key, _column("call_id", _to("calls.id"), nullable=False), shared={"planted"}),
    ),
    "a nullable tenant column": ("TG104", _with(key, _column("company_id", String(20), index=True))),
    "no index by tenant": ("TG105", _with(key, _column("company_id", String(20), nullable=False))),
    "an index that only ends with it": (
        "TG105",
        _with(
            key, _column("company_id", String(20), nullable=False), _column("a", Integer),
            lambda: Index("ix_planted", "a", "company_id"),
        ),
    ),
    "a unique column": ("TG106", _with(key, tenant, _column("code", String(9), unique=True))),
    "a unique constraint": (
        "TG106",
        _with(key, tenant, _column("a", Integer), _column("b", Integer), lambda: UniqueConstraint("a", "b")),
    ),
    "a unique column of a child": (
        "TG106",
        _with(key, _column("call_id", _to("calls.id"), nullable=False), _column("code", String(9), unique=True),
              through={"planted": "call_id"}),
    ),
    "a primary key that people choose": ("TG107", _with(_column("code", String(9), primary_key=True), tenant)),
    "a key without the tenant": (
        "TG108",
        _with(key, tenant, _column("user_id", _to("users.id"), nullable=False)),
    ),
    "a cascade from a shared table": (
        "TG109",
        _with(key, tenant, _column("country", _to("countries.code", ondelete="CASCADE"))),
    ),
    "a cascade from one that tenants write": (
        "TG109",
        _with(key, tenant, _column("log_id", _to("log.id", ondelete="SET NULL"))),
    ),
    "a tenant column of another type": (
        "TG110",
        _with(key, _column("company_id", Integer, nullable=False, index=True)),
    ),
    "a key of another type": (
        "TG110",
        _with(key, _column("call_id", String(9), _to("calls.id"), nullable=False), through={"planted": "call_id"}),
    ),
    "a parent that may be missing": (
        "TG111",
        _with(key, _column("call_id", _to("calls.id")), through={"planted": "call_id"}),
    ),
}  # fmt: skip


class _Guid(TypeDecorator[Any]):
    """A type that is the database's own where it has one, as of several packages for users."""

    impl = CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else CHAR(36))


INNOCENT: dict[str, Plant] = {
    "what nobody chooses by its name": _with(key, tenant, _column("reset_token", String(40), unique=True)),
    "what a function makes": _with(key, tenant, _column("nano_id", String(12), unique=True, default=lambda: "x")),
    "what is unique among rows of no tenant": _with(
        key, _column("company_id", String(20), index=True), _column("name", String(9)),
        lambda: Index("ix", "name", unique=True, postgresql_where=text("planted.company_id IS NULL")),
        nullable={"planted"},
    ),
    "two types that are one on a database": _with(
        lambda: Column("id", _Guid, primary_key=True), tenant, _column("above_id", Uuid, _to("planted.id")),
    ),
}  # fmt: skip
MODELS |= {
    "what a device brings along": ("TG106", _with(key, tenant, _column("push_token", String(40), unique=True))),
    "what is unique among some rows of all": (
        "TG106",
        _with(key, tenant, _column("name", String(9)),
              lambda: Index("ix", "name", unique=True, postgresql_where=text("deleted_at IS NULL"))),
    ),
    "two types that are two on each database": (
        "TG110",
        _with(key, tenant, _column("above_id", Integer, _to("countries.code"))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("innocent", INNOCENT)
def test_what_only_looks_like_a_fault_of_the_models_is_none(innocent: str) -> None:
    """As real services have it."""
    found = list(model_findings(INNOCENT[innocent](make())))
    assert [one for one in found if one.rule.severity != "note"] == []


def test_clean_models_have_no_finding() -> None:
    """Nothing is reported where there is nothing."""
    assert list(model_findings(tenancy(make()))) == []


@pytest.mark.parametrize("fault", MODELS)
def test_a_fault_in_the_models_is_found(fault: str) -> None:
    """Each by its id, and a fault of a column is told once."""
    id_, plant = MODELS[fault]
    ids = [one.rule.id for one in model_findings(plant(make()))]
    assert id_ in ids
    assert len(set(ids)) == len(ids), ids


BOTH: dict[str, tuple[str, list[str]]] = {
    "a row that crosses": ("TG301", ["INSERT INTO call_labels VALUES (1, 101)"]),
    "a table that no model knows": ("TG303", ["CREATE TABLE stray (id int)"]),
    "a table that is missing": ("TG304", ["DROP TABLE tags"]),
    "a column that is missing": ("TG305", ["ALTER TABLE tags RENAME COLUMN call_id TO c"]),
    "an index that is missing": ("TG306", ["DROP INDEX ix_labels_company_id"]),
    "a unique index without the tenant": ("TG307", ["CREATE UNIQUE INDEX planted ON users (email)"]),
}
POSTGRESQL: dict[str, tuple[str, list[str]]] = {
    **BOTH,
    "a tenant column that may be NULL": ("TG302", ["ALTER TABLE labels ALTER company_id DROP NOT NULL"]),
    "a tenant column that ignores blanks": (
        "TG305",
        ["DROP TABLE labels CASCADE", "CREATE TABLE labels (id int PRIMARY KEY, company_id char(20) NOT NULL)"],
    ),
    "a key of another type": (
        "TG305",
        ["DROP TABLE tags", "CREATE TABLE tags (id serial PRIMARY KEY, tag varchar(20), call_id bigint NOT NULL)"],
    ),
    "a key that is missing": ("TG308", ["ALTER TABLE tags DROP CONSTRAINT tags_call_id_fkey"]),
    "a cascade that the models do not know": (
        "TG309",
        [
            "ALTER TABLE tags DROP CONSTRAINT tags_call_id_fkey",
            "ALTER TABLE tags ADD FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE",
        ],
    ),
    "row security that is off": ("TG401", ["ALTER TABLE calls DISABLE ROW LEVEL SECURITY"]),
    "row security that is not forced": ("TG401", ["ALTER TABLE calls NO FORCE ROW LEVEL SECURITY"]),
    "a policy that is missing": ("TG402", ["DROP POLICY tenantguard_select ON calls"]),
    "a policy that was opened": ("TG403", ["ALTER POLICY tenantguard_select ON calls USING (true)"]),
    "a policy of somebody else": ("TG404", ["CREATE POLICY all_of_it ON calls TO {app} USING (true)"]),
    "a role that bypasses": ("TG405", ["ALTER ROLE {app} BYPASSRLS"]),
    "a role that is a superuser": ("TG405", ["ALTER ROLE {app} SUPERUSER"]),
    "a role that may become another": ("TG406", ["GRANT {maintenance} TO {app}"]),
    "a role that makes roles": ("TG406", ["ALTER ROLE {app} CREATEROLE"]),
    "a role that owns": ("TG407", ["ALTER TABLE log OWNER TO {app}"]),
    "a right too many": ("TG408", ["GRANT TRUNCATE ON calls TO {app}"]),
    "a right to write what is shared": ("TG408", ["GRANT INSERT ON countries TO {app}"]),
    "a right that is missing": ("TG409", ["REVOKE SELECT ON calls FROM {app}"]),
    "a trigger that is missing": ("TG410", ["DO $$ DECLARE n text; BEGIN SELECT tgname INTO n FROM pg_trigger "
        "WHERE tgname LIKE '%tenantguard%' AND tgrelid = 'call_labels'\\:\\:regclass LIMIT 1; "
        "EXECUTE format('ALTER TABLE call_labels DISABLE TRIGGER %I', n); END $$"]),
    "a maintenance role that is held": ("TG413", ["ALTER ROLE {maintenance} NOBYPASSRLS"]),
    "a view with its owner's rights": (
        "TG414",
        ["CREATE VIEW planted AS SELECT * FROM calls", "GRANT SELECT ON planted TO {app}"],
    ),
    "a view over such a view": (
        "TG414",
        ["CREATE VIEW inner_one AS SELECT * FROM tags", "CREATE VIEW planted AS SELECT * FROM inner_one",
         "GRANT SELECT ON planted TO {app}"],
    ),
    "a materialized view": (
        "TG415",
        ["CREATE MATERIALIZED VIEW planted AS SELECT * FROM calls", "GRANT SELECT ON planted TO {app}"],
    ),
    "a function with its owner's rights": (
        "TG416",
        ["CREATE FUNCTION planted() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM calls'"],
    ),
    "a function that builds SQL": (
        "TG416",
        ["CREATE FUNCTION planted(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE q; END'"],
    ),
    "an index that row security disables": ("TG417", ["CREATE INDEX planted ON users (lower(email))"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def checked(make_database: Callable[[Backend, str], Database], worker_name: str) -> Iterator[Secured]:
    """Give the clean schema on PostgreSQL, with its policies."""
    world = Secured(make_database("postgresql", "checked"), f"{worker_name}_checked")
    metadata = make()
    metadata.create_all(world.owner)
    with world.owner.begin() as connection:
        fill(connection)
    world.secure(tenancy(metadata))
    yield world
    world.close()


@pytest.fixture
def planted(checked: Secured) -> Iterator[tuple[Connection, Secured]]:
    """Give a transaction that is rolled back."""
    with checked.owner.connect() as connection:
        transaction = connection.begin()
        yield connection, checked
        transaction.rollback()


def test_a_clean_postgresql_has_no_finding(planted: tuple[Connection, Secured]) -> None:
    """Nothing is reported where there is nothing, with the roles named and without."""
    connection, world = planted
    assert list(live_findings(connection, world.tenancy, world.roles)) == []
    assert list(live_findings(connection, world.tenancy)) == []


@pytest.mark.parametrize("fault", POSTGRESQL)
def test_a_fault_on_postgresql_is_found(planted: tuple[Connection, Secured], fault: str) -> None:
    """Each by its id."""
    connection, world = planted
    id_, statements = POSTGRESQL[fault]
    for statement in statements:
        roles = {"app": world.roles.application, "maintenance": str(world.roles.maintenance)}
        for name, role in roles.items():
            statement = statement.replace(f"{{{name}}}", role)
        connection.execute(text(statement))
    assert id_ in _ids(live_findings(connection, world.tenancy, world.roles))


@pytest.fixture(scope="module")
def lite() -> Iterator[tuple[Connection, Tenancy]]:
    """Give the clean schema on SQLite, in a connection whose transactions hold DDL."""
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    metadata = make()
    with engine.connect() as connection:
        metadata.create_all(connection)
        fill(connection)
        connection.commit()
        yield connection, tenancy(metadata)
    engine.dispose()


def test_a_clean_sqlite_has_no_finding(lite: tuple[Connection, Tenancy]) -> None:
    """Nothing is reported where there is nothing."""
    connection, placed = lite
    assert list(live_findings(connection, placed)) == []
    connection.rollback()


SQLITE: dict[str, tuple[str, list[str]]] = {
    **BOTH,
    "a tenant column that ignores case": (
        "TG305",
        ["ALTER TABLE labels RENAME company_id TO old",
         "ALTER TABLE labels ADD company_id varchar(20) NOT NULL DEFAULT 'acme' COLLATE nocase"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SQLITE)
def test_a_fault_on_sqlite_is_found(lite: tuple[Connection, Tenancy], fault: str) -> None:
    """Each by its id."""
    connection, placed = lite
    id_, statements = SQLITE[fault]
    with connection.begin() as transaction:
        for statement in statements:
            connection.execute(text(statement))
        ids = _ids(live_findings(connection, placed))
        transaction.rollback()
    assert id_ in ids


def test_crossing_rows_are_counted_and_listed(lite: tuple[Connection, Tenancy]) -> None:
    """The detail says how many rows by which key; on request which."""
    connection, placed = lite
    with connection.begin() as transaction:
        connection.execute(text("INSERT INTO call_labels VALUES (1, 101), (101, 1)"))
        (finding,) = live_findings(connection, placed, keys=True)
        transaction.rollback()
    assert finding.place == "call_labels.label_id"
    assert "2 rows of call_labels lead to another tenant's row of labels" in finding.detail
    assert "(call_id, label_id: 1, 101; 101, 1)" in finding.detail
