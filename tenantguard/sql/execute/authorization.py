"""Permissions at execution: a statement is refused unless the principal has the permissions that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard

from tenantguard.audit import refuse
from tenantguard.binding import put_mode
from tenantguard.context import Binding, no_tenant, time_over
from tenantguard.errors import PermissionDeniedError
from tenantguard.sql.refusals import refuse_compiled, sent, told


def permit(context: Any, statement: Any, binding: Binding | None) -> None:
    """Admit a statement for the principal, with the values of its permission rules.

    Args:
        context: SQLAlchemy's execution context.
        statement: the compiler's results.
        binding: the current binding.

    Raises:
        PermissionDeniedError: a permission is missing, or there is no principal.
        NoTenantError: nothing is bound.
    """
    principal = None if binding is None else binding.principal
    if principal is None or not statement.asks <= principal.permissions:
        refuse_permission(binding, statement.asked, sent(context))
    if statement.granted:
        granted = context.dialect.tg_guard.grants.of(binding)
        if context.dialect.tg_shape is not granted.shape:
            refuse_compiled(context.compiled)
        for name, table, place in statement.granted:
            value = granted.values[table][place]
            for row in context.compiled_parameters:
                row[name] = value


def permit_reading(context: Any, now: Binding, then: Binding) -> None:
    """Let another person continue reading a result, if the statement would give them the same rows.

    Args:
        context: SQLAlchemy's execution context of the statement.
        now: the current binding.
        then: the binding under which the statement was executed.

    Raises:
        PermissionDeniedError: a permission is missing, or a permission rule grants other rows.
    """
    statement = getattr(context.compiled, "tg", None)
    asked = context.tg_asked if statement is None else statement.asked
    had = None if now.principal is None else now.principal.permissions
    if asked and (had is None or not all(needed <= had for needed in asked.values())):
        refuse_permission(now, asked, sent(context))
    tables = {} if statement is None else statement.tables
    ruled = [key for key, placement in tables.items() if placement.has_rows]
    if ruled and not context.dialect.tg_guard.grants.are_alike(now, then, ruled):
        refuse(
            PermissionDeniedError(
                f"rows of {tables[ruled[0]].name} were selected under another principal, to whom the "
                "permission rule grants other rows; execute the statement again",
                tenant=told(now),
                table=tables[ruled[0]].name,
                statement=sent(context),
            )
        )


def acts(binding: Binding | None) -> TypeGuard[Binding]:
    """Return whether the principal has an actor, whose statements are all checked further."""
    return binding is not None and binding.principal is not None and binding.principal.actor is not None


def end_in_time(binding: Binding) -> None:
    """End a binding with an actor once the actor's time is over.

    Raises:
        NoTenantError: the time is over.
    """
    over = None if binding.principal is None else time_over(binding.principal)
    if over is not None:
        try:
            refuse(over)
        finally:
            put_mode(binding, "closed")


def refuse_read_only(context: Any, binding: Binding | None) -> None:
    """Refuse a write by an actor who may only read.

    Raises:
        PermissionDeniedError: the actor may only read.
    """
    actor = None if binding is None or binding.principal is None else binding.principal.actor
    if actor is not None and actor.read_only:
        refuse(
            PermissionDeniedError(
                f"a write was tried by {actor.subject}, who acts on behalf of somebody and may only read",
                tenant=told(binding),
                statement=sent(context),
            )
        )


def refuse_permission(
    binding: Binding | None, asked: Mapping[tuple[str, str], frozenset[str]], statement: str | None
) -> NoReturn:
    """Refuse a statement for which a permission is missing.

    Args:
        binding: the current binding.
        asked: the needed permissions, by table and action.
        statement: its text.
    """
    if binding is None or binding.mode == "closed":
        refuse(no_tenant(binding, "A statement on a table that takes a permission was tried"))
    principal = binding.principal
    had = frozenset[str]() if principal is None else principal.permissions
    lacking = [(one, needed) for one, needed in asked.items() if principal is None or not needed <= had]
    (table, act), needed = lacking[0]
    why = (
        "and no principal with known permissions is bound: the binding comes from bind(tenant), not from "
        "a token. Bind a "
    )
    why += "Principal with the permissions that this code has"
    if principal is not None:
        why = f"and {principal.subject} lacks a permission: {', '.join(sorted(needed - had))}"
    refuse(
        PermissionDeniedError(
            f"{act} of {table} was tried, {why}",
            needed=tuple(sorted(needed)),
            tenant=told(binding),
            table=table,
            statement=statement,
        )
    )
