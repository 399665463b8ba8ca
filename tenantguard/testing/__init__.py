"""Tools that prove an application's isolation: attack vectors, the oracle, a pytest plugin, a load user.

The names here are loaded when they are asked for: the pytest plugin lives in this package, and a test run that
uses nothing of it loads nothing more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantguard.testing.attack import Report, laboratory
    from tenantguard.testing.isolation import assert_isolated, isolation_suite
    from tenantguard.testing.oracle import Oracle
    from tenantguard.testing.tokens import TokenMaker

_HOMES = {
    "Oracle": "oracle",
    "Report": "attack",
    "TokenMaker": "tokens",
    "assert_isolated": "isolation",
    "isolation_suite": "isolation",
    "laboratory": "attack",
}

__all__ = ["Oracle", "Report", "TokenMaker", "assert_isolated", "isolation_suite", "laboratory"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
