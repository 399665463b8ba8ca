"""The options of a check, from the command line and the settings."""

from __future__ import annotations

import sys
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
        help="the Tenancy, as module:tenancy; default: the setting in [tool.tenantguard]",
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


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
    return Asked(
        loaded,
        Path.cwd(),
        source=() if given.get("no_source") else _sources(settings, given.get("source"), str(target)),
        exclude=tuple(settings.get("exclude", given.get("exclude")) or ()),
        url=settings.get("url", given.get("url")),
        roles=_roles(settings, given),
        keys=bool(given.get("keys")),
    )


def lock_path(settings: Settings, given: Path | None) -> Path:
    """Return the path of the lock."""
    return Path(settings.get("lock", given) or "tenancy.lock")


def _sources(settings: Settings, given: Any, target: str) -> tuple[Path, ...]:
    named = [Path(one) for one in settings.get("source", given) or ()]
    for path in named:
        if not path.exists():
            raise ConfigurationError(f"there is no source at {path}")
    return tuple(named) or _own(target)


def _own(target: str) -> tuple[Path, ...]:
    """Return the package or module of the Tenancy, but never a third-party one."""
    top = sys.modules.get(target.partition(":")[0].partition(".")[0])
    paths = [Path(one) for one in getattr(top, "__path__", ())]
    if not paths and getattr(top, "__file__", None):
        paths = [Path(str(top.__file__))]  # type: ignore[union-attr]  # it has a file, so it is one
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
