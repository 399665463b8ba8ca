"""One company's request can never touch another company's rows.

ASGI middleware binds each request to the company of the user's verified token; a guard on the SQLAlchemy
engine filters or refuses every data access of another company.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenantguard.authority import bypass_requires, requires
from tenantguard.breakglass import break_glass
from tenantguard.context import Principal, bind, bypass, current
from tenantguard.errors import (
    ConfigurationError,
    CrossTenantError,
    IssuerUnavailableError,
    MissingRowError,
    NoTenantError,
    ParentError,
    PermissionDeniedError,
    RawSQLError,
    StepUpError,
    TenantGuardError,
    TenantSwitchError,
    TokenError,
    UnknownTableError,
    Violation,
)
from tenantguard.handover import carry
from tenantguard.principal import Actor
from tenantguard.sql import Guard, guard
from tenantguard.tenancy import Tenancy, shared, shared_writable, through

if TYPE_CHECKING:
    from tenantguard.asgi import TenantMiddleware
    from tenantguard.identity import TokenVerifier

__version__ = "0.1.0"

__all__ = [
    "Actor",
    "ConfigurationError",
    "CrossTenantError",
    "Guard",
    "IssuerUnavailableError",
    "MissingRowError",
    "NoTenantError",
    "ParentError",
    "PermissionDeniedError",
    "Principal",
    "RawSQLError",
    "StepUpError",
    "Tenancy",
    "TenantGuardError",
    "TenantMiddleware",
    "TenantSwitchError",
    "TokenError",
    "TokenVerifier",
    "UnknownTableError",
    "Violation",
    "bind",
    "break_glass",
    "bypass",
    "bypass_requires",
    "carry",
    "current",
    "guard",
    "requires",
    "shared",
    "shared_writable",
    "through",
]

# Loaded when somebody asks for them: a worker without requests needs neither PyJWT nor cryptography.
_LATER = {"TenantMiddleware": "tenantguard.asgi", "TokenVerifier": "tenantguard.identity"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
