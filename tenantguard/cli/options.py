"""The options that several commands have, and those of a check with its settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tenantguard.checks.options import Asked
from tenantguard.checks.settings import Settings
from tenantguard.cli.targets import load_tenancy
from tenantguard.errors import ConfigurationError
from tenantguard.postgres import Roles

TenancyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:TENANCY",
        help="the Tenancy, as module:tenancy; default: the setting in pyproject.toml",
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


class RawSQL(StrEnum):
    """The guard's mode for SQL text."""

    REFUSE = "refuse"
    REWRITE = "rewrite"


RawSQLOption = Annotated[RawSQL, typer.Option(help="the guard's mode for SQL text")]


def asked_of(settings: Settings, tenancy: str | None, **given: Any) -> Asked:
    """Return what to check, from the command line and the settings.

    Raises:
        ConfigurationError: the Tenancy cannot be loaded, or something named does not exist.
    """
    target = settings.get("tenancy", tenancy)
    if target is None:
        raise ConfigurationError(
            'name the Tenancy: tenantguard check app.db:tenancy, or tenancy = "app.db:tenancy" in [tool.tenantguard]'
        )
    loaded = load_tenancy(str(target))
    named = settings.get("source", given.get("source")) or ()
    return Asked(
        loaded,
        Path.cwd(),
        source=() if given.get("no_source") else sources_of(map(Path, named), str(target)),
        exclude=tuple(settings.get("exclude", given.get("exclude")) or ()),
        url=settings.get("url", given.get("url")),
        roles=_roles(settings, given),
        keys=bool(given.get("keys")),
    )


def lock_path(settings: Settings, given: Path | None) -> Path:
    """Return the path of the lock."""
    return Path(settings.get("lock", given) or "tenancy.lock")


def sources_of(named: Iterable[Path], target: str) -> tuple[Path, ...]:
    """Return the source to read: what is named, or the package or module of a target, but never a third-party one.

    Raises:
        ConfigurationError: something named does not exist.
    """
    sources = tuple(named)
    for path in sources:
        if not path.exists():
            raise ConfigurationError(f"there is no source at {path}")
    return sources or _own(target)


def _own(target: str) -> tuple[Path, ...]:
    top: Any = sys.modules.get(target.partition(":")[0].partition(".")[0])
    paths = [Path(one) for one in getattr(top, "__path__", ())]
    if not paths and getattr(top, "__file__", None):
        paths = [Path(top.__file__)]
    return tuple([path for path in paths if path.resolve().is_relative_to(Path.cwd().resolve())])


def _roles(settings: Settings, given: dict[str, Any]) -> Roles | None:
    names = {
        name: settings.get(f"{name}_role", given.get(f"{name}_role")) for name in ("maintenance", "owner")
    }
    role = settings.get("role", given.get("role"))
    if role is None:
        if any(names.values()):
            raise ConfigurationError("pass --role, the application role, as well as the other roles")
        return None
    return Roles(str(role), maintenance=names["maintenance"], owner=names["owner"])
