"""``tenantguard init``: propose how every table of an existing application belongs."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tenantguard.adoption.companies import Schema, find_companies
from tenantguard.adoption.database import look
from tenantguard.adoption.models import Models, models_of
from tenantguard.adoption.plan import Plan, propose
from tenantguard.adoption.printer import source_of
from tenantguard.checks.live.connection import connected
from tenantguard.checks.source.reader import read_file
from tenantguard.checks.source.sites import Site, read_source, sites
from tenantguard.cli.options import DebugOption, sources_of
from tenantguard.cli.progress import steps
from tenantguard.cli.sentences import explained
from tenantguard.cli.targets import imported, load, writable

_SHOWN = ("engine", "session", "sql", "driver", "app", "entry point", "thread", "cache")
_MEANING = {
    "engine": "engines: call guard(engine, tenancy) where each is made",
    "session": "sessions: each needs a guarded engine",
    "sql": 'SQL text: refused, unless guard(..., raw_sql="rewrite") can read it',
    "driver": "connections of a driver: the guard does not see them",
    "app": "applications: add TenantMiddleware",
    "entry point": "entry points beside requests: bind the tenant in each",
    "thread": "threads and executors: pass carry(function)",
    "cache": "caches: put the tenant into their keys",
}


def init(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:METADATA", help="the MetaData or declarative base of the models, as module:name"
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(envvar="TENANTGUARD_URL", help="also inspect this database; nothing is changed"),
    ] = None,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", help="import this module of models first; repeatable"),
    ] = None,
    companies: Annotated[
        str | None, typer.Option(help="the table of the companies, if its name is unusual")
    ] = None,
    column: Annotated[str | None, typer.Option(help="the tenant column, if its name is unusual")] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(help="inspect this source too; default: the module's package"),
    ] = None,
    no_source: Annotated[bool, typer.Option("--no-source", help="read no source")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="write the Tenancy to a file instead of printing it", callback=writable),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Propose a Tenancy for existing models, ready to paste, with a reason next to each line.

    A table that nothing connects to a company is proposed as shared only if its name leaves no doubt. Otherwise its
    rows are shown to nobody, and it is marked TODO. Exits with 0 if every table was placed, with 1 if some are marked,
    and with 2 if it cannot run.
    """
    with explained("propose", debug=debug):
        with steps() as step:
            step("importing the models")
            models = _models(target, import_ or [])
            step("placing tables")
            schema = Schema([models.metadata])
            plan = propose(schema, find_companies(schema, table=companies, column=column))
            notes: list[str] = []
            if url is not None:
                step("asking the database")
                with connected(url) as connection:
                    notes += look(plan, connection, step)
            step("reading the source")
            found = [] if no_source else _sites(source or [], target)
        text = source_of(plan, models.imports, models.expression, target, notes)
    if out is not None:
        out.write_text(text)
    else:
        sys.stdout.write(text)  # as it is, also on a terminal: it is pasted
    # what follows is no Python, so it stands beside what is pasted
    _print(Console(stderr=True, highlight=False, soft_wrap=True), plan, found)
    raise typer.Exit(1 if plan.having("doubtful") or plan.faults else 0)


def _models(target: str, modules: list[str]) -> Models:
    for module in modules:
        imported(module)
    return models_of(target, load(target))


def _sites(given: list[Path], target: str) -> list[Site]:
    roots = sources_of(given, target)
    files = [read_file(path) for path in roots if path.is_file()]
    return [
        site
        for read in [*files, *read_source(path for path in roots if path.is_dir())]
        for site in sites(read)
    ]


def _print(console: Console, plan: Plan, found: list[Site]) -> None:
    counts = Counter(one.how for one in plan.tables.values())
    placed = len(plan.tables) - counts["doubtful"]
    console.print(
        f"placed {placed} of {len(plan.tables)} tables; the companies: {_companies(plan)}", markup=False
    )
    if counts["doubtful"]:
        names = ", ".join(one.name for one in plan.having("doubtful"))
        console.print(f"decide whose rows these are; until then, nobody sees them: {names}", markup=False)
    for fault in plan.faults:
        console.print(f"fix this in the models first: {fault}", markup=False)
    for kind in _SHOWN:
        of_kind = [site for site in found if site.kind == kind]
        if of_kind:
            console.print(f"{_MEANING[kind]} ({len(of_kind)})", markup=False)
            for site in of_kind:
                console.print(f"    {_where(site)} {site.name}", markup=False)
    console.print(
        'next: guard(engine, tenancy, mode="observe") and TenantMiddleware(..., optional=["/..."]), which asks no '
        "request for a token yet; run the application, then: tenantguard observe report",
        markup=False,
    )


def _companies(plan: Plan) -> str:
    table = plan.companies.table
    return f"no table, named by {plan.companies.column}" if table is None else str(table.fullname)


def _where(site: Site) -> str:
    path = Path(site.file)
    short = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{short}:{site.line}"
