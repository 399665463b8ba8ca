"""The lock: what is in it, what differs from it, and what a reviewer is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, text

from tenantguard import Tenancy
from tenantguard.checks.approved.code import code_sections
from tenantguard.checks.approved.comment import review_comment
from tenantguard.checks.approved.differences import findings_of
from tenantguard.checks.approved.live import database_sections
from tenantguard.checks.approved.lock import Lock, parse_lock
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import read_source
from tenantguard.errors import ConfigurationError
from tests.checks.clean import make, tenancy
from tests.postgres.world import Secured
from tests.servers import Backend, Database

SOURCE = """
from tenantguard import bypass, guard
engine = guard(make(), tenancy)
def nightly():
    with bypass(reason="invoicing"):
        ...
"""


def _lock(folder: Path, placed: Tenancy, source: str = SOURCE) -> Lock:
    (folder / "app.py").write_text(source)
    return Lock(code_sections(placed, Project(read_source([folder]), placed, folder)))


def _rule(column: str) -> Any:
    return lambda table, tenant: table.c[column] == tenant


CHANGES: dict[str, tuple[Callable[[MetaData], Tenancy], str, list[str]]] = {
    "a table is shared": (
        lambda m: tenancy(m, shared={"users"}, openly_shared={"users"}),
        SOURCE,
        ["every tenant reads every row of users", "writes of `users` outside of a bypass"],
    ),
    "shared rows may be written": (
        lambda m: Tenancy(m, column="company_id", columns={"companies": "id"}, shared_writable={"log", "countries"},
                          through={"tags": "call_id", "call_labels": "call_id"}),
        SOURCE,
        ["every tenant may write countries", "taken away**\n\n- writes of `countries`"],
    ),
    "a parent is another": (
        lambda m: tenancy(m, through={"call_labels": "label_id"}),
        SOURCE,
        ["another rule says whose the rows of call_labels are"],
    ),
    "a rule widens": (
        lambda m: tenancy(m, visible={"users": _rule("email")}),
        SOURCE,
        ["another rule says whose the rows of users are", "users.email = :tenant"],
    ),
    "a function is declared": (
        lambda m: tenancy(m, functions={"slugify"}), SOURCE, ["SQL that calls `slugify()`"],
    ),
    "a bypass is new": (
        tenancy, SOURCE + "def more():\n    with bypass(reason='repair'):\n        ...\n",
        ["the guard is lifted in a new place, app.py more", "everything that the bypass in `app.py more` does: repair"],
    ),
    "a bypass has another reason": (
        tenancy, SOURCE.replace("invoicing", "anything"), ["a bypass in app.py nightly has another reason"],
    ),
    "text is rewritten": (
        tenancy, SOURCE.replace("tenancy)", "tenancy, raw_sql='rewrite')"),
        ["SQL text, by the guard in `app.py module`"],
    ),
}  # fmt: skip


def test_a_lock_reads_back_what_it_wrote(tmp_path: Path) -> None:
    """And is the same text each time."""
    lock = _lock(tmp_path, tenancy(make()))
    assert parse_lock(lock.text(), "it").sections == lock.sections
    assert lock.text() == _lock(tmp_path, tenancy(make())).text()
    assert "calls (company_id, user_id) = users (company_id, id)\n" in lock.text()
    assert "tags = through call_id to calls\n" in lock.text()
    assert list(findings_of(lock, lock)) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_code_is_found_and_explained(tmp_path: Path, change: str) -> None:
    """By ``check --locked`` as a finding, and by ``review`` in words."""
    changed, source, words = CHANGES[change]
    before, after = _lock(tmp_path, tenancy(make())), _lock(tmp_path, changed(make()), source)
    findings = list(findings_of(before, after))
    assert {one.rule.id for one in findings} == {"TG501"}
    assert all("\n- " in one.detail and "\n+ " in one.detail for one in findings)
    comment = review_comment(before, after, "main")
    for word in words:
        assert word in comment
    assert "Nothing changes" in review_comment(after, after, "main")


def test_a_rule_that_changes_its_condition_alone_is_found(tmp_path: Path) -> None:
    """Though how the table belongs is written the same."""
    before = _lock(tmp_path, tenancy(make(), visible={"users": _rule("email")}))
    after = _lock(tmp_path, tenancy(make(), visible={"users": _rule("company_id")}))
    (finding,) = findings_of(before, after)
    assert finding.place == "statements: users"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda told: told.replace("tags = through", "tags = shared"), "was edited by hand"),
        (lambda told: told.replace("version 1", "version 0"), "has version 0"),
        (lambda told: f"<<<<<<< HEAD\n{told}", "is not a tenantguard lock, or holds a merge conflict"),
        (lambda told: "", "is not a tenantguard lock"),
    ],
)
def test_a_lock_that_is_none_is_refused(tmp_path: Path, edit: Callable[[str], str], said: str) -> None:
    """In one sentence."""
    text_ = edit(_lock(tmp_path, tenancy(make())).text())
    with pytest.raises(ConfigurationError, match=said):
        parse_lock(text_, "tenancy.lock")


@pytest.fixture(scope="module")
def locked(make_database: Callable[[Backend, str], Database], worker_name: str) -> Iterator[Secured]:
    """Give the clean schema on PostgreSQL, with its policies."""
    world = Secured(make_database("postgresql", "locked"), f"{worker_name}_locked")
    metadata = make()
    metadata.create_all(world.owner)
    world.secure(tenancy(metadata))
    yield world
    world.close()


@pytest.mark.parametrize(
    ("statement", "place", "said"),
    [
        ("ALTER TABLE calls NO FORCE ROW LEVEL SECURITY", "row security: calls", "+ enabled, not forced"),
        (
            "ALTER POLICY tenantguard_select ON calls USING (true)",
            "policies: calls tenantguard_select",
            "using true",
        ),
        ("DROP POLICY tenantguard_seal ON calls", "policies: calls tenantguard_seal", "a policy is gone"),
        ("GRANT TRUNCATE ON calls TO {app}", "grants: calls to {app}", "{app} gains TRUNCATE on calls"),
        ("GRANT UPDATE (code) ON countries TO {app}", "grants: countries to {app}", "gains UPDATE (code)"),
        ("ALTER ROLE {app} BYPASSRLS", "roles: {app}", "+ bypassrls, login"),
        ("GRANT {maintenance} TO {app}", "roles: {app}", "member of {maintenance}"),
        ("CREATE TABLE copied (id int)", "schema: copied", "+ in no model; primary key none"),
        ("ALTER TABLE calls DROP CONSTRAINT calls_company_id_fkey", "schema: calls", "calls has other keys"),
        (
            "ALTER TABLE calls ALTER company_id DROP NOT NULL",
            "schema: calls",
            "+ company_id VARCHAR(20) may be NULL",
        ),
        (
            "ALTER TABLE calls ALTER company_id SET DEFAULT 'acme'",
            "schema: calls",
            "company_id VARCHAR(20) not NULL default 'acme'",
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "definers: public.f()",
            "+ as ",
        ),
    ],
)
def test_drift_by_hand_is_found_and_explained(locked: Secured, statement: str, place: str, said: str) -> None:
    """What somebody changed in the database, as a diff of one entry."""
    roles = {"app": locked.roles.application, "maintenance": str(locked.roles.maintenance)}
    with locked.owner.connect() as connection:
        before = Lock(database_sections(connection, locked.tenancy))
        assert Lock(database_sections(connection, locked.tenancy)).text() == before.text()
        connection.execute(text(statement.format(**roles)))
        after = Lock(database_sections(connection, locked.tenancy))
        connection.rollback()
    (finding,) = findings_of(before, after)
    assert finding.place == place.format(**roles)
    assert said.format(**roles) in finding.detail


@pytest.mark.parametrize("backend", ["sqlite", "mariadb"])
def test_the_tables_of_any_database_are_compared(
    make_database: Callable[[Backend, str], Database], backend: Backend
) -> None:
    """A table that was added by hand, and a key that is gone, are found where a database has no row security."""
    database, metadata = make_database(backend, "lock_tables"), make()
    engine = database.create_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        before = Lock(database_sections(connection, tenancy(metadata)))
        connection.execute(text("DROP TABLE tags"))
        connection.execute(text("CREATE TABLE tags (id int PRIMARY KEY, call_id int)"))
        connection.execute(text("CREATE TABLE copied (id int PRIMARY KEY)"))
        after = Lock(database_sections(connection, tenancy(metadata)))
    assert [one.place for one in findings_of(before, after)] == ["schema: copied", "schema: tags"]
    assert parse_lock(after.text(), "x") == after
    engine.dispose()
    database.close()
