"""Targets: objects that a command line names as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from sqlalchemy import make_url

from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import reason_of
from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.tenancy import Tenancy
from tenantguard.testing.attack import Values
from tenantguard.testing.kinds import tenant_kind
from tenantguard.testing.vectors.lab import Factory

_ID: dict[str, Callable[[str], TenantId]] = {"str": str, "int": int, "uuid": UUID}


def load_tenancy(target: str) -> Tenancy:
    """Return the Tenancy that ``module:attribute`` names; the current directory is searched first.

    Raises:
        typer.BadParameter: there is no such module or attribute, or it is not a Tenancy.
    """
    found = load(target)
    if not isinstance(found, Tenancy):
        what = "class" if isinstance(found, type) else type(found).__name__
        raise typer.BadParameter(
            f"{target} is {'an' if what[0] in 'aeiouAEIOU' else 'a'} {what}, not a Tenancy"
        )
    return found


def load_values(target: str | None) -> Values:
    """Return the column values that ``module:attribute`` names, or none.

    Raises:
        typer.BadParameter: it does not exist, or is not a dictionary of functions by ``table.column``.
    """
    found = load(target) if target is not None else {}
    if not isinstance(found, Mapping) or not all(_is_given(name, value) for name, value in found.items()):
        raise typer.BadParameter(
            f"{target} is not a dictionary of functions or lists by column: "
            '{"calls.code": lambda tenant, n: f"x-{n}", "calls.kind": ["in", "out"]}'
        )
    return found


def _is_given(name: object, value: object) -> bool:
    listed = isinstance(value, list | tuple) and bool(value)
    return isinstance(name, str) and "." in name and (callable(value) or listed)


def load_factory(target: str | None) -> Factory | None:
    """Return the function that creates the application's engine for a URL, or ``None``.

    Raises:
        typer.BadParameter: it does not exist, or is not a function.
    """
    found = load(target) if target is not None else None
    if found is not None and not callable(found):
        raise typer.BadParameter(f"{target} is not a function that takes a URL, such as create_engine")
    return found


def tenants_of(tenancy: Tenancy, url: str, given: list[str]) -> tuple[TenantId, TenantId] | None:
    """Return the two tenant ids of the command line in the type of the tenant column, or ``None``.

    Raises:
        typer.BadParameter: there are not two ids, or not of that type.
    """
    if not given:
        return None
    if len(set(given)) != 2:
        raise typer.BadParameter("pass --tenant twice, with two ids: the attacker's and the victim's")
    kind = tenant_kind(tenancy, make_url(url).get_dialect()())
    try:
        first, second = (_ID[kind](one) for one in given)
    except ValueError as error:
        raise typer.BadParameter(f"tenant ids have the type {kind}: {error}") from error
    return first, second


def writable(path: Path | None) -> Path | None:
    """Return the path of an output file, or report before the run that it cannot be written."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise typer.BadParameter(
            f"{path} cannot be written: it is a directory, or its directory does not exist"
        )
    return path


def load(target: str) -> Any:
    """Return what ``module:attribute`` names.

    Raises:
        typer.BadParameter: there is no such module or attribute.
        ConfigurationError: the module does not import.
    """
    module, colon, attribute = target.partition(":")
    if not colon or not module or not attribute:
        raise typer.BadParameter(
            f"{target!r} names nothing; write module:attribute, as in app.models:tenancy"
        )
    found = imported(module)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise typer.BadParameter(f"{module} has no {attribute!r}")
        found = getattr(found, name)
    return found


def imported(module: str) -> Any:
    """Return a module of the application's, which is looked for in the current directory first.

    Raises:
        typer.BadParameter: there is no such module.
        ConfigurationError: it does not import, or ends the program: ``sys.exit(0)`` in it would pass for success.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with quiet():
            return importlib.import_module(module)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:  # an application's module may raise anything
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and f"{module}.".startswith(f"{absent}."):
            raise typer.BadParameter(f"no module named {module!r} was found here or on the path") from error
        what = f"{type(error).__name__}: {reason_of(error)}"
        raise ConfigurationError(f"{module} does not import: {what}") from error
