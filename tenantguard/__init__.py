"""One company's request can never touch another company's rows.

ASGI middleware binds each request to the company of the user's verified token; a guard on the SQLAlchemy
engine filters or refuses every data access of another company.
"""

from tenantguard.asgi import TenantMiddleware
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
from tenantguard.identity import TokenVerifier
from tenantguard.sql import Guard, guard
from tenantguard.tenancy import Tenancy, shared, shared_writable, through

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "CrossTenantError",
    "Guard",
    "NoTenantError",
    "Principal",
    "RawSQLError",
    "Tenancy",
    "TenantGuardError",
    "TenantMiddleware",
    "TenantSwitchError",
    "TokenError",
    "TokenVerifier",
    "UnknownTableError",
    "Violation",
    "bind",
    "bypass",
    "carry",
    "current",
    "guard",
    "shared",
    "shared_writable",
    "through",
]
