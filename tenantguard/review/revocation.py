"""What takes a role's access away, as statements for PostgreSQL."""

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
    """Return the statement that takes a role's access away.

    Raises:
        ConfigurationError: the row names what is no privilege.
    """
    if row.tables == "every table":
        return f"ALTER ROLE {_quoted(row.who)} NOSUPERUSER NOBYPASSRLS"
    if not _PRIVILEGES.issuperset(row.by.split(", ")):
        raise ConfigurationError(f"row {row.id} names something that is not a table privilege: {row.by!r}")
    schema, _, table = row.tables.partition(".")
    role = "PUBLIC" if row.who == "PUBLIC" else _quoted(row.who)
    return f"REVOKE {row.by} ON {_quoted(schema)}.{_quoted(table)} FROM {role}"


def revoke_roles(engine: Engine, rows: Iterable[Row]) -> None:
    """Take the access of roles away, of all or of none.

    Args:
        engine: without a guard, of a role that may grant what is taken away.
        rows: of roles.

    Raises:
        ConfigurationError: it is another database, or refuses one of the statements.
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
        raise ConfigurationError(f"nothing was carried out, because the database refused: {said}") from error
