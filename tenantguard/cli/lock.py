"""``tenantguard lock``: write down what is approved of who sees which rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tenantguard.checks.settings import read_settings
from tenantguard.cli.options import DebugOption, TenancyArgument, asked_of, lock_path
from tenantguard.cli.progress import steps
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import explained
from tenantguard.cli.targets import writable


def lock(
    tenancy: TenancyArgument = None,
    url: Annotated[
        str | None, typer.Option(envvar="TENANTGUARD_URL", help="write down this PostgreSQL database too")
    ] = None,
    source: Annotated[
        list[Path] | None, typer.Option(help="read the source under this; may be said again")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="leave these files out")] = None,
    output: Annotated[
        Path | None, typer.Option(help="where to; tenancy.lock by default, - is standard output")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write tenancy.lock: every table, how it belongs, its keys, what may be called, where the guard is lifted.

    With --url also the policies, roles and grants of the database. Commit the file: a reviewer approves what changes
    in it, and `tenantguard check --locked` fails where code or database differ from it. Exit status 2: it could not be
    made.
    """
    from tenantguard.checks.approved.contents import make_lock  # libcst: no other command waits for it

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
