"""The application's options for row security: which settings each transaction sends, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Engine

from tenantguard.binding import is_bypass
from tenantguard.context import Binding
from tenantguard.errors import ConfigurationError
from tenantguard.sql.telling.seal import SEAL, Seal
from tenantguard.sql.text.resolution.catalog import PERMISSIONS, SETTING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet, which a synchronous application may lack

REASON = "tenantguard.reason"  # why the maintenance role runs, for triggers and logs of the database's own
Flights = Literal["pipeline", "begin"]


@dataclass(frozen=True)
class RowSecurity:
    """The row-security options of a guarded engine.

    Args:
        seal: the key that signs the tenant, if the policies require a seal.
        maintenance: an unguarded engine for bypasses, whose role has ``BYPASSRLS``; the application role must not be a
            member of it. Without it, policies apply to a bypass, which sees nothing.
        flights: how psycopg sends the tenant: ``"pipeline"`` sends it with ``BEGIN`` and the first statement, and was
            faster at every distance measured; ``"begin"`` sends it with ``BEGIN``, for a pooler that breaks pipelines.
        always: whether to send the tenant even if no policy checks it yet, as while policies are being deployed.

    Raises:
        ConfigurationError: an option is not what it should be.
    """

    seal: Seal | None = None
    maintenance: Engine | AsyncEngine | None = None
    flights: Flights = "pipeline"
    always: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown value."""
        if self.seal is not None and not isinstance(self.seal, Seal):
            raise ConfigurationError(f"seal is a Seal(key), not {type(self.seal).__name__}")
        if self.maintenance is not None and not hasattr(self.maintenance, "dialect"):
            raise ConfigurationError(f"maintenance is an engine, not {type(self.maintenance).__name__}")
        if self.flights not in ("pipeline", "begin"):
            raise ConfigurationError(f'flights must be "pipeline" or "begin", not {self.flights!r}')

    def values(
        self, binding: Binding | None, process: int, names: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """Return the settings of a transaction; an empty tenant matches no row.

        Args:
            binding: the binding in force.
            process: the server's process behind the connection.
            names: the permissions that policies ask for; of others the database is told nothing.
        """
        tenant: Any = binding._tenant if binding is not None and binding.mode == "tenant" else None
        told = "" if tenant is None else str(tenant)
        values, permitted = {SETTING: told}, ""
        if names:
            principal = binding.principal if binding is not None and told else None
            permitted = "" if principal is None else " ".join(sorted(principal.permissions & names))
            values[PERMISSIONS] = permitted
        if is_bypass(binding):
            values[REASON] = str(binding.reason)
        if self.seal is not None:
            values[SEAL] = self.seal.sign(told, process, permitted) if told else ""
        return values


def row_security_of(given: RowSecurity | bool | None) -> RowSecurity | None:
    """Return the application's options, or ``None`` if row security is turned off.

    Raises:
        ConfigurationError: it is neither.
    """
    if given is None or given is True:
        return RowSecurity(always=given is True)
    if given is False:
        return None
    if not isinstance(given, RowSecurity):
        raise ConfigurationError(f"row_security is a RowSecurity, True or False, not {type(given).__name__}")
    return given
