"""``tenantguard access``: the quarterly access review, from the list to the applied decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from tenantguard.cli.quiet import quiet
from tenantguard.cli.revoke import revocation_of
from tenantguard.cli.targets import load_tenancy
from tenantguard.errors import ConfigurationError
from tenantguard.review.formats import COLUMNS, as_csv, as_html, as_oscal, cells, plain
from tenantguard.review.revocation import revoke_roles, revoking
from tenantguard.review.snapshot import Decision, Row, Snapshot
from tenantguard.review.sources import granted, people, reached, recorded, written

access = typer.Typer(help="Review who can reach, and has reached, which companies and tables.")
_FORMATS: dict[str, Callable[[Snapshot], str]] = {"csv": as_csv, "html": as_html, "oscal": as_oscal}
_SNAPSHOT = Annotated[Path, typer.Argument(help="a snapshot written by `access --save`")]


@access.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    tenancy: Annotated[
        str | None,
        typer.Option(metavar="MODULE:TENANCY", help="the Tenancy, as module:tenancy"),
    ] = None,
    seen: Annotated[list[Path] | None, typer.Option(help="file of a SeenBook; repeat for more files")] = None,
    reach: Annotated[
        list[Path] | None, typer.Option(help="file of a ReachedBook; repeat for more files")
    ] = None,
    record: Annotated[
        list[Path] | None, typer.Option(help="file of the record, as JSON lines; repeatable")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="source code in which to look for bypasses")] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="PostgreSQL URL, for roles and grants")
    ] = None,
    since: Annotated[Path | None, typer.Option(help="the last snapshot; show what changed since")] = None,
    save: Annotated[Path | None, typer.Option(help="write a snapshot for the decisions")] = None,
    format: Annotated[str, typer.Option(help="table, csv, html or oscal")] = "table",
) -> None:
    """List who can reach, and has reached, which companies and tables, for decisions on each row."""
    if context.invoked_subcommand is not None:
        return
    if tenancy is None:
        raise typer.BadParameter("name the Tenancy with --tenancy module:tenancy")
    if format not in ("table", *_FORMATS):
        raise typer.BadParameter("format is table, csv, html or oscal")
    try:
        with quiet():
            rows = _rows(tenancy, seen or [], reach or [], record or [], source, database)
        snapshot = Snapshot.of(rows, datetime.now(UTC))
        last = None if since is None else Snapshot.load(since)
    except (ConfigurationError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    if format == "table":
        _show(snapshot.rows.values())
    else:
        typer.echo(_FORMATS[format](snapshot))
    if last is not None:
        _tell_difference(snapshot, last)
    if save is not None:
        if save.exists():
            raise typer.BadParameter(f"{save} already exists and may hold decisions; name another file")
        snapshot.save(save)


@access.command()
def decide(
    snapshot: _SNAPSHOT,
    row: Annotated[str, typer.Argument(help="the id of a row")],
    decision: Annotated[str, typer.Argument(help="keep or remove")],
    by: Annotated[str, typer.Option(help="who decides")],
) -> None:
    """Record a named person's decision about one row."""
    if decision not in ("keep", "remove"):
        raise typer.BadParameter("the decision must be keep or remove")
    chosen: Decision = "keep" if decision == "keep" else "remove"
    try:
        held = Snapshot.load(snapshot)
        decided = held.decide(row, chosen, by, datetime.now(UTC))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error
    held.save(snapshot)
    told = f"{decision}: {decided.kind} {decided.who}; {len(held.undecided())} rows are undecided"
    typer.echo(plain(told))


@access.command()
def apply(
    snapshot: _SNAPSHOT,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="TENANTGUARD_REVOCATIONS",
            help="the store of cut-offs",
        ),
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="PostgreSQL URL with a role that may revoke grants")
    ] = None,
) -> None:
    """Apply the decisions: revoke tokens and grants, and list what is left to do elsewhere.

    Exits with 1 and changes nothing if a row is undecided.
    """
    try:
        held = Snapshot.load(snapshot)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error
    if held.undecided():
        typer.echo(f"{len(held.undecided())} rows are undecided; nothing was changed", err=True)
        raise typer.Exit(1)
    removed = [row for row in held.rows.values() if row.decision == "remove" and row.applied_at is None]
    people_ = sorted({row.who for row in removed if row.kind in ("person", "actor")})
    if people_ and store is None:
        raise typer.BadParameter("some people must be removed; name the store of cut-offs with --store")
    if database is not None:
        _revoke(database, [row for row in removed if row.kind == "role"])
    if people_ and store is not None:
        asyncio.run(_cut_off(store, people_))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name, row in held.rows.items():
        if row.decision is not None and row.applied_at is None:
            held.rows[name] = Row(**{**row.__dict__, "applied_at": now})
    held.save(snapshot)
    for row in removed:
        typer.echo(plain(_left(row, revoked=database is not None)))


def _revoke(database: str, rows: list[Row]) -> None:
    engine = create_engine(database)
    try:
        revoke_roles(engine, rows)
    except (ConfigurationError, SQLAlchemyError) as error:
        raise typer.BadParameter(str(error)) from error
    finally:
        engine.dispose()


async def _cut_off(store: str, subjects: list[str]) -> None:
    revocation = revocation_of(store)
    for subject in subjects:
        await revocation.revoke(subject=subject)


def _left(row: Row, *, revoked: bool) -> str:
    """Return a sentence about what was done, or what somebody else has to do."""
    if row.kind in ("person", "actor"):
        what = row.by or "the account"
        return f"cut off: {row.who}; remove {what} at the identity provider, or they can sign in again"
    if row.kind == "role":
        return f"{'revoked' if revoked else 'to do'}: {revoking(row)}"
    return f"to do: remove the bypass ({row.who}; {row.by})"


def _rows(
    tenancy: str,
    seen: list[Path],
    reach: list[Path],
    record: list[Path],
    source: Path | None,
    database: str | None,
) -> list[Row]:
    placed = load_tenancy(tenancy)
    known = reached([line for path in reach for line in path.read_text().splitlines()])
    rows = [row for path in seen for row in people(path.read_text().splitlines(), placed, known)]
    rows += [row for path in record for row in recorded(path.read_text().splitlines())]
    rows += written(source) if source is not None else []
    if database is not None:
        engine = create_engine(database)
        rows += granted(engine)
        engine.dispose()
    return rows


def _show(rows: object) -> None:
    table = Table(*[name.replace("_", " ") for name in COLUMNS[:9]])
    for row in rows:  # type: ignore[attr-defined]  # an iterable of rows
        table.add_row(*map(plain, cells(row)[:9]))
    Console(highlight=False, markup=False).print(table)


def _tell_difference(snapshot: Snapshot, last: Snapshot) -> None:
    new, gone = snapshot.since(last)
    back = "still here, although it should have been removed,"
    for word, rows in (("new", new), ("gone", gone), (back, snapshot.returned(last))):
        for row in rows:
            told = f"{row.kind} {row.who} of {row.company} ({row.tables}; {row.by})"
            typer.echo(plain(f"{word} since {last.name}: {told}"), err=True)
