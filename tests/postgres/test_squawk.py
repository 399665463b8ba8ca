"""squawk, a linter of another house for migrations: what we generate takes no lock that lasts, and can be run again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from tenantguard.postgres import Roles, policies
from tenantguard.postgres.migrations import EnableTenancyOp
from tenantguard.postgres.migrations.retrofit import Retrofit
from tests.models import make_tenancy
from tests.support.missing import skip_without

WRONG = "ALTER TABLE notes ADD COLUMN company_id text NOT NULL"


def _linted(folder: Path, script: str) -> str:
    program = shutil.which("squawk", path=str(Path(sys.executable).parent))
    if program is None:
        skip_without("no squawk: squawk-cli is not installed")
    path = folder / "migration.sql"
    path.write_text(script)
    command = [program, "--pg-version", "15", "--reporter", "gcc", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_a_retrofit_passes(tmp_path: Path) -> None:
    """Column, backfill, check, index and key of a table that holds rows."""
    made = Retrofit(
        "notes", "company_id", "text", "SELECT c.company_id FROM calls c WHERE c.id = t.call_id", unique=True
    )
    assert _linted(tmp_path, "".join(f"{one};\n" for one in made.statements())) == ""


def test_policies_pass(tmp_path: Path) -> None:
    """What ``enable_tenancy`` writes into the script of an offline migration."""
    script = tmp_path / "offline.sql"
    with script.open("w") as output:
        context = MigrationContext.configure(
            dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
            opts={"as_sql": True, "output_buffer": output, "transactional_ddl": True},
        )
        with context.begin_transaction():
            statements = policies(make_tenancy(), Roles("app", maintenance="m"), sealed=True)
            Operations(context).invoke(EnableTenancyOp("all", statements, [], "3s"))
    assert "CREATE POLICY" in script.read_text()
    assert _linted(tmp_path, script.read_text()) == ""


@pytest.mark.parametrize("statement", [WRONG, "CREATE INDEX i ON notes (company_id)"])
def test_the_linter_finds_what_locks(tmp_path: Path, statement: str) -> None:
    """The control: it was run, and says no to what would lock a table."""
    assert "warning" in _linted(tmp_path, f"{statement};")
