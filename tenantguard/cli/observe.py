"""``tenantguard observe``: what ``guard(..., mode="observe")`` has observed, most dangerous first."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tenantguard.adoption.observations import Danger, Observation, by_change, observations, unbound_everywhere
from tenantguard.cli.observe_page import page
from tenantguard.cli.progress import steps
from tenantguard.cli.sentences import explained
from tenantguard.cli.targets import writable
from tenantguard.errors import ConfigurationError
from tenantguard.sql.observe import Recorded, read
from tenantguard.sql.observe.records import directory_of

COLOURS = {
    Danger.LEAKS: "bold red",
    Danger.REFUSED: "red",
    Danger.UNBOUND: "yellow",
    Danger.UNKNOWN: "cyan",
    Danger.ALIKE: "dim",
}
observe = typer.Typer(
    help='Show what guard(..., mode="observe") has observed.',
    no_args_is_help=True,
    add_completion=False,
)
_Directory = Annotated[
    Path | None,
    typer.Argument(
        envvar="TENANTGUARD_OBSERVED",
        help="the directory it writes to; default: .tenantguard/observed",
    ),
]


@observe.command()
def report(
    directory: _Directory = None,
    all_: Annotated[bool, typer.Option("--all", help="also show places where nothing changes")] = False,
    html: Annotated[Path | None, typer.Option(help="write an HTML page to a file", callback=writable)] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", help="write JSON to a file", callback=writable)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show where an error comes from")] = False,
) -> None:
    """Show the observations by place, most dangerous first, with the line to change for each.

    Exits with 0 if every place works the same under the guard, with 1 if one does not or was never compared, and with
    2 if nothing was observed.
    """
    with explained("report", debug=debug):
        where = directory_of(directory)
        with steps() as step:
            step(f"reading {where}")
            recorded = read(where)
            if not recorded.processes:
                raise ConfigurationError(
                    f"nothing was observed in {where}; run the application with guard(engine, tenancy, "
                    'mode="observe"), or name the directory that it writes to'
                )
            step("sorting")
            found = observations(recorded.records)
    _print(Console(file=sys.stdout, highlight=False), found, recorded, everything=all_)
    if html is not None:
        html.write_text(page(found, recorded))
    if json_ is not None:
        json_.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    raise typer.Exit(1 if any(one.danger is not Danger.ALIKE for one in found) else 0)


@observe.command()
def clear(
    directory: _Directory = None,
    debug: Annotated[bool, typer.Option("--debug", help="show where an error comes from")] = False,
) -> None:
    """Delete all observations, and nothing else, to start again after a change."""
    with explained("clear", debug=debug):
        where = directory_of(directory)
        unread = set(read(where).unread)
        files = [path for path in where.glob("*.json") if path.name not in unread]
        for path in files:
            path.unlink()
    Console(file=sys.stdout, highlight=False).print(
        f"deleted: {len(files)} file(s) in {where}", markup=False, soft_wrap=True
    )


def _print(console: Console, found: list[Observation], recorded: Recorded, *, everything: bool) -> None:
    first = unbound_everywhere(found)
    if first:
        console.print(f"[green]do first:[/] {first}", soft_wrap=True)
    for group in by_change(found):
        one = group[0]
        if one.danger is Danger.ALIKE and not everything:
            continue
        place = f"{one.file}:{one.line}"
        console.print(
            f"[{COLOURS[one.danger]}]{one.danger}[/] [bold]{escape(place)}[/] in {escape(one.function)}, "
            f"{_times(sum(each.record.seen for each in group))}",
            soft_wrap=True,
        )
        if one.source:
            console.print(f"    {escape(one.source)}", soft_wrap=True, style="dim")
        if one.began:
            console.print(f"    began in {escape(one.began)}", soft_wrap=True, style="dim")
        for each in group:
            console.print(f"    {escape(each.said)}", soft_wrap=True)
            console.print(f"    [dim]{escape(each.record.statement[:200])}[/]", soft_wrap=True)
        console.print(f"    [green]do:[/] {escape(one.remedy)}", soft_wrap=True)
    console.print(summary(found, recorded), soft_wrap=True, markup=False)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def summary(found: list[Observation], recorded: Recorded) -> str:
    """Return a one-line summary of the observations."""
    counts = Counter(group[0].danger for group in by_change(found))
    parts = [f"{counts[danger]} {danger}" for danger in Danger if counts[danger]]
    parts.append(f"observed by {recorded.processes} process(es)")
    if recorded.lost:
        parts.append(f"{recorded.lost} executions found no room")
    if recorded.failures:
        parts.append(f"observing failed {recorded.failures} times")
    if recorded.unread:
        parts.append(f"not read, since they hold something else: {', '.join(recorded.unread)}")
    return "; ".join(parts)
