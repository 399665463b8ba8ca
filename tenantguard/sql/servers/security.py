"""The first connection to PostgreSQL: whether policies need the tenant, and what else they need."""

from __future__ import annotations

from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.sql.servers.collations import rows_of
from tenantguard.sql.telling.drivers import verify_driver
from tenantguard.sql.telling.row_security import RowSecurity
from tenantguard.sql.telling.seal import SEAL
from tenantguard.sql.text.resolution.catalog import SETTING

_ASKED = f"""
SELECT coalesce(bool_or(said ~ '{SETTING}'), false), coalesce(bool_or(said ~ 'tenantguard[.]sealed'), false),
       (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user),
       pg_catalog.pg_size_bytes(current_setting('track_activity_query_size')), pg_catalog.pg_backend_pid()
  FROM (SELECT concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                         pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) AS said
          FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
         WHERE c.relrowsecurity AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM unnest(p.polroles) r
                 WHERE pg_catalog.pg_has_role(current_user, r, 'MEMBER')))) AS policies
"""  # noqa: S608 - a constant


def ask_policies(driver: Any, dialect: Any, guard: Any) -> None:
    """Make the guard pass the tenant to PostgreSQL if a policy needs it, and find out how.

    Args:
        driver: the driver's connection; its transaction is the caller's to end.
        dialect: the guarded dialect.
        guard: what is installed on the engine.

    Raises:
        ConfigurationError: the driver cannot take the tenant along, or the seal is missing or refused.
    """
    said: RowSecurity | None = guard.row_security
    if said is None or not guard.enforces:
        return
    ((told, sealed, exempt, shown, process),) = rows_of(driver, _ASKED)
    guard.tells = guard.tells or (told and not exempt)
    if not guard.tells:
        return
    verify_driver(dialect)
    guard.padding = shown
    if sealed and not exempt:
        _verify_seal(driver, dialect, said, process)


def _verify_seal(driver: Any, dialect: Any, said: RowSecurity, process: int) -> None:
    """Raise if the policies would refuse the application's signature.

    Raises:
        ConfigurationError: it signs nothing, by a key that the database does not know, or for another process.
    """
    if said.seal is None:
        raise ConfigurationError(
            "the database's policies require a seal, and none is configured; use guard(..., "
            "row_security=RowSecurity(seal=Seal(key)))"
        )
    known = getattr(getattr(driver, "driver_connection", driver), "tg_process", process)
    if known != process and not said.seal.pooled:
        raise ConfigurationError(
            "a pooler stands between the application and the server: the driver and the server "
            "report different process ids, so no seal can be signed; use Seal(key, pooled=True, "
            "lifetime=10)"
        )
    seal = said.seal.sign("probe", process)  # of digits, letters and dots
    try:
        rows_of(
            driver, f"SELECT set_config('{SETTING}', 'probe', true), set_config('{SEAL}', '{seal}', true)"
        )
        rows_of(driver, "SELECT tenantguard.sealed_tenant()")
    except dialect.dbapi.Error as error:
        told = str(error).partition("\n")[0]
        raise ConfigurationError(f"the database refuses the seal of this application: {told}") from error
