"""``tenantguard access``: the access review of a quarter, from the list to what was carried out."""

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

access = typer.Typer(help="Review who can reach, and did reach, which companies and tables.")
_FORMATS: dict[str, Callable[[Snapshot], str]] = {"csv": as_csv, "html": as_html, "oscal": as_oscal}
_SNAPSHOT = Annotated[Path, typer.Argument(help="a snapshot that `access --save` wrote")]


@access.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    tenancy: Annotated[
        str | None,
        typer.Option(metavar="MODULE:TENANCY", help="how the tables belong, and their permissions"),
    ] = None,
    seen: Annotated[list[Path] | None, typer.Option(help="files of a SeenBook; may be said again")] = None,
    reach: Annotated[
        list[Path] | None, typer.Option(help="files of a ReachedBook: the tables reached")
    ] = None,
    record: Annotated[list[Path] | None, typer.Option(help="files of the record, JSON lines")] = None,
    source: Annotated[Path | None, typer.Option(help="the application's source, for its bypasses")] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="PostgreSQL, for roles and grants")
    ] = None,
    since: Annotated[Path | None, typer.Option(help="the last snapshot: tell the difference to it")] = None,
    save: Annotated[Path | None, typer.Option(help="write the snapshot, to be decided")] = None,
    format: Annotated[str, typer.Option(help="table, csv, html or oscal")] = "table",
) -> None:
    """List who can reach, and did reach, which companies and tables; or decide of a list, and carry it out."""
    if context.invoked_subcommand is not None:
        return
    if tenancy is None:
        raise typer.BadParameter("say how the tables belong with --tenancy module:tenancy")
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
    """Decide of one row, by somebody named."""
    if decision not in ("keep", "remove"):
        raise typer.BadParameter("decide a row with keep or remove")
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
        typer.Option(metavar="URL", envvar="TENANTGUARD_REVOCATIONS", help="where the cut-offs are"),
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="PostgreSQL, as a role that may revoke grants")
    ] = None,
) -> None:
    """Carry out what was decided: cut people off, revoke grants, and say what is left to do elsewhere.

    Exit code 1 where a row is undecided; then nothing is carried out.
    """
    try:
        held = Snapshot.load(snapshot)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error
    if held.undecided():
        typer.echo(f"{len(held.undecided())} rows are undecided; nothing was carried out", err=True)
        raise typer.Exit(1)
    removed = [row for row in held.rows.values() if row.decision == "remove" and row.applied_at is None]
    people_ = sorted({row.who for row in removed if row.kind in ("person", "actor")})
    if people_ and store is None:
        raise typer.BadParameter("some people are to be removed; pass --store, the store of cut-offs")
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
    """Return what was done, or is left to do by somebody else."""
    if row.kind in ("person", "actor"):
        what = row.by or "the account"
        return f"cut off: {row.who}; take {what} away at the identity provider, or they sign in again"
    if row.kind == "role":
        return f"{'revoked' if revoked else 'to do'}: {revoking(row)}"
    return f"to do: take the bypass out ({row.who}; {row.by})"


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
    back = "still here, though it was to be removed,"
    for word, rows in (("new", new), ("gone", gone), (back, snapshot.returned(last))):
        for row in rows:
            told = f"{row.kind} {row.who} of {row.company} ({row.tables}; {row.by})"
            typer.echo(plain(f"{word} since {last.name}: {told}"), err=True)
