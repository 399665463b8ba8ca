"""Planted faults that need a server of their own kind: seals, roles, poolers, provers, and MariaDB."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, Text, text

import tenantguard.postgres
from tenantguard import Tenancy
from tenantguard.checks.live.connection import connected
from tenantguard.checks.live.inspection import live_findings
from tenantguard.checks.live.pgrls import proven
from tenantguard.checks.live.row_security import ELSEWHERE, IDS
from tenantguard.checks.options import Asked
from tenantguard.checks.run import run
from tenantguard.postgres import Roles
from tests.checks.clean import fill, key, make, tenancy
from tests.postgres.pooler import pgbouncer
from tests.postgres.world import Secured
from tests.servers import Backend, Database
from tests.support.missing import skip_without

Make = Callable[[Backend, str], Database]


def _ids(findings: Any) -> list[str]:
    return sorted({one.rule.id for one in findings})


def test_every_finding_of_row_security_has_an_id() -> None:
    """The names that tenantguard.postgres gives its findings, read out of its source; an id names a finding of it."""
    named = set()
    for path in Path(tenantguard.postgres.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Finding":
                assert isinstance(node.args[0], ast.Constant), (
                    f"{path.name}:{node.lineno} has no literal name"
                )
                named.add(node.args[0].value)
    assert named == IDS.keys() | ELSEWHERE


@pytest.fixture(scope="module")
def sealed(make_database: Make, worker_name: str) -> Iterator[Secured]:
    """Give the clean schema on PostgreSQL, with policies and a seal."""
    world = Secured(make_database("postgresql", "checked_sealed"), f"{worker_name}_checked_sealed")
    metadata = make()
    metadata.create_all(world.owner)
    with world.owner.begin() as connection:
        fill(connection)
    world.secure(tenancy(metadata), sealed=True)
    yield world
    world.close()


SEALED: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], []),
    "rows without a tenant": (
        ["TG302"],
        ["ALTER TABLE labels ALTER company_id DROP NOT NULL", "INSERT INTO labels (id) VALUES (900), (901)"],
    ),
    "a seal that nobody verifies": (
        ["TG411"],
        ["CREATE OR REPLACE FUNCTION tenantguard.sealed_tenant() RETURNS text LANGUAGE sql STABLE AS 'SELECT $$x$$'"],
    ),
    "keys that the application reads": (["TG411"], ["GRANT SELECT ON tenantguard.keys TO {app}"]),
    "keys that are gone": (["TG411"], ["ALTER TABLE tenantguard.keys RENAME TO others"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", SEALED)
def test_a_fault_under_a_seal_is_found(sealed: Secured, fault: str) -> None:
    """Each by its id and nothing else."""
    ids, statements = SEALED[fault]
    with sealed.owner.connect() as connection:
        for statement in statements:
            connection.execute(text(statement.format(app=sealed.roles.application)))
        found = list(live_findings(connection, sealed.tenancy, sealed.roles))
        connection.rollback()
    assert _ids(found) == ids
    if fault == "rows without a tenant":
        assert any("2 row(s) of labels have no company_id" in one.detail for one in found)


def test_a_role_that_is_not_there_is_found(sealed: Secured) -> None:
    """It alone is told of row security, since nothing can be compared without it."""
    with sealed.owner.connect() as connection:
        (finding,) = live_findings(connection, sealed.tenancy, Roles("tgpgs_nobody"))
    assert (finding.rule.id, finding.place) == ("TG412", "tgpgs_nobody")


def test_a_role_that_policies_hold_counts_no_rows_and_is_told_so(sealed: Secured) -> None:
    """No row crosses where none is seen: that is said, and is no clean result."""
    with sealed.engine(sealed.roles.application).connect() as connection:
        found = [
            one for one in live_findings(connection, sealed.tenancy, sealed.roles) if one.place == "the rows"
        ]
    (finding,) = found
    assert finding.rule.id == "TG904"
    assert "is held by row security on call_labels, calls" in finding.detail


def test_a_database_without_row_security_is_a_note(make_database: Make) -> None:
    """Row security is optional, and that nothing is there is said once."""
    database = make_database("postgresql", "checked_bare")
    metadata = make()
    engine = database.create_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        (finding,) = live_findings(connection, tenancy(metadata))
    assert (finding.rule.id, finding.severity) == ("TG418", "note")
    database.close()


def test_a_policy_that_pgrls_sees_through_is_found(make_database: Make) -> None:
    """It reads the policies on its own; one that holds passes. An id of varchar is beyond it."""
    if shutil.which("pgrls", path=str(Path(sys.executable).parent)) is None:
        skip_without("no pgrls: pgrls is not installed")
    database = make_database("postgresql", "checked_proven")
    metadata, engine = MetaData(), database.create_engine()
    held = "company_id = current_setting('tenantguard.tenant', true)"
    with engine.begin() as connection:
        for name, rule in (("held", held), ("open", f"{held} OR note = 'help'")):
            Table(
                name, metadata, key(), Column("company_id", Text, nullable=False), Column("note", Text)
            ).create(connection)
            connection.execute(text(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"))
            connection.execute(text(f"CREATE POLICY planted ON {name} USING ({rule})"))
    found = list(proven(engine.url, Tenancy(metadata, column="company_id")))
    assert {(one.rule.id, one.place) for one in found} == {("TG420", "public.open.planted")}
    database.close()


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_pooler_that_breaks_a_transaction_is_found(sealed: Secured, mode: str) -> None:
    """In statement mode PgBouncer holds no transaction together, so the tenant's setting would be gone."""
    with pgbouncer(sealed.owner.url, str(sealed.owner.url.username), mode) as url:
        if url is None:
            skip_without("no PgBouncer: pgbouncer is not installed (Debian: pgbouncer)")
        given = url.render_as_string(hide_password=False)
        result = run(Asked(sealed.tenancy, Path(), url=given, roles=sealed.roles, prove=False))
    assert _ids(result.findings) == (["TG419", "TG904"] if mode == "statement" else [])


MARIADB: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], []),
    "a row that crosses": (["TG301"], ["INSERT INTO call_labels VALUES (1, 101)"]),
    "rows without a tenant": (
        ["TG302"],
        ["ALTER TABLE labels MODIFY company_id varchar(20) NULL", "INSERT INTO labels (id) VALUES (900)"],
    ),
    "a table that no model knows": (["TG303"], ["CREATE TABLE stray (id int)"]),
    "a unique index without the tenant": (["TG307"], ["CREATE UNIQUE INDEX planted ON users (email)"]),
    "a key that is missing": (["TG308"], ["ALTER TABLE tags DROP FOREIGN KEY tags_ibfk_1"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", MARIADB)
def test_a_fault_on_mariadb_is_found(make_database: Make, fault: str) -> None:
    """Each by its id and nothing else; DDL commits there, so each has a schema of its own."""
    ids, statements = MARIADB[fault]
    database = make_database("mariadb", "checked")
    metadata = make()
    engine = database.create_engine()
    metadata.create_all(engine)
    with engine.begin() as connection:
        fill(connection)
        for statement in statements:
            connection.execute(text(statement))
    with connected(engine.url.render_as_string(hide_password=False)) as connection:
        assert _ids(live_findings(connection, tenancy(metadata))) == ids
    database.close()
