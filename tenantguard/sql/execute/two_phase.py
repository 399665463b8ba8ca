"""Prepared transactions: a tenant can list and end only those prepared for it here; a bypass can end all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import TwoPhaseTransaction

from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.refusals import refuse_again

_MOST = 10_000  # transactions that wait for their end; those before them are left to a bypass


def prepared_methods(members: dict[str, Any]) -> dict[str, Any]:
    """Return a dialect's methods for two-phase transactions, guarded.

    Args:
        members: the methods as they are, by name.
    """
    return {
        "do_prepare_twophase": _preparing(members["do_prepare_twophase"]),
        "do_recover_twophase": _recovering(members["do_recover_twophase"]),
        "do_rollback_twophase": _ending(members["do_rollback_twophase"]),
        "do_commit_twophase": _ending(members["do_commit_twophase"]),
    }


def _preparing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def do_prepare_twophase(self: Any, connection: Any, xid: Any) -> Any:
        found = method(self, connection, xid)
        binding, waiting = peek(), self.tg_guard.prepared
        if binding is not None and binding.tenants:
            waiting[_text(xid)] = binding.tenants
            while len(waiting) > _MOST:
                waiting.pop(next(iter(waiting)), None)
        return found

    return do_prepare_twophase


def _recovering(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method that lists the server's prepared transactions, limited to the tenant's own."""

    @functools.wraps(method)
    def do_recover_twophase(self: Any, connection: Any) -> Any:
        found = method(self, connection)
        return found if self.tg_guard.is_lifted else [xid for xid in found if _is_mine(self, xid)]

    return do_recover_twophase


def _ending(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that ends a transaction of the connection, or one that was prepared for the tenant."""

    @functools.wraps(method)
    def end(self: Any, connection: Any, xid: Any, is_prepared: bool = True, recover: bool = False) -> Any:
        if not (
            _is_begun(connection, xid, is_prepared, recover) or self.tg_guard.is_lifted or _is_mine(self, xid)
        ):
            refuse_again(
                RawSQLError(
                    "a prepared transaction that was not prepared here for the tenant cannot be ended; recover it "
                    'inside `with bypass(reason="..."):`',
                    kind="two_phase",
                ),
                "",
            )
        found = method(self, connection, xid, is_prepared, recover)
        self.tg_guard.prepared.pop(_text(xid), None)
        return found

    return end


def _is_begun(connection: Any, xid: Any, is_prepared: bool, recover: bool) -> bool:
    """Return whether the connection ends the transaction that it began."""
    begun = connection._transaction
    return (
        isinstance(begun, TwoPhaseTransaction)
        and begun.xid == xid
        and begun._is_prepared == is_prepared
        and not recover
    )


def _is_mine(dialect: Any, xid: Any) -> bool:
    binding = peek()
    return (
        binding is not None
        and bool(binding.tenants)
        and dialect.tg_guard.prepared.get(_text(xid)) == binding.tenants
    )


def _text(xid: Any) -> str:
    return bytes(xid).decode(errors="replace") if isinstance(xid, bytes | bytearray) else str(xid)
