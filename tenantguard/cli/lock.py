"""``tenantguard lock``: record who is approved to see which rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tenantguard.checks.approved.contents import make_lock
from tenantguard.checks.settings import read_settings
from tenantguard.cli.options import DebugOption, TenancyArgument, asked_of, lock_path
from tenantguard.cli.progress import steps
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import explained
from tenantguard.cli.targets import writable


def lock(
    tenancy: TenancyArgument = None,
    url: Annotated[
        str | None, typer.Option(envvar="TENANTGUARD_URL", help="also record this database")
    ] = None,
    source: Annotated[list[Path] | None, typer.Option(help="a source directory; repeatable")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="skip these files")] = None,
    output: Annotated[
        Path | None, typer.Option(help="the file to write; default: tenancy.lock; - is standard output")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write tenancy.lock: every table, how it belongs, its keys, the allowed functions, and the bypasses.

    With --url, it also contains the tables, policies, roles and grants of the database. Commit the file: a reviewer
    approves its changes, and `tenantguard check --locked` fails if the code or the database differs from it. Exits
    with 2 if it cannot be written.
    """
    with explained("lock", debug=debug):
        settings = read_settings(Path.cwd())
        with quiet():
            asked = asked_of(settings, tenancy, url=url, source=source, exclude=exclude)
        with steps() as step, quiet():
            made = make_lock(asked, step)
        path = lock_path(settings, output)
        if str(path) == "-":
            sys.stdout.write(made.text())
            return
        writable(path)
        path.write_text(made.text())
        many = sum(len(entries) for entries in made.sections.values())
        where = "code and database" if made.has_database else "code"
        Console(highlight=False).print(
            f"{path} holds {many} entries of {where}; review it and commit it", markup=False
        )
