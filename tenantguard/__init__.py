"""One company's request can never touch another company's rows.

ASGI middleware binds each request to the company of the user's verified token; a guard on the SQLAlchemy
engine filters or refuses every data access of another company.

The names here are loaded when they are first asked for. pytest imports this package in every run where it is
installed, for the sake of its plugin, and so need not pay for SQLAlchemy in a run that has no use for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from tenantguard.sql.guard import Guard, guard
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

_HOMES = {
    "asgi": ("TenantMiddleware",),
    "context": ("Principal", "bind", "bypass", "carry", "current"),
    "identity": ("TokenVerifier",),
    "sql": ("Guard", "guard"),
    "tenancy": ("Tenancy", "shared", "shared_writable", "through"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = (*_HOMES, "audit", "errors")  # ``import tenantguard`` is enough to reach these too


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
