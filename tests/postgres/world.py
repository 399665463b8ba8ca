"""A database under row security: its roles, its key, and transactions told a tenant by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, func, make_url, select

from tenantguard import Tenancy
from tenantguard.postgres import Roles, Seal, install
from tests.models import create_schema, make_tenancy, seed
from tests.servers import Database

KEY = b"a key that stands in tests alone"


class Secured:
    """A database, the owner's engine, and engines of the other roles.

    Args:
        database: an empty one.
        name: what tells its roles from those of other tests on the server.
    """

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.name = database, name
        self.roles = Roles(f"tgpgs_{name}_app", maintenance=f"tgpgs_{name}_maintenance")
        self.seal: Seal | None = None
        self.tenancy: Tenancy = make_tenancy()
        self.owner = database.create_engine()
        self._engines: dict[str, Engine] = {}

    def fill(self, *, sealed: bool) -> None:
        """Create the test models with rows and policies."""
        create_schema(self.owner)
        seed(self.owner)
        self.secure(self.tenancy, sealed=sealed)

    def secure(self, tenancy: Tenancy, *, sealed: bool = False) -> None:
        """Install the policies of a tenancy."""
        self.tenancy, self.seal = tenancy, Seal(KEY) if sealed else None
        with self.owner.begin() as connection:
            install(connection, tenancy, self.roles, seal=self.seal)

    def url(self, role: str, driver: str | None = None) -> Any:
        """Return the database's URL for a role."""
        url = make_url(self.database.url).set(username=role)
        return url if driver is None else url.set(drivername=f"postgresql+{driver}")

    def engine(self, role: str) -> Engine:
        """Return an engine without a guard, for a role."""
        if role not in self._engines:
            self._engines[role] = create_engine(self.url(role))
        return self._engines[role]

    @contextmanager
    def told(
        self, tenant: str | None, connection: Connection | None = None, *, permissions: str = ""
    ) -> Iterator[Connection]:
        """Yield a transaction of the application's role that was told a tenant, and roll it back."""
        with self.engine(self.roles.application).connect() as made:
            connection = connection or made
            if tenant is not None:
                self.tell(connection, tenant, permissions=permissions)
            yield connection
            connection.rollback()

    def tell(
        self,
        connection: Connection,
        tenant: str,
        seal: Seal | None = None,
        process: int | None = None,
        permissions: str = "",
    ) -> None:
        """Tell PostgreSQL a tenant, with its seal where there is one, for a process of the server."""
        connection.execute(select(func.set_config("tenantguard.tenant", tenant, True)))
        if permissions:
            connection.execute(select(func.set_config("tenantguard.permissions", permissions, True)))
        signer = seal or self.seal
        if signer is not None:
            told = process_of(connection) if process is None else process
            value = signer.sign(tenant, told, permissions)
            connection.execute(select(func.set_config("tenantguard.seal", value, True)))

    def close(self) -> None:
        """Let go of every connection, and of the roles' rights in the database."""
        for engine in self._engines.values():
            engine.dispose()
        self.database.close()


def process_of(connection: Connection) -> int:
    """Return the server's process behind a connection."""
    return int(connection.execute(select(func.pg_backend_pid())).scalar_one())
