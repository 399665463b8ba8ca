"""Targets: what a command line names as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors.seed import Value


def load_tenancy(target: str) -> Tenancy:
    """Return the Tenancy that ``module:attribute`` names; the current directory is searched first.

    Raises:
        typer.BadParameter: there is no such module or attribute, or it is no Tenancy.
    """
    found = load(target)
    if not isinstance(found, Tenancy):
        raise typer.BadParameter(f"{target} is a {type(found).__name__}, not a Tenancy")
    return found


def load_values(target: str | None) -> Mapping[str, Value]:
    """Return the values for columns that ``module:attribute`` names; none where nothing is said.

    Raises:
        typer.BadParameter: there is no such thing, or it is no dictionary of functions by ``table.column``.
    """
    found = load(target) if target is not None else {}
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and "." in name and callable(value) for name, value in found.items()
    ):
        raise typer.BadParameter(
            f'{target} is no dictionary of functions by column: {{"calls.code": lambda tenant, n: f"x-{{n}}"}}'
        )
    return found


def writable(path: Path | None) -> Path | None:
    """Return the path of a file that will be written, or say now, and not after the run, that it cannot be."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{path} cannot be written: it is a directory, or lies in none")
    return path


def load(target: str) -> Any:
    """Return what ``module:attribute`` names.

    Raises:
        typer.BadParameter: there is no such module or attribute.
    """
    module, colon, attribute = target.partition(":")
    if not colon or not module or not attribute:
        raise typer.BadParameter(
            f"{target!r} names nothing; write module:attribute, as in app.models:tenancy"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise typer.BadParameter(f"there is no module {module!r} here or on the path") from error
        raise
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise typer.BadParameter(f"{module} has no {attribute!r}")
        found = getattr(found, name)
    return found
