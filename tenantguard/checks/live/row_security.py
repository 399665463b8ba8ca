"""Row security of the live database: the findings of ``tenantguard.postgres``, with the ids of the check."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.errors import ConfigurationError
from tenantguard.postgres import Finding as Drift
from tenantguard.postgres import Roles, check, indexes
from tenantguard.tenancy import Tenancy

IDS = {
    "row-security": "TG401",
    "policy-missing": "TG402",
    "policy-changed": "TG403",
    "policy-foreign": "TG404",
    "role-exempt": "TG405",
    "role-reaches": "TG406",
    "owner": "TG407",
    "grant-extra": "TG408",
    "create-extra": "TG408",
    "grant-missing": "TG409",
    "tie-missing": "TG410",
    "seal-changed": "TG411",
    "keys-missing": "TG411",
    "keys-open": "TG411",
    "role-missing": "TG412",
    "role-held": "TG413",
    "view": "TG414",
    "index-unused": "TG417",
}
ELSEWHERE = frozenset({"table-missing"})  # Alembic's comparison tells it
_INSTALLED = text(
    "SELECT pg_catalog.to_regnamespace('tenantguard') IS NOT NULL, "
    "EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polname LIKE 'tenantguard\\_%'), "
    "EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polname LIKE 'tenantguard\\_seal%' "
    "AND pg_catalog.pg_get_expr(polqual, polrelid) LIKE '%tenantguard.sealed\\_%')"
)
_POLICY_ROLE = text(
    "SELECT r.rolname FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_roles r ON r.oid = ANY (p.polroles) "
    "WHERE p.polname LIKE 'tenantguard\\_%' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
)


def role_of(connection: Connection) -> str | None:
    """Return the role of the installed policies, if there are any."""
    name = connection.execute(_POLICY_ROLE).scalar()
    return None if name is None else str(name)


def row_security(connection: Connection, tenancy: Tenancy, roles: Roles | None) -> Iterator[Finding]:
    """Yield differences of row security from the tenancy, or one note if there is none at all."""
    schema, policies, sealed = connection.execute(_INSTALLED).one()
    if roles is None and not (schema or policies):
        yield finding_of("TG418", "the database", "no policy of tenantguard is installed")
        return
    role = role_of(connection)
    given = roles or (Roles(role) if role else Roles())
    try:
        findings = [
            *check(connection, tenancy, given, sealed=bool(sealed)),
            *(indexes(connection, tenancy) if policies else ()),
        ]
    except ConfigurationError as error:
        yield finding_of("TG904", "row security", f"row security was not compared: {first_sentence(error)}")
        return
    for one in findings:
        if one.name not in ELSEWHERE:
            yield _translated(one)


def _translated(one: Drift) -> Finding:
    materialized = one.name == "view" and one.remedy.startswith("REVOKE")
    id_ = "TG415" if materialized else IDS[one.name]
    return finding_of(
        id_, one.place, one.detail, one.remedy, severity=one.severity, anchor=f"{one.place} {one.detail}"
    )


def first_sentence(error: Exception) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split())
