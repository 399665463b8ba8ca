"""Proofs by pgrls, an independent prover of row security, if it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Tenancy

_MODES = ("cross-tenant", "write")
_SECONDS = 120


def proven(url: URL, tenancy: Tenancy) -> Iterator[Finding]:
    """Yield the policies through which pgrls finds a way to another tenant's rows.

    Args:
        url: the URL of the database.
        tenancy: the tenancy, for the tenant columns.
    """
    program = _program()
    if program is None:
        return
    columns = sorted({one.column for one in tenancy if one.kind == "owned" and one.column})
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "pgrls.toml")
        settings.write_text(f"[lint.rules.SEC021]\nidentity_columns = {json.dumps(columns)}\n")
        for mode in _MODES:
            yield from _verified(program, mode, settings, url)


def _program() -> str | None:
    beside = str(Path(sys.executable).parent)
    return shutil.which("pgrls", path=beside) or shutil.which("pgrls")


def _verified(program: str, mode: str, settings: Path, url: URL) -> Iterator[Finding]:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [program, "verify", "--mode", mode, "--config", str(settings), "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - a program of the same environment, and no shell
            command, capture_output=True, text=True, check=False, timeout=_SECONDS, cwd=settings.parent,
            env={**os.environ, "DATABASE_URL": plain},  # an argument would show the password to every user
        )  # fmt: skip
        told = json.loads(done.stdout)
        tables = list(told["tables"])
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError) as error:
        yield finding_of(
            "TG904", f"pgrls verify --mode {mode}", f"pgrls did not answer: {type(error).__name__}"
        )
        return
    for table in tables:
        yield from _leaks(table, mode)


def _leaks(table: dict[str, Any], mode: str) -> Iterator[Finding]:
    for policy in table.get("policies", ()):
        if policy.get("verdict") == "leak":
            place = f"{table['table']}.{policy['policy']}"
            yield finding_of(
                "TG420", place, f"pgrls found a way to another tenant's rows ({mode}) through {place}"
            )
