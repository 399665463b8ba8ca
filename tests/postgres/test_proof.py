"""Proof: pgrls, a prover of another house, reads the policies out of the database and finds no way around them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid, text

from tenantguard import Tenancy
from tests.postgres.world import Secured
from tests.support.missing import skip_without

MODES = ("anon", "cross-tenant", "write")
CONFIG = '[lint.rules.SEC021]\nidentity_columns = ["company_id"]\n'


def _verified(world: Secured, folder: Path, mode: str, *options: str) -> tuple[int, str]:
    """Run the prover; what did not run is no proof."""
    program = shutil.which("pgrls", path=str(Path(sys.executable).parent))
    if program is None:
        skip_without("no pgrls: pgrls is not installed")
    (folder / "pgrls.toml").write_text(CONFIG)
    url = world.owner.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [program, "verify", "--mode", mode, "--database-url", url, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)
    assert "RLS table" in done.stdout, done.stdout + done.stderr
    return done.returncode, done.stdout


def _secured(world: Secured, type_: Any) -> None:
    metadata = MetaData()
    Table("t", metadata, Column("id", Integer, primary_key=True), Column("company_id", type_, nullable=False))
    metadata.create_all(world.owner)
    world.secure(Tenancy(metadata, column="company_id"), sealed=True)


@pytest.mark.parametrize("type_", [Text(), Integer(), Uuid()], ids=str)
def test_owned_tables_are_proven(empty: Secured, tmp_path: Path, type_: Any) -> None:
    """No row of another tenant can be read or written, whatever rows there are."""
    _secured(empty, type_)
    for mode in MODES if isinstance(type_, Text) else MODES[1:2]:
        status, said = _verified(empty, tmp_path, mode, "--strict")
        assert (status, "1 proven isolated, 0 leaking, 0 unverified" in said) == (0, True), said


def test_an_opened_policy_is_no_proof(empty: Secured, tmp_path: Path) -> None:
    """The prover tells a policy that was opened by hand from ours."""
    _secured(empty, Text())
    with empty.owner.begin() as connection:
        connection.execute(text("ALTER POLICY tenantguard_insert ON t WITH CHECK (true)"))
        connection.execute(text("DROP POLICY tenantguard_seal ON t"))
    status, said = _verified(empty, tmp_path, "write", "--strict")
    assert (status != 0, "0 proven isolated" in said) == (True, True), said


def test_no_table_of_the_models_leaks(sealed: Secured, tmp_path: Path) -> None:
    """Through tables, and ids of ``varchar``, are beyond the prover, which finds nothing against them."""
    status, said = _verified(sealed, tmp_path, "cross-tenant")
    assert (status, "0 leaking" in said) == (0, True), said
