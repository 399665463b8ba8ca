"""Environments of their own for the packages of others, made on first use and kept.

SQLAlchemy is pinned to the version of this environment, so that the packages are compared and not
two releases of what they build on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / "benchmarks" / ".envs"
# What a package's documentation tells its user to install, and the driver of the databases measured.
REQUIREMENTS = {
    "softtenant": ["softtenant==0.1.0"],
    "litestar-tenants": ["litestar-tenants==0.1.0"],
    "sqlalchemy-tenants": ["sqlalchemy-tenants==0.2.0"],
    "fastapi-rls": ["fastapi-rls[fastapi]==0.1.0"],
}


class MissingEnvironmentError(Exception):
    """Say why a package cannot be measured on this machine."""


@dataclass(frozen=True)
class Environment:
    """Give the interpreter of an environment, and the versions in it."""

    python: Path
    versions: dict[str, str]


def environment(package: str) -> Environment:
    """Return the package's environment, made now if it is not there.

    Raises:
        MissingEnvironmentError: it cannot be made; the message holds what the installer said.
    """
    home = DIRECTORY / package
    python = home / "bin" / "python"
    wanted = [
        *REQUIREMENTS[package],
        f"SQLAlchemy=={version('SQLAlchemy')}",
        f"psycopg[binary]=={version('psycopg')}",
    ]
    ready = home / ".ready"
    if not ready.exists() or ready.read_text() != "\n".join(wanted):
        _run(_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        _run(_uv(), "pip", "install", "--quiet", "--python", str(python), *wanted)
        ready.write_text("\n".join(wanted))
    return Environment(python, _versions(python, package))


def _versions(python: Path, package: str) -> dict[str, str]:
    ask = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    names = (package, "SQLAlchemy")
    told = _run(str(python), "-c", ask, *names).split()
    return dict(zip(names, told, strict=True))


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise MissingEnvironmentError("uv is not installed; `make setup` installs it")
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MissingEnvironmentError(done.stderr.strip() or f"{command[0]} failed")
    return done.stdout
