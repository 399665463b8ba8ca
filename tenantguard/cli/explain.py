"""``tenantguard explain``: what the guard does with a statement, and why a row is not visible."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy import NullPool, create_engine

from tenantguard.adoption.explanation import Explained, first_tenant, plans, statements_of
from tenantguard.adoption.explanation import explain as explained_statement
from tenantguard.adoption.hidden import why_hidden
from tenantguard.adoption.observations import remedy_of
from tenantguard.checks.live.connection import connected, sync_url
from tenantguard.cli.options import DebugOption, RawSQL, RawSQLOption
from tenantguard.cli.progress import steps
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import explained
from tenantguard.cli.targets import load, load_tenancy
from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.sql import guard
from tenantguard.tenancy import Tenancy


def explain(
    tenancy: Annotated[str, typer.Argument(metavar="MODULE:TENANCY", help="the Tenancy, as module:tenancy")],
    statement: Annotated[
        str | None,
        typer.Argument(
            metavar="STATEMENT",
            help="SQL text, or module:name of a statement or of a function that returns or executes one",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="TENANTGUARD_URL", help="show the query plans of this database; nothing is changed"
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="the company for the query plans, or for --row")] = None,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE:KEY", help="explain why this row (table:key) is not visible to the company"
        ),
    ] = None,
    raw_sql: RawSQLOption = RawSQL.REFUSE,
    dialect: Annotated[str, typer.Option(help="the kind of database, if there is no --url")] = "postgresql",
    debug: DebugOption = False,
) -> None:
    """Show a statement's tables, how they belong, the SQL that is sent, its query plans, and what is refused and why.

    Exits with 0 if the statement is sent, with 1 if it is refused, and with 2 if it cannot be explained.
    """
    told = None
    with explained("explain", debug=debug), steps() as step:
        step("importing")
        target, asked = _loaded(tenancy, statement)
        if asked is None and row is None:
            raise ConfigurationError("give a statement, or a row with --row table:key")
        if asked is not None:
            name = sync_url(url).get_backend_name() if url is not None else dialect
            told = explained_statement(target, asked, name, raw_sql.value)
            if isinstance(asked, str) and not told.tables:  # the guard reads it in no mode
                told.tables = _placed(target, asked)
        answer = (
            _ask(target, asked, told, url, tenant, row, raw_sql, step) if url is not None or row else None
        )
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True, markup=False)
    if told is not None:
        _print(console, told)
    if answer is not None:
        console.print(answer)
    raise typer.Exit(1 if told is not None and told.sent is None else 0)


def _placed(tenancy: Tenancy, written: str) -> dict[str, str]:
    """Return how each table belongs that SQL text names."""
    from tenantguard.checks.source.statements import tables_of  # sqlglot: no other command waits for it

    named = tables_of(written) or set()
    return {one.name: str(one) for one in tenancy if one.key[1] in named}


def _loaded(tenancy: str, statement: str | None) -> tuple[Tenancy, Any]:
    with quiet():
        target = load_tenancy(tenancy)
        target.verify()
        if statement is not None and not statement.strip():
            raise ConfigurationError("the statement is empty")
        if statement is None or " " in statement.strip() or ":" not in statement:
            return target, statement
        return target, statements_of(load(statement), statement)


def _ask(
    tenancy: Tenancy,
    asked: Any,
    told: Explained | None,
    url: str | None,
    tenant: str | None,
    row: str | None,
    raw_sql: RawSQL,
    step: Any,
) -> str | None:
    """Read query plans, and a row, from the live database."""
    if url is None:
        raise ConfigurationError("--row needs a database; pass --url")
    with connected(url) as connection:
        bound = _tenant(tenancy, tenant) if tenant is not None else first_tenant(tenancy, connection)
        if told is not None:
            step("planning")
            plans(told, tenancy, asked, connection, bound, raw_sql.value)
        if row is None:
            return None
        if tenant is None:
            raise ConfigurationError("--row needs a company; pass --tenant")
        step("looking for the row")
        engine = guard(create_engine(sync_url(url), poolclass=NullPool), tenancy, row_security=False)
        return why_hidden(tenancy, connection, engine, row, bound)


def _tenant(tenancy: Tenancy, given: str) -> TenantId:
    """Return a tenant's id in the type of the tenant column."""
    kinds = [one.python_type for one in tenancy if one.kind == "owned" and one.python_type is not None]
    kind: Any = kinds[0] if kinds else str
    try:
        return kind(given) if kind in (int, UUID) else given
    except ValueError as error:
        raise ConfigurationError(
            f"tenant ids have the type {kind.__name__}, and {given!r} does not"
        ) from error


def _print(console: Console, told: Explained) -> None:
    console.print("tables")
    for name, how in sorted(told.tables.items()):
        console.print(f"    {name}: {how}")
    if not told.tables:
        console.print("    none that the tenancy places")
    console.print(f"written\n    {_line(told.written)}")
    if told.sent is not None:
        same = _line(told.sent) == _line(told.written)
        console.print("sent\n    as it is written" if same else f"sent\n    {_line(told.sent)}")
    else:
        console.print(f"refused ({told.kind})\n    {told.refusal}")
        console.print(f"do\n    {remedy_of(told.kind, told.refusal or '')}")
    if told.changes:
        console.print("the guard " + ", ".join(told.changes))
    if told.rewritten is not None:
        console.print(_line(told.rewritten))
    for name, plan in told.plans.items():
        console.print(f"plan {name}")
        for line in plan:
            console.print(f"    {line}")


def _line(statement: str) -> str:
    return " ".join(statement.split())
