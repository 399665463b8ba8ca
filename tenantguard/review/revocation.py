"""Revocation of a role's access, as PostgreSQL statements."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tenantguard.errors import ConfigurationError
from tenantguard.review.snapshot import Row
from tenantguard.sql.servers.rule_policies import DIALECT

_quoted = DIALECT.identifier_preparer.quote_identifier
_PRIVILEGES = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}
)


def revoking(row: Row) -> str:
    """Return the statement that revokes a role's access.

    Raises:
        ConfigurationError: the row names something that is not a privilege.
    """
    if row.tables == "every table":
        return f"ALTER ROLE {_quoted(row.who)} NOSUPERUSER NOBYPASSRLS"
    if not _PRIVILEGES.issuperset(row.by.split(", ")):
        raise ConfigurationError(f"row {row.id} names something that is not a table privilege: {row.by!r}")
    schema, _, table = row.tables.partition(".")
    role = "PUBLIC" if row.who == "PUBLIC" else _quoted(row.who)
    return f"REVOKE {row.by} ON {_quoted(schema)}.{_quoted(table)} FROM {role}"


def revoke_roles(engine: Engine, rows: Iterable[Row]) -> None:
    """Revoke the access of all the roles, or of none.

    Args:
        engine: an unguarded engine whose role may revoke the grants.
        rows: the rows of the roles.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or refuses one of the statements.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            f"roles and grants can be revoked in PostgreSQL only, not in {engine.dialect.name}"
        )
    try:
        with engine.begin() as connection:
            for row in rows:
                connection.execute(text(revoking(row).replace(":", "\\:")))
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        raise ConfigurationError(f"nothing was changed, because the database refused: {said}") from error
