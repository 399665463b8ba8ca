"""Row security from a tenancy: policies, the seal, drift, indexes, and the settings of each transaction."""

from tenantguard.postgres.drift import check
from tenantguard.postgres.findings import Finding
from tenantguard.postgres.indexes import indexes
from tenantguard.postgres.installation import install, uninstall
from tenantguard.postgres.roles import Roles
from tenantguard.postgres.seal_check import add_key, retire_key
from tenantguard.postgres.statements import policies
from tenantguard.sql.telling.row_security import RowSecurity
from tenantguard.sql.telling.seal import Seal

__all__ = [
    "Finding",
    "Roles",
    "RowSecurity",
    "Seal",
    "add_key",
    "check",
    "indexes",
    "install",
    "policies",
    "retire_key",
    "uninstall",
]
