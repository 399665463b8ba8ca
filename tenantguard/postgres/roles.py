"""The roles of a database: the owner, the application, and maintenance across tenants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import LONGEST, block, identifier, literal

_RESERVED = ("pg_", "public", "none")


@dataclass(frozen=True)
class Roles:
    """The roles of a database.

    Args:
        application: the role for requests; it owns nothing, bypasses nothing, and has only the grants it needs.
        maintenance: the role for bypasses, exempt from policies (``BYPASSRLS``). The application role must not be a
            member of it, because an injected statement could ``SET ROLE`` to it.
        owner: the role that owns the tables and changes the schema; ``None`` keeps the current owners.

    Raises:
        ConfigurationError: two roles are the same, or a name is not a valid role name.
    """

    application: str = "app"
    maintenance: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        """Refuse roles that are not separate."""
        given = [name for name in (self.application, self.maintenance, self.owner) if name is not None]
        for name in given:
            if not name or len(name.encode()) > LONGEST or name.lower().startswith(_RESERVED):
                raise ConfigurationError(f"{name!r} is not a valid name for a PostgreSQL role")
        if len(set(given)) != len(given):
            raise ConfigurationError(
                "the application's, the maintenance and the owner's role must differ: policies do "
                "not apply to a role that owns tables or bypasses them"
            )

    def statements(self) -> Iterator[str]:
        """Yield the statements that create missing roles, without passwords."""
        wanted = {self.application: "LOGIN", self.maintenance: "LOGIN BYPASSRLS", self.owner: "NOLOGIN"}
        for name, options in wanted.items():
            if name is not None:
                yield block(
                    f"IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(name)}) "
                    f"THEN CREATE ROLE {identifier(name)} {options}; END IF;"
                )

    @property
    def served(self) -> str:
        """Return the roles that use tables, for a GRANT."""
        names = [self.application, *([self.maintenance] if self.maintenance else [])]
        return ", ".join(map(identifier, names))


def roles_of(given: Roles | None) -> Roles:
    """Return the roles that were given, or the default ones.

    Raises:
        ConfigurationError: it is something else.
    """
    if given is not None and not isinstance(given, Roles):
        raise ConfigurationError(f'roles are Roles("app"), not {type(given).__name__}')
    return given or Roles()
