"""Errors of a command that cannot run: one sentence, and exit code 2."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from tenantguard.checks.live.connection import first_line
from tenantguard.errors import TenantGuardError


@contextmanager
def explained(command: str, *, debug: bool) -> Iterator[None]:
    """Report in one sentence why a command cannot run, and exit with 2; with ``debug``, show the traceback."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (Exception, SystemExit) as error:  # an application's code may raise anything
        if debug:
            traceback.print_exc()
        console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        console.print(f"cannot {command}: {_sentence(error)}", markup=False)
        if not debug and not isinstance(error, TenantGuardError | typer.BadParameter):
            console.print("--debug shows where", markup=False)
        raise typer.Exit(2) from error


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the application's own code ended the program (SystemExit: {error.code})"
    if isinstance(error, typer.BadParameter):
        return error.message
    if isinstance(error, SQLAlchemyError):
        return f"the database says: {first_line(error)}"
    return reason_of(error) or type(error).__name__


def reason_of(error: BaseException) -> str:
    """Return an error's message in one line; for missing settings, name them and the remedy."""
    errors: Any = getattr(error, "errors", None)
    if type(error).__module__.startswith("pydantic") and callable(errors):
        lacking = [
            ".".join(map(str, one["loc"]))
            for one in errors()
            if one["type"] in ("missing", "value_error.missing")
        ]
        if lacking:
            return (
                f"the settings lack {', '.join(lacking)}: set them in the environment, as for the application"
            )
    return " ".join(str(error).split())
