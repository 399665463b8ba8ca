"""Frozen results: a result frozen under one tenant is not returned under another, columns and counts included."""

from __future__ import annotations

from typing import Any

from tenantguard.binding import same_tenants
from tenantguard.context import peek
from tenantguard.sql.sessions.identity import BYPASS, UNKNOWN, switched


def owner_of_result(result: Any) -> tuple[Any, ...] | None:
    """Return the tenants whose rows a result holds, or ``None`` if its rows are shared."""
    context = getattr(getattr(result, "raw", None) or result, "context", None)
    guard = getattr(getattr(context, "dialect", None), "tg_guard", None)
    if context is None or guard is None:
        # merged from several, or of an engine that is not guarded
        binding = peek() if context is None else None
    elif not guard.enforces:
        binding = None
    else:
        binding = context.tg_binding
        statement = getattr(context.compiled, "tg", None)
        if binding is not None and binding.tenants and statement is not None and not statement.kinds:
            return None  # no predicate stands in it
    if binding is None:
        return None
    return BYPASS if binding.reason is not None else binding.tenants


def verify_frozen(frozen: Any) -> None:
    """Refuse a frozen result of another tenant; code without a binding may use it.

    Raises:
        TenantSwitchError: it was frozen under another tenant, in a bypass, or where the guard was not.
    """
    owner, binding = frozen.__dict__.get("tg_owner", UNKNOWN), peek()
    if (
        owner is not None
        and binding is not None
        and binding.tenants
        and not same_tenants(owner, binding.tenants)
    ):
        switched(owner, binding, "a result that was frozen")
