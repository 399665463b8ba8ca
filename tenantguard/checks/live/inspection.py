"""The inspection of a live database, part by part, with a finding for each part that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tenantguard.checks.belongs import of_tenants
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.checks.live.around import readers
from tenantguard.checks.live.comparison import differences
from tenantguard.checks.live.connection import first_line
from tenantguard.checks.live.poolers import pooling
from tenantguard.checks.live.row_security import role_of, row_security
from tenantguard.checks.live.rows import Step, crossing_rows, ownerless_rows
from tenantguard.checks.live.structure import structures
from tenantguard.postgres import Roles
from tenantguard.tenancy import Tenancy

_HELD = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regclass(name) IS NOT NULL "
    "AND pg_catalog.row_security_active(to_regclass(name)\\:\\:oid) ORDER BY 1"
)


def live_findings(
    connection: Connection,
    tenancy: Tenancy,
    roles: Roles | None = None,
    *,
    keys: bool = False,
    step: Step = lambda _: None,
) -> Iterator[Finding]:
    """Yield the findings in a database; nothing is changed.

    Args:
        connection: a connection whose role may read the catalogue and every row.
        tenancy: how every table belongs.
        roles: the roles of the database; by default those of the installed policies.
        keys: whether to list the rows that cross tenants.
        step: a function that receives the description of the next step.
    """
    step("comparing tables")
    yield from _tried(connection, "the tables", lambda: differences(connection, tenancy))
    step("comparing indexes and keys")
    yield from _tried(connection, "indexes and keys", lambda: structures(connection, tenancy))
    if connection.dialect.name == "postgresql":
        yield from _postgresql(connection, tenancy, roles, step)
    step("counting rows")
    yield from _tried(connection, "the rows", lambda: _rows(connection, tenancy, keys=keys, step=step))


def _postgresql(
    connection: Connection, tenancy: Tenancy, roles: Roles | None, step: Step
) -> Iterator[Finding]:
    yield from _tried(connection, "the pooler", lambda: pooling(connection))
    step("comparing row security")
    yield from _tried(connection, "row security", lambda: row_security(connection, tenancy, roles))
    step("looking for views and functions")
    yield from _tried(connection, "views and functions", lambda: _readers(connection, tenancy, roles))


def _readers(connection: Connection, tenancy: Tenancy, roles: Roles | None) -> Iterator[Finding]:
    role = roles.application if roles else role_of(connection)
    known = text("SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :role)")
    if role is not None and not connection.execute(known, {"role": role}).scalar():
        role = None
    return readers(connection, tenancy, role)


def _rows(connection: Connection, tenancy: Tenancy, *, keys: bool, step: Step) -> Iterator[Finding]:
    """Yield the findings among the rows; a role that is subject to policies would count none."""
    held = _held(connection, tenancy)
    if held:
        detail = (
            f"the role of --url is held by row security on {', '.join(held)}, and sees no rows to count there"
        )
        yield finding_of("TG904", "the rows", detail, "Check with a role that has BYPASSRLS.")
        return
    yield from ownerless_rows(connection, tenancy)
    yield from crossing_rows(connection, tenancy, keys=keys, step=lambda name: step(f"counting rows: {name}"))


def _held(connection: Connection, tenancy: Tenancy) -> list[str]:
    if connection.dialect.name != "postgresql":
        return []
    quote = connection.dialect.identifier_preparer.format_table
    names = [quote(table) for _, table in of_tenants(tenancy)]
    return list(connection.execute(_HELD, {"names": names}).scalars())


def _tried(connection: Connection, what: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield one part's findings; if the database refuses it, report that and roll back for the next part."""
    try:
        with connection.begin_nested():
            yield from list(look())
    except SQLAlchemyError as error:
        yield finding_of("TG904", what, f"{what} could not be checked: {first_line(error)}")
