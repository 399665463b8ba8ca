"""The roles of a database: who owns it, who serves requests, and who does what is for no single tenant."""

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
        application: logs in for requests; it owns nothing, bypasses nothing, and holds the fewest grants.
        maintenance: logs in for bypasses, and is not held by policies (``BYPASSRLS``). The application's role is no
            member of it: what it may ``SET ROLE`` to, an injected statement may as well.
        owner: owns the tables, and changes the schema; ``None`` leaves the owners as they are.

    Raises:
        ConfigurationError: two of them are one, or a name is none of a role.
    """

    application: str = "app"
    maintenance: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not keep them apart."""
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
        """Yield what makes the roles that are missing; give them passwords where the server asks for one."""
        wanted = {self.application: "LOGIN", self.maintenance: "LOGIN BYPASSRLS", self.owner: "NOLOGIN"}
        for name, options in wanted.items():
            if name is not None:
                yield block(
                    f"IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(name)}) "
                    f"THEN CREATE ROLE {identifier(name)} {options}; END IF;"
                )

    @property
    def served(self) -> str:
        """Return those that use tables, for a GRANT."""
        names = [self.application, *([self.maintenance] if self.maintenance else [])]
        return ", ".join(map(identifier, names))
