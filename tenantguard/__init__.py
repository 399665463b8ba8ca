"""One company's request can never touch another company's rows.

ASGI middleware binds each request to the company of the user's verified token; a guard on the SQLAlchemy
engine filters or refuses every data access of another company.
"""

from tenantguard.context import Principal, bind, bypass, carry, current
from tenantguard.errors import (
    ConfigurationError,
    CrossTenantError,
    NoTenantError,
    RawSQLError,
    TenantGuardError,
    TenantSwitchError,
    TokenError,
    UnknownTableError,
    Violation,
)
from tenantguard.sql import Guard, guard
from tenantguard.tenancy import Tenancy, shared, shared_writable, through

__version__ = "0.1.0"

__all__ = [
    "Guard",
    "guard",
    "ConfigurationError",
    "CrossTenantError",
    "NoTenantError",
    "Principal",
    "RawSQLError",
    "Tenancy",
    "TenantGuardError",
    "TenantSwitchError",
    "TokenError",
    "UnknownTableError",
    "Violation",
    "bind",
    "bypass",
    "carry",
    "current",
    "shared",
    "shared_writable",
    "through",
]
