"""Alembic: autogenerate sees the row security of the tenancy, both ways, and a migration stands by itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime import plugins
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError

from tenantguard import ConfigurationError, Tenancy
from tenantguard.postgres import check
from tenantguard.postgres import plugin as ours
from tests.postgres.world import Secured

PLUGINS = ["alembic.autogenerate.*", "tenantguard"]


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    """Register the plug-in where the package was installed before it had one."""
    if "tenantguard" not in plugins._all_plugins:
        plugins.Plugin.setup_plugin_from_module(ours, "tenantguard")


def _metadata(*more: str) -> MetaData:
    metadata = MetaData()
    Table(
        "calls",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9), nullable=False),
    )
    Table(
        "tags", metadata, Column("id", Integer, primary_key=True), Column("call_id", ForeignKey("calls.id"))
    )
    for name in more:
        Table(
            name, metadata, Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
            Column("call_id", ForeignKey("calls.id")),
        )  # fmt: skip
    return metadata


def _tenancy(metadata: MetaData, **said: Any) -> Tenancy:
    return Tenancy(metadata, column="company_id", **({"through": {"tags": "call_id"}} | said))


def _produced(connection: Connection, world: Secured, tenancy: Tenancy, **said: Any) -> Any:
    """Return what autogenerate finds, up and down, as the code that a migration would hold."""
    options = {
        "tenancy": tenancy,
        "tenancy_roles": world.roles,
        "autogenerate_plugins": PLUGINS,
        "target_metadata": tenancy.metadata[0],
        **said,
    }
    context = MigrationContext.configure(connection, opts=options)
    script = produce_migrations(context, tenancy.metadata[0])
    up = render_python_code(script.upgrade_ops) if script.upgrade_ops is not None else ""
    down = render_python_code(script.downgrade_ops) if script.downgrade_ops is not None else ""
    return up, down


def _run(connection: Connection, code: str) -> None:
    """Run the body of a migration."""
    import sqlalchemy as sa

    op = Operations(MigrationContext.configure(connection))
    body = "def migrate(op, sa):\n" + "".join(f"    {line}\n" for line in code.splitlines())
    space: dict[str, Any] = {}
    exec(body, space)
    migrate: Callable[..., None] = space["migrate"]
    migrate(op, sa)


def _nothing(found: tuple[str, str]) -> bool:
    return "tenancy" not in found[0] and "tenancy" not in found[1]


def test_a_new_schema_comes_with_its_row_security(empty: Secured) -> None:
    """Tables, roles, grants and policies in one migration; then nothing is left to do, and down leaves nothing."""
    tenancy = _tenancy(_metadata())
    with empty.owner.begin() as connection:
        up, down = _produced(connection, empty, tenancy, tenancy_sealed=True)
        assert up.count("op.enable_tenancy(") == 3
        _run(connection, up)
        assert check(connection, tenancy, empty.roles, sealed=True) == []
        assert _nothing(_produced(connection, empty, tenancy, tenancy_sealed=True))
        _run(connection, down)
        assert connection.execute(text("SELECT count(*) FROM pg_policy")).scalar() == 0


CHANGES: dict[str, str] = {
    "a policy": "ALTER POLICY tenantguard_select ON calls USING (true)",
    "the seal": "DROP POLICY tenantguard_seal ON tags",
    "a grant": "GRANT TRUNCATE ON calls TO {app}",
    "a trigger": "ALTER TABLE notes DISABLE TRIGGER USER",
    "row security": "ALTER TABLE calls NO FORCE ROW LEVEL SECURITY",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_hand_is_migrated_away(empty: Secured, change: str) -> None:
    """It is put right by the upgrade, on its table alone; the downgrade puts policies back as they were."""
    tenancy = _tenancy(_metadata("notes"))
    tenancy.metadata[0].create_all(empty.owner)
    empty.secure(tenancy)
    with empty.owner.begin() as connection:
        connection.execute(text(CHANGES[change].format(app=empty.roles.application)))
        before = _policies(connection)
        up, down = _produced(connection, empty, tenancy)
        assert up.count("op.enable_tenancy(") == 1
        _run(connection, up)
        assert check(connection, tenancy, empty.roles) == []
        _run(connection, down)
        assert _policies(connection) == before


def _policies(connection: Connection) -> Any:
    rows = "polrelid::regclass::text, polname, polcmd::text, pg_get_expr(polqual, polrelid), obj_description(oid)"
    found = connection.execute(
        text(f"SELECT {rows} FROM pg_policy ORDER BY 1, 2".replace("::", r"\:\:"))
    ).all()
    forced = text(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r' ORDER BY 1"
    )
    return found, connection.execute(forced).all()


def test_a_changed_tenancy_is_migrated(empty: Secured) -> None:
    """A table that becomes shared loses its policies, and down gets them back; one that is new gets its own."""
    before, after = (
        _tenancy(_metadata()),
        _tenancy(_metadata("notes"), through={}, openly_shared={"tags"}, shared={"tags"}),
    )
    before.metadata[0].create_all(empty.owner)
    empty.secure(before)
    with empty.owner.begin() as connection:
        state = _policies(connection)
        up, down = _produced(connection, empty, after)
        assert (
            up.count("op.disable_tenancy('public.tags'") == up.count("op.enable_tenancy('public.notes'") == 1
        )
        _run(connection, up)
        assert check(connection, after, empty.roles) == []
        _run(connection, down)
        assert _policies(connection) == state


def test_offline_the_statements_are_written(empty: Secured) -> None:
    """``--sql`` writes what would be executed, colons, percent signs and all."""
    tenancy = _tenancy(_metadata())
    tenancy.metadata[0].create_all(empty.owner)
    with empty.owner.begin() as connection:
        up, _ = _produced(connection, empty, tenancy, tenancy_sealed=True)
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    space: dict[str, Any] = {}
    exec("def migrate(op):\n" + "".join(f"    {line}\n" for line in up.splitlines()), space)
    space["migrate"](Operations(context))
    with empty.owner.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(written.getvalue())
        assert check(connection, tenancy, empty.roles, sealed=True) == []


def test_without_a_tenancy_nothing_is_compared(empty: Secured) -> None:
    """An ``env.py`` that says none is left alone; one that says something else is told so."""
    with empty.owner.begin() as connection:
        metadata = MetaData()
        options = {"autogenerate_plugins": PLUGINS, "target_metadata": metadata}
        context = MigrationContext.configure(connection, opts=options)
        assert "tenancy" not in render_python_code(produce_migrations(context, metadata).upgrade_ops)  # type: ignore[arg-type]
        context = MigrationContext.configure(connection, opts={**options, "tenancy": metadata})
        with pytest.raises(ConfigurationError, match="takes a Tenancy, not MetaData"):
            produce_migrations(context, metadata)


def _retrofit(connection: Connection, batch: int, value: str) -> None:
    with connection.execution_options(isolation_level="AUTOCOMMIT"):
        Operations(MigrationContext.configure(connection)).retrofit_tenancy(  # type: ignore[attr-defined]  # registered
            "notes", column="company_id", type_="varchar(9)", value=value, batch=batch, unique=True
        )


def test_a_table_gets_its_tenant_column_later(empty: Secured) -> None:
    """In batches; what is interrupted is run again, goes on, and ends the same."""
    with empty.owner.begin() as connection:
        connection.execute(text("CREATE TABLE calls (id int PRIMARY KEY, company_id varchar(9) NOT NULL)"))
        connection.execute(text("CREATE TABLE notes (id int PRIMARY KEY, call_id int NOT NULL)"))
        connection.execute(text("INSERT INTO calls VALUES (1, 'acme'), (2, 'globex')"))
        connection.execute(text("INSERT INTO notes SELECT i, 1 + i % 2 FROM generate_series(1, 100) i"))
    value = "SELECT c.company_id FROM calls c WHERE c.id = t.call_id"
    failing = f"{value} AND 1 / (t.id - 55) IS NOT NULL"
    with empty.owner.connect() as connection, pytest.raises(DBAPIError, match="division by zero"):
        _retrofit(connection, 10, failing)
    filled = text("SELECT count(company_id), count(*) FROM notes")
    with empty.owner.connect() as connection:
        assert connection.execute(filled).one() == (50, 100)
    for _ in range(2):
        with empty.owner.connect() as connection:
            _retrofit(connection, 10, value)
    with empty.owner.connect() as connection:
        wrong = (
            "SELECT count(*) FROM notes n JOIN calls c ON c.id = n.call_id WHERE n.company_id <> c.company_id"
        )
        assert (connection.execute(filled).one(), connection.scalar(text(wrong))) == ((100, 100), 0)
        found = inspect(connection)
        assert [c["nullable"] for c in found.get_columns("notes") if c["name"] == "company_id"] == [False]
        indexed = sorted((one["column_names"], one["unique"]) for one in found.get_indexes("notes"))
        assert indexed == [(["company_id"], False), (["company_id", "id"], True)]
        assert found.get_check_constraints("notes") == []


def test_what_a_migration_cannot_do_is_said_at_once() -> None:
    """On another database, with one string for a list, or with batches that fill nothing."""
    with create_engine("sqlite://").connect() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(ConfigurationError, match="this migration runs on sqlite"):
            op.enable_tenancy("calls", ["SELECT 1"])
        with pytest.raises(ConfigurationError, match="for calls are a list of strings"):
            op.enable_tenancy("calls", "SELECT 1")
        with pytest.raises(ConfigurationError, match="a batch is a positive number of rows, not 0"):
            op.retrofit_tenancy("calls", column="c", type_="text", value="SELECT 1", batch=0)


def test_a_key_that_is_missing_stops_the_retrofit(empty: Secured) -> None:
    """Before anything is changed."""
    with empty.owner.begin() as connection:
        connection.execute(text("CREATE TABLE notes (body text)"))
    said = "notes has no column id, by which it would be filled"
    with empty.owner.connect() as connection, pytest.raises(DBAPIError, match=said):
        _retrofit(connection, 10, "SELECT 'x'")
    assert [column["name"] for column in inspect(empty.owner).get_columns("notes")] == ["body"]


def test_a_row_without_a_tenant_stops_the_retrofit(empty: Secured) -> None:
    """A row whose tenant cannot be found is told by the database, and the column stays nullable."""
    with empty.owner.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id int PRIMARY KEY)"))
        connection.execute(text("INSERT INTO notes VALUES (1)"))
    with empty.owner.connect() as connection, pytest.raises(DBAPIError, match="is violated by some row"):
        _retrofit(connection, 10, "SELECT NULL")


def test_the_plug_in_is_published() -> None:
    """Alembic finds it by its entry point."""
    said = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points."alembic.plugins"]\ntenantguard = "tenantguard.postgres.plugin"' in said


def test_the_plug_in_is_what_each_alembic_takes_it_for() -> None:
    """Before 1.20 it iterates what the entry point names, and no import of Alembic succeeds where that fails."""
    assert list(cast("Iterable[ModuleType]", ours)) == [ours]
