"""Installation and removal of row security, in the caller's transaction and repeatable."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.roles import Roles, roles_of
from tenantguard.postgres.seal_check import add_key
from tenantguard.postgres.statements import ground, removal, table_statements
from tenantguard.postgres.tables import Secured, secured
from tenantguard.sql.servers.collations import verify_columns
from tenantguard.sql.telling.seal import Seal
from tenantguard.tenancy import Tenancy

OLDEST = (13,)
_LOCKS = "SET LOCAL lock_timeout = '3s'"


def install(
    connection: Connection, tenancy: Tenancy, roles: Roles | None = None, *, seal: Seal | None = None
) -> None:
    """Install row security for every table: roles, grants, policies and, with a key, the seal.

    It runs in the connection's transaction, which the caller commits, so a failing statement leaves nothing half done.
    Run it again after each change of the tenancy. It waits at most three seconds for a lock.

    Args:
        connection: a connection of an unguarded engine, as the tables' owner or a superuser.
        tenancy: how every table belongs.
        roles: the roles of the database.
        seal: the key that signs the tenant; it is stored in the database.

    Raises:
        ConfigurationError: the server or the role does not allow it, or policies cannot protect a table.

    Example:
        >>> def upgrade(owner):
        ...     with owner.begin() as connection:
        ...         install(connection, tenancy, Roles("app", maintenance="app_maintenance"))
    """
    schema = ready(connection)
    given = roles_of(roles)
    tables = secured(tenancy, schema, sealed=seal is not None)
    verify_present(connection, tables)
    verify_columns(connection.connection, tenancy, "postgresql")
    run(connection, [_LOCKS, *given.statements()])
    run(connection, ground(tables, given, schema, sealed=seal is not None))
    for table in tables:
        run(connection, table_statements(table, given), table.name)
    if seal is not None:
        add_key(connection, seal)


def uninstall(connection: Connection, tenancy: Tenancy, roles: Roles | None = None) -> None:
    """Remove the policies and triggers from every table; roles, grants and the key table stay.

    Args:
        connection: see ``install``.
        tenancy: how every table belongs.
        roles: the roles of the database.
    """
    schema = ready(connection)
    run(connection, [_LOCKS])
    for table in secured(tenancy, schema, sealed=False):
        run(connection, removal(table, roles_of(roles)), table.name)


def ready(connection: Connection, *, writes: bool = True) -> str:
    """Return the default schema, or raise an error that says why nothing can be installed.

    Args:
        connection: a connection to the database.
        writes: whether changes are required.

    Raises:
        ConfigurationError: it is no connection to PostgreSQL, it is too old, it is a standby, or the engine is guarded.
    """
    if not isinstance(connection, Connection):
        raise ConfigurationError(
            f"row security works through a connection, not {type(connection).__name__}: with "
            "create_engine(owner_url).begin() as connection"
        )
    if connection.dialect.name != "postgresql":
        raise ConfigurationError(
            f"row security needs PostgreSQL, and this is a connection to {connection.dialect.name}"
        )
    if hasattr(connection.dialect, "tg_guard"):
        raise ConfigurationError(
            "policies are installed through an engine without a guard, as the tables' owner: create_engine(owner_url)"
        )
    version = connection.dialect.server_version_info or ()
    if tuple(version) < OLDEST:
        raise ConfigurationError(
            f"the server is PostgreSQL {'.'.join(map(str, version))}; the policies need {OLDEST[0]} or later"
        )
    standby, schema = connection.execute(
        text("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_schema()")
    ).one()
    if standby and writes:
        raise ConfigurationError("the server is in recovery and takes no change; connect to the primary")
    if schema is None:
        raise ConfigurationError("no schema of the connection's search_path exists; set one that does")
    return str(schema)


def verify_present(connection: Connection, tables: Iterable[Secured]) -> None:
    """Raise an error if a table of the tenancy is not in the database yet.

    Raises:
        ConfigurationError: one or more are missing; all are listed.
    """
    names = [table.name for table in tables]
    asked = text(
        "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regclass(name) IS NULL ORDER BY 1"
    )
    missing = connection.execute(asked, {"names": names}).scalars().all()
    if missing:
        raise ConfigurationError(
            f"{len(missing)} table(s) of the tenancy are not in the database: {', '.join(missing)}; "
            "run its migrations first"
        )


def run(connection: Connection, statements: Iterable[str], where: str = "the database") -> None:
    """Execute statements, and report in one sentence which of them PostgreSQL refuses.

    Raises:
        ConfigurationError: one is refused; the caller's transaction is rolled back with it.
    """
    for statement in statements:
        try:
            connection.execute(text(statement.replace(":", "\\:")))
        except DBAPIError as error:
            said = str(error.orig).partition("\n")[0]
            raise ConfigurationError(
                f"row security cannot be changed on {where}: {said} ({statement[:60]}...); nothing is done once the "
                "transaction is rolled back"
            ) from error
