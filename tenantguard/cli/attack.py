"""``tenantguard attack``: run the attack vectors on a copy of a schema and print a matrix."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import ArgumentError, CompileError, SQLAlchemyError

from tenantguard.cli.html import page
from tenantguard.cli.options import RawSQL, RawSQLOption
from tenantguard.cli.quiet import quiet
from tenantguard.cli.targets import load_factory, load_tenancy, load_values, tenants_of, writable
from tenantguard.errors import TenantGuardError
from tenantguard.sql import guard
from tenantguard.testing.attack import Report, chosen, laboratory
from tenantguard.testing.attack import attack as run
from tenantguard.testing.vectors import Lab, Outcome, Result, Vector
from tenantguard.testing.vectors.table import Group, NotApplicable

GROUPS = (*get_args(Group), "legitimate")
COLOURS = {
    Outcome.HELD: "green",
    Outcome.REFUSED: "green",
    Outcome.LEAKED: "bold red",
    Outcome.LIMIT: "yellow",
    Outcome.ERROR: "bold red",
    Outcome.FAULT: "magenta",
    Outcome.NOT_APPLICABLE: "dim",
}


def attack(
    tenancy: Annotated[
        str, typer.Argument(metavar="MODULE:TENANCY", help="the Tenancy, as module:tenancy")
    ] = "tenantguard.testing.vectors.models:tenancy",
    url: Annotated[
        str, typer.Option(help="a server on which to create a database; existing ones are not touched")
    ] = "sqlite://",
    group: Annotated[list[str] | None, typer.Option(help="run only this group; repeatable")] = None,
    name: Annotated[list[str] | None, typer.Option(help="run only this vector; repeatable")] = None,
    raw_sql: RawSQLOption = RawSQL.REFUSE,
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            "--samples",
            metavar="MODULE:VALUES",
            help="values for columns that cannot be guessed: a dictionary of functions or lists",
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="a tenant id; pass it twice, for the attacker and the victim")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FACTORY", help="a function that creates your engine for a URL, guarded or not"
        ),
    ] = None,
    every_table: Annotated[
        bool,
        typer.Option("--every-table", help="run each vector on every table that it fits (slow)"),
    ] = False,
    unguarded: Annotated[
        bool, typer.Option("--unguarded", help="run without the guard, to see that the vectors succeed")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="list the vectors without running them")] = False,
    json_: Annotated[
        Path | None, typer.Option("--json", help="write the results to a file", callback=writable)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write an HTML page to a file", callback=writable)] = None,
) -> None:
    """Attack a copy of a schema with every vector that fits it.

    Exits with 1 if something leaked or broke, and with 2 if nothing was attacked.
    """
    console = Console(file=sys.stdout)  # this one: what the application prints meanwhile is kept out
    vectors = _vectors(group or [], name or [])
    if list_:
        _list(console, vectors)
        return
    with quiet(), _explained(console):
        target, given, factory = load_tenancy(tenancy), load_values(values), load_factory(engine)

        def protect(made: Any) -> Any:
            return made if unguarded else guard(made, target, raw_sql=raw_sql.value)

        if not unguarded:
            target.verify()  # a lab would stop at the first fault
        with laboratory(
            target,
            url,
            protect=protect,
            values=given,
            tenants=tenants_of(target, url, tenant or []),
            factory=factory,
        ) as lab:
            report = _attack(console, lab, vectors, every_table)
    _print(console, report)
    if json_ is not None:
        json_.write_text(json.dumps(report.as_dict(), indent=2, default=str) + "\n")
    if html is not None:
        html.write_text(page(report))
    raise typer.Exit(0 if report.passed else 1 if report.ran else 2)


def _vectors(groups: list[str], names: list[str]) -> list[Vector]:
    """Return the selected vectors, or report an unknown name."""
    every = {vector.name for vector in chosen()}
    for said, known in ((groups, set(GROUPS)), (names, every)):
        for one in said:
            if one not in known:
                raise typer.BadParameter(f"there is no {one!r}; `--list` shows the groups and the names")
    return chosen(groups, names)


def _list(console: Console, vectors: list[Vector]) -> None:
    table = Table("group", "name", "tries", box=None)
    for vector in vectors:
        table.add_row("legitimate" if vector.legitimate else vector.group, vector.name, vector.tries)
    console.print(table)
    console.print(f"{len(vectors)} in all")


def _attack(console: Console, lab: Lab, vectors: list[Vector], every_table: bool) -> Report:
    """Run the vectors with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"attacking {lab.dialect}", total=len(vectors))
        return run(lab, vectors, lambda _: progress.advance(task), every_table=every_table)


@contextmanager
def _explained(console: Console) -> Iterator[None]:
    """Report why an attack cannot start, such as faults of the tenancy, and exit with 2."""
    try:
        yield
    except ArgumentError as error:
        raise typer.BadParameter(f"the URL cannot be read: {error}") from error
    except NotApplicable as error:
        raise typer.BadParameter(str(error)) from error
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"the URL's driver is not installed: {error.name}") from error
    except (SQLAlchemyError, TenantGuardError) as error:
        # ours list every fault; SQLAlchemy's first line is the sentence, and the others are the statement
        said = str(error)
        told = escape(said if isinstance(error, TenantGuardError) else said.partition("\n")[0])
        if isinstance(error, CompileError):
            told += ". If the models are for another database, name it with --url"
        console.print(f"[bold red]cannot attack:[/] {type(error).__name__}: {told}")
        raise typer.Exit(2) from error


def _print(console: Console, report: Report) -> None:
    """Print the matrix, the problems, and the verdict."""
    matrix = Table(
        "group",
        *(str(outcome) for outcome in Outcome),
        title=f"attack vectors on {report.dialect}",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for group, counts in report.counts().items():
        cells = [
            f"[{COLOURS[outcome]}]{counts[outcome]}[/]" if counts[outcome] else "[dim]-[/]"
            for outcome in Outcome
        ]
        matrix.add_row(group, *cells)
    console.print(matrix)
    for result in report.results:
        if result.bad or result.outcome in (Outcome.LIMIT, Outcome.FAULT):
            console.print(_told(result), highlight=False)
    for table, reason in sorted(report.empty.items()):
        console.print(f"[yellow]no rows could be made for {table}[/]: {escape(reason)}; give --values")
    missed = [name for name, by in report.attacked().items() if not by]
    if missed:
        console.print(f"[dim]no vector was tried on: {escape(', '.join(missed))}[/]")
    about = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    console.print(f"[dim]{escape(about)}; {report.started:%Y-%m-%d %H:%M} UTC[/]", highlight=False)
    console.print(f"[{'green' if report.passed else 'bold red'}]{escape(report.verdict)}[/]", highlight=False)


def _told(result: Result) -> str:
    colour = COLOURS[result.outcome]
    said = f"[{colour}]{result.outcome}[/] {result.vector.name}: {result.vector.tries}"
    return f"{said}\n    {escape(result.detail)}"
